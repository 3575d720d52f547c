"""Metrics in which each item counts ``weights`` times, so that a bootstrap resample is only other weights.

With whole-number weights every function gives what the usual one gives on the items repeated that often.
"""

from __future__ import annotations

import numpy as np


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """NaN where nothing counts."""
    total = float(weights.sum())
    return float(values @ weights) / total if total > 0 else float("nan")


def f1(true_positive: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """2 TP / (predicted + actual) per class; 0 where both are 0."""
    return np.divide(
        2 * true_positive,
        predicted + actual,
        out=np.zeros_like(true_positive),
        where=(predicted + actual) > 0,
    )


def dense_ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value among the distinct ones, from 0 by rising value: int64, shaped as ``values``.

    Sorting is what costs; a bootstrap does it once and hands the ranks on.
    """
    return np.unique(values, return_inverse=True)[1].reshape(values.shape)


def ranking(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(order, end) of ``scores`` [n]: the items by falling score, and for each rank of that order the last
    rank of the same score; both int64 [n].
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(order)])
    return order, np.repeat(last, np.diff(last, prepend=-1))


def average_precision(order: np.ndarray, end: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Area under precision over recall as a sum of steps, as scikit-learn's average_precision_score; NaN if
    nothing is positive.

    Args:
        order, end: the ``ranking`` of the scores.
        positive: float64 [n], 1 where the item truly has the class.
        weights: float64 [n], how often each item counts.
    """
    counted = weights[order]
    gain = counted * positive[order]
    hits, total = np.cumsum(gain), np.cumsum(counted)
    if not len(hits) or hits[-1] <= 0:
        return float("nan")
    # Before the first item that counts both are 0, and so is its gain.
    precision = hits / np.maximum(total, np.finfo(np.float64).tiny)
    return float(gain @ precision[end] / hits[-1])


def weighted_ranks(rank: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean rank of each value among all, each counted ``weights`` times; ties share their rank.

    Args:
        rank: ``dense_ranks`` of the values.
    """
    mass = np.bincount(rank, weights)
    return np.asarray((np.cumsum(mass) - (mass - 1) / 2)[rank])


def weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Pearson's correlation; NaN where either is constant."""
    counts = weights > 0
    if np.ptp(x[counts]) == 0 or np.ptp(y[counts]) == 0:  # rounding would leave a little of it
        return float("nan")
    x = x - weighted_mean(x, weights)
    y = y - weighted_mean(y, weights)
    spread = np.sqrt((weights @ x**2) * (weights @ y**2))
    return float(weights @ (x * y) / spread) if spread > 0 else float("nan")
