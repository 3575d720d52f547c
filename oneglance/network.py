"""The network: one backbone, one head per task, and the only forward()."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, build_backbone
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError, nearest
from oneglance.nn.adapter import Adapter
from oneglance.task import Task

TaskStage = Sequence[str] | Mapping[str, str]
"""[training] task_stage: the tasks with a last stage of their own, or by task a "stage" or an "adapter"."""


class NetworkOutput(NamedTuple):
    """What the network makes of n pictures."""

    vector: Tensor  # [n, d]: the features that all tasks share
    own: dict[str, Tensor]  # [n, k] of each task: its own features, of pictures that are not mirrored
    raw: dict[str, Tensor]  # [n, ...] of each task: its raw output
    middle: Tensor | None = None  # [n, m]: see ``Features``


class Network(nn.Module):
    """Pictures in, the raw output of every task out, in one pass.

    Its pictures [n, 3, height, width] are those of the canvas.

    Args:
        tasks: by name, each after those that it ``uses`` (as ``build_tasks`` orders them).
        mirror: answers are the mean over a picture and its mirror image, once the training is over.
        task_stage: tasks with task-specific layers: a copy of the backbone's last stage, which starts as
            the same, or an adapter after the shared one.

    Raises:
        ConfigError: no such task, or its last stage cannot be copied.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        tasks: Mapping[str, Task],
        *,
        mirror: bool = False,
        task_stage: TaskStage = (),
    ) -> None:
        super().__init__()
        self.frozen, self.mirror = False, mirror
        self.frozen_tasks, self.growing_tasks = frozenset[str](), frozenset[str]()
        self.left_out = frozenset[str]()
        self.whole = [name for name, task in tasks.items() if not task.is_spatial]
        self.backbone = backbone
        self.register_buffer("mean", 255 * torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)
        self.uses = {name: tuple(task.uses) for name, task in tasks.items()}
        backbone.gives_maps = any(task.is_spatial for task in tasks.values())
        self.branches = copy_stages(backbone, tasks, task_stage)  # its name is in the keys of weights
        backbone.gives_below = bool(self.branches)
        self.adapters = nn.ModuleDict(
            {
                f"{name} adapter": Adapter(backbone.shape, spatial=tasks[name].is_spatial)
                for name in tasks_with(task_stage, "adapter")
            }
        )
        self.projectors = nn.ModuleDict()  # shared features to those of teachers, in a training alone
        self.heads = nn.ModuleDict()
        widths: dict[str, int] = {}
        for name, task in tasks.items():
            width = backbone.shape.vector + sum(widths[used] for used in task.uses)
            shape = backbone.shape._replace(vector=width)
            head = task.head(shape)
            self.heads[f"{name} head"] = (
                head  # the bare name could be one of the module's own, such as "type"
            )
            widths[name] = int(head.own)  # type: ignore[arg-type]

    def copy_last_stages(self, tasks: Collection[str]) -> None:
        """Own last stages of ``tasks``, if they have any, become copies of what the backbone's is now."""
        for name in tasks:
            if (key := f"{name} stage") in self.branches:
                self.branches[key] = self.backbone.copy_last_stage()

    def features(self, pictures: Tensor) -> Features:
        """Features of pictures [n, 3, h, w], uint8 or float, in 0 to 255."""
        features = Features(*self.backbone((pictures - self.mean) / self.std))
        return features if self.backbone.gives_maps else features._replace(maps=())

    def freeze(self, tasks: Collection[str] = (), growing: Collection[str] = ()) -> None:
        """From now on the backbone learns nothing, nor do its norms update their statistics; and likewise
        what ``tasks`` have of their own, and of ``growing`` ones all but the branch of added classes.
        """
        self.frozen, self.frozen_tasks = True, self.frozen_tasks | set(tasks)
        self.growing_tasks |= set(growing)
        self.backbone.requires_grad_(False)
        for module in self._frozen_parts():
            module.requires_grad_(False)

    def _frozen_parts(self) -> Iterator[nn.Module]:
        for modules, part in ((self.heads, "head"), (self.branches, "stage"), (self.adapters, "adapter")):
            yield from (modules[key] for name in self.frozen_tasks if (key := f"{name} {part}") in modules)
            growing = [modules[key] for name in self.growing_tasks if (key := f"{name} {part}") in modules]
            yield from (child for module in growing for child in _all_but_added(module))

    def leave_out(self, tasks: Collection[str], spatial: bool) -> None:
        """From now on ``tasks`` are not answered, unless another uses them.

        Args:
            spatial: whether any that is answered reads maps.
        """
        wanted = [name for name in self.uses if name not in tasks]
        for name in wanted:  # grows on the way
            wanted += [used for used in self.uses[name] if used not in wanted]
        self.left_out = frozenset(self.uses) - set(wanted)
        self.backbone.gives_maps = spatial
        self.backbone.gives_below = any(f"{name} stage" in self.branches for name in wanted)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
            for module in self._frozen_parts():
                module.eval()
        return self

    @torch.inference_mode()
    def prepare(self, canvases: np.ndarray) -> None:
        """Let a new backbone adapt to a few training pictures, uint8 [n, h, w, 3], before it learns."""
        if not self.backbone.pretrained:
            pictures = torch.from_numpy(canvases).permute(0, 3, 1, 2).to(self.mean.device).float()
            self.backbone.prepare(pictures.sub_(self.mean).div_(self.std))  # in place: they are many

    def answer(self, features: Features) -> dict[str, Tensor]:
        """The raw output of every task."""
        return self.output(features).raw

    def output(self, features: Features) -> NetworkOutput:
        """The same, with what it is made of."""
        own: dict[str, Tensor] = {}
        raw: dict[str, Tensor] = {}
        for name, head in zip(self.uses, self.heads.values(), strict=True):
            if name in self.left_out:
                continue
            specific = self._features_of(name, features)
            vector = torch.cat([specific.vector, *(own[used] for used in self.uses[name])], dim=1)
            own[name], raw[name] = head(vector, specific.maps)
        if self.training:
            raw |= {key: projector(features.vector) for key, projector in self.projectors.items()}
        return NetworkOutput(features.vector, own, raw, features.middle)

    def _features_of(self, name: str, features: Features) -> Features:
        """The shared features, or what the task's own stage or adapter makes of them."""
        for modules, key in ((self.branches, f"{name} stage"), (self.adapters, f"{name} adapter")):
            if key in modules:
                return Features(*modules[key](features))
        return features

    def answer_vectors(self, vectors: Tensor) -> dict[str, Tensor]:
        """The same from cached feature vectors [n, d] alone."""
        return self.answer(Features(vectors))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Pictures [n, 3, h, w] in 0 to 255 to the raw output of every task."""
        return self.forward_with_features(pictures)[1]

    def forward_with_features(self, pictures: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(feature vectors [n, d], raw output of every task) of pictures [n, 3, h, w] in 0 to 255."""
        output = self.forward_in_full(pictures)
        return output.vector, output.raw

    def forward_in_full(self, pictures: Tensor) -> NetworkOutput:
        """The same, with the tasks' own features."""
        output = self.output(self.features(pictures))
        if self.mirror and not self.training:
            raw, other = output.raw, self.answer(self.features(pictures.flip(3)))
            raw |= {name: (raw[name] + other[name]) / 2 for name in self.whole if name in raw}
        return output


