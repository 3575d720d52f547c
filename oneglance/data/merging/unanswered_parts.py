"""Parts of a data set that nobody has answered, such as the test pictures of a contest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from oneglance.data.record import Record
from oneglance.errors import Problem

SCORED = ("validation", "test")  # parts that are of no use without answers


def without_unanswered_parts(records: Sequence[Record]) -> tuple[list[Record], list[Problem]]:
    """The records without the validation or test part that the data name, where no picture of it has any
    answer and pictures of train have; and a problem for each such part.
    """
    pictures = Counter(record.split for record in records)
    answered = Counter(record.split for record in records if record.answers)
    parts = [split for split in SCORED if pictures[split] and not answered[split] and answered["train"]]
    problems = []
    for split in parts:
        first = next(record for record in records if record.split == split)
        what = (
            f"is of the {split} split, and none of its {pictures[split]:,} pictures has an answer: they are "
            f"left out, and a {split} split is taken from train"
        )
        hint = "give them answers if they are to be scored"
        problems.append(Problem(first.image.name, what, hint, kind="unanswered part", fatal=False))
    kept = [record for record in records if record.split not in parts] if parts else list(records)
    return kept, problems
