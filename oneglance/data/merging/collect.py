"""From what sources say, by field, to what is known of each picture, by task."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from oneglance.data.merging.merge_records import Merge
from oneglance.data.parsing.quoting import plain, quoted
from oneglance.data.record import Record
from oneglance.data.source import Source
from oneglance.errors import DataError, InvalidAnswer, Problem, nearest

CACHE_LIMIT = 20_000  # read answers kept per source and question: classes repeat, free numbers do not
LONGEST_CACHED = 64  # characters


class Question(Protocol):
    """What this layer needs to know of a task."""

    @property
    def name(self) -> str: ...

    @property
    def answered_by(self) -> str:
        """The question whose answers it learns from; "" if it needs none."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Where its answer stands in a source."""

    def read(self, said: Any, asked: Sequence[str] | None = None) -> Any:
        """The typed answer; None for a word that means unknown. ``said`` is the one value, or
        ``{field: value}`` where several fields are declared.

        Raises:
            InvalidAnswer: it cannot be such an answer.
        """

    def stratify_labels(self, answer: Any) -> Iterable[str]:
        """The classes that ``answer`` counts for; none for a number."""

    def unite(self, first: Any, again: Any) -> Any:
        """What two answers about the same picture say together.

        Raises:
            InvalidAnswer: they contradict each other; see ``data.union.Unite``.
        """


@dataclass
class Gathered:
    """One record per picture, its answers typed and by task name, and all that was wrong.

    Equal answers may be one object: they are not to be changed.
    """

    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def gather(sources: Sequence[Source], questions: Sequence[Question]) -> Gathered:
    """Every picture of all sources once, with the answers of all of them.

    A picture that is named twice is one record, with all that was said of it. Groups that share a picture
    become one group; groups of two sources with the same name are the same group. Nothing is raised for
    what the data say wrong: ``problems`` holds it.
    """
    gathered = Gathered()
    problems = gathered.problems
    by_name = {question.name: question for question in questions}
    merge = Merge(gathered.records, problems, lambda name, first, again: by_name[name].unite(first, again))
    seen: set[str] = set()  # fields of any source
    with _no_collection():
        for source in sources:
            problems += _wrong_names(source, questions)
            asked = [_asked(source, question) for question in questions if _annotates(source, question)]
            here: set[str] = set()
            for record in _records(source, problems):
                here.update(record.answers)
                merge.add(record, _answers(record, asked, problems))
            problems += _wrong_columns(source, here)
            seen |= here
        merge.join_groups()
    problems += _unanswered(sources, questions, gathered.records, seen)
    return gathered


@contextmanager
def _no_collection() -> Iterator[None]:
    # A million records hold no cycles, yet Python would search them for cycles again and again.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question put to one source."""

    name: str
    field: str | None  # None: several
    fields: tuple[str, ...]
    question: Question
    classes: Sequence[str] | None  # what this source's people looked for
    known: dict[str, Any]  # short text -> what was read from it; only text: 1, 1.0 and True would be one key

    def several(self, said: Mapping[str, Any]) -> dict[str, Any] | None:
        """What stands in several fields; None where nobody looked."""
        return {name: said[name] for name in self.fields if said.get(name) is not None} or None

    def answer(self, value: Any) -> Any:
        """The typed answer, None where nobody knew.

        Raises:
            InvalidAnswer: it cannot be such an answer.
        """
        answer = self.question.read(value, self.classes)
        if type(value) is str and len(value) <= LONGEST_CACHED and len(self.known) < CACHE_LIMIT:
            self.known[value] = answer
        return answer


def _asked(source: Source, question: Question) -> _Asked:
    fields = _listed(source.columns.get(question.name)) or question.fields
    classes = source.annotates[question.name] if isinstance(source.annotates, dict) else None
    return _Asked(question.name, fields[0] if len(fields) == 1 else None, fields, question, classes, {})


def _annotates(source: Source, question: Question) -> bool:
    return source.annotates is None or question.name in source.annotates


def _listed(fields: str | list[str] | None) -> tuple[str, ...]:
    return (fields,) if isinstance(fields, str) else tuple(fields or ())


def _records(source: Source, problems: list[Problem]) -> Iterator[Record]:
    """The records of a source; what it could not use goes to ``problems``."""
    try:
        for item in source.read():
            if isinstance(item, Problem):
                problems.append(item)
            else:
                yield item
    except DataError as error:
        problems.extend(error.problems or [Problem(error.location or source.title, error.what, error.hint)])


def _answers(record: Record, asked: Sequence[_Asked], problems: list[Problem]) -> dict[str, Any]:
    said, answers = record.answers, {}
    for question in asked:
        name, field_, known = question.name, question.field, question.known
        value = question.several(said) if field_ is None else said.get(field_)
        if value is None:
            continue
        if type(value) is str and value in known:
            answer = known[value]
        else:
            try:
                answer = question.answer(value)
            except InvalidAnswer as misfit:
                what = plain(f"{name} {misfit.what}")
                problems.append(Problem(record.location, what, misfit.hint, kind=f"misfit: {name}"))
                continue
        if answer is not None:
            answers[name] = answer
    return answers


def _wrong_names(source: Source, questions: Sequence[Question]) -> Iterator[Problem]:
    tasks = [question.name for question in questions]
    for key, named in (("annotates", source.annotates or ()), ("columns", source.columns)):
        for name in named:
            if name not in tasks:
                what = f"{key} names {quoted(name)}, which is no task.{nearest(name, tasks)}"
                yield Problem(source.title, what, kind="wrong name")


def _wrong_columns(source: Source, fields: set[str]) -> Iterator[Problem]:
    for name, written in source.columns.items():
        for field_ in _listed(written):
            if field_ not in fields:
                what = f"columns.{name} names the field {quoted(field_)}, which holds nothing here."
                yield Problem(source.title, what + nearest(field_, fields), kind="wrong name")


def _unanswered(
    sources: Sequence[Source], questions: Sequence[Question], records: Sequence[Record], seen: set[str]
) -> Iterator[Problem]:
    if not records:
        return  # which is told already
    answered: set[str] = set()
    for record in records:
        if len(answered) == len(questions):
            return
        answered.update(record.answers)
    for question in questions:
        renamed = {field_ for source in sources for field_ in _listed(source.columns.get(question.name))}
        fields = renamed | set(question.fields)
        if question.name in answered or not sources:
            continue
        if fields & seen:
            yield Problem(
                question.name,
                "all answers are missing",
                hint="give some, or take the task out",
                kind="no answers",
            )
        else:
            names = " or ".join(quoted(name) for name in sorted(fields))
            what = f"no source holds anything in the field {names}.{_hint(sorted(fields)[0], seen)}"
            hint = "name the field with `from`" if seen else "give a source of answers, or take the task out"
            yield Problem(question.name, what, hint, kind="no field")


def _hint(name: str, seen: set[str]) -> str:
    """The nearest field and all that there are."""
    close = nearest(name, seen)
    there = f" Known: {plain(', '.join(sorted(seen)), 400)}." if seen else " There are no fields at all."
    return close + there if "Did you mean" in close else there
