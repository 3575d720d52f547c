"""Which pictures train, which choose and calibrate, and which are kept for the last word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneglance.config import SplitTable
from oneglance.data.merging.collect import CACHE_LIMIT, Question
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.data.parsing.quoting import quoted
from oneglance.data.record import Record
from oneglance.data.splitting.stratify import TRAIN, Spread, drawn
from oneglance.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitIndices:
    """Row indices, int64 and ascending; every record is in exactly one part."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def names(self) -> list[str]:
        """The part of every record, in the order of the records."""
        names = [""] * (len(self.train) + len(self.validation) + len(self.test))
        for name in SPLITS:
            for row in getattr(self, name).tolist():
                names[row] = name
        return names


def stratify_labels(records: Sequence[Record], questions: Sequence[Question]) -> list[tuple[str, ...]]:
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
            if answer is None:
                continue
            try:
                classes = cache.get(answer)
                if classes is None:
                    classes = _classes(question, answer)
                    if len(cache) < CACHE_LIMIT:
                        cache[answer] = classes
            except TypeError:  # a list is no key
                classes = _classes(question, answer)
            row += classes
        rows.append(shared.setdefault(row, row))
    return rows


def split(
    records: Sequence[Record],
    table: SplitTable,
    stratify_labels: Sequence[Sequence[str]] | None = None,
    same: Sequence[bytes | None] | None = None,
) -> SplitIndices:
    """Part the records by group, the same way for the same ``table.seed``.

    What a record says of its own part holds, with one exception: a part that no record names is drawn
    from those that say train. Records that say nothing are drawn into the parts that their source does
    not name, unless another record of their group has a place already. Of many ways to draw, the one is
    taken whose parts resemble the whole best.

    Args:
        records: at least two.
        table: the shares of all that is drawn, and the seed.
        strata: per record the classes that should be spread evenly; see ``stratify_labels()``.
        same: per record the digest of its content; equal pictures belong together like a group.

    Raises:
        DataError: a part would stay empty.
    """
    units = _units(records, same)
    said, choice = _choice(records, units)
    part = np.where(said >= 0, said, TRAIN)  # holds where the records of a unit have no common choice
    spread = Spread.over(stratify_labels if stratify_labels is not None else [()] * len(records))
    random = np.random.default_rng(table.seed)
    for bits in np.unique(choice[choice > 0]).tolist():
        rows = np.flatnonzero(choice == bits)
        part[rows] = drawn(units[rows], _shares(bits, table), spread.of(rows), random)
    _refuse_empty(part, units, table)
    return SplitIndices(*(np.flatnonzero(part == code) for code in range(3)))


def _classes(question: Question, answer: Any) -> tuple[str, ...]:
    return tuple(f"{question.name} {quoted(name, 200)}" for name in question.stratify_labels(answer))


def _units(records: Sequence[Record], same: Sequence[bytes | None] | None) -> np.ndarray:
    """int64 [n]: records with an equal number stay together; numbers count from 0."""
    codes: dict[str, int] = {}
    # A record without a group is a unit of its own, with a number below 0.
    units = [codes.setdefault(r.group, len(codes)) if r.group else -1 - row for row, r in enumerate(records)]
    joined: DisjointSets[int] = DisjointSets()
    first: dict[bytes, int] = {}
    for row, digest in enumerate(same or ()):
        if digest is not None and (other := first.setdefault(digest, row)) != row:
            joined.join(units[other], units[row])
    roots = np.array([joined.root(unit) for unit in units], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].reshape(-1)


def _choice(records: Sequence[Record], units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two int64 [n]: the part that a record says, or -1; and a bit for each part that its unit may be put
    in. No bit: the records of the unit contradict each other, and each stays where it says.
    """
    codes: dict[tuple[str, str], int] = {}
    code = np.array([codes.setdefault((r.source, r.split), len(codes)) for r in records], dtype=np.int64)
    unnamed = _bits(part for part in SPLITS if all(part != named for _, named in codes))
    told, open_to = [], []
    for source, part in codes:
        told.append(SPLITS.index(part) if part else -1)
        if not part:
            open_to.append(_bits(p for p in SPLITS if p == "train" or (source, p) not in codes))
        else:
            open_to.append(_bits([part]) | (unnamed if part == "train" else 0))
    said, may = (np.array(values, dtype=np.int64)[code] for values in (told, open_to))
    bound, free = np.full((2, units.max(initial=-1) + 1), _bits(SPLITS))
    np.bitwise_and.at(bound, units[said >= 0], may[said >= 0])
    np.bitwise_and.at(free, units[said < 0], may[said < 0])
    # Where somebody of the unit has a place that cannot be chosen, that is the place of all.
    both = bound & free
    return said, np.where(both & _bits(["train"]), both, bound)[units]


def _bits(parts: Iterable[str]) -> int:
    return sum(1 << SPLITS.index(part) for part in parts)


def _shares(bits: int, table: SplitTable) -> np.ndarray:
    """float64 [3]: the share of each part among what may be put in the parts of ``bits``."""
    here = np.array([bits >> code & 1 for code in range(3)], dtype=np.float64)
    if not here[TRAIN]:
        return here  # a record that is in validation or test may be nowhere else
    shares = here * [0, table.validation, table.test]
    shares[TRAIN] = 1 - shares.sum()
    if shares[TRAIN] <= 0:
        raise DataError("test and validation together leave nothing to train on", location="[split]")
    return shares


def _refuse_empty(part: np.ndarray, units: np.ndarray, table: SplitTable) -> None:
    empty = [name for code, name in enumerate(SPLITS) if not (part == code).any()]
    if table.test == 0:
        empty = [name for name in empty if name != "test"]
    if not empty:
        return
    groups = len(np.unique(units))
    have = f"{len(part):,} pictures" + (
        f" in {groups:,} group{'s' * (groups > 1)}" if groups < len(part) else ""
    )
    hint = "add pictures" if groups == len(part) else "add pictures of other groups"
    raise DataError(
        f"no picture is left for {' and '.join(empty)}: there are {have}",
        location="[split]",
        hint=hint + (", or set test = 0" if empty == ["test"] else ""),
    )
