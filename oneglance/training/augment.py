"""What happens to training pictures: whole batches at once, on the training device, without a Python loop."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from oneglance.config import AugmentTable


class Mix(NamedTuple):
    """Mixup of a batch with itself: picture i is ``share`` of i and the rest of ``partner[i]``."""

    partner: Tensor  # int64 [n]
    share: float  # in 0.5 to 1


class Augment:
    """[augment] as a function of batches.

    All randomness comes from the generator that is passed in, so a step can be repeated.
    """

    def __init__(self, table: AugmentTable, grey: Tensor) -> None:
        """``grey``: float [1, 3, 1, 1] in 0 to 255, the colour of what comes in from outside a picture."""
        self.table, self.grey = table, grey

    def __call__(
        self, pictures: Tensor, generator: Generator, *, rest: bool = False
    ) -> tuple[Tensor, Mix | None]:
        """Pictures uint8 [n, 3, s, s] to float32 of the same shape in 0 to 255, and how they were mixed.

        ``rest``: the calm end of training, without erasing and mixup.
        """
        x = pictures.float()
        x = self._moved(x, generator)
        x = self._coloured(x, generator)
        if self.table.erase and not rest:
            x = self._erased(x, generator)
        if self.table.mixup and not rest:
            return self._mixed(x, generator)
        return x, None

    def motion(self, count: int, size: int, generator: Generator) -> Tensor:
        """Matrices [n, 2, 3] from places in the new picture to places in the old, both in -1 to 1."""
        table = self.table

        def drawn(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        zoom = torch.exp(drawn(*(math.log(limit) for limit in table.scale)))
        turn = torch.deg2rad(drawn(-table.rotate, table.rotate))
        mirror = 1 - 2 * (drawn(0, 1) < 0.5 * table.flip).float()
        upside = 1 - 2 * (drawn(0, 1) < 0.5 * table.flip_vertical).float()
        # Whole pixels: a picture that is only moved keeps every pixel's value.
        shift = [torch.round(drawn(-table.shift, table.shift) * size) * 2 / size for _ in range(2)]
        cos, sin = torch.cos(turn) / zoom, torch.sin(turn) / zoom
        rows = [cos * mirror, -sin * upside, shift[0], sin * mirror, cos * upside, shift[1]]
        return torch.stack(rows, dim=1).view(count, 2, 3)

    def _moved(self, x: Tensor, generator: Generator) -> Tensor:
        motion = self.motion(len(x), x.shape[-1], generator)
        if torch.equal(motion, torch.eye(2, 3).expand_as(motion)):
            return x.contiguous(memory_format=torch.channels_last)  # not even a rounding error
        grid = F.affine_grid(motion.to(x.device), list(x.shape), align_corners=False)
        if self.table.border == "reflection":
            moved = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
        else:
            moved = F.grid_sample(x - self.grey, grid, align_corners=False) + self.grey
        return moved.contiguous(memory_format=torch.channels_last)

    def _coloured(self, x: Tensor, generator: Generator) -> Tensor:
        """Brightness, contrast and saturation as one matrix and offset per picture."""
        reach, count = self.table.colour, len(x)
        if not reach:
            return x
        factors = 1 + reach * (2 * torch.rand(3, count, 1, 1, generator=generator) - 1)
        bright, contrast, saturation = factors.to(x.device)
        luma = x.new_tensor([0.299, 0.587, 0.114]).view(1, 1, 3)
        keep = torch.eye(3, device=x.device)[None] * saturation + luma * (1 - saturation)
        middle = x.mean(dim=(2, 3))[:, :, None]  # [n, 3, 1]
        matrix = keep * contrast * bright
        offset = (keep @ middle) * bright - matrix @ middle
        flat = x.permute(0, 2, 3, 1).reshape(count, -1, 3)
        out = torch.baddbmm(offset.transpose(1, 2), flat, matrix.transpose(1, 2)).clamp_(0, 255)
        return out.view(count, *x.shape[2:], 3).permute(0, 3, 1, 2)

    def _erased(self, x: Tensor, generator: Generator) -> Tensor:
        """One grey rectangle of 2 to 25 % of the area in a share of the pictures
        (Zhong et al. 2020, arXiv 1708.04896).
        """
        count, size = len(x), x.shape[-1]

        def drawn(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, 1, generator=generator)

        area, aspect = drawn(0.02, 0.25), torch.exp(drawn(math.log(0.4), math.log(2.5)))
        here = torch.arange(size)[None] / size
        inside = []
        for side in (torch.sqrt(area * aspect), torch.sqrt(area / aspect)):
            start = drawn(0, 1) * (1 - side).clamp(min=0)
            inside.append((here >= start) & (here < start + side))
        chosen = drawn(0, 1) < self.table.erase
        hole = (inside[0] & chosen)[:, :, None] & inside[1][:, None, :]
        return torch.where(hole[:, None].to(x.device), self.grey, x)

    def _mixed(self, x: Tensor, generator: Generator) -> tuple[Tensor, Mix]:
        """Mixup (Zhang et al. 2018, arXiv 1710.09412) with one share for the batch."""
        ones = torch.full((2,), self.table.mixup)
        draws = torch._standard_gamma(ones, generator)
        # With a tiny alpha both draws may fall below the smallest float: then one of them is all.
        share = float(draws[0] / draws.sum()) if draws.max() > 1e-37 else 1.0
        share = max(share, 1 - share)
        partner = torch.randperm(len(x), generator=generator).to(x.device)
        return share * x + (1 - share) * x[partner], Mix(partner, share)
