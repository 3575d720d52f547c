"""From the raw values of sources, by field, to one record per picture with typed answers, by task."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from oneglance.data.merging.column_notation import ColumnNotation
from oneglance.data.merging.merge_records import RecordMerger
from oneglance.data.number_notation import Notation
from oneglance.data.quoting import nearest_of, plain, quoted
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.source import Source
from oneglance.errors import DataError, InvalidAnswer, Problem, nearest

CACHE_LIMIT = 20_000  # typed answers kept per source and question: classes repeat, free numbers do not
TAG_PICTURES = 8  # with contradictions that may be tags, one row each
LONGEST_CACHED = 64  # characters


class Question(Protocol):
    """What this layer needs to know of a task; ``task.Task`` is one."""

    @property
    def name(self) -> str: ...

    @property
    def answered_by(self) -> str:
        """The question whose answers it learns from; "" if it needs none."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a source that hold its answer."""

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> Any:
        """The typed answer; None for a word that means unknown.

        Args:
            raw_value: the one value, or ``{field: value}`` where several fields are declared.
            queried: the classes that the annotators of this source looked for; None: all.

        Raises:
            InvalidAnswer: it cannot be such an answer.
        """

    def stratify_labels(self, answer: Any) -> Iterable[str]:
        """The classes that ``answer`` counts for; none for a number."""

    def merge(self, first: Any, second: Any) -> Any:
        """One answer of two about the same picture.

        Raises:
            InvalidAnswer: they contradict each other; see ``merge_answers.MergeAnswers``.
        """


@runtime_checkable
class NumberQuestion(Protocol):
    """A question whose answers are numbers, which tables write as text in one way or another."""

    def read_text(self, text: str, notation: Notation) -> float | None:
        """The number in a cell; see ``Question.read``."""


