"""How often the pictures of each source come."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.training.source_sampler import SourceSampler


def test_at_temperature_1_every_picture_comes_once() -> None:
    epoch = SourceSampler(["a"] * 7 + ["b"] * 3).epoch(np.random.default_rng(0))
    assert sorted(epoch.tolist()) == list(range(10)) != epoch.tolist()


def test_temperature_2_takes_square_roots() -> None:
    sampling = SourceSampler(["big"] * 400 + ["small"] * 100, 2.0)
    assert sampling.counts == [400, 200]
    assert sampling.describe() == "big 400 pictures (67%), small 100 pictures 2.0 times (33%)"
    counts = Counter(sampling.epoch(np.random.default_rng(1)).tolist())
    assert {counts[row] for row in range(400)} == {1}
    assert {counts[row] for row in range(400, 500)} == {2}


def test_a_high_temperature_makes_all_alike() -> None:
    assert SourceSampler(["a"] * 50 + ["b"] * 5 + ["c"], 1e6).counts == [50, 50, 50]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    temperature=st.floats(1, 50),
    seed=st.integers(0, 99),
)
def test_whatever_the_sources(sizes: list[int], temperature: float, seed: int) -> None:
    sources = [f"s{place}" for place, size in enumerate(sizes) for _ in range(size)]
    sampling = SourceSampler(sources, temperature)
    epoch = sampling.epoch(np.random.default_rng(seed))
    assert len(epoch) == len(sampling)
    counts = Counter(epoch.tolist())
    for name, rows, drawn in zip(sampling.names, sampling.rows, sampling.counts, strict=True):
        assert {sources[row] for row in rows} == {name}
        found = [counts[row] for row in rows.tolist()]
        assert sum(found) == drawn >= len(rows)
        assert max(found) - min(found) <= 1  # none again before all others
    assert sum(len(rows) for rows in sampling.rows) == len(sources)
    assert sampling.epoch(np.random.default_rng(seed)) == pytest.approx(epoch)
