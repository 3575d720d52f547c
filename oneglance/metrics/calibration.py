"""Does a confidence of 0.8 mean right in 80 of 100 cases? Bins of confidences, their mean error, its cure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from oneglance.metrics.weighted import dense_ranks
from oneglance.report_items import Grid

# Metrics of confidence alone: an answer that is the same for every picture does well, and knows nothing.
OF_CONFIDENCE = frozenset({"ece"})
BINS = 15  # of confidences, at most
FEWEST = 10  # items of a bin: of fewer, the share right says little
HALF_NORMAL = math.sqrt(2 / math.pi)  # mean of |z| of a standard normal z
STEPS = 20  # of Newton's method, at most; about five are taken
SPREAD = 1.0  # standard deviation of the offsets of tags around the usual ones, in log-odds
REACH = 4 * SPREAD  # no offset is farther from the usual one


def _error_function(values: np.ndarray) -> np.ndarray:
    return np.array([math.erf(value) for value in values.tolist()])  # NumPy has none, SciPy may not be there


def mean_bins(
    confidence: np.ndarray, rank: np.ndarray, right: np.ndarray, weights: np.ndarray, bins: int = BINS
) -> np.ndarray:
    """Mean confidence, mean share right and weight of ``bins`` bins of equal mass: float64 [3, filled bins].

    Items of equal confidence go to one bin, so the order of the items does not matter.

    Args:
        rank: ``dense_ranks(confidence)``.
    """
    if weights.sum() <= 0:
        return np.zeros((3, 0))
    index = _bin_index(rank, weights, bins)
    sums = np.stack(
        [np.bincount(index, weights * column, minlength=bins) for column in (confidence, right, 1.0)]
    )
    sums = sums[:, sums[2] > 0]
    return np.stack([sums[0] / sums[2], sums[1] / sums[2], sums[2]])


def confidence_figures(
    confidence: np.ndarray,
    right: np.ndarray,
    of_truth: np.ndarray,
    squared: np.ndarray,
    picture: np.ndarray | None = None,
) -> dict[str, float]:
    """What is said of confidences before and after calibration: ``{"ece", "log_loss", "brier"}``, each
    better if smaller.

    Args:
        confidence, right: float [n], see ``expected_calibration_error``, as ``picture``.
        of_truth: float [n], the probabilities of what is true.
        squared: float [n], squared distances of the probabilities from the truth (Brier 1950).
    """
    ece = expected_calibration_error(
        confidence, dense_ranks(confidence), right.astype(np.float64), np.ones(len(right)), picture
    )
    loss = -np.log(np.maximum(of_truth, 1e-15))
    return {"ece": ece, "log_loss": float(loss.mean()), "brier": float(squared.mean())}


def calibration_grid(figures: Mapping[str, Mapping[str, float]]) -> list[Grid]:
    """``{"before": confidence_figures(…), "after": …}`` as the report shows it; nothing of nothing."""
    if not figures:
        return []
    rows: list[tuple[str | float, ...]] = [(moment, *each.values()) for moment, each in figures.items()]
    return [Grid("Before and after calibration", ("", "ECE", "log loss", "Brier score"), tuple(rows))]


def _bin_index(rank: np.ndarray, weights: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each item, int64 [n]: by the middle of the mass of its value, in the order of the values."""
    mass = np.bincount(rank, weights)
    middle = (np.cumsum(mass) - mass / 2) / weights.sum()
    index: np.ndarray = np.minimum((middle * bins).astype(np.int64), bins - 1)[rank]
    return index


