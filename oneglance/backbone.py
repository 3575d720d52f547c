"""The contract of a backbone: pictures become features.

One file of ``backbones/`` is one kind; a name that is none, of nobody's package either, is a timm model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from oneglance.config import BackboneTable
from oneglance.errors import ConfigError
from oneglance.members import MemberKind, find_member, is_class_name, member_names
from oneglance.nn.checkpoints import load_file
from oneglance.nn.feature_shape import Level, Shape
from oneglance.storage.plain_files import located
from oneglance.toml.tables import Table, read_table


class Features(NamedTuple):
    """What a backbone computes from n pictures."""

    vector: Tensor  # [n, d]: the picture as a whole
    maps: tuple[Tensor, ...] = ()  # [n, c, h, w], fine to coarse: features by position
    below: Tensor | None = None  # what the last stage builds on, where a copy of that stage builds on it too
    middle: Tensor | None = None  # [n, m]: means of features from halfway up, which learning changes less


class Backbone(nn.Module):
    """Pictures [n, 3, h, w], normalised by ``mean`` and ``std``, to Features.

    A member whose constructor takes (its options, width, height) and sets ``shape``, most simply with
    ``measure(self, width, height)`` as its last line, needs no ``build`` of its own.
    """

    options: ClassVar[type[Table]] = Table  # the keys of [backbone.options]; at first none

    shape: Shape
    mean: tuple[float, float, float]  # of the channels, in 0 to 1
    std: tuple[float, float, float]
    pretrained: bool  # whether it starts from trained weights
    gives_maps: bool = True  # off where no task wants them: some backbones are then a little faster
    gives_below: bool = False  # on where a copy of the last stage wants it
    gives_middle: bool = False  # on where it is to be told how unfamiliar a picture is; some have none

    @classmethod
    def build(cls, table: BackboneTable, base: Path, *, load_weights: bool = True) -> Self:
        """What [backbone] declares; see ``build_backbone``."""
        network = cls(cls.read_options(table), *table.canvas)
        if load_weights and table.weights not in ("", "none"):
            load_file(network, located(base, table.weights))
            network.pretrained = True
        return network

    @classmethod
    def narrower(cls, table: BackboneTable, share: float) -> BackboneTable | None:
        """The table of a backbone of the same kind with about ``share`` (0 to 1) of the parameters,
        pretrained if this one is; None where there is none such.

        Raises:
            ConfigError: an unknown name or option.
        """
        return None

    @classmethod
    def read_options(cls, table: BackboneTable) -> Any:
        """[backbone.options] as ``cls.options``.

        Raises:
            ConfigError: an unknown key or an impossible value.
        """
        return read_table(cls.options, table.options, location="oneglance.toml", section="backbone.options")

    @abstractmethod
    def forward(self, pictures: Tensor) -> Features:
        """Features; ``maps`` may stay empty unless ``gives_maps``."""

    def prepare(self, pictures: Tensor) -> None:
        """Compute what need not be learned from a few training pictures [n, 3, h, w], normalised, before a
        training starts.
        """

    def copy_last_stage(self) -> nn.Module:
        """A copy of the last stage and of what follows it: Features with ``below`` in, Features out, at first
        the same as the backbone's own.

        Raises:
            ConfigError: the backbone cannot be divided there.
        """
        raise ConfigError(
            "this backbone has no last stage that a task could have of its own", location="[backbone]"
        )

    @abstractmethod
    def stages(self) -> Iterator[nn.Module]:
        """Its parts from the pictures upwards, for learning rates that differ by depth. No two share a
        parameter; those of none learn as slowly as the lowest may.
        """


KIND: MemberKind[Backbone] = MemberKind(
    Backbone,  # type: ignore[type-abstract]
    folder="oneglance.backbones",
    key="name",
    group="oneglance.backbones",
    hidden=frozenset({"timm"}),  # it makes all others
)
TIMM: MemberKind[Backbone] = replace(KIND, hidden=frozenset())


def names() -> list[str]:
    """The backbones that are no timm models, in alphabetical order."""
    return member_names(KIND)


def backbone_class(name: str) -> type[Backbone]:
    """``small`` -> ``backbones/small.py`` -> ``class Small``; see ``members``. Other names are timm's.

    Raises:
        ConfigError: a class of another package that cannot be had.
    """
    if name in names() or is_class_name(name):
        return find_member(KIND, name, section="[backbone]")
    return find_member(TIMM, "timm")


def build_backbone(table: BackboneTable, base: Path, *, load_weights: bool = True) -> Backbone:
    """The backbone that [backbone] declares; weights files are relative to ``base``.

    ``load_weights`` is off where the run folder's own weights follow.

    Raises:
        ConfigError: an unknown name or option.
        WeightsError: weights that are not there or do not fit.
    """
    return backbone_class(table.name).build(table, base, load_weights=load_weights)


def narrower(table: BackboneTable, share: float) -> BackboneTable | None:
    """See ``Backbone.narrower``."""
    return backbone_class(table.name).narrower(table, share)


@torch.inference_mode()
def measure(backbone: Backbone, width: int, height: int) -> Shape:
    """What heads may count on, from one grey picture of that size in pixels. Leaves ``backbone`` in training
    mode.

    Raises:
        ValueError: what it gives is no vector per picture.
    """
    features = backbone.eval()(torch.zeros(1, 3, height, width))
    backbone.train()
    sizes = [level.shape[1:] for level in features.maps]
    maps = tuple(Level(c, h, w, _stride(height / h, width / w)) for c, h, w in sizes)
    _, channels = features.vector.shape  # raises here, and not in the middle of a training
    return Shape(channels, maps, (width, height))


def _stride(down: float, across: float) -> int:
    """Pixels from one cell to the next: that of patches without a rest, else the halvings of convolutions,
    which may lose the border.
    """
    return int(down) if down == across == int(down) else 2 ** round(log2(min(down, across)))
