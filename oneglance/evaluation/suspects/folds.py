"""Pictures in folds, so that each is answered by a network that has not learned from it or its group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Fold(NamedTuple):
    """Rows of all pictures, int64 and ascending; no group is in two of them."""

    train: np.ndarray
    validation: np.ndarray  # selects the epoch and calibrates
    held_out: np.ndarray  # is answered


def folds_of(
    units: np.ndarray, classes: Sequence[Sequence[str]], count: int, seed: int = 0
) -> Iterator[Fold]:
    """``count`` folds, each held out once; half of the next one is its validation part."""
    fold, random = assigned(units, classes, count, seed), np.random.default_rng(seed)
    half = random.permutation(int(units.max(initial=0)) + 1) % 2 == 0
    for number in range(count):
        following = (number + 1) % count
        validation = (fold == following) & half[units] if count > 2 else (fold != number) & half[units]
        held_out = fold == number
        yield Fold(*(np.flatnonzero(part) for part in (~validation & ~held_out, validation, held_out)))


def assigned(units: np.ndarray, classes: Sequence[Sequence[str]], count: int, seed: int) -> np.ndarray:
    """The fold of each row, int64 [n]. Whole units, those of the rarest classes first, go where their
    rarest class is rarest, and of such folds to the smallest: iterative stratification (Sechidis et al. 2011)
    of whole groups.

    Args:
        units: int64 [n]; rows with an equal number stay together.
        classes: of each row, to be spread evenly.
    """
    frequency = Counter(word for row in classes for word in row)
    members: dict[int, list[int]] = {}
    for row, unit in enumerate(units.tolist()):
        members.setdefault(unit, []).append(row)
    order = np.random.default_rng(seed).permutation(len(members)).tolist()
    keys = list(members)
    rarest = {
        unit: min(
            (word for row in rows for word in classes[row]), key=lambda w: (frequency[w], w), default=""
        )
        for unit, rows in members.items()
    }
    ordered = sorted(
        (keys[place] for place in order),
        key=lambda unit: (frequency[rarest[unit]] if rarest[unit] else len(units), -len(members[unit])),
    )
    sizes, counts = np.zeros(count, dtype=np.int64), [Counter[str]() for _ in range(count)]
    result = np.zeros(len(units), dtype=np.int64)
    for unit in ordered:
        chosen = min(range(count), key=lambda one: (counts[one][rarest[unit]], sizes[one]))
        result[members[unit]] = chosen
        sizes[chosen] += len(members[unit])
        counts[chosen].update(word for row in members[unit] for word in classes[row])
    return result


def seen_in_one_fold(fold: np.ndarray, classes: Sequence[Sequence[str]]) -> set[str]:
    """The classes all of whose pictures are held out together, so that nobody can have learned them."""
    where: dict[str, set[int]] = {}
    for number, row in zip(fold.tolist(), classes, strict=True):
        for word in row:
            where.setdefault(word, set()).add(number)
    return {word for word, numbers in where.items() if len(numbers) == 1}
