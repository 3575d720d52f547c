"""Every metric against scikit-learn or SciPy, on items repeated as often as their weight says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import average_precision_score, f1_score

from oneglance.metrics.weighted import (
    average_precision,
    dense_ranks,
    f1,
    ranking,
    weighted_correlation,
    weighted_mean,
    weighted_ranks,
)

quick = settings(deadline=None, max_examples=60)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(scores with many ties, 0 or 1, whole-number weights of which one at least counts)."""
    count = draw(st.integers(1, 30))
    scores = draw(st.lists(st.integers(0, 8), min_size=count, max_size=count))
    truth = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    weights = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count).filter(any))
    return np.array(scores) / 8, np.array(truth, dtype=float), np.array(weights, dtype=float)


def repeated(weights: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(column, weights.astype(int)) for column in columns]


@quick
@given(scored())
def test_average_precision_is_that_of_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    scores, truth, weights = case
    found = average_precision(*ranking(scores), truth, weights)
    copies, true_copies = repeated(weights, scores, truth)
    if true_copies.any():
        assert found == pytest.approx(average_precision_score(true_copies, copies))
    else:
        assert np.isnan(found)


@quick
@given(scored())
def test_ranks_are_those_of_scipy(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    values, _, weights = case
    ranks = weighted_ranks(dense_ranks(values), weights)
    (expected,) = repeated(weights, values)
    assert repeated(weights, ranks)[0] == pytest.approx(rankdata(expected))


@quick
@given(scored())
def test_correlation_of_ranks_is_spearmans(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    x, y, weights = case
    found = weighted_correlation(
        weighted_ranks(dense_ranks(x), weights), weighted_ranks(dense_ranks(y), weights), weights
    )
    copies = repeated(weights, x, y)
    if np.ptp(copies[0]) and np.ptp(copies[1]):
        assert found == pytest.approx(spearmanr(*copies).statistic)
    else:
        assert np.isnan(found)


def test_correlation_with_a_constant_is_undefined_in_spite_of_rounding() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.7])
    assert np.isnan(weighted_correlation(np.full(4, 0.1), np.arange(4.0), weights))


@quick
@given(scored())
def test_f1_is_that_of_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    scores, truth, weights = case
    chosen = (scores > 0.5).astype(float)
    hits, predicted, actual = (np.array([weights @ c]) for c in (chosen * truth, chosen, truth))
    copies = repeated(weights, truth, chosen)
    assert f1(hits, predicted, actual)[0] == pytest.approx(f1_score(*copies, zero_division=0))


def test_the_mean_of_nothing_is_undefined() -> None:
    assert np.isnan(weighted_mean(np.ones(3), np.zeros(3)))
    assert weighted_mean(np.array([1.0, 4.0]), np.array([2.0, 1.0])) == pytest.approx(2.0)


def test_places_keep_the_shape() -> None:
    assert dense_ranks(np.array([[0.5, 0.1], [0.1, 0.9]])).tolist() == [[1, 0], [0, 2]]


def test_ranking_names_the_end_of_each_tie() -> None:
    order, end = ranking(np.array([0.2, 0.9, 0.2, 0.5]))
    assert order.tolist() == [1, 3, 0, 2]
    assert end.tolist() == [0, 1, 3, 3]
