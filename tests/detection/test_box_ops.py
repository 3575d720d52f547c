"""Which boxes stay: torchvision is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import batched_nms, nms

from oneglance.detection.box_ops import coverage, iou, suppress

SIDES = st.integers(0, 12)
ROWS = st.tuples(SIDES, SIDES, SIDES, SIDES, st.integers(1, 6), st.integers(0, 2))


def columns(rows: list[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return (
        np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]]),
        table[:, 4] / 7,
        table[:, 5].astype(np.int64),
    )


@settings(deadline=None)
@given(rows=st.lists(ROWS, max_size=30), least=st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.9]))
def test_the_same_boxes_stay_as_in_torchvision(rows: list[tuple[int, ...]], least: float) -> None:
    boxes, scores, classes = columns(rows)
    expected = batched_nms(*map(torch.from_numpy, (boxes, scores, classes)), least)
    found = suppress(boxes, scores, classes, iou=least)
    assert found.dtype == np.int64
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("part", "whole"), [(1, 2), (1, 4), (3, 4), (3, 5), (1, 10), (3, 10), (9, 10), (7, 16)]
)
@pytest.mark.parametrize("height", [1, 3, 64])
def test_an_overlap_of_exactly_the_threshold_stays(part: int, whole: int, height: int) -> None:
    """IoU is ``part / whole`` to the last bit; only what is above the threshold goes, as in torchvision."""
    boxes = np.array([[0, 0, whole, height], [0, 0, part, height]], dtype=np.float64)
    scores, classes = np.array([0.9, 0.8]), np.zeros(2, dtype=np.int64)
    assert iou(boxes[:1], boxes[1:]).item() == part / whole
    assert suppress(boxes, scores, classes, iou=part / whole).tolist() == [0, 1]
    assert nms(*map(torch.from_numpy, (boxes, scores)), part / whole).tolist() == [0, 1]
    assert suppress(boxes, scores, classes, iou=part / whole - 1e-3).tolist() == [0]


@given(rows=st.lists(ROWS, max_size=30), most=st.integers(0, 6))
def test_no_more_stay_than_asked_for_and_those_are_the_surest(rows: list[tuple[int, ...]], most: int) -> None:
    told = columns(rows)
    assert suppress(*told, most=most).tolist() == suppress(*told).tolist()[:most]


def test_only_boxes_of_one_class_suppress_each_other() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10]], dtype=np.float32)
    found = suppress(boxes, np.array([0.5, 0.9, 0.4]), np.array([1, 1, 0]))
    assert found.tolist() == [1, 2]


def test_a_suppressed_box_suppresses_none() -> None:
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])  # each overlaps the next by 0.54
    assert suppress(chain, np.array([0.9, 0.8, 0.7]), np.zeros(3, int), iou=0.5).tolist() == [0, 2]


@given(rows=st.lists(ROWS, max_size=10), others=st.lists(ROWS, max_size=10))
def test_overlap_is_that_of_counted_cells(rows: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> None:
    (a, _, _), (b, _, _) = columns(rows), columns(others)
    cells = [
        {(x, y) for x in range(int(x0), int(x1)) for y in range(int(y0), int(y1))}
        for x0, y0, x1, y1 in (*a, *b)
    ]
    expected = [[len(one & two) for two in cells[len(a) :]] for one in cells[: len(a)]]
    union = [[max(len(one | two), 1) for two in cells[len(a) :]] for one in cells[: len(a)]]
    shape = (len(a), len(b))
    common = np.array(expected, dtype=float).reshape(shape)
    own = np.array([max(len(one), 1) for one in cells[: len(a)]], dtype=float).reshape(-1, 1)
    np.testing.assert_array_equal(iou(a, b), common / np.array(union, dtype=float).reshape(shape))
    np.testing.assert_array_equal(coverage(a, b), common / own)


def test_a_box_with_swapped_corners_overlaps_nothing() -> None:
    swapped, usual = np.array([[10, 10, 0, 0], [10, 0, 0, 10]]), np.array([[0, 0, 10, 10]])
    assert not iou(swapped, usual).any()
    assert not iou(usual, swapped).any()
    assert not iou(swapped, swapped).any()
