"""Problems of the data as a whole. One function is one check.

A wrong cell is reported where it is read: by the sources and by ``merging.collect``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np

from oneglance.data.columns.coded import Coded, together
from oneglance.data.columns.record_columns import RecordColumns, columns_of
from oneglance.data.inspection.box_checks import forgotten_classes, implausible_boxes, repeated_boxes
from oneglance.data.inspection.look_alikes import gaps, look_alikes
from oneglance.data.inspection.missing_files import absent as absent
from oneglance.data.merging.collect import Question
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.splitting.split import SPLITS, SplitIndices, stratify_labels
from oneglance.data.splitting.stratify import tuples_of
from oneglance.errors import DataError, InvalidAnswer, Problem

EXAMPLES = 3  # of problems of one kind in a summary
LONGEST_LINE = 800  # characters


def check(
    records: Sequence[Record],
    questions: Sequence[Question],
    *,
    splits: SplitIndices | None = None,
    digests: Sequence[bytes | None] = (),
    classes: Sequence[Sequence[str]] | None = None,
    taught: bool = False,
) -> list[Problem]:
    """The problems of collected records. No picture is opened or looked for: see ``missing_pictures``.

    Args:
        records: one per picture, answers by task.
        questions: the tasks.
        splits: how the records are split, if they are.
        digests: per record the digest of its content, where there is one.
        classes: ``stratify_labels(records, questions)``, where it is at hand.
        taught: whether tasks may learn from teachers, so that they need no answers.
    """
    classes = stratify_labels(records, questions) if classes is None else classes
    facts = Facts(columns_of(records), questions, classes, splits, digests, taught)
    return [problem for one in CHECKS for problem in one(facts)]


def without_unreadable(failures: Iterable[DataError], total: int) -> list[str]:
    """Lines about the pictures, of ``total``, that cannot be read; none where all can."""
    problems = list(map(unreadable, failures))
    count = f"{len(problems):,} of {total:,} pictures cannot be read and are left out"
    return [*summary(problems), count] if problems else []


def unreadable(failure: DataError) -> Problem:
    """The problem of a picture that cannot be decoded."""
    hint = f"left out; {failure.hint}" if failure.hint else "left out"
    return Problem(failure.location, failure.what, hint, kind="unreadable", fatal=False)


def summary(problems: Iterable[Problem]) -> list[str]:
    """Lines for people. Problems that stop a training come first; those of one kind come together: the
    first in full, the number of the others, and a few of them.
    """
    kinds: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for number, problem in enumerate(problems):
        kind = problem.kind or str(number)
        if kind == "unreadable":  # alike are only those with the same reason, whatever their sizes
            kind += re.sub(r"\d+", "", problem.what)
        kinds[not problem.fatal, kind].append(problem)
    lines = []
    for _, alike in sorted(kinds.items(), key=lambda item: item[0][0]):
        lines.append(plain(str(alike[0]), LONGEST_LINE))
        if len(alike) > 1:
            others = "; ".join(f"{problem.location} {problem.what}" for problem in alike[1:EXAMPLES])
            more = "; …" if len(alike) > EXAMPLES else ""
            lines.append(plain(f"    and {len(alike) - 1:,} more: {others}{more}", LONGEST_LINE))
    return lines


@dataclass(frozen=True)
class Facts:
    """The input of every check."""

    records: RecordColumns
    questions: Sequence[Question]
    stratify_labels: Sequence[Sequence[str]]
    splits: SplitIndices | None
    digests: Sequence[bytes | None]
    taught: bool = False

    @cached_property
    def names(self) -> Coded:
        """The split of each record; "" for all where there is none."""
        return self.splits.names() if self.splits else Coded.constant("", len(self.records))

    @cached_property
    def splits_used(self) -> list[str]:
        """The splits that have records."""
        return [name for name in SPLITS if self.splits and len(getattr(self.splits, name))]

    def answers(self, question: Question) -> Coded:
        """The answers to a question."""
        return self.records.answers.get(question.name) or Coded.missing(len(self.records))

    @cached_property
    def words(self) -> dict[str, Counter[str]]:
        """Task -> class -> number of records."""
        return {question.name: self._words_of(question) for question in self.questions}

    def _words_of(self, question: Question) -> Counter[str]:
        answers = self.answers(question).appearing()
        counts: Counter[str] = Counter()
        for answer, count in zip(answers.values, answers.counts().tolist(), strict=True):
            if isinstance(answer, float):
                break  # a number has no classes, and there may be a million of them
            for word in question.stratify_labels(answer):
                counts[word] += count
        return counts

    @cached_property
    def classes(self) -> dict[str, Counter[str]]:
        """Class -> split -> number of records."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        tuples = tuples_of(self.stratify_labels)
        kind, first = together([tuples, self.names], len(self.records))
        kinds = zip(tuples.take(first), self.names.take(first), np.bincount(kind).tolist(), strict=True)
        for names, split, count in kinds:
            for name in names:
                counts[name][split] += count
        return counts


def too_few(facts: Facts) -> Iterator[Problem]:
    total = len(facts.records)
    if total < 2:
        what = f"{total} can be used, and a training needs more"
        yield Problem("pictures", what, "correct `path` or `images`, or add pictures", kind="too few")
    elif not facts.taught and not any(column.known.any() for column in facts.records.answers.values()):
        what = f"none of the {total:,} that can be used has an answer"
        yield Problem("pictures", what, "name the fields that hold answers with `from`", kind="no answers")


def rare_classes(facts: Facts) -> Iterator[Problem]:
    for name, counts in facts.classes.items():
        if counts.total() < 2:
            what = "has 1 picture, so it cannot be learned and scored"
            yield Problem(name, what, "add pictures of it, or drop the class", kind="rare class", fatal=False)


