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
    expected_calibration_error,
    f1,
    mean_bins,
    places,
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
    ranks = weighted_ranks(places(values), weights)
    (expected,) = repeated(weights, values)
    assert repeated(weights, ranks)[0] == pytest.approx(rankdata(expected))


@quick
@given(scored())
def test_correlation_of_ranks_is_spearmans(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    x, y, weights = case
    found = weighted_correlation(
        weighted_ranks(places(x), weights), weighted_ranks(places(y), weights), weights
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
def test_bins_keep_all_mass_and_do_not_part_equals(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    confidence, right, weights = case
    bins = mean_bins(confidence, places(confidence), right, weights)
    assert bins[2].sum() == pytest.approx(weights.sum())
    assert bins[0] @ bins[2] == pytest.approx(confidence @ weights)
    assert bins[1] @ bins[2] == pytest.approx(right @ weights)
    assert (np.diff(bins[0]) > 0).all()
    turned = mean_bins(confidence[::-1], places(confidence)[::-1], right[::-1], weights[::-1])
    assert turned == pytest.approx(bins)


def test_bins_have_equal_mass() -> None:
    confidence = np.random.default_rng(0).random(1500)
    bins = mean_bins(confidence, places(confidence), np.ones(1500), np.ones(1500))
    assert bins.shape == (3, 15)
    assert bins[2] == pytest.approx(np.full(15, 100), abs=1)


def test_equals_go_to_the_bin_of_their_middle() -> None:
    confidence = np.array([0.1, 0.2])
    assert mean_bins(confidence, places(confidence), confidence, np.ones(2), bins=2).shape == (3, 2)


def test_calibration_error_is_what_it_says() -> None:
    confidence, right = np.repeat([0.6, 0.9], 50), np.repeat([1.0, 0.0, 1.0], [25, 25, 50])
    ones = np.ones(100)
    # 50 % right at 60 % confidence, 100 % right at 90 %: half of 0.1 each.
    found = expected_calibration_error(confidence, places(confidence), right, ones)
    assert found == pytest.approx(0.1)
    even = expected_calibration_error(right, places(right), right, ones)
    assert even == 0
    assert np.isnan(expected_calibration_error(confidence, places(confidence), right, 0 * ones))


def test_honest_confidence_has_a_small_calibration_error() -> None:
    random = np.random.default_rng(0)
    confidence = random.random(20000)
    right = (random.random(20000) < confidence).astype(float)
    honest = expected_calibration_error(confidence, places(confidence), right, np.ones(20000))
    boasting = np.sqrt(confidence)
    dishonest = expected_calibration_error(boasting, places(boasting), right, np.ones(20000))
    assert honest < 0.015
    assert dishonest > 0.1


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
    assert places(np.array([[0.5, 0.1], [0.1, 0.9]])).tolist() == [[1, 0], [0, 2]]


def test_ranking_names_the_end_of_each_tie() -> None:
    order, end = ranking(np.array([0.2, 0.9, 0.2, 0.5]))
    assert order.tolist() == [1, 3, 0, 2]
    assert end.tolist() == [0, 1, 3, 3]
