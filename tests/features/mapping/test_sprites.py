"""Thumbnails in sheets: each lies where its slot says, and all within a budget."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from oneglance.features.mapping import sprites
from oneglance.features.mapping.sprites import BYTES, PIXELS, Plan, sheets


def test_few_are_large_and_of_many_some_have_one() -> None:
    assert (len(Plan.of(1).rows), Plan.of(1).side) == (1, 128)
    assert (len(Plan.of(4000).rows), Plan.of(4000).side) == (4000, 77)
    many = Plan.of(50_000)
    assert many.side == 48 and len(many.rows) == PIXELS // 48**2
    assert np.all(np.diff(many.rows) > 0) and many.rows[-1] > 49_000


def test_each_lies_where_its_slot_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sprites, "SHEET", 256)
    plan = Plan(np.array([0, 2, 3, 4, 5, 7]), 128)
    shades = [0, 60, None, 120, 180, 240]
    pictures = [None if s is None else Image.new("RGB", (128, 64), (s, s, s)) for s in shades]
    made = sheets(plan, pictures, 9)
    assert (made.across, len(made.jpegs)) == (2, 2)
    assert made.slots.tolist() == [0, -1, 1, -1, 2, 3, -1, 4, -1]
    for row, shade in zip(plan.rows.tolist(), shades, strict=True):
        if shade is not None:
            sheet = np.asarray(Image.open(io.BytesIO(made.jpegs[made.slots[row] // 4])))
            down, right = divmod(made.slots[row] % 4, 2)
            assert abs(int(sheet[128 * down + 30, 128 * right + 60, 0]) - shade) < 6
            assert made.sizes[row].tolist() == [128, 64]


def test_what_does_not_fit_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sprites, "SHEET", 128)
    monkeypatch.setattr(sprites, "BYTES", 15_000)
    draw = np.random.default_rng(0)
    pictures = (Image.fromarray(draw.integers(0, 256, (128, 128, 3), np.uint8)) for _ in range(5))
    made = sheets(Plan(np.arange(5), 128), pictures, 5)
    assert 0 < len(made.jpegs) < 5 and sum(map(len, made.jpegs)) <= 15_000
    assert (made.slots >= 0).tolist() == [number < len(made.jpegs) for number in range(5)]
    assert BYTES <= 20_000_000
