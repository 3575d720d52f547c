"""AugMix and TrivialAugment on whole batches: each operation after Pillow's, boxes moving along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor

from oneglance.config import AugmentTable
from oneglance.training.augment import Augment
from oneglance.training.robust_pictures import MOTIONS, NOTHING, SHADES, after, mixture, motions, shaded

GREY = torch.tensor([120.0, 110.0, 100.0]).view(1, 3, 1, 1)
STILL: dict[str, Any] = {"flip": False, "shift": 0, "scale": (1, 1), "colour": 0}  # nothing happens


def pictures(count: int = 6, side: int = 24) -> Tensor:
    """Float [count, 3, side, side], not over the whole range."""
    drawn = np.random.default_rng(0).integers(30, 200, (count, 3, side, side)).astype(np.float32)
    drawn[0, 0] = 77  # a channel of one value
    return torch.from_numpy(drawn)


def images(x: Tensor) -> list[Image.Image]:
    return [Image.fromarray(one) for one in x.permute(0, 2, 3, 1).numpy().astype(np.uint8)]


def pixels(each: list[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(one, np.float32) for one in each])).permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", SHADES)
@pytest.mark.parametrize("amount", [0.0, 0.25, 0.6])
def test_shades_are_those_of_pillow(name: str, amount: float) -> None:
    x = pictures()
    every: dict[str, Callable[[Image.Image], Image.Image]] = {
        "autocontrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
        "posterize": lambda one: ImageOps.posterize(one, 8 - int(4 * amount)),
        "solarize": lambda one: ImageOps.solarize(one, 256 - int(256 * amount)),
    }
    of_pillow = every[name]
    kinds = torch.full((6,), SHADES.index(name))
    kinds[5] = NOTHING
    made = shaded(x, kinds, torch.full((6,), amount), fewest=8)
    wanted = pixels([of_pillow(one) for one in images(x)])
    rounding = 1.01 if name == "autocontrast" else 0
    assert (made[:5] - wanted[:5]).abs().max() <= rounding
    assert torch.equal(made[5], x[5])


def test_motions_go_where_they_are_told() -> None:
    kinds = torch.arange(len(MOTIONS) + 1) + len(SHADES)
    made = motions(kinds, torch.full((6,), 0.5), 40, 20)
    corner = made @ torch.tensor([1.0, 1.0, 1.0])  # where the lower right corner comes from
    turned = np.deg2rad(15)
    cos, sin = np.cos(turned), np.sin(turned)
    wanted = [
        [cos - sin / 2, 2 * sin + cos],
        [1 + 0.15 / 2, 1],
        [1, 1 + 0.15 * 2],
        [1 + 7 * 2 / 40, 1],
        [1, 1 + 3 * 2 / 20],
        [1, 1],
    ]
    torch.testing.assert_close(corner, torch.tensor(wanted, dtype=torch.float32))


def test_two_motions_are_one() -> None:
    draw = torch.Generator().manual_seed(0)
    first, then = torch.rand(2, 5, 2, 3, generator=draw)
    place = torch.rand(5, 3, 1, generator=draw)
    place[:, 2] = 1
    between = torch.cat([first @ place, torch.ones(5, 1, 1)], dim=1)
    torch.testing.assert_close(after(first, then) @ place, then @ between)


def test_a_mixture_lies_between_the_picture_and_its_copies() -> None:
    x = pictures(200, 8)
    still = torch.zeros(200, dtype=torch.bool)
    made = mixture(x, torch.Generator().manual_seed(0), lambda pictures, _: pictures * 0, still)
    assert made.shape == x.shape and made.min() >= 0 and made.max() <= 255
    assert ((made - x).abs().amax(dim=(1, 2, 3)) > 5).float().mean() > 0.8
    again = mixture(x, torch.Generator().manual_seed(0), lambda pictures, _: pictures * 0, still)
    assert torch.equal(made, again)


def test_where_something_lies_nothing_moves_in_a_mixture() -> None:
    def refused(pictures: Tensor, motion: Tensor) -> Tensor:
        raise AssertionError

    mixture(pictures(), torch.Generator().manual_seed(0), refused, torch.ones(6, dtype=torch.bool))
    with pytest.raises(AssertionError):
        mixture(pictures(), torch.Generator().manual_seed(0), refused, torch.zeros(6, dtype=torch.bool))
    boxed = Augment(AugmentTable(**STILL, robust=True), GREY, 20)
    dot = torch.zeros(40, 3, 20, 20, dtype=torch.uint8)
    dot[:, :, 9:11, 9:11] = 200
    x, view, _ = boxed(dot, torch.Generator().manual_seed(0), torch.ones(40, 1, dtype=torch.bool), rest=True)
    assert torch.equal(view.motion, torch.eye(2, 3).expand(40, 2, 3))
    around = x.clone()
    around[:, :, 9:11, 9:11] = around[:, :, :1, :1]
    assert (around == around[:, :, :1, :1]).all()  # the dot is where it was, and nowhere else


def test_one_change_of_each_picture_moves_what_lies_in_it() -> None:
    x = torch.zeros(300, 3, 21, 21, dtype=torch.uint8)
    x[:, :, 10, 15] = 250
    augment = Augment(AugmentTable(**STILL, trivial=True), 0 * GREY, 20)
    made, view, _ = augment(x, torch.Generator().manual_seed(0))
    moved = (view.motion - torch.eye(2, 3)).abs().amax(dim=(1, 2)) > 0.01
    assert 0.4 < moved.float().mean() < 0.6  # five of ten kinds, few of them weak
    there = made.amax(dim=(1, 2, 3)) > 0  # not moved out of the picture
    assert (moved & there).sum() > 100
    for row in torch.nonzero(moved & there)[:, 0].tolist():
        y, column = divmod(int(made[row, 0].argmax()), 21)
        place = torch.tensor([(2 * column + 1) / 21 - 1, (2 * y + 1) / 21 - 1, 1.0])
        before = view.motion[row] @ place
        assert (before - torch.tensor([2 * 15.5 / 21 - 1, 0.0])).abs().max() < 0.11, row


def test_neither_changes_what_is_drawn_without_them() -> None:
    x = pictures().to(torch.uint8)
    plain, _, _ = Augment(AugmentTable(), GREY, 20)(x, torch.Generator().manual_seed(3))
    for switch in ({"robust": True}, {"trivial": True}):
        other, _, _ = Augment(AugmentTable(**switch), GREY, 20)(x, torch.Generator().manual_seed(3))
        assert not torch.equal(plain, other)
