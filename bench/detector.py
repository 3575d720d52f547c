"""A detector as one writes it by hand: torchvision's FCOS on the same backbone, for bench/start.py.

A feature pyramid of 128 channels on the three coarsest maps of the backbone, FCOS as torchvision has it, all
layers at one rate (AdamW 0.001, one cycle, gradients cut at norm 10), batches of 16, mirror images.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

from oneglance.backbone import Backbone, build_backbone
from oneglance.data.record import BoxAnnotations
from oneglance.task import Prediction, Task
from oneglance.training.experiment_data import ExperimentData

BATCH, CHANNELS, RATE = 16, 128, 1e-3


class Pyramid(nn.Module):
    """Maps of a backbone, mixed from coarse to fine."""

    out_channels = CHANNELS

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.levels = backbone.shape.maps[-3:]
        self.pyramid = FeaturePyramidNetwork([level.channels for level in self.levels], CHANNELS)

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        maps = self.backbone(x).maps[-3:]
        mixed = self.pyramid(OrderedDict((str(number), each) for number, each in enumerate(maps)))
        return cast("OrderedDict[str, torch.Tensor]", mixed)


def detections(data: ExperimentData, task: Task) -> list[Prediction]:
    """Answers of a plainly trained detector for the test split, in pixels of the canvas."""
    torch.manual_seed(data.config.training.seed)
    backbone = build_backbone(data.config.backbone, Path())
    pyramid = Pyramid(backbone)
    known = [answer for answer in data.train.answers(task.name) if answer is not None]
    classes = sorted({box.label for answer in known for box in answer.boxes if box.label})
    sizes = tuple((level.stride,) for level in pyramid.levels)  # FCOS measures boxes by them
    width, height = data.config.backbone.canvas
    network = FCOS(
        pyramid,
        num_classes=len(classes),
        anchor_generator=AnchorGenerator(sizes, ((1.0,),) * len(sizes)),
        image_mean=list(backbone.mean),
        image_std=list(backbone.std),
        min_size=min(width, height),
        max_size=max(width, height),
    )
    _learn(network, data, task, classes)
    network.eval()
    answers: list[Prediction] = []
    with torch.inference_mode():
        for start in range(0, len(data.test.rows), BATCH):
            for one in network(_pictures(data, data.test.rows[start : start + BATCH])):
                rows = zip(one["boxes"].tolist(), one["labels"].tolist(), one["scores"].tolist(), strict=True)
                boxes = [
                    {"box": box, "label": classes[label], "confidence": score, "attributes": {}}
                    for box, label, score in rows
                ]
                answers.append({"boxes": boxes})
    return answers


def _learn(network: FCOS, data: ExperimentData, task: Task, classes: Sequence[str]) -> None:
    answers = data.train.answers(task.name)
    rows = np.array([row for row, answer in enumerate(answers) if answer is not None])
    epochs, steps = data.config.training.epochs, -(-len(rows) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps * epochs)
    random = np.random.default_rng(data.config.training.seed)
    for _ in range(epochs):
        network.train()
        for chosen in np.array_split(random.permutation(rows), steps):
            pictures = _pictures(data, data.train.rows[chosen])
            targets = [_target(answers[row], classes) for row in chosen]
            for place in np.flatnonzero(random.random(len(chosen)) < 0.5):
                pictures[place] = pictures[place].flip(2)
                boxes, width = targets[place]["boxes"], pictures[place].shape[2]
                boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
            losses = network(pictures, targets)
            optimizer.zero_grad()
            cast(torch.Tensor, sum(losses.values())).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 10)
            optimizer.step()
            cycle.step()


def _pictures(data: ExperimentData, rows: np.ndarray) -> list[torch.Tensor]:
    """float32 [3, h, w] in 0 to 1, each."""
    canvases = torch.from_numpy(data.store.gather(rows)).permute(0, 3, 1, 2).float() / 255
    return list(canvases.unbind())


def _target(answer: BoxAnnotations, classes: Sequence[str]) -> dict[str, Any]:
    boxes = [box for box in answer.boxes if not box.ignore and box.x1 - box.x0 > 1 and box.y1 - box.y0 > 1]
    corners = torch.tensor([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=torch.float32)
    labels = torch.tensor([classes.index(box.label) for box in boxes], dtype=torch.int64)
    return {"boxes": corners.reshape(-1, 4), "labels": labels}
