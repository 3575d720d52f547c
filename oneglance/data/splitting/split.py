"""The split of the records into train, validation and test, by group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from oneglance.config import SplitTable
from oneglance.data.columns.coded import Coded, together
from oneglance.data.columns.record_columns import columns_of
from oneglance.data.merging.collect import Question
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.data.quoting import quoted
from oneglance.data.record import Record
from oneglance.data.splitting.stratify import TRAIN, Spread, draw_splits, ranks
from oneglance.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitIndices:
    """Row indices, int64 and ascending; every record is in exactly one split."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str]) -> SplitIndices:
        """The mirror of ``names``."""
        column = names if isinstance(names, Coded) else Coded.of(names)
        return cls(*(np.flatnonzero(column.rows_of(split)) for split in SPLITS))

    def names(self) -> Coded:
        """The split of every record, in the order of the records."""
        codes = np.zeros(len(self.train) + len(self.validation) + len(self.test), dtype=np.int8)
        for code, name in enumerate(SPLITS):
            codes[getattr(self, name)] = code
        return Coded(codes, SPLITS)


def stratify_labels(records: Sequence[Record], questions: Sequence[Question]) -> Coded:
    """Per record the classes that its answers count for, such as ``('kind "hat"', 'style "striped"')``."""
    columns = columns_of(records)
    classes = [
        columns.answers[question.name].mapped(partial(_classes, question))
        for question in questions
        if question.name in columns.answers
    ]
    classes = [column for column in classes if any(column.values)]
    kind, first = together(classes, len(columns))
    of_each = zip(*(column.take(first) for column in classes), strict=True)
    rows = [sum((words or () for words in some), ()) for some in of_each] or [()]
    return Coded(kind, rows).mapped(tuple)


def split(
    records: Sequence[Record],
    table: SplitTable,
    stratify_labels: Sequence[Sequence[str]] | None = None,
    digests: Sequence[bytes | None] | None = None,
) -> SplitIndices:
    """Split the records by group, the same way for the same ``table.seed``.

    The split that a record names itself holds, with one exception: a split that no record names is drawn
    from those that name train. Records that name none are drawn into the splits that their source does
    not name, unless another record of their group has one already. Of many random splits, the most evenly
    stratified is taken.

    Args:
        records: at least two.
        table: the shares of all that is drawn, and the seed.
        stratify_labels: per record the classes to spread evenly; see ``stratify_labels()``.
        digests: of the content of each record's picture; equal pictures belong together like a group.

    Raises:
        DataError: a split would stay empty.
    """
    units = units_of(records, digests)
    given, choice = _choice(records, units)
    result = np.where(given >= 0, given, TRAIN)  # holds where the records of a unit have no common choice
    spread = Spread.over(stratify_labels if stratify_labels is not None else [()] * len(records))
    random = np.random.default_rng(table.seed)
    for bits in np.unique(choice[choice > 0]).tolist():
        rows = choice == bits
        result[rows] = draw_splits(units[rows], _shares(bits, table), spread.of(rows), random)
    _refuse_empty(result, units, table)
    return SplitIndices(*(np.flatnonzero(result == code) for code in range(3)))


def _classes(question: Question, answer: Any) -> tuple[str, ...]:
    return tuple(f"{question.name} {quoted(name, 200)}" for name in question.stratify_labels(answer))


def units_of(records: Sequence[Record], digests: Sequence[bytes | None] | None) -> np.ndarray:
    """int32 [n]: records with an equal number stay together, for they share a group or, by their digest, a
    picture; numbers count from 0.
    """
    units = columns_of(records).groups.appearing().codes.astype(np.int32)
    alone = np.flatnonzero(units < 0)
    units[alone] = -1 - alone  # a record without a group is a unit of its own, with a number below 0
    joined: DisjointSets[int] = DisjointSets()
    first: dict[bytes, int] = {}
    for row, digest in enumerate(digests or ()):
        if digest is not None and (other := first.setdefault(digest, row)) != row:
            joined.join(int(units[other]), int(units[row]))
    if joined:
        roots = np.array([joined.root(unit) for unit in np.unique(units).tolist()], dtype=np.int32)
        units = roots[ranks(units)]
    return ranks(units)


def _choice(records: Sequence[Record], units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two int8 [n]: the code of the split that a record names, or -1; and a bit for each split that its unit
    may go to. No bit: the records of the unit contradict each other, and each keeps its own.
    """
    columns = columns_of(records)
    code, first = together([columns.sources, columns.splits], len(columns))
    codes = [(columns.sources[row] or "", columns.splits[row] or "") for row in first.tolist()]
    unnamed = _bits(split for split in SPLITS if all(split != named for _, named in codes))
    given_of_code, open_to = [], []
    for source, split in codes:
        given_of_code.append(SPLITS.index(split) if split else -1)
        if not split:
            open_to.append(_bits(p for p in SPLITS if p == "train" or (source, p) not in codes))
        else:
            open_to.append(_bits([split]) | (unnamed if split == "train" else 0))
    given, may = (np.array(values, dtype=np.int8)[code] for values in (given_of_code, open_to))
    bound, free = np.full((2, units.max(initial=-1) + 1), _bits(SPLITS), dtype=np.int8)
    np.bitwise_and.at(bound, units[given >= 0], may[given >= 0])
    np.bitwise_and.at(free, units[given < 0], may[given < 0])
    # Where a record of the unit has a split that cannot be changed, that is the split of all.
    both = bound & free
    return given, np.where(both & _bits(["train"]), both, bound)[units]


def _bits(splits: Iterable[str]) -> int:
    return sum(1 << SPLITS.index(split) for split in splits)


def _shares(bits: int, table: SplitTable) -> np.ndarray:
    """float64 [3]: the share of each split among the records that may go to the splits of ``bits``."""
    here = np.array([bits >> code & 1 for code in range(3)], dtype=np.float64)
    if not here[TRAIN]:
        return here  # a record that is in validation or test may be nowhere else
    shares = here * [0, table.validation, table.test]
    shares[TRAIN] = 1 - shares.sum()
    if shares[TRAIN] <= 0:
        raise DataError("test and validation together leave nothing to train on", location="[split]")
    return shares


def _refuse_empty(result: np.ndarray, units: np.ndarray, table: SplitTable) -> None:
    empty = [name for code, name in enumerate(SPLITS) if not (result == code).any()]
    if table.test == 0:
        empty = [name for name in empty if name != "test"]
    if not empty:
        return
    groups = len(np.unique(units))
    have = f"{len(result):,} pictures" + (
        f" in {groups:,} group{'s' * (groups > 1)}" if groups < len(result) else ""
    )
    hint = "add pictures" if groups == len(result) else "add pictures of other groups"
    raise DataError(
        f"no picture is left for {' and '.join(empty)}: there are {have}",
        location="[split]",
        hint=hint + (", or set test = 0" if empty == ["test"] else ""),
    )
