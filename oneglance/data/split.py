"""Which pictures train, which choose and calibrate, and which are kept for the last word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oneglance.config import SplitTable
from oneglance.data.gather import CACHE_LIMIT, Question
from oneglance.data.merge import Joined
from oneglance.data.quote import quoted
from oneglance.data.record import Record
from oneglance.errors import DataError

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
EFFORT = 2_000_000  # rows looked at in all trials together: small sets afford more trials
TRIALS = (4, 3000)  # at least and at most
DRAWINGS = 32  # trials that start anew; the others change the best one a little
PASSED_OVER = 1000  # units found too large for the rest of a part before the part is called full


@dataclass(frozen=True)
class Parts:
    """Row indices, int64 and ascending; every record is in exactly one part."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def names(self) -> list[str]:
        """The part of every record, in the order of the records."""
        names = [""] * (len(self.train) + len(self.validation) + len(self.test))
        for name in PARTS:
            for row in getattr(self, name).tolist():
                names[row] = name
        return names


def strata(records: Sequence[Record], questions: Sequence[Question]) -> list[tuple[str, ...]]:
    """Per record the classes that its answers count for, such as ``('kind "hat"', 'style "striped"')``.

    Equal tuples are one object.
    """
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    caches: list[tuple[Question, str, dict[Any, tuple[str, ...]]]] = [(q, q.name, {}) for q in questions]
    rows = []
    for record in records:
        row: tuple[str, ...] = ()
        for question, name, cache in caches:
            answer = record.answers.get(name)
            if answer is not None:
                row += _classes(question, answer, cache)
        rows.append(shared.setdefault(row, row))
    return rows


def split(
    records: Sequence[Record],
    table: SplitTable,
    strata: Sequence[Sequence[str]] | None = None,
    same: Sequence[bytes | None] | None = None,
) -> Parts:
    """Part the records by group, the same way for the same ``table.seed``.

    What a record says of its own part holds, with one exception: a part that no record names is drawn
    from those that say train. Records that say nothing are drawn into the parts that their source does
    not name, unless another record of their group has a place already. Of many ways to draw
    the one is taken whose parts resemble the whole best.

    Args:
        records: at least two.
        table: the shares of all that is drawn, and the seed.
        strata: per record the classes that should be spread evenly; see ``strata()``.
        same: per record the digest of its content; equal pictures belong together like a group.

    Raises:
        DataError: a part would stay empty.
    """
    said = np.array([PARTS.index(r.split) if r.split else -1 for r in records], dtype=np.int64)
    units = _units(records, same)
    open_to = np.full(units.max(initial=-1) + 1, 0b111)  # one bit per part
    np.bitwise_and.at(open_to, units, _open_to(records))
    choice = open_to[units]
    part = np.where(said >= 0, said, TRAIN)  # holds where the records of a unit have no common choice
    spread = _Spread.over(strata if strata is not None else [()] * len(records))
    random = np.random.default_rng(table.seed)
    for bits in np.unique(choice[choice > 0]).tolist():
        rows = np.flatnonzero(choice == bits)
        part[rows] = _drawn(units[rows], _shares(bits, table), spread.of(rows), random)
    _refuse_empty(part, units, table)
    return Parts(*(np.flatnonzero(part == code) for code in range(3)))


