"""The contract of a backbone: pictures become features.

One file of ``backbones/`` is one kind, with a ``build`` and a ``narrower`` as described here; a name that is
no such file is a timm model.
"""

from __future__ import annotations

import pkgutil
from abc import abstractmethod
from collections.abc import Iterator
from importlib import import_module
from math import log2
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from oneglance import backbones
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError
from oneglance.nn.feature_shape import Level, Shape


class Features(NamedTuple):
    """What the network saw in n pictures."""

    vector: Tensor  # [n, d]: the picture as a whole
    maps: tuple[Tensor, ...] = ()  # [n, c, h, w], fine to coarse: the picture in places
    below: Tensor | None = None  # what the last stage builds on, where a branch builds on it too


class Backbone(nn.Module):
    """Pictures [n, 3, h, w], normalised by ``mean`` and ``std``, to Features."""

    shape: Shape
    mean: tuple[float, float, float]  # of the channels, in 0 to 1
    std: tuple[float, float, float]
    pretrained: bool  # whether it starts from weights that already know something
    gives_maps: bool = True  # off where no task wants them: some backbones are then a little faster
    gives_below: bool = False  # on where a branch wants it

    @abstractmethod
    def forward(self, pictures: Tensor) -> Features:
        """Features; ``maps`` may stay empty unless ``gives_maps``."""

    def prepare(self, pictures: Tensor) -> None:
        """See a few training pictures [n, 3, h, w], normalised, before a training starts: what can be
        computed need not be learned.
        """

    def branch(self) -> nn.Module:
        """A copy of the last stage and of what follows it: Features with ``below`` in, Features out, at first
        the same as the backbone's own.

        Raises:
            ConfigError: the backbone cannot be parted there.
        """
        raise ConfigError(
            "this backbone has no last stage that a task could have of its own", location="[backbone]"
        )

    @abstractmethod
    def stages(self) -> Iterator[nn.Module]:
        """Its parts from the pictures upwards, for learning rates that differ by depth. No two share a
        parameter; those of none learn as slowly as the lowest may.
        """


def names() -> list[str]:
    """Our own backbones, in alphabetical order."""
    return sorted(m.name for m in pkgutil.iter_modules(backbones.__path__) if m.name != "timm")


def build_backbone(table: BackboneTable, base: Path, *, load_weights: bool = True) -> Backbone:
    """The backbone that [backbone] declares; weights files are relative to ``base``.

    ``load_weights`` is off where the run folder's own weights follow.

    Raises:
        ConfigError: an unknown name or option.
        WeightsError: weights that are not there or do not fit.
    """
    built: Backbone = _member(table).build(table, base, load_weights=load_weights)
    return built


def narrower(table: BackboneTable, share: float) -> BackboneTable | None:
    """The table of a backbone of the same kind with about ``share`` (0 to 1) of the parameters, and that
    starts from as much knowledge; None where there is none such.

    Raises:
        ConfigError: an unknown name or option.
    """
    found: BackboneTable | None = _member(table).narrower(table, share)
    return found


def _member(table: BackboneTable) -> ModuleType:
    kind = table.name if table.name in names() else "timm"
    return import_module(f"{backbones.__name__}.{kind}")


@torch.inference_mode()
def measure(backbone: Backbone, width: int, height: int) -> Shape:
    """What heads may count on, from one grey picture of that size in pixels. Leaves ``backbone`` in training
    mode.

    Raises:
        ValueError: what it gives is no vector per picture.
    """
    seen = backbone.eval()(torch.zeros(1, 3, height, width))
    backbone.train()
    sizes = [found.shape[1:] for found in seen.maps]
    maps = tuple(Level(c, h, w, _stride(height / h, width / w)) for c, h, w in sizes)
    _, channels = seen.vector.shape  # told here, and not in the middle of a training, if it is no vector
    return Shape(channels, maps, (width, height))


def _stride(down: float, across: float) -> int:
    """Pixels from one place to the next: that of patches without a rest, else the halvings of convolutions,
    which may lose a rim.
    """
    return int(down) if down == across == int(down) else 2 ** round(log2(min(down, across)))
