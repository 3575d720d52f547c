"""Teachers that see the very pictures of each step, changed as the network sees them.

The pictures of a step, float on the network's canvas, are resized to the canvas of each teacher (bilinear,
antialiased) and rounded to whole values, as a teacher takes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from oneglance.batch_transform import View
from oneglance.config import Config
from oneglance.data.images.letterbox import Placement
from oneglance.errors import ConfigError
from oneglance.task import Task
from oneglance.training.data_loader import Targets
from oneglance.training.teaching.shared_features import FeatureScale
from oneglance.training.teaching.soft_targets import joined, less_trusted
from oneglance.training.teaching.stored_answers import familiarity
from oneglance.training.teaching.teachers import Teacher

STRETCHED = 0.05  # by which share the shape of a teacher's canvas may differ


class LiveTeachers:
    """Asked in every step, so a training takes longer by their passes."""

    def __init__(self, teachers: Sequence[Teacher], tasks: Mapping[str, Task], config: Config) -> None:
        """
        Raises:
            ConfigError: a canvas of another shape, or features that are computed once.
        """
        self.teachers, self.tasks, self.canvas = teachers, tasks, config.backbone.canvas
        self.scales: Mapping[str, FeatureScale] = {}  # of those whose features are learned, by their keys
        location = f'{config.file}: [training] teacher_views = "same"'
        hint = 'set teacher_views = "plain"'
        if config.backbone.freeze:
            what = "goes with no frozen backbone, which sees each picture once"
            raise ConfigError(what, location=location, hint=hint)
        for teacher in teachers:
            width, height = teacher.predictor.config.backbone.canvas
            if abs(width / height * self.canvas[1] / self.canvas[0] - 1) > STRETCHED:
                ours = "x".join(map(str, self.canvas))
                what = f"{teacher.title} sees {width}x{height} pixels, which is another shape than {ours}"
                raise ConfigError(what, location=location, hint=hint)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a copy of a learner asks the same teachers

    def taught(self, pictures: Tensor, targets: Targets, view: View) -> Targets:
        """``targets`` with what each teacher says of ``pictures`` [n, 3, h, w] in 0 to 255, which ``view``
        shows. Of several pictures in one, a task about the whole picture learns nothing.
        """
        taught = dict(targets)
        alone = view.single_image.float().to(pictures.device)
        for teacher in self.teachers:
            width, height = teacher.predictor.config.backbone.canvas
            output = teacher.predictor.forward(_resized(pictures, width, height))
            places = [self._places(width, height)] * len(pictures)
            trusted = familiarity(output, teacher.predictor.novelty)
            familiar = torch.from_numpy(trusted).to(pictures.device)
            if scale := self.scales.get(teacher.key):
                arrays = scale.target(output.vectors, trusted)
                taught[teacher.key] = {k: torch.from_numpy(v).to(pictures.device) for k, v in arrays.items()}
            for name, own in teacher.names.items():
                task = self.tasks[name]
                arrays = task.soft_target(output.raw[own], teacher.task(name), places)
                soft = {key: torch.from_numpy(value).to(pictures.device) for key, value in arrays.items()}
                trust = familiar if task.is_spatial else familiar * alone
                taught[name] = joined(taught[name], less_trusted(soft, trust))
        return taught

    def _places(self, width: int, height: int) -> tuple[Placement, Placement]:
        own_width, own_height = self.canvas
        there = Placement(width / own_width, height / own_height, 0, 0, own_width, own_height)
        return there, Placement(1.0, 1.0, 0, 0, own_width, own_height)


@torch.no_grad()
def _resized(pictures: Tensor, width: int, height: int) -> np.ndarray:
    """uint8 [n, height, width, 3]."""
    if pictures.shape[2:] != (height, width):
        pictures = F.interpolate(
            pictures, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
    whole = pictures.round().clamp(0, 255).to(torch.uint8)
    return whole.permute(0, 2, 3, 1).contiguous().cpu().numpy()
