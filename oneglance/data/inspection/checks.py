"""What may be wrong with the data as a whole. One function is one check; it yields Problems.

What a single cell says wrong is found where it is read: by the sources and by ``gather``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from oneglance.data.inspection.missing_files import absent as absent
from oneglance.data.merging.collect import Question
from oneglance.data.parsing.quoting import plain, quoted
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, SplitIndices, stratify_labels
from oneglance.errors import DataError, PictureError, Problem

EXAMPLES = 3  # of problems of one kind that are told together
LONGEST_LINE = 800  # characters


def check(
    records: Sequence[Record],
    questions: Sequence[Question],
    *,
    splits: SplitIndices | None = None,
    digests: Sequence[bytes | None] = (),
    failures: Mapping[int, PictureError] | None = None,
    classes: Sequence[Sequence[str]] | None = None,
) -> list[Problem]:
    """Everything that is wrong with gathered records. Whether their pictures are there is another question:
    see ``missing_pictures``. No picture is opened.

    Args:
        records: one per picture, answers by task.
        questions: the tasks.
        splits: how the records are split, if they are.
        digests: per record the digest of its content, where known.
        failures: row -> why its picture cannot be decoded.
        classes: what ``stratify_labels(records, questions)`` gives, where it is at hand.
    """
    classes = stratify_labels(records, questions) if classes is None else classes
    facts = Facts(records, questions, classes, splits, digests, failures or {})
    return [problem for one in CHECKS for problem in one(facts)]


def without_unreadable(failures: Iterable[DataError], total: int) -> list[str]:
    """What is said of the pictures, of ``total``, that cannot be read; nothing where there are none."""
    problems = [Problem(f.location, f.what, "left out", kind="unreadable", fatal=False) for f in failures]
    count = f"{len(problems):,} of {total:,} pictures cannot be read and are left out"
    return [*summary(problems), count] if problems else []


def summary(problems: Iterable[Problem]) -> list[str]:
    """Lines for people. What stops a training comes first; problems of one kind are told together: the
    first in full, the number of the others, and a few of them.
    """
    kinds: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for number, problem in enumerate(problems):
        kinds[not problem.fatal, problem.kind or str(number)].append(problem)
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
    """What the checks look at."""

    records: Sequence[Record]
    questions: Sequence[Question]
    stratify_labels: Sequence[Sequence[str]]
    splits: SplitIndices | None
    digests: Sequence[bytes | None]
    failures: Mapping[int, PictureError]

    @cached_property
    def names(self) -> Sequence[str]:
        """The part of each record; "" for all where there is no split."""
        return self.splits.names() if self.splits else [""] * len(self.records)

    @cached_property
    def classes(self) -> dict[str, Counter[str]]:
        """Class -> part -> records."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        alike = Counter(zip(map(tuple, self.stratify_labels), self.names, strict=True))
        for (row, part), count in alike.items():
            for name in row:
                counts[name][part] += count
        return counts


def too_few(facts: Facts) -> Iterator[Problem]:
    total = len(facts.records)
    usable = total - len(facts.failures)
    if usable < 2:
        what = f"{usable} of {total:,} can be used, and a training needs more"
        yield Problem("pictures", what, "correct `path` or `images`, or add pictures", kind="too few")
    elif not any(r.answers for row, r in enumerate(facts.records) if row not in facts.failures):
        what = f"none of the {usable:,} that can be used has an answer"
        yield Problem("pictures", what, "name the fields that hold answers with `from`", kind="no answers")


def unreadable_pictures(facts: Facts) -> Iterator[Problem]:
    share = f"{len(facts.failures):,} of {len(facts.records):,} pictures"
    for row, failure in sorted(facts.failures.items()):
        name, place = plain(facts.records[row].image.name), facts.records[row].location
        location = name if place.endswith(name) else f"{name} ({place})"
        yield Problem(location, failure.what, f"left out; {share}", kind="unreadable", fatal=False)


def rare_classes(facts: Facts) -> Iterator[Problem]:
    for name, counts in facts.classes.items():
        if counts.total() < 2:
            what = "has 1 picture, so it cannot be learned and scored"
            yield Problem(name, what, "add pictures of it, or drop the class", kind="rare class", fatal=False)


def classes_absent_from_a_part(facts: Facts) -> Iterator[Problem]:
    used = [part for part in SPLITS if facts.splits and part in facts.names]
    more = "add pictures of " + ("other groups" if any(r.group for r in facts.records) else "it")
    for name, counts in facts.classes.items():
        gone = [part for part in used if not counts[part]]
        if not gone or counts.total() < 2:
            continue
        what = f"is in no picture of {' and '.join(gone)} ({counts.total():,} in all)"
        hint = "it cannot be learned" if "train" in gone else "it is not scored there"
        kind = "class never learned" if "train" in gone else "class not scored"
        yield Problem(name, what, f"{hint}; {more}", kind=kind, fatal=False)


def constant_answers(facts: Facts) -> Iterator[Problem]:
    for question in facts.questions:
        answers = (r.answers[question.name] for r in facts.records if question.name in r.answers)
        first = next(answers, None)
        if first is not None and all(answer == first for answer in answers):
            hint = "there is nothing to learn: take the task out"
            yield Problem(question.name, "every answer is the same", hint, kind="constant", fatal=False)


def tasks_absent_from_a_part(facts: Facts) -> Iterator[Problem]:
    if facts.splits is None:
        return
    alike = Counter(zip((tuple(record.answers) for record in facts.records), facts.names, strict=True))
    answered = {(task, part) for tasks, part in alike for task in tasks}
    for question in facts.questions:
        for part in SPLITS:
            if part in facts.names and (question.name, part) not in answered:
                what = f"has no answer in the {part} part"
                yield Problem(question.name, what, _NEEDED[part], kind="task absent", fatal=part == "train")


_NEEDED = {
    "train": "it cannot be learned: give answers there, or take the task out",
    "validation": "it has no part in choosing the best epoch, and its confidence is not calibrated",
    "test": "it cannot be scored",
}


def divided_groups(facts: Facts) -> Iterator[Problem]:
    """Only possible where the data say themselves which part a picture belongs to."""
    places: dict[str, set[str]] = defaultdict(set)
    for record, part in zip(facts.records, facts.names, strict=True):
        if record.group:
            places[record.group].add(part)
    for group, found in places.items():
        if len(found) > 1:
            what = f"is in {' and '.join(part for part in SPLITS if part in found)}"
            hint = "scores look better than they are: correct the split that the data give"
            yield Problem(f"group {quoted(group)}", what, hint, kind="divided group", fatal=False)


def identical_pictures(facts: Facts) -> Iterator[Problem]:
    """Only possible where the data say themselves which part a picture belongs to."""
    first: dict[bytes, int] = {}
    copies: dict[bytes, dict[str, int]] = defaultdict(dict)  # digest -> part -> its first row
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


CHECKS: tuple[Callable[[Facts], Iterator[Problem]], ...] = (
    too_few,
    unreadable_pictures,
    tasks_absent_from_a_part,
    constant_answers,
    rare_classes,
    classes_absent_from_a_part,
    divided_groups,
    identical_pictures,
)
