"""Parts of a data set that nobody has answered, such as the test pictures of a contest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneglance.data.columns.record_columns import RecordColumns, columns_of
from oneglance.data.record import Record
from oneglance.errors import Problem

SCORED = ("validation", "test")  # parts that are of no use without answers


def without_unanswered_parts(given: Sequence[Record]) -> tuple[RecordColumns, list[Problem]]:
    """The records without the validation or test part that the data name, where no picture of it has any
    answer and pictures of train have; and a problem for each such part.
    """
    records = columns_of(given)
    rows = {name: records.splits.rows_of(name) for name in ("train", *SCORED)}
    known = np.zeros(len(records), dtype=bool)
    for column in records.answers.values():
        known |= column.known
    if not known[rows["train"]].any():
        return records, []
    parts = [name for name in SCORED if rows[name].any() and not known[rows[name]].any()]
    problems = []
    for split in parts:
        first = records[int(rows[split].argmax())]
        what = (
            f"is of the {split} split, and none of its {int(rows[split].sum()):,} pictures has an answer: "
            f"they are left out, and a {split} split is taken from train"
        )
        hint = "give them answers if they are to be scored"
        problems.append(Problem(first.image.name, what, hint, kind="unanswered part", fatal=False))
    if not parts:
        return records, []
    return records.take(~np.logical_or.reduce([rows[name] for name in parts])), problems
