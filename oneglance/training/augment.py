"""What happens to training pictures: whole batches at once, on the training device, without a Python loop."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from oneglance.batch_transform import Mix, View
from oneglance.config import AugmentTable
from oneglance.training.robust_pictures import after, drawn_change, mixture, motions, shaded

QUARTERS = ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5))  # where the four pictures of a mosaic lie
ALONE = -1  # the kin of pictures that no other may be put beside


class Augment:
    """[augment] as a function of batches.

    All randomness comes from the generator that is passed in, so a step can be repeated.
    """

    def __init__(self, table: AugmentTable, grey: Tensor, epochs: int) -> None:
        """``grey``: float [1, 3, 1, 1] in 0 to 255, the colour of what comes in from outside a picture;
        ``epochs`` of the training.
        """
        self.table, self.grey, self.strength = table, grey, table.strength(epochs)

    def __call__(
        self,
        pictures: Tensor,
        generator: Generator,
        queried: Tensor | None = None,
        *,
        rest: bool = False,
        mixing: Generator | None = None,
    ) -> tuple[Tensor, View, Mix | None]:
        """Pictures uint8 [n, 3, h, w] to float32 of the same shape in 0 to 255, what each shows now, and how
        they were mixed.

        Args:
            looked_for: bool [n, k]: which things with a place somebody looked for in each picture. Only
                pictures where people looked for the same are put together, for what is unknown of one is
                unknown of the whole; where they looked for nothing, a picture stays alone.
            rest: the calm end of training, without mosaics, erasing and mixup.
            mixing: draws the share of mixup, which is the same for all pictures of a step, also for those of
                other processes; default: ``generator``.
        """
        x = pictures.float()
        kin = torch.full((len(x),), ALONE)
        if queried is not None and not rest and (self.table.mosaic or self.table.mixup):
            kin = _kin(queried)
        change = drawn_change(len(x), generator) if self.table.trivial else None
        view = self._view(x, generator, kin, 0.0 if rest else self.table.mosaic, change)
        # Asked while it is on the CPU: a GPU would have to be waited for.
        still = bool(view.single_image.all()) and torch.equal(
            view.motion, torch.eye(2, 3).expand(view.motion.shape)
        )
        view = view.to(x.device)
        # Pictures that stay where they are do not even get a rounding error.
        x = x.contiguous(memory_format=torch.channels_last) if still else self._moved(x, view)
        x = self._coloured(x, generator)
        if change is not None:
            x = shaded(x, *change, fewest=8)
        if self.table.robust:
            nowhere = torch.zeros(len(x), 1, dtype=torch.bool)
            still_there = (nowhere if queried is None else queried.cpu()).any(dim=1)
            x = mixture(x, generator, self._sampled, still_there)
        if self.table.erase and not rest:
            x = self._erased(x, generator)
        if self.table.mixup and not rest:
            x, mix = self._mixed(x, generator, kin, mixing or generator)
            return x, view, mix
        return x, view, None

    def motion(self, count: int, width: int, height: int, generator: Generator) -> Tensor:
        """Matrices [n, 2, 3] from places in the new picture to places in the old, both in -1 to 1."""
        table = self.table

        def drawn(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        zoom = torch.exp(drawn(*(math.log(limit) for limit in self.strength.scale)))
        turn = torch.deg2rad(drawn(-table.rotate, table.rotate))
        mirror = 1 - 2 * (drawn(0, 1) < 0.5 * table.flip).float()
        upside = 1 - 2 * (drawn(0, 1) < 0.5 * table.flip_vertical).float()
        # Whole pixels: a picture that is only moved keeps every pixel's value.
        reach = self.strength.shift
        shift = [torch.round(drawn(-reach, reach) * side) * 2 / side for side in (width, height)]
        cos, sin = torch.cos(turn) / zoom, torch.sin(turn) / zoom
        aspect = height / width  # a turn is one of pixels, whatever the shape of the picture
        across = [cos * mirror, -sin * upside * aspect, shift[0]]
        down = [sin * mirror / aspect, cos * upside, shift[1]]
        return torch.stack([*across, *down], dim=1).view(count, 2, 3)

    def _view(
        self,
        x: Tensor,
        generator: Generator,
        kin: Tensor,
        mosaic: float,
        change: tuple[Tensor, Tensor] | None = None,
    ) -> View:
        count, (height, width) = len(x), x.shape[2:]
        motion = self.motion(count, width, height, generator)
        if change is not None:  # answers that lie somewhere move along
            sign = 1 - 2 * torch.randint(0, 2, (count,), generator=generator)
            motion = after(motions(change[0], change[1] * sign, width, height), motion)
        tiles, scale, offset = torch.arange(count)[:, None], torch.ones(count), torch.zeros(1, 2)
        if mosaic and bool((kin != ALONE).any()):
            chosen = (torch.rand(count, generator=generator) < mosaic) & (kin != ALONE)
            share = 0.5 ** torch.rand(count, generator=generator)  # of the four that are seen, 0.5 to 1
            middle = (1 - share) * (2 * torch.rand(2, count, generator=generator) - 1)
            seen = torch.cat([motion[:, :, :2] * share.view(-1, 1, 1), middle.T[:, :, None]], dim=2)
            motion = torch.where(chosen.view(-1, 1, 1), seen, motion)
            four = torch.stack([_shuffled(kin, generator) for _ in QUARTERS], dim=1)
            alone = F.pad(tiles, (0, 3), value=-1)
            tiles, offset = torch.where(chosen[:, None], four, alone), torch.tensor(QUARTERS)
            scale = torch.where(chosen, 0.5, 1.0)
        return View(motion, tiles, scale, offset, (width, height))

    def _moved(self, x: Tensor, view: View) -> Tensor:
        motion = view.motion
        if view.tiles.shape[1] == 1:
            return self._sampled(x, motion)
        four = torch.nonzero(~view.single_image)[:, 0]
        one = torch.nonzero(view.single_image)[:, 0]
        corners = [x[tiles] for tiles in view.tiles[four].T]
        plane = torch.cat([torch.cat(corners[:2], dim=3), torch.cat(corners[2:], dim=3)], dim=2)
        moved = torch.empty_like(x, memory_format=torch.channels_last)
        if len(one):
            moved[one] = self._sampled(x[one], motion[one])
        if len(four):
            moved[four] = self._sampled(plane, motion[four], like=x)
        return moved

    def _sampled(self, x: Tensor, motion: Tensor, like: Tensor | None = None) -> Tensor:
        """What ``motion`` shows of the planes ``x``, in pictures of the size of ``like``."""
        shape = [len(x), *(x if like is None else like).shape[1:]]
        grid = F.affine_grid(motion, shape, align_corners=False)
        if self.table.border == "reflection":
            moved = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
        else:
            moved = F.grid_sample(x - self.grey, grid, align_corners=False) + self.grey
        return moved.contiguous(memory_format=torch.channels_last)

    def _coloured(self, x: Tensor, generator: Generator) -> Tensor:
        """Brightness, contrast and saturation as one matrix and offset per picture."""
        reach, count = self.strength.colour, len(x)
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
        count, sides = len(x), x.shape[:1:-1]

        def drawn(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, 1, generator=generator)

        area, aspect = drawn(0.02, 0.25), torch.exp(drawn(math.log(0.4), math.log(2.5)))
        inside = []
        for pixels, side in zip(sides, (torch.sqrt(area * aspect), torch.sqrt(area / aspect)), strict=True):
            here = torch.arange(pixels)[None] / pixels
            start = drawn(0, 1) * (1 - side).clamp(min=0)
            inside.append((here >= start) & (here < start + side))
        chosen = drawn(0, 1) < self.table.erase
        hole = (inside[1] & chosen)[:, :, None] & inside[0][:, None, :]
        return torch.where(hole[:, None].to(x.device), self.grey, x)

    def _mixed(self, x: Tensor, generator: Generator, kin: Tensor, mixing: Generator) -> tuple[Tensor, Mix]:
        """Mixup (Zhang et al. 2018, arXiv 1710.09412) with one share for the batch."""
        ones = torch.full((2,), self.table.mixup)
        draws = torch._standard_gamma(ones, mixing)
        # With a tiny alpha both draws may fall below the smallest float: then one of them is all.
        share = float(draws[0] / draws.sum()) if draws.max() > 1e-37 else 1.0
        share = max(share, 1 - share)
        partner = _shuffled(kin, generator).to(x.device)
        return share * x + (1 - share) * x[partner], Mix(partner, share)


def _kin(queried: Tensor) -> Tensor:
    """int64 [n] on the CPU: a number for each different row of ``looked_for``, ALONE where it is empty."""
    rows = F.pad(queried.cpu(), (0, 1))  # a column, if there were none
    numbers: Tensor = torch.unique(rows, dim=0, return_inverse=True)[1]
    return torch.where(rows.any(dim=1), numbers, ALONE)


def _shuffled(kin: Tensor, generator: Generator) -> Tensor:
    """A random order of pictures in which each takes the place of one of its kin: int64 [n]."""
    drawn = torch.randperm(len(kin), generator=generator)
    out = torch.empty_like(drawn)
    out[torch.argsort(kin, stable=True)] = drawn[torch.argsort(kin[drawn], stable=True)]
    return out
