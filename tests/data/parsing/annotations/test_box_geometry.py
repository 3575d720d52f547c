"""From boxes as drawn to boxes of the upright picture, whatever the numbers are."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.images.header import Header
from oneglance.data.parsing.annotations.box_geometry import BoxReader, RawBox, bounds, number, rotated
from oneglance.data.record import Box, BoxAnnotations

numbers = st.floats() | st.floats(-5, 120) | st.integers(-5, 120).map(float)
sizes = st.none() | st.tuples(numbers, numbers) | st.sampled_from([(100.0, 80.0), (80.0, 100.0), (50, 40)])
heads = st.none() | st.builds(Header, st.just(100), st.just(80), st.integers(1, 8))


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=4), sizes, heads)
@settings(deadline=None)
def test_every_box_is_used_or_reported(corners: list[Any], size: Any, head: Header | None) -> None:
    boxes = BoxReader()
    drawn = [RawBox(f"a.csv:{n}", four, "cat") for n, four in enumerate(corners)]
    annotations, problems = boxes.annotations("a.csv", head, size, drawn)
    assert not any(problem.fatal for problem in problems)
    if annotations is None:
        assert len(problems) == len(drawn) or [one.kind for one in problems] == ["size of the picture"]
        return
    once = {
        box
        for number, box in enumerate(corners)
        if drawn[number].location not in {p.location for p in problems}
    }
    repeated = sum(problem.kind == "box twice" for problem in boxes.counter.problems())
    assert len(annotations.boxes) + len(problems) == len(drawn) or repeated
    assert len(annotations.boxes) <= len(once)
    # A box that cannot be used is never a no.
    assert annotations.queried == (frozenset() if problems else None)
    assert annotations.unplaced == frozenset({"cat"} if problems else ())
    width, height = head.upright if head else (math.inf, math.inf)
    for box in annotations.boxes:
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_drawn_lying_stays_as_large(orientation: int) -> None:
    head = Header(100, 80, orientation)
    annotations, _ = BoxReader().annotations("a.jpg", head, None, [RawBox("a", (5, 10, 95, 30), "cat")])
    assert annotations is not None
    (box,) = annotations.boxes
    sides = (box.x1 - box.x0, box.y1 - box.y0)
    assert sides == ((20, 90) if orientation >= 5 else (90, 20))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        *(("12.5", 12.5), (" 3 ", 3.0), (-4, -4.0), ("1e2", 100.0)),
        *((raw, None) for raw in ("", "abc", "nan", "inf", "1_000", None, True, [1], 10**400, "1e999")),
    ],
)
def test_numbers(raw: Any, expected: float | None) -> None:
    result = number(raw)
    assert math.isnan(result) if expected is None else result == expected


def test_bounds_and_turns() -> None:
    assert bounds([(3, 4), (1, 9), (2, 2)]) == (1, 2, 3, 9)
    assert all(map(math.isnan, bounds([])))
    assert all(map(math.isnan, bounds([(1, 2), (math.nan, 3)])))
    assert rotated((10, 20, 40, 30), 90, (10, 20)) == pytest.approx((0, 20, 10, 50))
    assert rotated((10, 20, 40, 30), 180, (25, 25)) == pytest.approx((10, 20, 40, 30))


def test_what_happens_often_is_reported_once() -> None:
    boxes = BoxReader()
    for n in range(3):
        boxes.annotations("a", Header(100, 80), None, [RawBox(f"row {n}", (90, 10, 150, 20), "cat")])
    (problem,) = boxes.counter.problems()
    assert problem.location == "row 0"
    assert problem.what.startswith('the box "cat" reaches 50 pixels beyond the picture')
    assert problem.what.endswith("(3 times, here first)")


def test_looked_and_found_nothing_needs_no_picture() -> None:
    assert BoxReader().annotations("a", None, (3, 4), [], frozenset({"cat"})) == (
        BoxAnnotations((), frozenset({"cat"})),
        [],
    )
    annotations, problems = BoxReader().annotations("a", None, None, [RawBox("a", (-3, 1, 500, 4), "")])
    assert (annotations, problems) == (BoxAnnotations((Box(0, 1, 500, 4, ""),)), [])
