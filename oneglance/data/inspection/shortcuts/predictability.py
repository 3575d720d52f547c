"""How well answers can be told from clues alone: a small decision tree, cross-validated by group.

The measure is 0 for who always says the same and 1 for who is always right: of classes the balanced
accuracy above that of chance, of numbers the share of the variance (R²) that is explained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FOLDS = 4
DEEPEST = 6  # questions in a row
LEAF = 4  # pictures by which an answer is given
MOST = 3000  # pictures of a sample
LEAST = 10  # pictures of a class
RESAMPLES = 200
CLASSES = 20  # the most frequent ones


@dataclass(frozen=True)
class Skill:
    """From 0 to 1, with its 95 % interval over groups, on pictures that were not learned from."""

    value: float
    low: float
    high: float
    n: int


Judge = Callable[[np.ndarray], Skill | None]
"""The skill that clues, float32 [n, columns], give; None where nothing can be said."""


def class_judge(classes: np.ndarray, groups: np.ndarray) -> Judge:
    """How well clues tell classes, numbers from 0, int64 [n]; None where fewer than two have enough pictures
    in groups enough. The folds are drawn once, for any number of clues.

    Args:
        groups: int64 [n]: pictures with equal numbers are never learned from and asked at once.
    """
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.tree import DecisionTreeClassifier

    kept = _sample(np.flatnonzero(np.isin(classes, _frequent(classes))))
    classes, groups = np.unique(classes[kept], return_inverse=True)[1], groups[kept]
    known = int(classes.max(initial=-1)) + 1
    if known < 2 or len(np.unique(groups)) < 2 * FOLDS:
        return _unknown
    drawn = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(classes, classes, groups)
    folds = list(drawn)

    tree = DecisionTreeClassifier(
        max_depth=DEEPEST, min_samples_leaf=LEAF, class_weight="balanced", random_state=0
    )

    def judge(clues: np.ndarray) -> Skill:
        right = _out_of_fold(tree, clues[kept], classes, folds) == classes

        def skill(weights: np.ndarray) -> float:
            totals = np.bincount(classes, weights, minlength=known)
            hits = np.bincount(classes, weights * right, minlength=known)
            chance, there = 1 / known, totals > 0
            return (float(np.mean(hits[there] / totals[there])) - chance) / (1 - chance)

        return _with_interval(skill, groups)

    return judge


def number_judge(values: np.ndarray, groups: np.ndarray) -> Judge:
    """Of numbers, float64 [n], by their ranks, so that a few extreme ones do not decide; else as above."""
    from sklearn.model_selection import GroupKFold
    from sklearn.tree import DecisionTreeRegressor

    kept = _sample(np.arange(len(values)))
    groups = groups[kept]
    ranks = np.unique(values[kept], return_inverse=True)[1].astype(np.float64)
    if len(np.unique(ranks)) < 2 or len(np.unique(groups)) < 2 * FOLDS:
        return _unknown
    folds = list(GroupKFold(FOLDS).split(ranks, ranks, groups))

    tree = DecisionTreeRegressor(max_depth=DEEPEST, min_samples_leaf=LEAF, random_state=0)

    def judge(clues: np.ndarray) -> Skill:
        predicted = _out_of_fold(tree, clues[kept], ranks, folds)

        def skill(weights: np.ndarray) -> float:
            mean = np.average(ranks, weights=weights)
            error, spread = weights @ (ranks - predicted) ** 2, weights @ (ranks - mean) ** 2
            return float(1 - error / spread) if spread else 0.0

        return _with_interval(skill, groups)

    return judge


def _out_of_fold(
    tree: Any, clues: np.ndarray, target: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """What scikit-learn's ``tree``, fitted to the rest, says of each picture; each is in one fold."""
    predicted = np.empty_like(target)
    for learned, asked in folds:
        predicted[asked] = tree.fit(clues[learned], target[learned]).predict(clues[asked])
    return predicted


def _unknown(clues: np.ndarray) -> None:
    return None


def _with_interval(skill: Callable[[np.ndarray], float], groups: np.ndarray) -> Skill:
    random = np.random.default_rng(0)
    codes = np.unique(groups, return_inverse=True)[1]
    count = int(codes.max()) + 1
    draws = [
        skill(np.bincount(random.integers(0, count, count), minlength=count)[codes].astype(np.float64))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Skill(skill(np.ones(len(codes))), float(low), float(high), len(codes))


def _frequent(classes: np.ndarray) -> np.ndarray:
    values, counts = np.unique(classes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:CLASSES]
    return values[order][counts[order] >= LEAST]


def _sample(rows: np.ndarray) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST])
