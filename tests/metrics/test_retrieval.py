"""Nearest others, against plain loops and scikit-learn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from oneglance.metrics import retrieval
from oneglance.metrics.retrieval import VOTERS, Neighbours, neighbours

seeds = st.integers(0, 10_000)
quick = settings(deadline=None, max_examples=30)


def case(seed: int, count: int, classes: int, dimensions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length 1 that lean towards their class."""
    random = np.random.default_rng(seed)
    keys = random.integers(0, classes, size=count)
    vectors = random.normal(size=(classes, dimensions))[keys] + random.normal(size=(count, dimensions))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), keys


def by_hand(vectors: np.ndarray, keys: np.ndarray) -> Neighbours:
    rows = []
    for row, key in enumerate(keys):
        others = sorted((o for o in range(len(keys)) if o != row), key=lambda o: -(vectors[o] @ vectors[row]))
        right = [keys[other] == key for other in others]
        alike = sum(right)
        hits = [sum(right[: rank + 1]) / (rank + 1) for rank in range(alike) if right[rank]]
        votes = Counter(int(keys[other]) for other in others[:VOTERS])
        most = max(votes.values(), default=0)
        named = next((int(keys[other]) for other in others if votes[int(keys[other])] == most), -1)
        first = bool(right) and right[0]
        rows.append((first, sum(hits) / alike if alike else 0, named == key, alike > 0))
    return Neighbours(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


@quick
@given(seeds, st.integers(1, 40), st.integers(1, 6))
def test_it_is_what_loops_find(seed: int, count: int, classes: int) -> None:
    vectors, keys = case(seed, count, classes)
    for found, expected in zip(neighbours(vectors, keys), by_hand(vectors, keys), strict=True):
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_nearest_and_the_vote_are_those_of_scikit_learn() -> None:
    vectors, keys = case(0, 150, 2)
    found = neighbours(vectors, keys)
    nearest = NearestNeighbors(n_neighbors=2, metric="cosine").fit(vectors).kneighbors()[1][:, 0]
    np.testing.assert_array_equal(found.first, keys[nearest] == keys)
    compared = 0
    for row in range(len(keys)):
        rest = np.arange(len(keys)) != row
        voters = KNeighborsClassifier(VOTERS, metric="cosine").fit(vectors[rest], keys[rest])
        chances = voters.predict_proba(vectors[row : row + 1])[0]
        if chances.max() > 0.55:  # scikit-learn breaks ties in another way
            assert found.voted[row] == (chances.argmax() == keys[row])
            compared += 1
    assert compared > 100


def test_clusters_far_apart_are_perfect() -> None:
    keys = np.repeat(np.arange(4), 12)
    found = neighbours(np.eye(4)[keys], keys)
    assert all((part == 1).all() for part in found)


def test_vectors_that_are_all_the_same_are_right_by_chance() -> None:
    keys = np.arange(1200) % 3
    found = neighbours(np.tile([1.0, 0.0], (1200, 1)), keys)
    assert found.first.mean() == pytest.approx(1 / 3, abs=0.05)
    assert found.precision.mean() == pytest.approx(1 / 9, abs=0.02)  # at R: the mean of 1/3 * 1/3
    assert found.voted.mean() == pytest.approx(1 / 3, abs=0.06)
    again = neighbours(np.tile([1.0, 0.0], (1200, 1)), keys)
    assert all(np.array_equal(one, two) for one, two in zip(found, again, strict=True))


def test_a_picture_without_any_alike_does_not_count() -> None:
    found = neighbours(np.eye(3), np.array([0, 0, 1]))
    assert found.counts.tolist() == [1, 1, 0]
    assert found.first[2] == found.precision[2] == 0


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_to_compare_with(count: int) -> None:
    found = neighbours(np.ones((count, 2)), np.zeros(count, dtype=np.int64))
    assert all(part.tolist() == [0.0] * count for part in found)


def test_many_pictures_are_compared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, keys = case(1, 100, 4)
    whole = neighbours(vectors, keys)
    monkeypatch.setattr(retrieval, "ROWS", 7)
    for one, two in zip(whole, neighbours(vectors, keys), strict=True):
        np.testing.assert_allclose(one, two)
