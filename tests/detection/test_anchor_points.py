"""Points, and which of them lie in which boxes: a slow search is the oracle."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.detection.anchor_points import inside, points
from oneglance.nn.feature_shape import Level

quick = settings(deadline=None, max_examples=100)


def level(height: int, width: int, stride: int) -> Level:
    return Level(1, height, width, stride)


# Whole strides and quarter pixels: nothing is lost to rounding.
levels = st.lists(
    st.builds(level, st.integers(1, 5), st.integers(1, 6), st.sampled_from([1, 2, 4, 8])),
    min_size=1,
    max_size=3,
)
quarter = st.integers(-80, 240).map(lambda number: number / 4)
boxes = st.lists(st.tuples(quarter, quarter, quarter, quarter), max_size=5).map(
    lambda drawn: [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in drawn]
)


def search(low: float, high: float, places: int, stride: int, *, finest: bool) -> list[int]:
    """The places along one axis whose middle lies from ``low`` to ``high``."""
    middles = [(place + 0.5) * stride for place in range(places)]
    found = [place for place, middle in enumerate(middles) if low <= middle <= high]
    if found or not finest:
        return found
    return [min(range(places), key=lambda place: (abs(middles[place] - (low + high) / 2), -place))]


def search_all(drawn: list[tuple[float, ...]], asked: list[Level]) -> set[tuple[int, int]]:
    found, start = set(), 0
    for number, one in enumerate(asked):
        for box, (x0, y0, x1, y1) in enumerate(drawn):
            for row in search(y0, y1, one.height, one.stride, finest=number == 0):
                for column in search(x0, x1, one.width, one.stride, finest=number == 0):
                    found.add((box, start + row * one.width + column))
        start += one.height * one.width
    return found


def test_points_are_the_middles_of_their_places() -> None:
    found = points([level(2, 3, 4), level(1, 2, 8)])
    assert found.x.tolist() == [2, 6, 10, 2, 6, 10, 4, 12]
    assert found.y.tolist() == [2, 2, 2, 6, 6, 6, 4, 4]
    assert found.stride.tolist() == [4] * 6 + [8] * 2
    assert {part.dtype for part in found} == {torch.float32}


@quick
@given(boxes, levels)
def test_it_finds_what_a_slow_search_finds(drawn: list[tuple[float, ...]], asked: list[Level]) -> None:
    found = inside(torch.tensor(drawn).view(-1, 4), asked)
    pairs = list(zip(found.box.tolist(), found.point.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == search_all(drawn, asked)
    assert found.box.dtype == found.point.dtype == torch.int64


@quick
@given(boxes, levels)
def test_no_box_is_left_without_a_point(drawn: list[tuple[float, ...]], asked: list[Level]) -> None:
    found = inside(torch.tensor(drawn).view(-1, 4), asked)
    assert set(found.box.tolist()) == set(range(len(drawn)))


def test_no_box_no_pair() -> None:
    found = inside(torch.zeros(0, 4), [level(4, 4, 8)])
    assert found.box.shape == found.point.shape == (0,)
