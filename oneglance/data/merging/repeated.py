"""Pictures that several rows mention become one record each; all others stay as they are, in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from oneglance.data.columns.record_columns import RecordColumns
from oneglance.data.merging.merge_answers import MergeAnswers
from oneglance.data.merging.merge_records import RecordMerger
from oneglance.data.record import ImageRef, Record
from oneglance.errors import Problem


@dataclass
class Merged:
    """One record per picture, and what the mentions of a picture say otherwise than those before."""

    records: RecordColumns
    problems: list[tuple[int, Problem]] = field(default_factory=list)  # with the row of the later mention
    repeated: Mapping[tuple[str, str], int] = field(default_factory=Counter)  # see ``RecordMerger``
    contradicting: Mapping[tuple[str, str], list[tuple[int, Problem]]] = field(default_factory=dict)


def merge_repeated(
    records: RecordColumns, hashes: np.ndarray, wins: np.ndarray, merge: MergeAnswers
) -> Merged:
    """The records of all pictures, in the order of their first rows.

    Args:
        records: a row for each mention.
        hashes: int64 [n], of the picture of each; only those with equal ones are compared.
        wins: bool [n], see ``RecordMerger.add``; rows that win come last.
    """
    rows = _repeated(records.images, hashes)
    if not rows:
        return Merged(records)
    contradictions: list[Problem] = []
    merger = RecordMerger([], contradictions, merge)
    firsts: list[int] = []
    problems: list[tuple[int, Problem]] = []
    for row in rows:
        record, count, before = records[row], len(merger.records), len(contradictions)
        merger.add(record, record.answers, wins=bool(wins[row]))
        if len(merger.records) > count:
            firsts.append(row)
        problems += ((row, problem) for problem in contradictions[before:])
    one_each = _changed(records, firsts, merger.records)
    kept = np.ones(len(records), dtype=bool)
    kept[rows] = False
    kept[firsts] = True
    one_each = one_each.take(kept)
    one_each.groups = one_each.groups.mapped(merger.group)
    return Merged(one_each, problems, merger.repeated, merger.contradicting)


def _repeated(images: Sequence[ImageRef], hashes: np.ndarray) -> list[int]:
    """The rows whose picture another row mentions too, ascending."""
    ordered = np.sort(hashes)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(again):
        return []
    del ordered
    places = np.minimum(np.searchsorted(again, hashes), len(again) - 1)
    mentions: dict[ImageRef, list[int]] = {}
    for row in np.flatnonzero(again[places] == hashes).tolist():
        mentions.setdefault(images[row], []).append(row)
    return sorted(row for each in mentions.values() if len(each) > 1 for row in each)


def _changed(records: RecordColumns, rows: Sequence[int], merged: Sequence[Record]) -> RecordColumns:
    """The records with what ``merged`` say in some rows."""
    answers = {
        name: column.changed(rows, [record.answers.get(name) for record in merged])
        for name, column in records.answers.items()
    }
    changed = records.with_answers(answers)
    changed.groups = records.groups.changed(rows, [record.group or None for record in merged])
    changed.splits = records.splits.changed(rows, [record.split or None for record in merged])
    return changed