def _classes(question: Question, answer: Any, cache: dict[Any, tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return cache[answer]
    except (KeyError, TypeError) as error:  # TypeError: a list is no key
        found = tuple(f"{question.name} {quoted(name, 200)}" for name in question.strata(answer))
        if isinstance(error, KeyError) and len(cache) < CACHE_LIMIT:
            cache[answer] = found
        return found


def _units(records: Sequence[Record], same: Sequence[bytes | None] | None) -> np.ndarray:
    """int64 [n]: records with an equal number stay together; numbers count from 0."""
    codes: dict[str, int] = {}
    # A record without a group is a unit of its own, with a number below 0.
    units = [codes.setdefault(r.group, len(codes)) if r.group else -1 - row for row, r in enumerate(records)]
    joined: Joined[int] = Joined()
    first: dict[bytes, int] = {}
    for row, digest in enumerate(same or ()):
        if digest is not None and (other := first.setdefault(digest, row)) != row:
            joined.join(units[other], units[row])
    roots = np.array([joined.root(unit) for unit in units], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].reshape(-1)


def _open_to(records: Sequence[Record]) -> np.ndarray:
    """int64 [n]: a bit for each part that a record may be put in."""
    said = {(record.source, record.split) for record in records}
    named = {part for _, part in said}
    choice = {}
    for source, part in said:
        if part in ("", "train"):
            taken = {name for of, name in said if of == source} if not part else named
            choice[source, part] = sum(
                1 << code for code, name in enumerate(PARTS) if name == "train" or name not in taken
            )
        else:
            choice[source, part] = 1 << PARTS.index(part)
    return np.array([choice[record.source, record.split] for record in records], dtype=np.int64)


def _shares(bits: int, table: SplitTable) -> np.ndarray:
    """float64 [3]: the share of each part among what may be put in the parts of ``bits``."""
    here = np.array([bits >> code & 1 for code in range(3)], dtype=np.float64)
    if not here[TRAIN]:
        return here  # a record that is in validation or test may be nowhere else
    shares = here * [0, table.validation, table.test]
    shares[TRAIN] = 1 - shares.sum()
    if shares[TRAIN] <= 0:
        raise DataError("test and validation together leave nothing to train on", where="[split]")
    return shares


@dataclass(frozen=True)
class _Spread:
    """How evenly classes are spread over parts. Rows with the same classes are counted as one kind."""

    kind: np.ndarray  # int64 [n]
    pairs: np.ndarray  # int64 [m, 2]: a kind and a class that it has
    classes: int

    @classmethod
    def over(cls, strata: Sequence[Sequence[str]]) -> _Spread:
        kinds: dict[tuple[str, ...], int] = {}
        names: dict[str, int] = {}
        kind = np.array([kinds.setdefault(tuple(row), len(kinds)) for row in strata], dtype=np.int64)
        # Not a set: its order, and with it the last digit of a sum, would differ from run to run.
        pairs = [(k, names.setdefault(c, len(names))) for row, k in kinds.items() for c in dict.fromkeys(row)]
        return cls(kind, np.array(pairs, dtype=np.int64).reshape(-1, 2), len(names))

    def of(self, rows: np.ndarray) -> _Spread:
        """The same for some of the rows."""
        return replace(self, kind=self.kind[rows])

    def unevenness(self, part: np.ndarray, shares: np.ndarray) -> float:
        """How far the parts are from ``shares``, in pictures and in each class; 0 is perfect.

        A class that is absent from a part counts most: what was never seen there is never scored. An empty
        part is infinitely uneven.
        """
        kinds = int(self.kind.max(initial=-1)) + 1
        by_kind = np.bincount(self.kind * 3 + part, minlength=kinds * 3).reshape(-1, 3)
        sizes, wanted = by_kind.sum(axis=0), shares > 0
        if not sizes[wanted].all():
            return float("inf")
        size = sizes[wanted] / (len(part) * shares[wanted]) - 1
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


def _drawn(units: np.ndarray, shares: np.ndarray, spread: _Spread, random: np.random.Generator) -> np.ndarray:
    """int64 [n]: the part of each row; rows of one unit stay together."""
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    unit = unit.reshape(-1)
    trials = int(np.clip(EFFORT // len(units), *TRIALS)) if (shares > 0).sum() > 1 else 1
    best, least = np.zeros(0), np.inf
    for trial in range(trials):
        fresh = trial < DRAWINGS or not np.isfinite(least)
        part = _filled(sizes, shares * len(units), random) if fresh else _swapped(best, random)
        unevenness = spread.unevenness(part[unit], shares)
        if unevenness < least or not trial:
            best, least = part, unevenness
    return best[unit]


def _swapped(part: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """``part`` with two units in each other's part, or, where that changes nothing, one in another's."""
    first, second, third = random.integers(len(part), size=3)
    swapped = part.copy()
    swapped[first], swapped[second] = part[second], part[first]
    if part[first] == part[second]:
        swapped[first] = part[third]
    return swapped


def _filled(sizes: np.ndarray, wanted: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """int64 [units]: units in random order fill first validation, then test; the rest trains."""
    part = np.full(len(sizes), int(np.flatnonzero(wanted)[0]))
    left = random.permutation(len(sizes))
    others = [code for code in (VALIDATION, TEST) if 0 < wanted[code] < wanted.sum()]
    for place, code in enumerate(others):
        spare = max(len(left) - (len(others) - place), min(1, len(left) - 1))  # units for the parts to come
        taken = _taken(sizes[left], wanted[code])[:spare]
        part[left[taken]] = code
        left = np.delete(left, taken)
    return part


def _taken(sizes: np.ndarray, wanted: float) -> np.ndarray:
    """Places of units, in their order, that together come near ``wanted``; at least one."""
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


def _refuse_empty(part: np.ndarray, units: np.ndarray, table: SplitTable) -> None:
    empty = [name for code, name in enumerate(PARTS) if not (part == code).any()]
    if table.test == 0:
        empty = [name for name in empty if name != "test"]
    if not empty:
        return
    groups = len(np.unique(units))
    have = f"{len(part):,} pictures" + (
        f" in {groups:,} group{'s' * (groups > 1)}" if groups < len(part) else ""
    )
    cure = "add pictures" if groups == len(part) else "add pictures of other groups"
    raise DataError(
        f"no picture is left for {' and '.join(empty)}: there are {have}",
        where="[split]",
        cure=cure + (", or set test = 0" if empty == ["test"] else ""),
    )
