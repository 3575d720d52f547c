"""small: a residual network for pictures of 28 to 96 pixels, trained from scratch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, Shape
from oneglance.config import BackboneTable, Table, read_table
from oneglance.weights import load_file


class Options(Table):
    """[backbone] options of ``small``."""

    width: int = Field(32, ge=4)  # channels of the first stage; each further one has twice as many
    depth: int = Field(3, ge=1, le=6)  # stages; each halves the side
    blocks: int = Field(1, ge=0)  # residual blocks per stage after the first


class Conv(nn.Sequential):
    """3×3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """x + two convolutions of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Conv(width, width), Conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Small(Backbone):
    """A stem, then stages of convolution, pooling and residual blocks, after the 9-layer ResNets of
    the fast CIFAR-10 trainings (Page 2018, How to Train Your ResNet; facts only).
    """

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    pretrained = False

    def __init__(self, options: Options, size: int) -> None:
        super().__init__()
        width = options.width
        # Above 48 pixels the stem halves the side: fine detail costs more than it tells.
        parts: list[nn.Module] = [Conv(3, width, stride=2 if size > 48 else 1)]
        for stage in range(options.depth):
            doubled = nn.Sequential(Conv(width, 2 * width), nn.MaxPool2d(2, ceil_mode=True))
            blocks = [Residual(2 * width) for _ in range(options.blocks)] if stage else []
            parts.append(nn.Sequential(*doubled, *blocks))
            width *= 2
        self.parts = nn.ModuleList(parts)
        self.shape = Shape(vector=width)

    def forward(self, pictures: Tensor) -> Features:
        maps = []
        x = pictures
        for part in self.parts:
            x = part(x)
            maps.append(x)
        return Features(vector=x.amax(dim=(2, 3)), maps=tuple(maps[1:]))

    def stages(self) -> Iterator[nn.Module]:
        yield from self.parts


def build(table: BackboneTable, base: Path, *, load_weights: bool) -> Small:
    """See ``backbone.build_backbone``."""
    options: Options = read_table(Options, table.options, where="oneglance.toml", section="backbone.options")
    network = Small(options, table.size)
    if load_weights and table.weights not in ("", "none"):
        load_file(network, (base / Path(table.weights).expanduser()).resolve())
        network.pretrained = True
    return network
