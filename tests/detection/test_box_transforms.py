"""Boxes follow their pictures: what is painted into a picture lies where the moved box says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oneglance.batch_transform import View
from oneglance.config import AugmentTable
from oneglance.detection.box_transforms import moved
from oneglance.training.augment import QUARTERS, Augment

STILL: dict[str, Any] = {"flip": False, "shift": 0, "scale": (1, 1), "colour": 0, "mosaic": 0}
COUNT = 5
CODES = torch.linspace(1, 0.2, COUNT)  # share of green in the red of each picture's paint
BLACK = torch.zeros(1, 3, 1, 1)


def target(box: Tensor, label: Tensor | None = None, **more: Tensor) -> dict[str, Tensor]:
    """One class, all of it looked for."""
    count, most = box.shape[:2]
    return {
        "box": box,
        "label": torch.zeros(count, most, dtype=torch.int64) if label is None else label,
        "ignore": torch.zeros(count, most, dtype=torch.bool),
        "labelled": torch.ones(count, 1),
        **more,
    }


def painted(boxes: list[tuple[int, int, int, int]], width: int, height: int) -> Tensor:
    """Black pictures, each with a box in a colour of its own."""
    pixels = torch.zeros(len(boxes), 3, height, width)
    for picture, ((x0, y0, x1, y1), code) in enumerate(zip(boxes, CODES.tolist(), strict=True)):
        pixels[picture, 0, y0:y1, x0:x1] = 255
        pixels[picture, 1, y0:y1, x0:x1] = 255 * code
    return pixels.to(torch.uint8)


def bounds(picture: Tensor, code: int) -> tuple[float, float, float, float] | None:
    """Where paint of that picture is at least half covering."""
    red, green = picture[:2]
    nearest = ((green / red.clamp(min=1))[..., None] - CODES).abs().argmin(dim=-1)
    rows, columns = torch.nonzero((red > 127) & (nearest == code), as_tuple=True)
    if not len(rows):
        return None
    x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return float(x0), float(y0), float(x1), float(y1)


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    sides = [max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1)]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return sides[0] * sides[1] / (sum(areas) - sides[0] * sides[1])


def compared(
    boxes: list[tuple[int, int, int, int]],
    width: int,
    height: int,
    seed: int,
    kept_share: float = 0.1,
    **given: Any,
) -> int:
    """Augment painted pictures and compare every paint with its moved box; how many were there."""
    augment, is_queried = (
        Augment(AugmentTable(**{**STILL, **given}), BLACK, 20),
        torch.ones(len(boxes), 1) > 0,
    )
    pictures, view, _ = augment(
        painted(boxes, width, height), torch.Generator().manual_seed(seed), is_queried
    )
    told = moved(target(torch.tensor(boxes).float()[:, None]), view, kept_share=kept_share, smallest=1)
    seen = 0
    for picture, tiles in enumerate(view.tiles.tolist()):
        for place, tile in enumerate(tiles):
            if tile < 0:
                assert told["label"][picture, place] == -1
            elif tiles.count(tile) == 1:
                paint = bounds(pictures[picture], tile)
                if told["label"][picture, place] == 0:
                    assert paint is not None
                    box = tuple(told["box"][picture, place].tolist())
                    sides = box[2] - box[0], box[3] - box[1]
                    # Half a pixel at each edge is what pixels cannot tell.
                    least = np.prod([(side - 1) / (side + 1) for side in sides]) if min(sides) > 1 else 0
                    assert overlap(paint, box) > min(0.95, least)
                    seen += 1
    return seen


@st.composite
def rectangles(draw: st.DrawFn, width: int, height: int, least: int = 60) -> list[tuple[int, int, int, int]]:
    found = []
    for _ in range(COUNT):
        w, h = draw(st.integers(least, width - 2)), draw(st.integers(least, height - 2))
        x, y = draw(st.integers(1, width - w - 1)), draw(st.integers(1, height - h - 1))
        found.append((x, y, x + w, y + h))
    return found


seeds = st.integers(0, 10_000)
some = settings(deadline=None, max_examples=15)


@some
@given(rectangles(192, 128), seeds, st.booleans(), st.booleans())
def test_flips_shifts_and_zooms(
    boxes: list[tuple[int, int, int, int]], seed: int, flip: bool, flip_vertical: bool
) -> None:
    given: dict[str, Any] = {"flip": flip, "flip_vertical": flip_vertical, "shift": 0.3, "scale": (0.6, 1.8)}
    assert compared(boxes, 192, 128, seed, **given) > 0


@some
@given(rectangles(128, 192), seeds)
def test_mosaics(boxes: list[tuple[int, int, int, int]], seed: int) -> None:
    compared(boxes, 128, 192, seed, mosaic=1, flip=True, scale=(0.9, 1.5))


@some
@given(rectangles(160, 160), seeds)
def test_some_are_mosaics_and_some_are_not(boxes: list[tuple[int, int, int, int]], seed: int) -> None:
    compared(boxes, 160, 160, seed, mosaic=0.5, shift=0.1)


@pytest.mark.parametrize(("width", "height"), [(240, 160), (160, 240)])
@pytest.mark.parametrize("seed", range(4))
def test_turns(width: int, height: int, seed: int) -> None:
    """Boxes in the middle, so that nothing is cut off: of a turned and cut box the bounds say too much."""
    boxes = [
        (width // 2 - 40 - k, height // 2 - 40 + k, width // 2 + 45 - k, height // 2 + 30)
        for k in range(COUNT)
    ]
    given: dict[str, Any] = {"rotate": 180, "scale": (1, 1.05), "flip": True, "flip_vertical": True}
    assert compared(boxes, width, height, seed, **given) == COUNT


@st.composite
def targets(draw: st.DrawFn) -> dict[str, Tensor]:
    count, most, random = draw(st.integers(1, 4)), draw(st.integers(1, 5)), torch.Generator()
    random.manual_seed(draw(seeds))
    corner = torch.rand(count, most, 2, generator=random) * torch.tensor([30.0, 20.0])
    size = 1 + torch.rand(count, most, 2, generator=random) * (torch.tensor([63.0, 47.0]) - corner - 1)
    return {
        "box": torch.cat([corner, corner + size], dim=2),
        "label": torch.randint(-1, 3, (count, most), generator=random),
        "ignore": torch.rand(count, most, generator=random) < 0.3,
        "labelled": (torch.rand(count, 3, generator=random) < 0.7).float(),
        "ripe.index": torch.randint(-1, 4, (count, most), generator=random),
        "size.value": torch.rand(count, most, 2, generator=random),
    }


def still(count: int, tiles: Tensor | None = None) -> View:
    tiles = torch.arange(count)[:, None] if tiles is None else tiles
    motion = torch.eye(2, 3).expand(len(tiles), 2, 3)
    return View(motion, tiles, torch.ones(len(tiles)), torch.zeros(tiles.shape[1], 2), (64, 48))


@some
@given(targets())
def test_where_nothing_moves_nothing_changes(told: dict[str, Tensor]) -> None:
    found = moved(told, still(len(told["box"])), kept_share=0.1, smallest=1)
    assert found.keys() == told.keys()
    for name, value in told.items():
        torch.testing.assert_close(found[name], value, atol=1e-4, rtol=0)


@some
@given(targets(), st.sampled_from([(-1, 1), (1, -1), (-1, -1)]))
def test_two_flips_are_none(told: dict[str, Tensor], signs: tuple[int, int]) -> None:
    view = still(len(told["box"]))
    view = view._replace(motion=view.motion * torch.tensor(signs).view(2, 1))
    once = moved(told, view, kept_share=0.1, smallest=0.5)
    sides = torch.tensor([64.0, 48.0])
    low, high = told["box"][..., :2], told["box"][..., 2:]
    turned = torch.tensor(signs) < 0
    expected = [torch.where(turned, sides - high, low), torch.where(turned, sides - low, high)]
    torch.testing.assert_close(once["box"], torch.cat(expected, dim=-1), atol=1e-4, rtol=0)
    twice = moved(once, view, kept_share=0.1, smallest=0.5)
    for name, value in told.items():
        torch.testing.assert_close(twice[name], value, atol=1e-4, rtol=0)


@some
@given(targets(), seeds)
def test_in_a_mosaic_all_that_is_known_goes_along(told: dict[str, Tensor], seed: int) -> None:
    """A class is known only if it is in all four."""
    count = len(told["box"])
    tiles = torch.randint(0, count, (3, 4), generator=torch.Generator().manual_seed(seed))
    view = View(
        (2 * torch.eye(2, 3)).expand(3, 2, 3) / 2,  # all of the plane
        tiles,
        torch.full((3,), 0.5),
        torch.tensor(QUARTERS),
        (64, 48),
    )
    found = moved(told, view, kept_share=0, smallest=0)
    most = told["label"].shape[1]
    for row, four in enumerate(tiles.tolist()):
        for name in ("label", "ignore", "ripe.index", "size.value"):
            assert torch.equal(found[name][row], torch.cat([told[name][tile] for tile in four]))
        for place, (tile, corner) in enumerate(zip(four, [(0, 0), (32, 0), (0, 24), (32, 24)], strict=True)):
            expected = told["box"][tile] / 2 + torch.tensor([*corner, *corner])
            held = found["box"][row, place * most : (place + 1) * most]
            torch.testing.assert_close(held, expected, atol=1e-4, rtol=0)
        assert torch.equal(found["labelled"][row], told["labelled"][four].amin(dim=0))


def test_a_picture_alone_among_mosaics_knows_what_it_knew() -> None:
    told = target(
        torch.tensor([[[8.0, 8, 40, 40]], [[0.0, 0, 10, 10]]]), labelled=torch.tensor([[1.0], [0.0]])
    )
    view = still(2, torch.tensor([[0, -1, -1, -1], [1, -1, -1, -1]]))
    view = view._replace(offset=torch.tensor(QUARTERS))
    found = moved(told, view, kept_share=0.1, smallest=1)
    assert found["labelled"].tolist() == [[1], [0]]
    assert found["label"].tolist() == [[0, -1, -1, -1]] * 2
    torch.testing.assert_close(found["box"][:, 0], told["box"][:, 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("out", "label"), [(0.85, 0), (0.95, -1), (1.5, -1)])
def test_what_has_nearly_left_is_gone(out: float, label: int) -> None:
    """A tenth of the box must still be there."""
    view = still(1)
    motion = view.motion.clone()
    motion[0, 0, 2] = 2 * (20 + 20 * out) / 64  # a box from 20 to 40 moves left by so many pixels
    found = moved(
        target(torch.tensor([[[20.0, 10, 40, 30]]])), view._replace(motion=motion), kept_share=0.1, smallest=1
    )
    assert found["label"].item() == label
    if label == 0:
        torch.testing.assert_close(found["box"][0, 0], torch.tensor([0.0, 10, 3, 30]), atol=1e-4, rtol=0)


def test_what_has_become_too_small_to_learn_is_not_taken_for_nothing() -> None:
    view = still(1)
    told = target(torch.tensor([[[20.0, 10, 22, 30], [20.0, 10, 24, 30], [0, 0, 0, 0]]]))
    told["label"][0, 2] = -1
    found = moved(told, view._replace(motion=3 * view.motion), kept_share=0.1, smallest=1)
    assert found["label"].tolist() == [[0, 0, -1]]
    assert found["ignore"].tolist() == [[True, False, False]]
    assert not told["ignore"].any()


def test_a_thin_rest_of_what_has_left_is_gone() -> None:
    """Of a box that is too thin, too, a tenth must still be there."""
    view = still(1)
    motion = view.motion.clone()
    motion[0, 0, 2] = 2 * 21 / 64  # a box from 20 to 20.5 moves out to the left
    told = target(torch.tensor([[[20.0, 10, 20.5, 30]]]))
    found = moved(told, view._replace(motion=motion), kept_share=0.1, smallest=1)
    assert found["label"].item() == -1
    assert not found["ignore"].item()


def test_no_box_anywhere() -> None:
    told = target(torch.zeros(2, 1, 4), torch.full((2, 1), -1))
    augment = Augment(AugmentTable(mosaic=1, rotate=20), BLACK, 20)
    _, view, _ = augment(
        torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.Generator(), torch.ones(2, 1) > 0
    )
    found = moved(told, view, kept_share=0.1, smallest=1)
    assert (found["label"] == -1).all()
    assert found["box"].isfinite().all()
