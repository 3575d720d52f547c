"""Answers that clues betray, as problems of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from oneglance.data.inspection.shortcuts.clues import FAMILIES, Clues
from oneglance.data.inspection.shortcuts.predictability import LEAST, Judge, class_judge, number_judge
from oneglance.data.merging.collect import Question
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import BoxAnnotations, Record
from oneglance.errors import Problem

# Lower bound of the skill from which a family is reported. What a picture shows has its colours, so that
# these betray something everywhere; how a file was stored should betray nothing.
REPORTED = {
    "dimensions": 0.25,
    "file size and compression": 0.4,
    "camera and software": 0.25,
    "mean colour": 0.7,
    "border": 0.7,
}
ENOUGH = 60  # pictures with an answer
TAGS = 30  # of a task: the most frequent ones


def problems(
    clues: Clues, records: Sequence[Record], questions: Sequence[Question], groups: np.ndarray
) -> list[Problem]:
    """One for each task, or tag, and family of clues that tells it far better than chance.

    Args:
        clues: of some of the records.
        groups: int64, of each of them: pictures of one group are never learned from and asked at once.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    families = {name: clues.family(name) for name in FAMILIES}
    families = {name: columns for name, columns in families.items() if columns.shape[1]}
    return [
        problem
        for question in questions
        if question.answered_by == question.name
        for problem in _of_task(question, clues, records, groups, families)
    ]


def _of_task(
    question: Question,
    clues: Clues,
    records: Sequence[Record],
    groups: np.ndarray,
    families: dict[str, np.ndarray],
) -> Iterator[Problem]:
    answered = [(at, records[row].answers.get(question.name)) for at, row in enumerate(clues.rows)]
    answered = [(at, answer) for at, answer in answered if answer is not None]
    if len(answered) < ENOUGH or isinstance(answered[0][1], BoxAnnotations):
        return
    at = np.array([place for place, _ in answered])
    answers = [answer for _, answer in answered]
    targets = list(_targets(question, answers, groups[at]))
    for name, columns in families.items():
        for title, judge, telling in targets:
            skill = judge(columns[at])
            if skill is None or skill.low < REPORTED[name]:
                continue
            example = _example(clues, at, telling, name, records)
            what = (
                f"can be told from {name} alone, without looking: {skill.value:.0%} of the way from "
                f"chance to always right ({skill.low:.0%} to {skill.high:.0%}, {skill.n:,} pictures){example}"
            )
            yield Problem(title, what, HINTS.get(name, HINT), kind="shortcut", fatal=False)


HINT = "a network may learn this instead of what it is to see: mix the sources, or store all pictures alike"
HINTS = {
    "mean colour": "if light or background differ between the answers, a network learns these: look at some",
    "border": "a background that gives the answer away is all a network needs to learn: look at some",
}


def _targets(
    question: Question, answers: list[Any], groups: np.ndarray
) -> Iterator[tuple[str, Judge, dict[str, np.ndarray] | np.ndarray]]:
    """(title, who judges clues, what is told: class -> which pictures have it, or the numbers)."""
    if isinstance(answers[0], float):
        values = np.array(answers, np.float64)
        yield question.name, number_judge(values, groups), values
        return
    sets = [frozenset(question.stratify_labels(answer)) for answer in answers]
    counts = Counter(word for words in sets for word in words)
    has = {
        word: np.array([word in words for words in sets])
        for word, count in counts.most_common(TAGS)
        if count >= LEAST
    }
    if all(len(words) == 1 for words in sets):
        order = {word: number for number, word in enumerate(counts)}
        classes = np.array([order[next(iter(words))] for words in sets])
        yield question.name, class_judge(classes, groups), has
        return
    for word, present in has.items():
        if len(present) - present.sum() >= LEAST:
            title = f"{question.name} {quoted(word)}"
            yield title, class_judge(present.astype(np.int64), groups), {word: present}


def _example(
    clues: Clues,
    at: np.ndarray,
    telling: dict[str, np.ndarray] | np.ndarray,
    family: str,
    records: Sequence[Record],
) -> str:
    """The clue that tells most, in words: "; "hat": 98 % are 640×480, of others 2 % (a.jpg)"."""
    words = {name: np.array(column)[at] for name, column in clues.words.items() if name in FAMILIES[family]}
    numbers = {name: column[at] for name, column in clues.numbers.items() if name in FAMILIES[family]}
    rows = np.array(clues.rows)[at]
    if isinstance(telling, np.ndarray):
        best = max(numbers, key=lambda name: abs(_rank_correlation(numbers[name], telling)), default="")
        return (
            f"; {best} goes with it (rank correlation {_rank_correlation(numbers[best], telling):.2f})"
            if best
            else ""
        )
    options: list[tuple[float, str]] = []
    for word, present in telling.items():
        share = present.mean()
        if not 0 < share < 1:
            continue
        for name, column in words.items():
            for value, _ in Counter(column[present].tolist()).most_common(2):
                inside, outside = (column[present] == value).mean(), (column[~present] == value).mean()
                row = int(rows[present & (column == value)][0])
                phrase = f"{name} {value}" if value else f"no {name}"
                text = (
                    f"; {quoted(word)}: {inside:.0%} have {plain(phrase)}, of others {outside:.0%}"
                    f" ({plain(records[row].image.name)})"
                )
                options.append((abs(inside - outside), text))
        for name, column in numbers.items():
            low, high = np.nanmedian(column[present]), np.nanmedian(column[~present])
            separation = abs(2 * _area(column, present) - 1)
            middle = int(np.nanargmin(np.where(present, np.abs(column - low), np.nan)))
            text = (
                f"; {quoted(word)}: {name} is {_short(low)} in the middle, of others {_short(high)}"
                f" ({plain(records[int(rows[middle])].image.name)})"
            )
            options.append((0.9 * separation, text))  # a word is easier to understand
    return max(options, default=(0.0, ""))[1]


def _area(column: np.ndarray, present: np.ndarray) -> float:
    """How often a number of those ``present`` is larger than one of the others; equal ones count half."""
    _, ranks, counts = np.unique(np.nan_to_num(column, nan=-1), return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[ranks]
    some = int(present.sum())
    return float((middle[present].sum() - some * (some + 1) / 2) / (some * (len(column) - some)))


def _rank_correlation(column: np.ndarray, values: np.ndarray) -> float:
    one, two = (np.unique(np.nan_to_num(each, nan=-1), return_inverse=True)[1] for each in (column, values))
    if one.max() == 0 or two.max() == 0:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
