"""classical: hand-made features, HOG, LBP and colour histograms; nothing here is trained.

Why no library: scikit-image's functions take one picture at a time, are two to five times slower on batches,
do not run on a GPU and cannot become a part of an .onnx file; the tests compare with them. Linear heads on
these features are logistic and ridge regression. They need no weights, and with ``freeze`` are computed once
per picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features, measure
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError

CELLS = 8  # of the histograms of gradients, along the shorter side
DIRECTIONS = 9  # of a gradient, over half a turn
COLOURS = 4  # steps of each channel; the histogram has their cube
TINY = 1e-5
GREY = (0.299, 0.587, 0.114)  # what each channel adds to brightness, ITU-R BT.601
# The eight neighbours of a pixel, clockwise: rows and columns from the upper left of its 3×3 window.
AROUND = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


class Classical(Backbone):
    """Histograms of oriented gradients (Dalal and Triggs 2005), of local binary patterns (Ojala, Pietikäinen
    and Mäenpää 2002, the uniform ones) and of colours (Swain and Ballard 1991), side by side.
    """

    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)
    pretrained = True

    def __init__(self, width: int, height: int) -> None:
        """For a canvas of ``width`` x ``height`` pixels."""
        super().__init__()
        self.cell = max(2, round(min(width, height) / CELLS))
        self.register_buffer("grey", torch.tensor(GREY).view(1, 3, 1, 1), persistent=False)
        pattern = uniform_patterns()
        self.patterns = int(pattern.max()) + 1
        self.register_buffer("pattern", pattern, persistent=False)
        self.shape = measure(self, width, height)

    @classmethod
    def build(cls, table: BackboneTable, base: Path, *, load_weights: bool = True) -> Self:
        if table.weights not in ("", "none", "pretrained"):
            raise ConfigError("[backbone] classical has no weights", hint="take the key `weights` out")
        cls.read_options(table)  # there are none
        return cls(*table.canvas)

    def forward(self, pictures: Tensor) -> Features:
        pictures = pictures.float().clamp(0, 1).contiguous()
        grey = (pictures * self.grey).sum(dim=1, keepdim=True)  # type: ignore[operator]
        parts = (gradients(pictures, self.cell).flatten(1), self._patterns(grey), self._colours(pictures))
        return Features(torch.cat(parts, dim=1))

    def stages(self) -> Iterator[nn.Module]:
        return iter(())

    def _patterns(self, grey: Tensor) -> Tensor:
        """How often each pattern of brighter and darker neighbours occurs, as square roots of shares."""
        height, width = grey.shape[2] - 2, grey.shape[3] - 2
        middle = grey[..., 1:-1, 1:-1]
        code = sum(
            (grey[..., row : row + height, column : column + width] >= middle).long() << bit
            for bit, (row, column) in enumerate(AROUND)
        )
        assert isinstance(code, Tensor)
        return _histogram(self.pattern[code.flatten(1)], self.patterns)  # type: ignore[operator, index]

    def _colours(self, pictures: Tensor) -> Tensor:
        red, green, blue = (pictures * COLOURS).long().clamp(max=COLOURS - 1).flatten(2).unbind(1)
        return _histogram((red * COLOURS + green) * COLOURS + blue, COLOURS**3)


def gradients(pictures: Tensor, cell: int) -> Tensor:
    """How much brightness changes in each direction, by cells of ``cell`` x ``cell`` pixels; 2×2 cells at a
    time are made equally strong, so that light and contrast do not count.

    Args:
        pictures: float [n, 3, h, w] in 0 to 1.

    Returns:
        Of the same type [n, 36, h // cell - 1, w // cell - 1]: directions by cells of a block.
    """
    x = F.pad(pictures[..., 2:] - pictures[..., :-2], (1, 1))
    y = F.pad(pictures[:, :, 2:] - pictures[:, :, :-2], (0, 0, 1, 1))
    strength = torch.sqrt(x**2 + y**2)
    strength, channel = strength.max(dim=1, keepdim=True)  # of the channel that changes most
    x, y = x.gather(1, channel), y.gather(1, channel)
    turn = torch.atan2(y, x) / torch.pi % 1.0  # half turns
    direction = (turn * DIRECTIONS).long().clamp(max=DIRECTIONS - 1)
    spread = strength.new_zeros(pictures.shape[0], DIRECTIONS, *strength.shape[2:])
    cells = F.avg_pool2d(spread.scatter_(1, direction, strength), cell)
    blocks = F.unfold(cells, 2)  # [n, directions and cells, blocks]
    blocks = (blocks / (blocks.norm(dim=1, keepdim=True) + TINY)).clamp(max=0.2)
    blocks = blocks / (blocks.norm(dim=1, keepdim=True) + TINY)
    return blocks.view(pictures.shape[0], -1, cells.shape[2] - 1, cells.shape[3] - 1)


def _histogram(codes: Tensor, count: int) -> Tensor:
    """Square roots of the shares of each of ``count`` codes: float32 [n, count] of int64 [n, k]. Roots, as
    distances between them say more of histograms than those between shares (Hellinger's).
    """
    counts = torch.zeros(codes.shape[0], count, device=codes.device)
    counts.scatter_add_(1, codes, torch.ones_like(codes, dtype=counts.dtype))
    return (counts / codes.shape[1]).sqrt()


def uniform_patterns() -> Tensor:
    """int64 [256]: the number of each 8-bit pattern. Those that change at most twice around the ring have
    numbers of their own; all others share the last.
    """
    bits = [[code >> bit & 1 for bit in range(8)] for code in range(256)]
    plain = [sum(ring[bit] != ring[bit - 1] for bit in range(8)) <= 2 for ring in bits]
    number, last = torch.tensor(plain).cumsum(0) - 1, sum(plain)
    return torch.where(torch.tensor(plain), number, last)