def expected_calibration_error(
    confidence: np.ndarray,
    rank: np.ndarray,
    right: np.ndarray,
    weights: np.ndarray,
    picture: np.ndarray | None = None,
) -> float:
    """Mean |confidence - share right| over bins of equal mass (Nixon et al. 2019, arXiv 1904.01685, adaptive
    binning), without the part that is noise. NaN where nothing counts, or too little to know the noise.

    The mean of the bins' own gaps is never small: the share right of a few items differs from its expectation
    by chance, and an absolute value keeps that (Bröcker 2012, Clim. Dyn. 39; Kumar et al. 2019, arXiv
    1909.10155, who take it out of the squared error, where it is a variance). Here the mean of the absolute
    gaps stays what is estimated: it is the ``t`` for which bins with a true gap of ``t`` and the noise that
    these bins have would show the mean gap that these bins show. Where they show no more than noise, it is 0.

    In a bootstrap resample the same item, drawn twice, is no second witness. So the noise of a bin is counted
    by different items (``weights`` squared), and is larger in a resample than in the sample; that is what
    centres the resamples on the value. With whole-number weights the result is therefore *not* that of the
    items repeated that often, unlike all other metrics.

    Args:
        confidence, right, weights: float64 [n]; ``right`` from 0 to 1.
        rank: ``dense_ranks(confidence)``.
        picture: int64 [n], equal for items that are not independent and count equally often, such as the tags
            of one picture; default: all are independent.
    """
    counted = weights > 0
    total = float(weights.sum())
    if not counted.any():
        return math.nan
    bins = int(np.clip(len(weights) // FEWEST, 1, BINS))
    index: np.ndarray = _bin_index(rank, weights, bins)[counted]
    weights, gaps = weights[counted], weights[counted] * (confidence - right)[counted]
    if picture is not None:  # items of one picture and bin become one
        pictures = int(picture.max()) + 1
        item = index * pictures + picture[counted]
        weights, gaps = (np.bincount(item, column, minlength=bins * pictures) for column in (weights, gaps))
        drawn = weights > 0
        index = np.repeat(np.arange(bins), pictures)[drawn]
        weights, gaps = weights[drawn], gaps[drawn]
    mass: np.ndarray = np.bincount(index, weights, minlength=bins)
    gap: np.ndarray = np.bincount(index, gaps, minlength=bins)
    filled = mass > 0
    mass, gap = mass[filled], gap[filled] / mass[filled]
    noise = _noise(gap, (np.cumsum(filled) - 1)[index], weights, gaps, mass)
    if noise is None:
        return math.nan
    return _true_gap(float(mass @ np.abs(gap)) / total, noise, mass / total)


def _noise(
    gap: np.ndarray, index: np.ndarray, weights: np.ndarray, gaps: np.ndarray, mass: np.ndarray
) -> np.ndarray | None:
    """The standard error of each bin's mean gap; None where no bin has two items."""
    squares = np.bincount(index, (gaps - weights * gap[index]) ** 2, minlength=len(mass)) / mass**2
    alone = np.bincount(index, weights**2, minlength=len(mass)) / mass**2  # 1: a single item
    several = alone < 1 - 1e-9
    if not several.any():
        return None
    variance = np.full(len(mass), np.nan)
    variance[several] = squares[several] / (1 - alone[several])
    # A bin of one item cannot say how items vary: as they do elsewhere.
    variance[~several] = float(np.mean(variance[several] / alone[several]))
    return np.sqrt(variance)


def _true_gap(shown: float, noise: np.ndarray, share: np.ndarray) -> float:
    """The ``t`` at which the mean over bins of E|t + noise| is ``shown`` (the mean of a folded normal)."""
    if shown <= HALF_NORMAL * float(share @ noise):
        return 0.0
    noise = np.maximum(noise, 1e-12)
    gap = shown  # E|t + noise| is convex in t and at least t: from there Newton's method falls to the root
    for _ in range(STEPS):
        ratio = gap / (noise * math.sqrt(2))
        sign = _error_function(ratio)
        excess = float(share @ (gap * sign + HALF_NORMAL * noise * np.exp(-(ratio**2)))) - shown
        gap -= excess / float(share @ sign)
        if excess < 1e-9:
            break
    return max(gap, 0.0)


def likely_offsets(
    scaled: np.ndarray, hoped: np.ndarray, labelled: np.ndarray, usual: np.ndarray
) -> tuple[np.ndarray, float]:
    """For each column of log-odds ``scaled`` [n, k] the offset that makes the probabilities ``hoped`` [n, k]
    likeliest, given that offsets are normally distributed around the ``usual`` ones [k].

    Where few rows count, or hardly one is yes, it stays near the usual one, for they can say little.

    Args:
        labelled: bool [n, k]; which entries count.

    Returns:
        The offsets, float64 [k], and how unlikely they are: the sum of their squared deviations over twice
        the variance.
    """
    low, high, offsets = usual - REACH, usual + REACH, usual.astype(np.float64)
    for _ in range(STEPS):  # Newton's method within a bracket that shrinks
        chance = np.exp(-np.logaddexp(0, -(scaled + offsets)))
        slope = np.where(labelled, chance - hoped, 0).sum(axis=0) + (offsets - usual) / SPREAD**2
        bend = np.where(labelled, chance * (1 - chance), 0).sum(axis=0) + 1 / SPREAD**2
        high, low = np.where(slope > 0, offsets, high), np.where(slope > 0, low, offsets)
        wanted = offsets - slope / bend
        moved = np.where((wanted > low) & (wanted < high), wanted, (low + high) / 2)
        done = bool(np.abs(moved - offsets).max() < 1e-6)
        offsets = moved
        if done:
            break
    return offsets, float(((offsets - usual) ** 2).sum() / (2 * SPREAD**2))
