"""Stratified random splits: units are drawn so that every class is spread evenly over the splits.

Why no library does it: scikit-learn's ``StratifiedGroupKFold`` takes one class per row, and iterative
stratification (Sechidis 2011) no groups; here rows have several classes, groups, and splits fixed in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from oneglance.data.columns.coded import Coded

TRAIN, VALIDATION, TEST = range(3)
EFFORT = 2_000_000  # rows counted in all trials together: small sets afford more trials
TRIALS = (4, 3000)  # at least and at most
PER_UNIT = 20  # trials, at most: few units have few ways to lie
EVEN = 1e-4  # an unevenness that needs no further trials
DRAWINGS = 32  # trials that start anew; the others change the best one a little
AT_ONCE = 1_000_000  # rows that are counted at once
PASSED_OVER = 1000  # units too large for the rest of a split, after which the split counts as full


def tuples_of(rows: Sequence[Sequence[str]]) -> Coded:
    """Some rows of words as a column of tuples."""
    return rows if isinstance(rows, Coded) else Coded.of(map(tuple, rows))


@dataclass(frozen=True)
class Spread:
    """Measures how evenly classes are spread over splits. Rows with the same classes are one kind."""

    kind: np.ndarray  # whole numbers [n]
    pairs: np.ndarray  # int64 [m, 2]: a kind and a class that it has
    classes: int

    @classmethod
    def over(cls, stratify_labels: Sequence[Sequence[str]]) -> Spread:
        column, names = tuples_of(stratify_labels).appearing(), dict[str, int]()
        kind, kinds = column.codes, column.values
        # Not a set: its order, and with it the last digit of a sum, would differ from run to run.
        pairs = [
            (k, names.setdefault(c, len(names))) for k, row in enumerate(kinds) for c in dict.fromkeys(row)
        ]
        return cls(kind, np.array(pairs, dtype=np.int64).reshape(-1, 2), len(names))

    def of(self, rows: np.ndarray) -> Spread:
        """The same for some of the rows: bool [n], or int64 [k]."""
        return replace(self, kind=self.kind[rows])

    def unevenness(self, split: np.ndarray, shares: np.ndarray) -> float:
        """The distance of the splits from ``shares``, in pictures and in each class; 0 is perfect.

        A class that is absent from a split counts most, for it is never scored there. An empty split is
        infinitely uneven.
        """
        kinds = int(self.kind.max(initial=-1)) + 1
        by_kind = np.zeros((kinds, 3), dtype=np.int64)
        for start in range(0, len(split), AT_ONCE):
            cell = self.kind[start : start + AT_ONCE].astype(np.int64) * 3 + split[start : start + AT_ONCE]
            by_kind += np.bincount(cell, minlength=kinds * 3).reshape(-1, 3)
        sizes, wanted = by_kind.sum(axis=0), shares > 0
        if not sizes[wanted].all():
            return float("inf")
        size = sizes[wanted] / np.maximum(len(split) * shares[wanted], 1) - 1  # a split has one row at least
        pairs = self.pairs[self.pairs[:, 0] < kinds]
        counts = np.stack(
            [np.bincount(pairs[:, 1], by_kind[pairs[:, 0], p], self.classes) for p in range(3)], axis=1
        )
        counts = counts[counts.any(axis=1)]
        if not len(counts):
            return float(2 * size @ size)
        classes = counts / counts.sum(axis=1, keepdims=True) - shares
        absent = (counts == 0) & wanted
        return float(2 * size @ size + (classes**2).sum(axis=1).mean() + absent.sum(axis=1).mean())


def ranks(numbers: np.ndarray) -> np.ndarray:
    """int32 [n]: the place of each of some whole numbers among the distinct ones in ascending order. They are
    counted and not sorted, which takes memory for all between the smallest and the largest.
    """
    low = int(numbers.min(initial=0))
    there = np.zeros(int(numbers.max(initial=-1)) - low + 1, dtype=bool)
    there[numbers - low] = True
    rank = np.cumsum(there, dtype=np.int32)
    rank -= 1
    places: np.ndarray = rank[numbers - low]
    return places


def draw_splits(
    units: np.ndarray, shares: np.ndarray, spread: Spread, random: np.random.Generator
) -> np.ndarray:
    """The split of each row, int8 [n]: the most even of several random splits, and of small changes to it.

    Args:
        units: whole numbers [n]; rows with an equal number stay together.
        shares: float64 [3]; the share of the rows that each split should get.
        spread: the classes of the rows.
        random: the same state gives the same splits.
    """
    unit = ranks(units)
    sizes = np.bincount(unit)
    trials = min(int(np.clip(EFFORT // len(units), *TRIALS)), PER_UNIT * len(sizes))
    best, least = np.zeros(0), np.inf
    for trial in range(trials):
        fresh = trial < DRAWINGS or not np.isfinite(least)
        split = _fill(sizes, shares * len(units), random) if fresh else _swap(best, random)
        unevenness = spread.unevenness(split[unit], shares)
        if unevenness < least or not trial:
            best, least = split, unevenness
        if least < EVEN:
            break
    return best[unit]


def _swap(split: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """``split`` with two units exchanged, or, where that changes nothing, one of them moved."""
    first, second, third = random.integers(len(split), size=3)
    swapped = split.copy()
    swapped[first], swapped[second] = split[second], split[first]
    if split[first] == split[second]:
        swapped[first] = split[third]
    return swapped


def _fill(sizes: np.ndarray, wanted: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """int8 [units]: units in random order fill first validation, then test; the rest trains."""
    split = np.full(len(sizes), int(np.flatnonzero(wanted)[0]), dtype=np.int8)
    left = random.permutation(len(sizes))
    others = [code for code in (VALIDATION, TEST) if 0 < wanted[code] < wanted.sum()]
    for index, code in enumerate(others):
        spare = max(len(left) - (len(others) - index), min(1, len(left) - 1))  # units for the next splits
        taken = _take(sizes[left], wanted[code])[:spare]
        split[left[taken]] = code
        left = np.delete(left, taken)
    return split


def _take(sizes: np.ndarray, wanted: float) -> np.ndarray:
    """Indices of units, in their order, that together come near ``wanted``; at least one."""
    ends = np.cumsum(sizes)
    middles = ends - sizes / 2  # a unit is taken if more than half of it fits
    smallest = sizes.min(initial=0)
    runs: list[np.ndarray] = []
    start, before, full = 0, 0, 0
    for _ in range(PASSED_OVER):
        stop = max(start, int(np.searchsorted(middles, wanted - full + before, side="right")))
        if stop > start:
            runs.append(np.arange(start, stop))
            full += int(ends[stop - 1]) - before
        if stop + 1 >= len(sizes) or full + smallest / 2 > wanted:
            break
        start, before = stop + 1, int(ends[stop])
    return np.concatenate(runs) if runs else np.array([sizes.argmin()])
