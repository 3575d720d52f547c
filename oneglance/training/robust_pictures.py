"""Changes of pictures that make a network hold where pictures are worse, as whole batches on any device.

None of them is one that ``oneglance robustness`` tests: no noise, blur, weather, brightness, contrast,
pixelation or compression.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

CHAINS, LONGEST = 3, 3  # of a mixture, and changes of each
MIXED = 0.01, 0.3  # how strong these are, as a share of the ranges below
TURN, SHEAR, SHIFT = 30.0, 0.3, 1 / 3  # degrees; pixels per pixel; of the side

SHADES = ("autocontrast", "equalize", "posterize", "solarize")
MOTIONS = ("turn", "shear across", "shear down", "shift across", "shift down")
NOTHING = len(SHADES) + len(MOTIONS)  # the number of no change, after those of shades and motions

Sampled = Callable[[Tensor, Tensor], Tensor]
"""Pictures float [n, 3, h, w] and a motion of each, float [n, 2, 3], to what they then show."""


def mixture(x: Tensor, generator: Generator, sampled: Sampled, still: Tensor) -> Tensor:
    """AugMix (Hendrycks et al. 2020, arXiv 1912.02781) without its consistency term: each picture becomes a
    mean of itself and of a mean of three chains of one to three changes, with random shares.

    Args:
        x: float [n, 3, h, w] in 0 to 255.
        still: bool [n], on the CPU: pictures in which something lies somewhere. They are never moved, for in
            a mean of several motions it would lie in several places.
    """
    count, (height, width) = len(x), x.shape[2:]
    shares = torch._sample_dirichlet(torch.ones(count, CHAINS), generator)
    whole = torch.rand(count, generator=generator)  # Beta(1, 1)
    length = torch.randint(1, LONGEST + 1, (CHAINS * count,), generator=generator)
    stays = still.repeat(CHAINS)
    chains = x.repeat(CHAINS, 1, 1, 1)
    for step in range(LONGEST):
        kinds = torch.randint(0, NOTHING, (len(stays),), generator=generator)
        kinds = torch.where(stays, kinds % len(SHADES), kinds)
        kinds = torch.where(step < length, kinds, NOTHING)
        amount = MIXED[0] + (MIXED[1] - MIXED[0]) * torch.rand(len(stays), generator=generator)
        moves = (kinds >= len(SHADES)) & (kinds < NOTHING)
        signs = 1 - 2 * torch.randint(0, 2, (len(stays),), generator=generator)
        if rows := torch.nonzero(moves)[:, 0].tolist():
            there = torch.tensor(rows, device=x.device)
            how = motions(kinds[rows], (amount * signs)[rows], width, height)
            chains[there] = sampled(chains[there], how.to(x.device)).to(chains.dtype)
        chains = shaded(chains, kinds, amount, fewest=4)
    mean = (shares.T.reshape(CHAINS, count, 1, 1, 1).to(x.device) * chains.view(CHAINS, *x.shape)).sum(dim=0)
    whole = whole.view(-1, 1, 1, 1).to(x.device)
    return whole * x + (1 - whole) * mean


def drawn_change(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """TrivialAugment (Müller and Hutter 2021, arXiv 2103.10158): one change for each picture, or none, and
    how strong it is; all evenly drawn: int64 [n], and float [n] in 0 to 1.
    """
    kinds = torch.randint(0, NOTHING + 1, (count,), generator=generator)
    return kinds, torch.rand(count, generator=generator)


def motions(kinds: Tensor, amount: Tensor, width: int, height: int) -> Tensor:
    """Float [n, 2, 3], from positions in the new picture to positions in the old, both in -1 to 1; where a
    kind is none of ``MOTIONS``, nothing moves.

    Args:
        amount: float [n] in -1 to 1.
    """
    zero = torch.zeros(len(kinds))

    def of(name: str) -> Tensor:
        return torch.where(kinds == len(SHADES) + MOTIONS.index(name), amount, zero)

    turn = torch.deg2rad(TURN * of("turn"))
    aspect = height / width  # turns and shears are those of pixels, whatever the shape of the picture
    across = [torch.cos(turn), (SHEAR * of("shear across") - torch.sin(turn)) * aspect]
    down = [(SHEAR * of("shear down") + torch.sin(turn)) / aspect, torch.cos(turn)]
    # Whole pixels, as a picture that is only moved keeps every pixel's value.
    shifts = [
        torch.round(SHIFT * of(name) * side) * 2 / side
        for name, side in (("shift across", width), ("shift down", height))
    ]
    return torch.stack([*across, shifts[0], *down, shifts[1]], dim=1).view(-1, 2, 3)


def after(first: Tensor, then: Tensor) -> Tensor:
    """Two motions [n, 2, 3] as one: positions pass through ``first``, then through ``then``."""
    turned = then[:, :, :2] @ first
    turned[:, :, 2] += then[:, :, 2]
    return turned


def shaded(x: Tensor, kinds: Tensor, amount: Tensor, fewest: int) -> Tensor:
    """The pictures whose kind is one of ``SHADES`` with other values, the others as they are.

    Args:
        x: float [n, 3, h, w] in 0 to 255.
        amount: float [n] in 0 to 1.
        fewest: bits of a posterized value, less up to 4 of them where ``amount`` is 1.
    """
    changed = x.clone()
    changes: list[Callable[[Tensor, Tensor, int], Tensor]] = [
        _autocontrast,
        _equalized,
        _posterized,
        _solarized,
    ]
    for number, change in enumerate(changes):
        if rows := torch.nonzero(kinds == number)[:, 0].tolist():
            there = torch.tensor(rows, device=x.device)
            strength = amount[rows].to(x.device).view(-1, 1, 1, 1)
            changed[there] = change(x[there], strength, fewest).to(x.dtype)
    return changed


def _autocontrast(x: Tensor, amount: Tensor, fewest: int) -> Tensor:
    """Each channel from its darkest to its brightest value over the whole range."""
    low, high = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (x - low) * 255 / (high - low).clamp(min=1e-6), x)


def _equalized(x: Tensor, amount: Tensor, fewest: int) -> Tensor:
    """Each channel with as many pixels of every value, as far as its own values allow."""
    count, (height, width) = len(x), x.shape[2:]
    values = x.round().clamp(0, 255).long().reshape(3 * count, -1)
    channel = 256 * torch.arange(3 * count, device=x.device)[:, None]
    histogram = torch.bincount((values + channel).view(-1), minlength=768 * count).view(3 * count, 256)
    below = histogram.cumsum(dim=1) - histogram
    last = histogram.gather(1, values.amax(dim=1, keepdim=True))
    step = torch.div(height * width - last, 255, rounding_mode="floor")
    table = torch.div(below + step // 2, step.clamp(min=1), rounding_mode="floor").clamp(0, 255)
    table = torch.where(step > 0, table, torch.arange(256, device=x.device))
    return table.gather(1, values).view(x.shape).to(x.dtype)


def _posterized(x: Tensor, amount: Tensor, fewest: int) -> Tensor:
    """With so few bits for each value: those of ``fewest`` less up to four."""
    size = 2.0 ** (8 - (fewest - (4 * amount).floor()).clamp(min=1))
    return (x / size).floor() * size


def _solarized(x: Tensor, amount: Tensor, fewest: int) -> Tensor:
    """The brightest values inverted."""
    return torch.where(x >= 256 - 256 * amount, 255 - x, x)
