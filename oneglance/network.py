"""The network: one backbone, one head per task, and the only forward()."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, Shape, build_backbone
from oneglance.config import BackboneTable
from oneglance.task import Task


class Network(nn.Module):
    """Pictures in, the raw output of every task out, in one pass.

    Args:
        tasks: by name, each after those that it ``uses`` (as ``build_tasks`` orders them).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", 255 * torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)
        self.uses = {name: tuple(task.uses) for name, task in tasks.items()}
        self.heads = nn.ModuleDict()
        widths: dict[str, int] = {}
        for name, task in tasks.items():
            shape = Shape(vector=backbone.shape.vector + sum(widths[used] for used in task.uses))
            head = task.head(shape)
            self.heads[f"{name} head"] = (
                head  # the bare name could be one of the module's own, such as "type"
            )
            widths[name] = int(head.own)  # type: ignore[arg-type]

    def features(self, pictures: Tensor) -> Features:
        """Features of pictures [n, 3, s, s], uint8 or float, in 0 to 255."""
        return Features(*self.backbone((pictures - self.mean) / self.std))

    def answer(self, features: Features) -> dict[str, Tensor]:
        """The raw output of every task."""
        own: dict[str, Tensor] = {}
        raw: dict[str, Tensor] = {}
        for name, head in zip(self.uses, self.heads.values(), strict=True):
            vector = torch.cat([features.vector, *(own[used] for used in self.uses[name])], dim=1)
            own[name], raw[name] = head(vector)
        return raw

    def answer_vectors(self, vectors: Tensor) -> dict[str, Tensor]:
        """The same from remembered feature vectors [n, d] alone."""
        return self.answer(Features(vectors))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Pictures [n, 3, s, s] in 0 to 255 to the raw output of every task."""
        return self.answer(self.features(pictures))


def build_network(
    table: BackboneTable, tasks: Mapping[str, Task], base: Path, *, load_weights: bool = True
) -> Network:
    """The network that a configuration declares; see ``build_backbone`` for what may be raised."""
    network = Network(build_backbone(table, base, load_weights=load_weights), tasks)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
