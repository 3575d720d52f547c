"""Answers that are probably wrong, by predictions that are given."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.metrics.label_errors import doubted_labels, learned_last, outliers, with_learning


def predictions(count: int, wrong: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes, right in most cases, and what people say, wrong in the first ones."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(3, size=count)
    logits = draw.normal(0, 1, (count, 3))
    logits[np.arange(count), truth] += 5
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    given = truth.copy()
    given[:wrong] = (truth[:wrong] + 1) % 3
    return chances, given


def test_changed_labels_come_first() -> None:
    chances, given = predictions(400, 20)
    proposed, scores, likely = doubted_labels(chances, given)
    assert (proposed != given).all()
    assert set(np.argsort(-scores)[:20].tolist()) >= set(range(17))
    assert likely[:20].sum() >= 14 and likely[20:].sum() <= 8
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_class_counts_as_seen_from_its_own_mean_on() -> None:
    """A network that is never sure of a class sees it confidently at less than one that always is."""
    chances = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.45, 0.55], [0.7, 0.3]])
    given = np.array([0, 0, 1, 1, 0, 1])
    _, _, likely = doubted_labels(chances, given)
    assert likely.tolist() == [False, False, False, False, True, False]  # 0.7 is less than 0.75


def test_a_class_that_nobody_names_is_never_proposed_confidently() -> None:
    _, _, likely = doubted_labels(np.array([[0.1, 0.9, 0.0], [0.0, 0.1, 0.9]]), np.array([0, 0]))
    assert not likely.any()


def test_numbers_far_from_the_prediction_are_doubted() -> None:
    draw = np.random.default_rng(0)
    residuals = draw.normal(0, 1, 300)
    residuals[:10] += np.where(draw.random(10) < 0.5, -12, 12)
    scores = outliers(residuals)
    assert set(np.argsort(-scores)[:10].tolist()) == set(range(10))
    assert scores[:10].min() > 0.5 and scores[10:].max() < 0.5


def test_what_is_far_depends_on_the_spread_there() -> None:
    draw = np.random.default_rng(0)
    near = np.linspace(0, 1, 600)
    residuals = draw.normal(0, 1, 600) * np.where(near < 0.5, 0.1, 3)
    residuals[100], residuals[500] = 2.5, 2.5
    scores = outliers(residuals, near)
    assert scores[100] > 3 * scores[500]


@pytest.mark.parametrize("residuals", [[], [0.0], [1.0, 1.0, 1.0], [0.0] * 50 + [1.0]])
def test_few_or_equal_numbers_are_no_trouble(residuals: list[float]) -> None:
    scores = outliers(np.array(residuals))
    assert scores.shape == (len(residuals),) and np.isfinite(scores).all()


def test_what_was_learned_last_is_doubted_more() -> None:
    late = learned_last(np.array([3.0, np.nan, 0.5, 1.0, 2.0]))
    np.testing.assert_allclose(late, [7 / 8, 0.5, 1 / 8, 3 / 8, 5 / 8])
    scores = with_learning(np.array([0.6, 0.6, 0.6, 0.001, 0.001]), late)
    odds = np.array([1.5 * 49, 1.5, 1.5 / 49, (3 / 5) ** 2 / 9, (5 / 3) ** 2 / 9])
    np.testing.assert_allclose(scores, odds / (1 + odds))
    assert not len(with_learning(np.zeros(0), np.zeros(0)))
