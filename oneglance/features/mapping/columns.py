"""What points of a map may be coloured by: answers, truths, mistakes, and what else is known of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from oneglance.data.record import Record
from oneglance.task import Prediction, Task

WORDS = 24  # different words that are told apart by colour; rarer ones are "other"
UNKNOWN = 255  # the code of a picture of which nobody knows
BLOCK = 2_000  # pictures that are judged at once
RIGHT, WRONG = "right", "wrong"

Value = str | float | None  # a word or a number; None: nobody knows


@dataclass(frozen=True)
class Words:
    """A column of words: ``codes`` uint8 [n] are places in ``values``, or ``UNKNOWN``."""

    title: str
    values: list[str]
    codes: np.ndarray


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: float32 [n], NaN where nobody knows."""

    title: str
    unit: str
    values: np.ndarray


Column = Words | Numbers


def columns(
    tasks: Mapping[str, Task], answers: Iterable[Mapping[str, Any]], records: Sequence[Record] | None
) -> list[Column]:
    """Of each task the answer, and where there are records the truth and the mistake; then the split and how
    unfamiliar each picture is.

    Args:
        answers: for each picture a row of ``predict``.
        records: those of the same pictures, with typed answers; None: nobody has answered.
    """
    collected: dict[str, list[Value]] = {}
    rows, start = iter(answers), 0
    while block := list(islice(rows, BLOCK)):
        part = None if records is None else records[start : start + len(block)]
        start += len(block)
        for title, values in _block(tasks, block, part).items():
            collected.setdefault(title, []).extend(values)
    if records is not None:
        collected["split"] = [record.split or None for record in records]
    units = {f"{name}: {kind}": getattr(task, "unit", "") for name, task in tasks.items() for kind in KINDS}
    made = (column(title, values, units.get(title, "")) for title, values in collected.items())
    return [one for one in made if one is not None]


KINDS = ("answer", "truth", "mistake")


def _block(
    tasks: Mapping[str, Task], rows: Sequence[Mapping[str, Any]], records: Sequence[Record] | None
) -> dict[str, list[Value]]:
    values: dict[str, list[Value]] = {}
    for name, task in tasks.items():
        predictions = [row["answers"][name] for row in rows]
        answered = values[f"{name}: answer"] = [_answer(task, one) for one in predictions]
        if records is None:
            continue
        typed = [record.answers.get(name) for record in records]
        truth = values[f"{name}: truth"] = [None if one is None else _truth(task, one) for one in typed]
        values[f"{name}: mistake"] = _mistakes(task, predictions, typed, answered, truth)
    values["unfamiliar"] = [row.get("unfamiliar") for row in rows]
    return values


def _answer(task: Task, prediction: Prediction) -> Value:
    """A word, or a number: of what lies somewhere how many there are."""
    if task.is_spatial:
        return float(len(task.detections(prediction)))
    value = prediction.get("value")
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    return task.format_prediction(prediction) if "values" in prediction else None


def _truth(task: Task, answer: Any) -> Value:
    if task.is_spatial:
        return float(len(task.overlays(answer)))
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return float(answer)
    return answer if isinstance(answer, str) else task.format(answer)


def _mistakes(
    task: Task,
    predictions: Sequence[Prediction],
    typed: Sequence[Any],
    answered: Sequence[Value],
    truth: Sequence[Value],
) -> list[Value]:
    """Right or wrong, where answer and truth are one word each; else how wrong the task finds it."""
    known = [row for row, answer in enumerate(typed) if answer is not None]
    mistakes: list[Value] = [None] * len(typed)
    if not known or all(value is None for value in answered):
        return mistakes
    if all(isinstance(answered[row], str) and isinstance(typed[row], str) for row in known):
        for row in known:
            mistakes[row] = RIGHT if answered[row] == truth[row] else WRONG
        return mistakes
    state = task.metric_state([predictions[row] for row in known], [typed[row] for row in known])
    for row, error in zip(known, task.sample_errors(state).tolist(), strict=True):
        mistakes[row] = float(error)
    return mistakes


def column(title: str, values: Sequence[Value], unit: str = "") -> Column | None:
    """None where nobody knows anything of any picture."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if all(isinstance(value, str) for value in known):
        counts = Counter(map(str, known))
        names = list(_names(counts))
        codes = {name: code for code, name in enumerate(names)}
        other = codes.get("other", UNKNOWN)
        coded = [UNKNOWN if value is None else codes.get(str(value), other) for value in values]
        return Words(title, names, np.array(coded, np.uint8))
    numbers = [value if isinstance(value, float) else np.nan for value in values]
    return Numbers(title, unit, np.array(numbers, np.float32))


def _names(counts: Counter[str]) -> Iterator[str]:
    """The most frequent words, right before wrong, and what stands for all others."""
    if set(counts) <= {RIGHT, WRONG}:
        yield from (RIGHT, WRONG)
        return
    most = counts.most_common(WORDS if len(counts) <= WORDS else WORDS - 1)
    yield from (name for name, _ in most)
    if len(counts) > WORDS and "other" not in counts:
        yield "other"
