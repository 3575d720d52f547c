"""The bounds of run-length masks are those of the pixels, and what is damaged harms nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from oneglance.data.parsing.annotations.coco_rle import mask_bounds

filled = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1))


def runs(mask: np.ndarray) -> list[int]:
    column = [0, *mask.T.ravel().tolist()]  # begins with background, perhaps none of it
    edges = np.flatnonzero(np.diff(column))
    return np.diff([0, *edges, mask.size]).tolist()


def expected(mask: np.ndarray) -> tuple[int, ...] | None:
    down, across = np.nonzero(mask)
    if not len(down):
        return None
    return across.min(), down.min(), across.max() + 1, down.max() + 1


@given(filled)
def test_bounds_of_runs_are_those_of_the_pixels(mask: np.ndarray) -> None:
    assert mask_bounds({"size": list(mask.shape), "counts": runs(mask)}) == expected(mask)


@given(filled)
def test_so_are_those_of_what_pycocotools_packs(mask: np.ndarray) -> None:
    tool = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed (a dev dependency)")
    packed = tool.encode(np.asfortranarray(mask))
    assert mask_bounds({"size": packed["size"], "counts": packed["counts"].decode()}) == expected(mask)


@pytest.mark.parametrize(
    "mask",
    [
        None,
        {},
        {"size": [4], "counts": [16]},
        {"size": [4, 4.0], "counts": [16]},
        {"size": [0, 4], "counts": [0]},
        {"size": [4, 4], "counts": [3, 4]},  # not all pixels
        {"size": [4, 4], "counts": [20, -4]},
        {"size": [4, 4], "counts": [True, 15]},
        {"size": [4, 4], "counts": "abc"},  # cut short
        {"size": [4, 4], "counts": "\ud800"},
        {"size": [4, 4], "counts": "o" * 1000},
        {"size": [4, 4], "counts": 16},
    ],
)
def test_a_damaged_mask_has_no_bounds(mask: Any) -> None:
    assert mask_bounds(mask) is None


@settings(max_examples=200)
@given(st.text(st.characters(min_codepoint=40, max_codepoint=120)), st.integers(1, 10**12))
def test_no_text_is_too_strange(text: str, side: int) -> None:
    bounds = mask_bounds({"size": [side, side], "counts": text})
    assert bounds is None or 0 <= bounds[0] < bounds[2] <= side
