"""Which answers are probably wrong, by predictions of a network that has not learned from them.

Why no library: cleanlab is under the AGPL; ``bench/suspects.py`` compares with it. NumPy only.
"""

from __future__ import annotations

import numpy as np

from oneglance.metrics.weighted import dense_ranks, weighted_ranks

USUAL_SHARE = 0.05  # of wrong answers, before anything is known
DOUBT = 0.1  # of an answer that nobody contradicts
DEGREES = 4.0  # of freedom of the distribution of right answers: tails that are heavier than normal ones
NEIGHBOURS = 60  # answers by which the spread at one place is measured, at least


def doubted_labels(chances: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The likeliest other class of each picture, and how much likelier it is.

    Args:
        chances: float64 [n, classes], out of sample.
        given: int64 [n], the class that people name.

    Returns:
        The class proposed, int64 [n], never the given one. The score, float64 [n] in 0 to 1: its share of the
        probability of both, 0.5 where they are equally likely; of the orders that ``bench/suspects.py``
        compared, the best. And whether it is likely, bool [n], by confident learning (Northcutt, Jiang and
        Chuang 2021, arXiv 1911.00068, section 3.1): the proposed class is the likelier one, and at least as
        likely as it is in the mean where people name it.
    """
    rows = np.arange(len(given))
    own = chances[rows, given]
    counts = np.bincount(given, minlength=chances.shape[1])
    sums = np.bincount(given, own, minlength=chances.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
    others = chances.copy()
    others[rows, given] = -1.0
    proposed = others.argmax(axis=1)
    best = others[rows, proposed]
    score = best / np.maximum(best + own, 1e-12)
    return proposed, score, (best >= thresholds[proposed]) & (best > own)


def learned_last(losses: np.ndarray) -> np.ndarray:
    """The share of answers that were learned sooner than each, float64 [n] between 0 and 1.

    Args:
        losses: float64 [n], mean losses of the answers while they were learned; NaN: unknown, which is in
            the middle.
    """
    known = np.isfinite(losses)
    rank = weighted_ranks(dense_ranks(losses[known]), np.ones(int(known.sum())))  # from 1
    late = np.full(len(losses), 0.5)
    late[known] = (rank - 0.5) / max(1, len(rank))
    return late


def with_learning(scores: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Scores [k] in 0 to 1 of suspicions, with how late these answers were learned, [k]: the odds of both are
    multiplied, those of being late twice. A score counts as a tenth at least, for networks that have not
    learned from an answer may not be able to tell. See ``bench/suspects.py --losses``.
    """
    scores = np.maximum(scores, DOUBT)
    right, wrong = (1 - scores) * (1 - late) ** 2, scores * late**2
    return np.asarray(wrong / np.maximum(wrong + right, 1e-12))


def outliers(residuals: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """How likely each residual is that of a wrong answer: float64 [n], 0 to 1.

    Right answers spread around the prediction as Student's t, as wide as the residuals of the answers whose
    predictions are nearest; wrong ones lie anywhere in the range of all residuals (a mixture as that of Box
    and Tiao 1968, A Bayesian approach to some outlier problems). As the network has not learned from an
    answer, its residual is a deleted one: studentised by the spread of the others.

    Args:
        residuals: float64 [n], out of sample.
        near: float64 [n], by which answers are neighbours, such as the prediction; default: the spread is the
            same everywhere.
    """
    if not len(residuals):
        return np.zeros(0)
    middle = float(np.median(residuals))
    size = np.abs(residuals - middle)
    whole = max(float(np.median(size)) * 1.4826, 1e-12)
    spread = np.full(len(size), whole)
    if near is not None and len(size) >= 2 * NEIGHBOURS:
        order = np.argsort(near, kind="stable")
        width = min(500, max(NEIGHBOURS, len(size) // 10))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(size[order], width // 2, "reflect"), width)
        local = np.empty(len(size))
        local[order] = np.median(windows, axis=1)[: len(size)] * 1.4826
        spread = np.sqrt(np.maximum(local, whole / 4) * whole)  # half way to the usual one: few tell little
    z = size / spread
    right = (1 + z**2 / DEGREES) ** (-(DEGREES + 1) / 2) * 0.375  # of t with 4 degrees of freedom
    wrong = spread / max(2 * float(size.max()), 1e-12)  # evenly over the range, per unit of z
    wrong_weight, right_weight = USUAL_SHARE * wrong, (1 - USUAL_SHARE) * right
    return np.asarray(wrong_weight / (wrong_weight + right_weight))
