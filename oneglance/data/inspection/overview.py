"""What is in a data set, in a few numbers: pictures, parts, the answers to each task and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from oneglance.data.merging.collect import Question
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, SplitIndices


def overview(
    records: Sequence[Record], questions: Sequence[Question], splits: SplitIndices | None = None
) -> dict[str, Any]:
    """
    Args:
        records: one per picture, answers by task.
        splits: how they are split; default: the splits that the data name, unless all train.

    Returns:
        ``{"pictures": n, "parts": {"train": n}, "tasks": {"kind": {"answered": n, "unknown": n, "classes":
        {"hat": n}, "range": [lowest, median, highest]}}}``: numbers of pictures; ``classes`` come by
        frequency, and ``range`` is there for numbers only.
    """
    names = splits.names() if splits else [record.split for record in records]
    counts = Counter(names)
    parts = {name: counts[name] for name in SPLITS if counts[name]}
    if not splits and parts == {"train": len(records)}:
        parts = {}  # the others are drawn from it
    tasks = {question.name: _task(records, question) for question in questions}
    return {"pictures": len(records), "parts": parts, "tasks": tasks}


def _task(records: Sequence[Record], question: Question) -> dict[str, Any]:
    asked = question.answered_by
    answers = [record.answers[asked] for record in records if asked in record.answers]
    numbers = [answer for answer in answers if isinstance(answer, float)]
    classes: Counter[str] = Counter()
    if not numbers:  # there may be a million, and they have no classes
        for answer in answers:
            classes.update(question.stratify_labels(answer))
    counts = {"answered": len(answers), "unknown": len(records) - len(answers)}
    spread = {"range": [min(numbers), median(numbers), max(numbers)]} if numbers else {}
    return {**counts, "classes": dict(classes.most_common()), **spread}