def _all_but_added(module: nn.Module) -> list[nn.Module]:
    """The module itself, or where it has a branch of added classes all of it but that."""
    parts = dict(module.named_children())
    return [part for name, part in parts.items() if name != "added"] if "added" in parts else [module]


def kinds_of_stage(task_stage: TaskStage) -> dict[str, str]:
    """By task, a "stage" or an "adapter"; a mere list of tasks means stages."""
    return dict(task_stage) if isinstance(task_stage, Mapping) else dict.fromkeys(task_stage, "stage")


def tasks_with(task_stage: TaskStage, kind: str) -> list[str]:
    """The tasks that have a "stage" or an "adapter" of their own."""
    return [name for name, own in kinds_of_stage(task_stage).items() if own == kind]


def copy_stages(backbone: Backbone, tasks: Collection[str], task_stage: TaskStage) -> nn.ModuleDict:
    """A task-specific last stage for each task that is to have one.

    Raises:
        ConfigError: no such task, or its last stage cannot be copied.
    """
    for name in task_stage:
        if name not in tasks:
            what = f'[training] task_stage names "{name}", which is no task.{nearest(name, tasks)}'
            raise ConfigError(what)
    return nn.ModuleDict(
        {f"{name} stage": backbone.copy_last_stage() for name in tasks_with(task_stage, "stage")}
    )


def build_network(
    table: BackboneTable,
    tasks: Mapping[str, Task],
    base: Path,
    *,
    load_weights: bool = True,
    task_stage: TaskStage = (),
) -> Network:
    """The network that a configuration declares; see ``build_backbone`` for what may be raised."""
    backbone = build_backbone(table, base, load_weights=load_weights)
    network = Network(backbone, tasks, mirror=table.mirror, task_stage=task_stage)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
