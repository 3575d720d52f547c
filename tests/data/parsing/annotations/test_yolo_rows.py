"""Boxes, polygons and key points, told apart by their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.data.parsing.annotations.yolo_rows import KeyPoints, corners, declared, detected, in_pixels

RNG = np.random.default_rng(0)


def key_point_rows(points: int, numbers: int, rows: int = 20) -> list[list[float]]:
    """Boxes anywhere, with points that lie anywhere in them; some are not labelled."""
    result = []
    for _ in range(rows):
        x, y, width, height = RNG.uniform((0.2, 0.2, 0.05, 0.05), (0.8, 0.8, 0.35, 0.35))
        row = [x, y, width, height]
        for index in range(points):
            seen = int(RNG.integers(1, 3)) if index < 2 else int(RNG.integers(0, 3))
            side = (-0.45, 0.45)[index] if index < 2 else RNG.uniform(-0.5, 0.5)
            row += [x + width * side, y + height * side] if seen else [0.0, 0.0]
            row += [seen] * (numbers - 2)
        result.append(row)
    return result


def polygon_rows(corners_: int | None, largest: float, rows: int = 20) -> list[list[float]]:
    """Outlines of things: corners on an ellipse, one after the other."""
    result = []
    for _ in range(rows):
        count = corners_ or int(RNG.integers(3, 12))
        middle, sides = RNG.uniform(0.3, 0.7, 2), RNG.uniform(0.02, largest, 2)
        turns = np.sort(RNG.uniform(0, 2 * np.pi, count))
        result.append(np.stack([np.cos(turns), np.sin(turns)], 1) * sides / 2 + middle)
    return [row.ravel().tolist() for row in result]


@pytest.mark.parametrize("points", [1, 2, 3, 4, 5, 17])
def test_three_numbers_a_point_are_recognised(points: int) -> None:
    assert detected(key_point_rows(points, 3)) == KeyPoints(points, 3)


@pytest.mark.parametrize("points", [3, 4, 5, 17])
def test_two_numbers_a_point_are_recognised_where_lines_agree(points: int) -> None:
    rows = key_point_rows(points, 2)
    assert detected(rows) == KeyPoints(points, 2)
    assert detected(rows[:2]) is None


@pytest.mark.parametrize("largest", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("corners_", [None, 3, 4, 5, 7, 10, 30])
def test_polygons_stay_polygons(corners_: int | None, largest: float) -> None:
    for _ in range(20):
        assert detected(polygon_rows(corners_, largest)) is None


def test_boxes_tell_nothing() -> None:
    assert detected([[0.5, 0.5, 0.1, 0.1]] * 5) is None
    assert detected([]) is None
    assert detected([[0.5, 0.5, 0.1, 0.1, float("nan")], []]) is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (["17", "3"], KeyPoints(17, 3)),
        ([4, 2], KeyPoints(4, 2)),
        *(
            (shape, None)
            for shape in (None, "17, 3", ["17"], ["17", "4"], ["0", "3"], ["-1", "3"], ["9" * 99, "3"])
        ),
    ],
)
def test_what_kpt_shape_announces(shape: object, expected: KeyPoints | None) -> None:
    assert declared(shape) == expected


def test_the_edges_of_all_three() -> None:
    box = (0.1, 0.25, 0.4, 0.75)
    assert corners([0.25, 0.5, 0.3, 0.5], None) == pytest.approx(box)
    assert corners([0.1, 0.25, 0.4, 0.3, 0.15, 0.75], None) == pytest.approx(box)
    pair = KeyPoints(1, 2)
    assert corners([0.25, 0.5, 0.3, 0.5, 0.9, 0.9], pair) == pytest.approx(box)
    assert corners([0.25, 0.5, 0.3, 0.5], pair) == pytest.approx(box)
    assert corners([0.25, 0.5, 0.3, 0.5, 0.9, 0.9, 0.1, 0.1], pair) is None
    assert corners([0.25, 0.5, 0.3, 0.5, 0.9], None) is None
    assert in_pixels([0.1, 0.2, 30, 0.1], None)
    assert in_pixels([0.1] * 4 + [30, 20], None)
    assert not in_pixels([0.1] * 4 + [0.5, 0.5, 9], KeyPoints(1, 3))