@dataclass
class Collected:
    """One record per picture, its answers typed and by task name, and everything that is wrong.

    Equal answers may be one object: they are not to be changed.
    """

    records: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def collect(
    sources: Sequence[Source], questions: Sequence[Question], optional: Collection[str] = ()
) -> Collected:
    """Every picture of all sources once, with the answers of all of them.

    A picture that is mentioned twice is one record, with the answers of both mentions; those of a source that
    wins stand in the place of all others. Groups that share a
    picture become one group; groups of two sources with the same name are the same group. Mistakes in the
    data raise nothing: ``problems`` holds them.

    Args:
        optional: names of questions that nobody need have answered.
    """
    collected = Collected()
    problems = collected.problems
    by_name = {question.name: question for question in questions}
    merger = RecordMerger(
        collected.records, problems, lambda name, first, second: by_name[name].merge(first, second)
    )
    all_fields: set[str] = set()  # of any source
    with _garbage_collection_off():
        for source in sorted(sources, key=lambda source: source.wins):  # last, those that win
            problems += _wrong_names(source, questions)
            readers = [_reader(source, question) for question in questions if _annotates(source, question)]
            fields: set[str] = set()
            for record in _records(source, problems):
                fields.update(record.answers)
                merger.add(record, _answers(record, readers, problems), wins=source.wins)
            problems += _wrong_columns(source, fields)
            for reader in readers:
                problems += reader.notation.problems(reader.name) if reader.notation else ()
            all_fields |= fields
        merger.join_groups()
    _propose_tag_rows(merger, by_name)
    needed = [question for question in questions if question.name not in optional]
    problems += _unanswered(sources, needed, collected.records, all_fields)
    return collected


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    # A million records hold no cycles, yet Python would search them for cycles again and again.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class _AnswerReader:
    """Reads the answers to one question from the records of one source."""

    name: str
    field: str | None  # None: several
    fields: tuple[str, ...]
    question: Question
    queried: Sequence[str] | None  # the classes that the annotators of this source looked for
    notation: ColumnNotation | None  # of text, where the answers are numbers
    cache: dict[str, Any]  # short text -> its typed answer; only text: 1, 1.0 and True would be one key

    def several(self, raw_values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The raw values of several fields; None where all are missing."""
        return {name: raw_values[name] for name in self.fields if raw_values.get(name) is not None} or None

    def answer(self, raw_value: Any) -> Any:
        """The typed answer, None where it is unknown.

        Raises:
            InvalidAnswer: it cannot be such an answer.
        """
        if self.notation is not None and type(raw_value) is str and isinstance(self.question, NumberQuestion):
            answer: Any = self.question.read_text(raw_value, self.notation.of(raw_value))
        else:
            answer = self.question.read(raw_value, self.queried)
        if type(raw_value) is str and len(raw_value) <= LONGEST_CACHED and len(self.cache) < CACHE_LIMIT:
            self.cache[raw_value] = answer
        return answer


def _reader(source: Source, question: Question) -> _AnswerReader:
    fields = _listed(source.field_names.get(question.name)) or question.fields
    queried = source.annotates[question.name] if isinstance(source.annotates, dict) else None
    field_ = fields[0] if len(fields) == 1 else None
    numeric = field_ is not None and isinstance(question, NumberQuestion)
    notation = ColumnNotation(source, fields[0]) if numeric else None
    return _AnswerReader(question.name, field_, fields, question, queried, notation, {})


def _annotates(source: Source, question: Question) -> bool:
    return source.annotates is None or question.name in source.annotates


def _listed(fields: str | list[str] | None) -> tuple[str, ...]:
    return (fields,) if isinstance(fields, str) else tuple(fields or ())


def _records(source: Source, problems: list[Problem]) -> Iterator[Record]:
    """The records of a source; its problems are added to ``problems``."""
    try:
        for item in source.read():
            if isinstance(item, Problem):
                problems.append(item)
            else:
                yield item
    except DataError as error:
        problems.extend(error.problems or [Problem(error.location or source.title, error.what, error.hint)])


def _answers(record: Record, readers: Sequence[_AnswerReader], problems: list[Problem]) -> dict[str, Any]:
    raw_values, answers = record.answers, {}
    for reader in readers:
        name, field_, cache = reader.name, reader.field, reader.cache
        raw_value = reader.several(raw_values) if field_ is None else raw_values.get(field_)
        if raw_value is None:
            continue
        if type(raw_value) is str and raw_value in cache:
            answer = cache[raw_value]
        else:
            try:
                answer = reader.answer(raw_value)
            except InvalidAnswer as invalid:
                what = plain(f"{name} {invalid.what}")
                # "misfit" is what ``check --json`` calls it: other programs read the kind.
                problems.append(Problem(record.location, what, invalid.hint, kind=f"misfit: {name}"))
                continue
        if answer is not None:
            answers[name] = answer
    return answers


def _propose_tag_rows(merger: RecordMerger, questions: Mapping[str, Question]) -> None:
    """Put one problem in the place of many, where most rows that answer a picture again answer otherwise: the
    table may have a row per tag.
    """
    replaced: set[int] = set()
    proposals = []
    for (name, source), rows in merger.contradicting.items():
        few = len({index for index, _ in rows}) < TAG_PICTURES
        if few or name not in questions or len(rows) < merger.repeated[name, source] / 2:
            continue
        answers = (r.answers[name] for r in merger.records if name in r.answers)
        labels = questions[name].stratify_labels
        if any(any(labels(answer)) and not isinstance(answer, BoxAnnotations) for answer in answers):
            _, first = rows[0]
            what = (
                f"{name}: {len(rows):,} rows answer otherwise than another row of the same picture, such as "
            )
            what += f"{first.location}, which {first.what.removeprefix(f'{name} ')}"
            hint = (
                'if each row is one tag of its picture, write rows = "tags" in [[sources]] and type = "tags" '
            )
            hint += f"in [tasks.{name}]; else correct them"
            proposals.append(Problem(source, what, hint, kind=first.kind))
            replaced.update(id(problem) for _, problem in rows)
    if replaced:
        merger.problems[:] = [problem for problem in merger.problems if id(problem) not in replaced]
        merger.problems += proposals


def _wrong_names(source: Source, questions: Sequence[Question]) -> Iterator[Problem]:
    tasks = [question.name for question in questions]
    for key, named in (("annotates", source.annotates or ()), ("columns", source.field_names)):
        for name in named:
            if name not in tasks:
                what = f"{key} names {quoted(name)}, which is no task.{nearest(name, tasks)}"
                yield Problem(source.title, what, kind="wrong name")


def _wrong_columns(source: Source, fields: set[str]) -> Iterator[Problem]:
    for name, columns in source.field_names.items():
        for field_ in _listed(columns):
            if field_ not in fields:
                what = f"columns.{name} names the field {quoted(field_)}, which holds nothing here."
                yield Problem(source.title, what + nearest_of(field_, fields), kind="wrong name")


def _unanswered(
    sources: Sequence[Source], questions: Sequence[Question], records: Sequence[Record], all_fields: set[str]
) -> Iterator[Problem]:
    if not records:
        return  # a problem of its own already
    answered: set[str] = set()
    for record in records:
        if len(answered) == len(questions):
            return
        answered.update(record.answers)
    for question in questions:
        renamed = {field_ for source in sources for field_ in _listed(source.field_names.get(question.name))}
        fields = renamed | set(question.fields)
        if question.name in answered or not sources:
            continue
        if fields & all_fields:
            yield Problem(
                question.name,
                "all answers are missing",
                hint="give some, or take the task out",
                kind="no answers",
            )
        else:
            names = " or ".join(quoted(name) for name in sorted(fields))
            what = f"no source holds anything in the field {names}.{_hint(sorted(fields)[0], all_fields)}"
            hint = (
                "name the field with `from`"
                if all_fields
                else "give a source of answers, or take the task out"
            )
            yield Problem(question.name, what, hint, kind="no field")


def _hint(name: str, fields: set[str]) -> str:
    """The nearest field and the list of all."""
    close = nearest_of(name, fields)
    listed = f" Known: {plain(', '.join(sorted(fields)), 400)}." if fields else " There are no fields at all."
    return close + listed if "Did you mean" in close else listed
