"""Search: exact, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.features.nearest import nearest, unit


@pytest.mark.parametrize("size", [1, 7, 100])
def test_blocks_change_nothing(size: int) -> None:
    draw = np.random.default_rng(0)
    vectors, query = draw.normal(size=(60, 6)).astype(np.float32), draw.normal(size=6)
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    best = nearest(query, (vectors[start : start + size] for start in range(0, 60, size)), 5)
    assert [row for row, _ in best] == np.argsort(-cosines)[:5].tolist()
    assert [score for _, score in best] == pytest.approx(np.sort(cosines)[::-1][:5], abs=1e-6)


def test_equal_ones_come_in_their_order_and_none_twice() -> None:
    vectors = np.ones((5, 3), np.float32)
    rows, scores = zip(*nearest(vectors[0], iter([vectors[:2], vectors[2:]]), 9), strict=True)
    assert rows == (0, 1, 2, 3, 4)
    assert scores == pytest.approx([1] * 5)


def test_a_vector_of_length_0_is_like_nothing() -> None:
    vectors = np.array([[0, 0], [-1, 0]], np.float32)
    assert nearest(np.array([1.0, 0]), [vectors], 2) == [(0, 0), (1, -1)]
    assert np.isfinite(unit(vectors)).all()
