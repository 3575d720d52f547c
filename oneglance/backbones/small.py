"""small: a convolutional network for pictures of 28 to 96 pixels, trained from scratch."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, measure
from oneglance.config import BackboneTable
from oneglance.toml.tables import Table

PATCH = 2  # pixels: the side of the first layer's window
AT_ONCE = 100  # pictures whose patches are in memory together
SMALLEST_VARIANCE = 0.01  # added to that of each direction before it is made 1: noise grows ten times at most


class Options(Table):
    """[backbone] options of ``small``."""

    width: int = Field(64, ge=4)  # channels of the first stage; the further ones have four times as many
    depth: int = Field(3, ge=1, le=6)  # stages; each halves the side
    convolutions: int = Field(2, ge=1)  # per stage


class Conv(nn.Conv2d):
    """3×3 convolution that starts as the identity."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        with torch.no_grad():
            nn.init.dirac_(self.weight[:inputs])


class Norm(nn.BatchNorm2d):
    """Batch norm with an offset but no scale of its own, quick to follow."""

    def __init__(self, width: int) -> None:
        super().__init__(width, momentum=0.4)
        self.weight.requires_grad_(False)


class Small(Backbone):
    """A whitening layer, then stages of convolution, pooling and convolution, after the networks of the fast
    CIFAR-10 trainings (Page 2018, How to Train Your ResNet; Jordan 2024, arXiv 2404.00498; facts only).

    Those end in the largest value of each feature. This one answers more than the class: how bright, how
    many. Its vector also holds the means of the last map and of those before it.
    """

    options = Options
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    pretrained = False

    def __init__(self, options: Options, width: int, height: int) -> None:
        """For a canvas of ``width`` x ``height`` pixels."""
        super().__init__()
        side = min(width, height)
        # Above 48 pixels the first layer halves the side: fine detail costs more than it adds.
        self.whiten = nn.Conv2d(3, 6 * PATCH**2, PATCH, stride=2 if side > 48 else 1)
        self.whiten.weight.requires_grad_(False)
        inputs, outputs = self.whiten.out_channels, options.width
        side = (side - PATCH) // self.whiten.stride[0] + 1
        parts: list[nn.Module] = []
        for _ in range(options.depth):
            layers: list[nn.Module] = []
            for index in range(options.convolutions):
                pool = [nn.MaxPool2d(2, ceil_mode=side < 4)] if index == 0 else []
                layers += [Conv(inputs, outputs), *pool, Norm(outputs), nn.GELU()]
                inputs = outputs
            parts.append(nn.Sequential(*layers))
            side = max(1, side // 2)
            outputs = 4 * options.width
        self.parts = nn.ModuleList(parts)
        self.shape = measure(self, width, height)

    @classmethod
    def narrower(cls, table: BackboneTable, share: float) -> BackboneTable | None:
        """Parameters go with the square of the width."""
        if table.weights not in ("", "none"):
            return None
        width = round(cls.read_options(table).width * share**0.5)
        if width < 4:  # the least that its options allow
            return None
        return table.model_copy(update={"options": {**table.options, "width": width}})

    def prepare(self, pictures: Tensor) -> None:
        """The first layer's filters become the principal directions of small patches, each scaled to
        variance 1 (Page 2018, part 8), and their negatives.
        """
        products, count = torch.zeros(3 * PATCH**2, 3 * PATCH**2, dtype=torch.float64), 0
        for few in pictures.cpu().split(AT_ONCE):  # type: ignore[no-untyped-call]
            sides = few.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
            patches = sides.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * PATCH**2).double()
            products += patches.T @ patches
            count += len(patches)
        variance, directions = torch.linalg.eigh(products / count)
        filters = directions.T / (variance[:, None] + SMALLEST_VARIANCE).sqrt()
        with torch.no_grad():
            self.whiten.weight.copy_(torch.cat([filters, -filters]).view_as(self.whiten.weight))

    def forward(self, pictures: Tensor) -> Features:
        maps = []
        x = nn.functional.gelu(self.whiten(pictures))
        for part in self.parts:
            below = x
            x = part(x)
            maps.append(x)
        means = [level.mean(dim=(2, 3)) for level in maps[:-1]]
        vector = torch.cat([*means, pooled(x)], dim=1)
        return Features(vector, tuple(maps), below if self.gives_below else None)

    def copy_last_stage(self) -> LastStage:
        return LastStage(copy.deepcopy(self.parts[-1]))

    def stages(self) -> Iterator[nn.Module]:
        yield self.whiten
        yield from self.parts


class LastStage(nn.Module):
    """A copy of the last stage, for one task."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, features: Features) -> Features:
        x = self.part(features.below)
        own = pooled(x)
        means = features.vector[:, : -own.shape[1]]  # of the stages before
        return Features(torch.cat([means, own], dim=1), (*features.maps[:-1], x))


def pooled(x: Tensor) -> Tensor:
    """[n, c, h, w] to [n, 2c]: the mean and the maximum of each feature."""
    return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