def classes_absent_from_a_split(facts: Facts) -> Iterator[Problem]:
    more = "add pictures of " + ("other groups" if facts.records.groups.known.any() else "it")
    for name, counts in facts.classes.items():
        gone = [split for split in facts.splits_used if not counts[split]]
        if not gone or counts.total() < 2:
            continue
        what = f"is in no picture of {' and '.join(gone)} ({counts.total():,} in all)"
        hint = "it cannot be learned" if "train" in gone else "it is not scored there"
        kind = "class never learned" if "train" in gone else "class not scored"
        yield Problem(name, what, f"{hint}; {more}", kind=kind, fatal=False)


def constant_answers(facts: Facts) -> Iterator[Problem]:
    for question in facts.questions:
        answers = facts.answers(question).appearing().values
        if len(answers) and all(answer == answers[0] for answer in answers):
            hint = "there is nothing to learn: take the task out"
            yield Problem(question.name, "every answer is the same", hint, kind="constant", fatal=False)


def tasks_absent_from_a_split(facts: Facts) -> Iterator[Problem]:
    if facts.splits is None:
        return
    for question in facts.questions:
        known = facts.answers(question).known
        for split in facts.splits_used:
            if not known[getattr(facts.splits, split)].any():
                what = f"has no answer in the {split} split"
                fatal = split == "train" and not facts.taught
                hint = TAUGHT if facts.taught and split == "train" else _NEEDED[split]
                yield Problem(question.name, what, hint, kind="task absent", fatal=fatal)


TAUGHT = "it learns from its teacher alone"
_NEEDED = {
    "train": "it cannot be learned: give answers there, or take the task out",
    "validation": "it does not help to choose the best epoch, and its confidence is not calibrated",
    "test": "it cannot be scored",
}


def divided_groups(facts: Facts) -> Iterator[Problem]:
    """Only possible where the data name the splits themselves."""
    groups = facts.records.groups.appearing()
    inside = np.zeros((len(groups.values) + 1, len(SPLITS)), dtype=bool)  # the last one is that of no group
    inside[groups.codes, facts.names.codes] = True
    for code in np.flatnonzero(inside[:-1].sum(axis=1) > 1).tolist():
        what = f"is in {' and '.join(split for split, there in zip(SPLITS, inside[code]) if there)}"  # noqa: B905
        hint = "scores look better than they are: correct the split that the data give"
        yield Problem(f"group {quoted(groups.values[code])}", what, hint, kind="divided group", fatal=False)


def identical_pictures(facts: Facts) -> Iterator[Problem]:
    """Only possible where the data name the splits themselves."""
    first: dict[bytes, int] = {}
    copies: dict[bytes, dict[str, int]] = defaultdict(dict)  # digest -> split -> its first row
    for row, digest in enumerate(facts.digests):
        if digest is not None and (other := first.setdefault(digest, row)) != row:
            for copy in (other, row):
                copies[digest].setdefault(facts.names[copy], copy)
    for one, two in combinations(SPLITS, 2):
        pairs = [(rows[one], rows[two]) for rows in copies.values() if one in rows and two in rows]
        if pairs:
            a, b = (plain(facts.records[row].image.name) for row in pairs[0])
            alike = f"{len(pairs):,} identical pictures" if len(pairs) > 1 else "an identical picture"
            what = f"share {alike} ({a} = {b}{', …' if len(pairs) > 1 else ''})"
            hint = "scores look better than they are: take the copies out of one of the two"
            yield Problem(f"{one} and {two}", what, hint, kind="identical pictures", fatal=False)


def contradicting_copies(facts: Facts) -> Iterator[Problem]:
    """The same picture, byte for byte, with two answers that cannot both be true."""
    first_row: dict[bytes, int] = {}
    copies: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(facts.digests):
        if digest is not None and (before := first_row.setdefault(digest, row)) != row:
            copies[digest] = [*(copies[digest] or [before]), row]
    in_order = sorted(copies.values())
    for first, *others in ([facts.records[row] for row in rows] for rows in in_order):
        for other, question in product(others, facts.questions):
            name = question.name
            if name not in first.answers or name not in other.answers:
                continue
            try:
                question.merge(first.answers[name], other.answers[name])
            except InvalidAnswer as wrong:
                what = f"{name} {wrong.what} in {plain(first.image.name)}, which is the same picture"
                hint = "correct one of the two, or take it out"
                location = plain(other.image.name)
                yield Problem(location, what, hint, kind="contradicting copies", fatal=False)


def look_alike_classes(facts: Facts) -> Iterator[Problem]:
    for task, words in facts.words.items():
        yield from look_alikes(task, words)


def classes_or_gaps(facts: Facts) -> Iterator[Problem]:
    """Words such as NA, unless the task names its classes."""
    for question in facts.questions:
        yield from gaps(question.name, facts.words[question.name], getattr(question, "classes", ()))


def unlikely_boxes(facts: Facts) -> Iterator[Problem]:
    for question in facts.questions:
        answers = facts.answers(question)
        if any(isinstance(answer, BoxAnnotations) for answer in answers.values):
            answered = facts.records.take(answers.known)
            yield from repeated_boxes(answered, question.name)
            yield from implausible_boxes(answered, question.name)
            yield from forgotten_classes(answered, question.name)


CHECKS: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    too_few,
    tasks_absent_from_a_split,
    constant_answers,
    rare_classes,
    classes_absent_from_a_split,
    divided_groups,
    identical_pictures,
    contradicting_copies,
    look_alike_classes,
    classes_or_gaps,
    unlikely_boxes,
)
