"""Marks lie where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.evaluation.reports.svg_plots import (
    BOTTOM,
    DOTS,
    HEIGHT,
    LABELLED,
    LEAST_SPAN,
    LEFT,
    TOP,
    WIDTH,
    Axis,
    curve,
    heat_map,
    mistakes,
    plot,
    short,
)
from oneglance.report_items import Curve, Matrix

LABELS = ("epoch", "loss")
quick = settings(deadline=None, max_examples=100)
numbers = st.floats(-1e12, 1e12, allow_nan=False)


@quick
@given(numbers, numbers)
def test_ticks_are_few_round_and_inside(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        return
    ticks = Axis(low, high, 0, 100).ticks()
    assert 2 <= len(ticks) <= 9
    assert all(-0.1 <= tick.at <= 100.1 for tick in ticks)
    assert [tick.at for tick in ticks] == sorted(tick.at for tick in ticks)


@quick
@given(st.floats(1e-6, 1e6), st.floats(1.5, 1e12))
def test_logarithmic_ticks_are_few_and_inside(low: float, factor: float) -> None:
    ticks = Axis(low, low * factor, 0, 100, log=True).ticks()
    assert 1 <= len(ticks) <= 9
    assert all(-0.1 <= tick.at <= 100.1 for tick in ticks)


def test_an_axis_puts_its_ends_at_the_ends() -> None:
    assert Axis(2, 6, 100, 0)(np.array([2.0, 3.0, 6.0])).tolist() == [100, 75, 0]
    assert Axis(1, 100, 0, 50, log=True)(np.array([1.0, 10.0, 100.0])).tolist() == [0, 25, 50]


def test_epochs_have_whole_ticks() -> None:
    drawn = plot("Loss", LABELS, [("a", [1, 2, 3], [0.1, 0.2, 0.3])], least_step=1)
    assert drawn is not None
    assert [tick.text for tick in drawn.x_ticks] == ["1", "2", "3"]


def test_what_is_unknown_is_not_drawn() -> None:
    drawn = plot("Loss", LABELS, [("a", [1, 2, 3], [0.1, None, 0.3]), ("b", [1, 2], [None, float("nan")])])
    assert drawn is not None
    assert [line.name for line in drawn.lines] == ["a"]
    assert drawn.lines[0].dots.count("M") == 2
    assert plot("Loss", LABELS, [("b", [1], [None])]) is None
    assert plot("Loss", LABELS, []) is None


def test_all_points_lie_in_the_plane() -> None:
    drawn = curve(
        Curve("Answers", "truth", "answer", np.array([3.0, 900.0]), np.array([-4.0, 7.0]), True, False)
    )
    assert drawn is not None
    points = [tuple(map(float, dot.removesuffix("h0").split())) for dot in drawn.lines[0].dots.split("M")[1:]]
    assert len(points) == 2
    for x, y in points:
        assert LEFT <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    assert points[0][0] < points[1][0] and points[0][1] > points[1][1]  # y grows upwards
    assert drawn.diagonal


def test_a_logarithm_leaves_out_what_it_cannot_show() -> None:
    detail = Curve(
        "Answers", "t", "a", np.array([1.0, 0.0, 1000.0]), np.array([2.0, 5.0, 900.0]), True, False, log=True
    )
    drawn = curve(detail)
    assert drawn is not None
    assert drawn.lines[0].dots.count("M") == 2
    assert [tick.text for tick in drawn.x_ticks] == ["1", "10", "100", "1000"]


def test_many_points_are_drawn_by_lot_and_told() -> None:
    x = np.random.default_rng(0).random(10_000)
    drawn = curve(Curve("Answers", "truth", "answer", x, x, line=False))
    assert drawn is not None
    assert drawn.lines[0].dots.count("M") == DOTS
    assert drawn.note == "1,500 of 10,000 points, drawn by lot"


def test_a_single_value_has_room_around_it() -> None:
    drawn = plot("Loss", LABELS, [("a", [7], [5.0])])
    assert drawn is not None
    assert drawn.x_ticks and drawn.y_ticks


def matrix(values: list[list[int]]) -> Matrix:
    return Matrix(
        "Confusion", "truth", "answer", tuple(f"class {n}" for n in range(len(values))), np.array(values)
    )


def test_cells_are_shares_of_their_row() -> None:
    drawn = heat_map(matrix([[9, 1], [0, 5]]))
    assert drawn is not None
    assert [(cell.text, cell.right) for cell in drawn.cells] == [("9", True), ("1", False), ("5", True)]
    assert drawn.cells[2].strength == 1.0
    assert drawn.cells[0].strength > 0.9
    assert drawn.cells[1].strength == pytest.approx(0.25, abs=0.01)  # a tenth is seen well
    assert drawn.cells[1].caption == "truth class 0, answer class 1: 1 (10.0%)"
    assert (drawn.cells[1].x, drawn.cells[1].y) == (drawn.side, 0)


@pytest.mark.parametrize("count", [2, 10, 24, 25, LABELLED])
def test_matrices_keep_a_readable_size(count: int) -> None:
    drawn = heat_map(matrix(np.eye(count, dtype=int).tolist()))
    assert drawn is not None
    assert drawn.side * count <= 820
    assert drawn.font >= 7
    assert all(bool(cell.text) == (count <= 24) for cell in drawn.cells)


def test_too_many_classes_are_not_drawn() -> None:
    assert heat_map(matrix(np.eye(LABELLED + 1, dtype=int).tolist())) is None


def test_mistakes_come_largest_first() -> None:
    result = mistakes(matrix([[50, 3, 7], [0, 9, 0], [4, 0, 0]]))
    assert result == [
        ("class 0", "class 2", 7, pytest.approx(7 / 60)),
        ("class 2", "class 0", 4, 1.0),
        ("class 0", "class 1", 3, pytest.approx(3 / 60)),
    ]
    assert len(mistakes(matrix([[1] * 9] * 9), most=10)) == 10


def test_long_names_are_cut() -> None:
    assert short("a" * 40) == "a" * 17 + "…"
    assert short("shirt") == "shirt"


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.90, 0.91, 0.905], 0.75, 1.0),  # noise
        ([0.99, 1.0], 0.75, 1.0),  # no share is above 1
        ([0.0, 0.001], 0.0, 0.01),
        ([31.0, 32.0, 31.4], 27, 36),
        ([-5.0, -5.01], -6, -4),
        ([0.2, 0.9], 0.1, 1.0),  # wide enough
    ],
)
def test_noise_looks_small(values: list[float], low: float, high: float) -> None:
    drawn = plot("t", ("x", "y"), [("", range(len(values)), values)])
    assert drawn is not None
    ticks = [float(tick.text) for tick in drawn.y_ticks]
    assert low <= min(ticks) and max(ticks) <= high
    pixels = [float(point.split()[1]) for point in drawn.lines[0].path[1:].split("L")]
    shown = (max(pixels) - min(pixels)) / (HEIGHT - TOP - BOTTOM)
    span = (max(values) - min(values)) / max(map(abs, values))
    assert shown <= 1.02 * min(1, span / LEAST_SPAN)
