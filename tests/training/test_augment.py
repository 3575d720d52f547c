"""What augmentation does to a batch, setting by setting."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oneglance.batch_transform import Mix
from oneglance.config import AugmentTable
from oneglance.training.augment import QUARTERS, Augment

GREY = torch.tensor([120.0, 110.0, 100.0]).view(1, 3, 1, 1)
STILL: dict[str, Any] = {"flip": False, "shift": 0, "scale": (1, 1), "colour": 0}  # nothing happens
NEARLY = 0.02  # what interpolation may lose of 255 at a pixel's very middle


def pictures(count: int = 8, size: int | tuple[int, int] = 24, seed: int = 0) -> Tensor:
    """uint8 [count, 3, height, width], channels last as the cache gives them; ``size``: width and height."""
    width, height = (size, size) if isinstance(size, int) else size
    drawn = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return torch.from_numpy(drawn).permute(0, 3, 1, 2)


def augmented(x: Tensor, seed: int = 0, *, rest: bool = False, **given: Any) -> tuple[Tensor, Mix | None]:
    augment = Augment(AugmentTable(**{**STILL, **given}), GREY, 20)
    found, view, mix = augment(x, torch.Generator().manual_seed(seed), rest=rest)
    assert view.tiles.tolist() == [[row] for row in range(len(x))] and view.single_image.all()
    assert view.canvas == (x.shape[3], x.shape[2])
    return found, mix


def seen(x: Tensor, seed: int = 0, **given: Any) -> Tensor:
    found, mix = augmented(x, seed, **given)
    assert mix is None
    return found


def close(a: Tensor, b: Tensor) -> Tensor:
    """bool [n]: which pictures are the same."""
    return (a - b).abs().amax(dim=(1, 2, 3)) < NEARLY


@pytest.mark.parametrize("border", ["grey", "reflection"])
@pytest.mark.parametrize("size", [8, 28, 33, 224, (40, 24)])
def test_nothing_asked_nothing_changed(border: str, size: int | tuple[int, int]) -> None:
    x = pictures(3, size)
    assert torch.equal(seen(x, border=border), x.float())


@pytest.mark.parametrize(("setting", "axis"), [("flip", 3), ("flip_vertical", 2)])
def test_half_of_the_pictures_are_mirrored(setting: str, axis: int) -> None:
    x = pictures(400, (8, 6))
    found = seen(x, **{setting: True})
    same, mirrored = close(found, x.float()), close(found, x.float().flip(axis))
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


@pytest.mark.parametrize(("border", "mode"), [("grey", "constant"), ("reflection", "symmetric")])
def test_a_shift_keeps_every_pixel(border: str, mode: Literal["constant", "symmetric"]) -> None:
    width, height, across, down = 20, 12, 5, 3
    x = pictures(200, (width, height))
    found = seen(x, shift=across / width, border=border)
    around = ((0, 0), (down, down), (across, across))
    places = set()
    for old, new in zip(x.float() - GREY, found - GREY, strict=True):
        wide = torch.from_numpy(np.pad(old.numpy(), around, mode=mode))  # 0 is grey here
        windows = wide.unfold(1, height, 1).unfold(2, width, 1)  # [3, rows, columns, height, width]
        off = (windows - new[:, None, None]).abs().amax(dim=(0, 3, 4))
        assert off.min() < NEARLY
        places.add(divmod(int(off.argmin()), 2 * across + 1))
    rows, columns = zip(*places, strict=True)
    assert min(rows) == min(columns) == 0 and (max(rows), max(columns)) == (2 * down, 2 * across)
    assert len(places) > 45


def test_zooming_in_enlarges_and_zooming_out_shows_the_border() -> None:
    x = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    x[:, :, 4:12, 4:12] = 255
    assert (seen(x, scale=(2.5, 2.5)) > 254).all()
    small = seen(x, scale=(0.5, 0.5))
    assert torch.allclose(small[:, :, :3, :3], GREY.expand(2, 3, 3, 3), atol=NEARLY)
    assert small[:, :, 7:9, 7:9].min() > 250
    assert float((small[0, 0] > 200).sum()) == pytest.approx(16, abs=4)  # a quarter of 64
    mirrored = seen(x, scale=(0.5, 0.5), border="reflection")  # black and white only, without the grey
    assert (mirrored.amax(dim=1) - mirrored.amin(dim=1)).max() < NEARLY
    assert mirrored.mean() == pytest.approx(255 / 4, abs=2)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.25, 1), st.floats(1, 4), st.floats(0, 180), st.booleans(), st.booleans(), st.integers(0, 99)
)
def test_the_motion_is_within_what_was_declared(
    low: float, high: float, rotate: float, flip: bool, flip_vertical: bool, seed: int
) -> None:
    table = AugmentTable(scale=(low, high), rotate=rotate, flip=flip, flip_vertical=flip_vertical, shift=0.1)
    half = torch.tensor([32.0, 20.0], dtype=torch.float64)  # of a picture of 64 x 40 pixels
    motion = Augment(table, GREY, 20).motion(50, 64, 40, torch.Generator().manual_seed(seed)).double()
    linear, shift = motion[:, :, :2] * half[:, None] / half, motion[:, :, 2] * half  # in pixels
    zoom = torch.linalg.det(linear).abs() ** -0.5
    assert ((zoom > low * 0.999) & (zoom < high * 1.001)).all()
    turned = linear * zoom[:, None, None]
    # No shear: what remains without the zoom keeps lengths and right angles.
    assert torch.allclose(turned @ turned.mT, torch.eye(2, dtype=torch.float64).expand(50, 2, 2), atol=1e-5)
    if not flip and not flip_vertical:
        angle = torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0])).abs()
        assert (angle <= rotate + 1e-3).all()
    assert torch.allclose(shift, torch.round(shift), atol=1e-4)  # whole pixels
    assert (shift.abs().amax(dim=0) <= 0.2 * half + 0.5).all()


def test_colour_stays_in_range_and_differs_from_picture_to_picture() -> None:
    x = pictures(40)
    found = seen(x, colour=1)
    assert found.min() >= 0 and found.max() <= 255
    changes = (found - x.float()).abs().mean(dim=(1, 2, 3))
    assert (changes > 0).all() and changes.std() > 1


def test_a_grey_picture_stays_grey() -> None:
    x = pictures()[:, :1].expand(-1, 3, -1, -1)
    found = seen(x, colour=0.8)
    assert (found.amax(dim=1) - found.amin(dim=1)).max() < 0.01
    assert not close(found, x.float()).any()


def test_an_even_grey_picture_only_becomes_brighter_or_darker() -> None:
    """Contrast and saturation find nothing there; brightness is within its reach."""
    found = seen(torch.full((500, 3, 4, 4), 100, dtype=torch.uint8), colour=0.3)
    assert (found.amax(dim=(1, 2, 3)) - found.amin(dim=(1, 2, 3))).max() < 0.01
    level = found.mean(dim=(1, 2, 3))
    assert 70 <= level.min() < 75 and 125 < level.max() <= 130
    assert level.mean() == pytest.approx(100, abs=2)


def test_the_colour_of_a_picture_is_changed_as_a_whole() -> None:
    x = pictures(1).repeat(1, 1, 2, 1)[:, :, :24]
    x[:, :, 12:] = x[:, :, :12]
    found = seen(x, colour=0.9)
    assert torch.allclose(found[:, :, 12:], found[:, :, :12], atol=1e-3)


def test_erasing_blanks_one_rectangle_of_the_declared_area() -> None:
    size = 64
    x = torch.full((300, 3, size, size), 255, dtype=torch.uint8)
    found = seen(x, erase=1)
    blank = (found != 255).any(dim=1)
    assert torch.equal(found, torch.where(blank[:, None], GREY, x.float()))
    rows, columns = blank.any(dim=2), blank.any(dim=1)
    assert torch.equal(blank, rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):  # in one piece
        assert ((line.int().diff(dim=1) == 1).sum(dim=1) <= 1).all()
    area = blank.double().mean(dim=(1, 2))
    assert area.min() > 0.01 and area.max() < 0.27  # 2 to 25 %, up to whole pixels
    assert area.mean() == pytest.approx(0.135, abs=0.02)


def test_erasing_strikes_the_declared_share() -> None:
    x = torch.full((600, 3, 16, 16), 255, dtype=torch.uint8)
    struck = (seen(x, erase=0.3) != 255).flatten(1).any(dim=1)
    assert 0.24 < struck.double().mean() < 0.36


def test_mixup_is_a_weighted_mean_with_a_partner() -> None:
    x = pictures()
    shares = []
    for seed in range(30):
        found, mix = augmented(x, seed, mixup=0.5)
        assert mix is not None
        assert sorted(mix.partner.tolist()) == list(range(len(x)))
        assert 0.5 <= mix.share <= 1
        expected = mix.share * x.float() + (1 - mix.share) * x.float()[mix.partner]
        assert torch.allclose(found, expected, atol=1e-3)
        shares.append(mix.share)
    assert max(shares) - min(shares) > 0.2


def test_a_larger_alpha_mixes_more() -> None:
    def mean(alpha: float) -> float:
        mixes = [augmented(pictures(2, 8), s, mixup=alpha)[1] for s in range(200)]
        return float(np.mean([mix.share for mix in mixes if mix is not None]))

    # Of the larger of two shares that are Beta(a, a): near 1 for a small a, 3/4 for a = 1, near 1/2 beyond.
    assert mean(0.05) > 0.9
    assert mean(1) == pytest.approx(0.75, abs=0.03)
    assert mean(50) < 0.55


def test_a_tiny_alpha_does_no_harm() -> None:
    found, mix = augmented(pictures(), mixup=1e-30)
    assert mix is not None and mix.share == 1
    assert torch.equal(found, pictures().float())


def test_rest_goes_without_erasing_and_mixup_only() -> None:
    x = pictures()
    assert torch.equal(seen(x, rest=True, erase=1, mixup=1), x.float())
    moved: dict[str, Any] = {"flip": True, "shift": 0.2, "colour": 0.3}
    assert torch.equal(seen(x, rest=True, erase=1, mixup=1, **moved), seen(x, **moved))


settings_of_every_kind = st.fixed_dictionaries(
    {
        "flip": st.booleans(),
        "flip_vertical": st.booleans(),
        "shift": st.sampled_from([0, 0.2]),
        "scale": st.sampled_from([(1, 1), (0.5, 2)]),
        "rotate": st.sampled_from([0, 30]),
        "colour": st.sampled_from([0, 0.4]),
        "erase": st.sampled_from([0, 0.5]),
        "mixup": st.sampled_from([0, 0.4]),
        "mosaic": st.sampled_from([0, 0.5, 1]),
        "border": st.sampled_from(["grey", "reflection"]),
    }
)


@settings(max_examples=40, deadline=None)
@given(
    settings_of_every_kind,
    st.integers(1, 5),
    st.tuples(st.integers(8, 40), st.integers(8, 40)),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_set(
    given: dict[str, Any], count: int, size: tuple[int, int], seed: int, rest: bool, places: bool
) -> None:
    x = pictures(count, size)
    before = x.clone()
    augment, is_queried = Augment(AugmentTable(**given), GREY, 20), torch.full((count, 2), places)
    found, view, mix = augment(x, torch.Generator().manual_seed(seed), is_queried, rest=rest)
    assert found.dtype == torch.float32 and found.shape == x.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.isfinite().all() and found.min() > -0.01 and found.max() < 255.01
    assert torch.equal(x, before)
    again, view_again, mix_again = augment(x, torch.Generator().manual_seed(seed), is_queried, rest=rest)
    assert torch.equal(found, again) and torch.equal(view.motion, view_again.motion)
    assert view.tiles.max() < count and (view.tiles >= 0).any(dim=1).all()
    assert rest or not places or not given["mosaic"] or view.tiles.shape == (count, 4)
    assert (mix is None) == (mix_again is None) == (rest or not given["mixup"])


def test_another_seed_gives_something_else() -> None:
    x = pictures()
    assert not torch.equal(seen(x, 1, shift=0.2), seen(x, 2, shift=0.2))


def test_zoom_is_even_on_a_log_scale() -> None:
    motion = Augment(AugmentTable(**{**STILL, "scale": (0.5, 2)}), GREY, 20).motion(
        4000, 32, 24, torch.Generator().manual_seed(0)
    )
    zoom = -motion[:, 0, 0].log() / math.log(2)
    assert zoom.mean().abs() < 0.05
    assert (zoom > 0.5).double().mean() == pytest.approx(0.25, abs=0.03)


def test_a_turn_is_one_of_pixels() -> None:
    """A square in a wide picture stays a square."""
    x = torch.zeros(1, 3, 60, 120, dtype=torch.uint8)
    x[:, :, 20:40, 50:70] = 255
    for seed in range(5):
        found = seen(x, seed, rotate=180)[0, 0] > 127
        rows, columns = torch.nonzero(found, as_tuple=True)
        assert int(found.sum()) == pytest.approx(400, abs=25)
        assert int(rows.max() - rows.min()) == pytest.approx(int(columns.max() - columns.min()), abs=1.01)


# Mosaics.


def mosaic(x: Tensor, seed: int = 0, **given: Any) -> tuple[Tensor, Any]:
    augment, is_queried = (
        Augment(AugmentTable(**{**STILL, "mosaic": 1, **given}), GREY, 20),
        torch.ones(len(x), 1),
    )
    found, view, _ = augment(x, torch.Generator().manual_seed(seed), is_queried > 0)
    return found, view


def test_where_no_answer_has_a_place_there_is_no_mosaic() -> None:
    x = pictures()
    assert torch.equal(seen(x, mosaic=1), x.float())


def test_the_share_of_mosaics() -> None:
    x = pictures(400, 8)
    found, view = mosaic(x, mosaic=0.3)
    alone = view.single_image
    assert 0.22 < (~alone).double().mean() < 0.38
    assert close(found[alone], x.float()[alone]).all()
    assert (view.tiles[alone, 1:] == -1).all()
    assert torch.equal(view.tiles[alone, 0], torch.nonzero(alone)[:, 0])


def test_at_the_end_there_are_none() -> None:
    augment = Augment(AugmentTable(**STILL, mosaic=1), GREY, 20)
    found, view, _ = augment(pictures(), torch.Generator(), torch.ones(8, 1) > 0, rest=True)
    assert close(found, pictures().float()).all() and view.single_image.all()


def test_only_pictures_with_the_same_questions_are_put_together() -> None:
    """Of what is unknown in one of the four, nothing could be learned from the whole."""
    is_queried = torch.tensor([[1, 0], [0, 0], [0, 1], [1, 0], [1, 1], [0, 0], [0, 1], [1, 0]] * 20) > 0
    augment = Augment(AugmentTable(**{**STILL, "mosaic": 1, "mixup": 1}), GREY, 20)
    _, view, mix = augment(pictures(160, 8), torch.Generator().manual_seed(0), is_queried)
    assert torch.equal(view.single_image, ~is_queried.any(dim=1))
    together = view.holds(is_queried)[~view.single_image]
    assert torch.equal(together, is_queried[~view.single_image][:, None].expand(-1, 4, -1))
    assert len(torch.unique(view.tiles[~view.single_image], dim=0)) > 100
    assert mix is not None and torch.equal(is_queried[mix.partner], is_queried)
    assert torch.equal(mix.partner.sort().values, torch.arange(160))


def test_a_mosaic_shows_part_of_four_pictures_side_by_side() -> None:
    """Pictures of one colour each: every pixel has the colour of the tile that the view names."""
    count, width, height = 16, 48, 32
    x = (16 * torch.arange(count)).view(-1, 1, 1, 1).expand(-1, 3, height, width).to(torch.uint8)
    found, view = mosaic(x)
    # Each picture comes to each corner once.
    assert torch.equal(view.tiles.sort(dim=0).values, torch.arange(count)[:, None].expand(-1, 4))
    assert view.offset.tolist() == [list(corner) for corner in QUARTERS]
    across = (torch.arange(width) + 0.5) * 2 / width - 1
    down = (torch.arange(height) + 0.5) * 2 / height - 1
    places = torch.stack(
        [across.expand(height, -1), down[:, None].expand(-1, width), torch.ones(height, width)]
    )
    plane = torch.einsum("nij,jhw->nihw", view.motion, places)
    assert plane.abs().max() <= 1.0001  # nothing comes in from outside
    edge = (plane.abs() * torch.tensor([width, height]).view(1, 2, 1, 1)).amin(dim=1) < 1
    corner = (plane[:, 0] > 0).long() + 2 * (plane[:, 1] > 0).long()
    expected = 16 * view.tiles.gather(1, corner.flatten(1)).view(count, height, width)
    assert ((found[:, 0] - expected).abs() < NEARLY)[~edge].all()
    seen_at_once = plane.flatten(2).amax(dim=2) - plane.flatten(2).amin(dim=2)
    assert seen_at_once.min() > 0.9 and seen_at_once.max() < 2  # half to all of either side
    assert seen_at_once[:, 0].std() > 0.1


def test_a_short_training_changes_pictures_little_unless_it_is_told_otherwise() -> None:
    assert AugmentTable().strength(8) == (0.04, (0.95, 1.05), 0.0)
    assert AugmentTable().strength(9) == (0.1, (0.8, 1.25), 0.2)
    assert AugmentTable(colour=0.5, shift=0).strength(3) == (0, (0.95, 1.05), 0.5)
    pictures = torch.full((4, 3, 32, 32), 100, dtype=torch.uint8)
    short, long = (
        Augment(AugmentTable(), GREY, epochs)(pictures, torch.Generator().manual_seed(0))[0]
        for epochs in (8, 9)
    )
    assert short[:, :, 8:24, 8:24].eq(100).all()
    assert not long[:, :, 8:24, 8:24].eq(100).all()
