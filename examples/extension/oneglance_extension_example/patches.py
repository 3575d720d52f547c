"""patches: a network of two layers, for pictures that differ in colour and coarse shape."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, measure
from oneglance.toml.tables import Table

SIDE = 8  # of a patch, in pixels


class PatchesOptions(Table):
    """[backbone] options."""

    width: int = Field(32, ge=1)  # channels


class Patches(Backbone):
    """A linear layer on patches of 8×8 pixels and one between their features; the vector is their mean."""

    options = PatchesOptions
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)
    pretrained = False

    def __init__(self, options: PatchesOptions, width: int, height: int) -> None:
        """For a canvas of ``width`` x ``height`` pixels."""
        super().__init__()
        self.embed = nn.Conv2d(3, options.width, SIDE, stride=SIDE)
        self.mix = nn.Sequential(nn.GELU(), nn.Conv2d(options.width, options.width, 1), nn.GELU())
        self.shape = measure(self, width, height)

    def forward(self, pictures: Tensor) -> Features:
        patches = self.mix(self.embed(pictures))
        return Features(patches.mean(dim=(2, 3)), (patches,))

    def stages(self) -> Iterator[nn.Module]:
        yield self.embed
        yield self.mix
