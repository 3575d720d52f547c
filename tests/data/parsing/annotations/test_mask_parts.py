"""Connected parts, beside what scipy finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from oneglance.data.parsing.annotations.mask_parts import Part, parts


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.2, 0.45, 0.7])
def test_parts_are_those_of_scipy(seed: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    height, width = draw.integers(1, 40, 2)
    values = np.where(draw.random((height, width)) < share, draw.integers(1, 4, (height, width)), 0)
    expected = []
    for value in (1, 2, 3):
        labels, _ = ndimage.label(values == value, np.ones((3, 3)))
        for number, (down, across) in enumerate(ndimage.find_objects(labels), 1):
            pixels = int((labels == number).sum())
            expected.append(Part(value, pixels, (across.start, down.start, across.stop, down.stop)))
    assert sorted(parts(values) or []) == sorted(expected)


def test_a_value_as_one_thing() -> None:
    values = np.array([[7, 0, 7], [0, 0, 0], [9, 9, 0]], dtype=np.uint16)
    assert parts(values, whole=True) == [Part(7, 2, (0, 0, 3, 1)), Part(9, 2, (0, 2, 2, 3))]
    assert [part.corners for part in parts(values) or []] == [(0, 0, 1, 1), (2, 0, 3, 1), (0, 2, 2, 3)]
    assert parts(np.zeros((4, 5), np.uint8)) == []


def test_a_photograph_is_no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.data.parsing.annotations.mask_parts.MOST_RUNS", 10)
    assert parts(np.arange(1, 13).reshape(3, 4)) is None
