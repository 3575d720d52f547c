"""From the raw values of sources, by field, to one record per picture with typed answers, by task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from oneglance.data.columns.coded import MISSING, Coded, Coder, together
from oneglance.data.columns.packed_text import Piece
from oneglance.data.columns.record_columns import RecordBlock, RecordColumns, RecordPacker
from oneglance.data.merging.column_notation import ColumnNotation
from oneglance.data.merging.repeated import Merged, merge_repeated
from oneglance.data.number_notation import Notation
from oneglance.data.quoting import nearest_of, plain, quoted
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.source import Source
from oneglance.errors import DataError, InvalidAnswer, Problem, nearest
from oneglance.nn.allocator import garbage_collection_off, give_back

CACHE_LIMIT = 100_000  # typed answers kept per source and question: classes repeat, free numbers do not
TAG_PICTURES = 8  # with contradictions that may be tags, one row each
LONGEST_CACHED = 64  # characters
MANY = 100_000  # records, from which on the memory that reading took is given back at once


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

    records: RecordColumns
    problems: list[Problem]


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
    collected = _collected(sources, questions, optional)
    if len(collected.records) > MANY:
        give_back()
    return collected


def _collected(
    sources: Sequence[Source], questions: Sequence[Question], optional: Collection[str]
) -> Collected:
    by_name = {question.name: question for question in questions}
    packer = RecordPacker(list(by_name))
    problems = _Problems(packer)
    winning: list[bool] = []  # by source: whether it wins
    starts: list[int] = []  # by source: its first row
    all_fields: set[str] = set()  # of any source
    with garbage_collection_off():
        for source in sorted(sources, key=lambda source: source.wins):  # last, those that win
            winning.append(source.wins)
            starts.append(len(packer))
            problems.between(_wrong_names(source, questions))
            readers = [
                _reader(source, question, packer) if _annotates(source, question) else None
                for question in questions
            ]
            fields: set[str] = set()
            for item in _records(source, problems):
                if isinstance(item, RecordBlock):
                    fields.update(name for name, cells in item.fields.items() if cells.known.any())
                    _read_block(item, readers, packer, problems)
                    packer.add_block(item)
                else:
                    fields.update(item.answers)
                    _read_answers(item, readers, packer, problems)
                    packer.add(item)
            problems.between(_wrong_columns(source, fields))
            for reader in filter(None, readers):
                problems.between(reader.notation.problems(reader.name) if reader.notation else ())
            all_fields |= fields
        records = packer.columns()
        wins = np.repeat(winning, np.diff([*starts, len(records)])) if winning else np.zeros(0, dtype=bool)
        merged = merge_repeated(
            records,
            packer.picture_keys(),
            wins,
            lambda name, first, second: by_name[name].merge(first, second),
        )
    in_order = problems.with_contradictions(merged.problems)
    in_order = _propose_tag_rows(merged, by_name, in_order)
    needed = [question for question in questions if question.name not in optional]
    in_order += _unanswered(sources, needed, merged.records, all_fields)
    return Collected(merged.records, in_order)


class _Problems:
    """Problems in the order of the rows that they concern."""

    def __init__(self, packer: RecordPacker) -> None:
        self._packer = packer
        self._places: list[tuple[int, Problem]] = []  # twice the row, one less: before it

    def of_row(self, problem: Problem, row: int = 0) -> None:
        """One of the row that is being read, or of one of the rows that are read at once."""
        self._places.append((2 * (len(self._packer) + row), problem))

    def between(self, problems: Iterable[Problem]) -> None:
        """Some between the rows before and the next one."""
        self._places += ((2 * len(self._packer) - 1, problem) for problem in problems)

    def with_contradictions(self, contradictions: Sequence[tuple[int, Problem]]) -> list[Problem]:
        """All of them, and those of a row that were found later behind its others."""
        places = [*self._places, *((2 * row, problem) for row, problem in contradictions)]
        return [problem for _, problem in sorted(places, key=lambda place: place[0])]


@dataclass(frozen=True, slots=True)
class _AnswerReader:
    """Reads the answers to one question from the records of one source."""

    name: str
    field: str | None  # None: several
    fields: tuple[str, ...]
    question: Question
    queried: Sequence[str] | None  # the classes that the annotators of this source looked for
    notation: ColumnNotation | None  # of text, where the answers are numbers
    column: Coder  # where its answers go
    cache: dict[str, int]  # short text -> the code of its answer; only text: 1, 1.0 and True would be one key

    def several(self, raw_values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The raw values of several fields; None where all are missing."""
        return {name: raw_values[name] for name in self.fields if raw_values.get(name) is not None} or None

    def code(self, raw_value: Any) -> int:
        """The code of the typed answer in its column; missing where it is unknown.

        Raises:
            InvalidAnswer: it cannot be such an answer.
        """
        if self.notation is not None and type(raw_value) is str:
            question = cast(NumberQuestion, self.question)  # only one of these has a notation
            answer: Any = question.read_text(raw_value, self.notation.of(raw_value))
        else:
            answer = self.question.read(raw_value, self.queried)
        code = self.column.code(answer)
        if type(raw_value) is str and len(raw_value) <= LONGEST_CACHED and len(self.cache) < CACHE_LIMIT:
            self.cache[raw_value] = code
        return code


def _reader(source: Source, question: Question, packer: RecordPacker) -> _AnswerReader:
    fields = _listed(source.field_names.get(question.name)) or question.fields
    queried = source.annotates[question.name] if isinstance(source.annotates, dict) else None
    field_ = fields[0] if len(fields) == 1 else None
    numeric = field_ is not None and isinstance(question, NumberQuestion)
    notation = ColumnNotation(source, fields[0]) if numeric else None
    column = packer.answers[question.name]
    return _AnswerReader(question.name, field_, fields, question, queried, notation, column, {})


def _annotates(source: Source, question: Question) -> bool:
    return source.annotates is None or question.name in source.annotates


def _listed(fields: str | list[str] | None) -> tuple[str, ...]:
    return (fields,) if isinstance(fields, str) else tuple(fields or ())


def _records(source: Source, problems: _Problems) -> Iterator[RecordBlock | Record]:
    """The records of a source; its problems are added to ``problems``."""
    try:
        for item in source.read_blocks():
            if isinstance(item, Problem):
                problems.between([item])
            else:
                yield item
    except DataError as error:
        problems.between(error.problems or [Problem(error.location or source.title, error.what, error.hint)])


def _read_answers(
    record: Record, readers: Sequence[_AnswerReader | None], packer: RecordPacker, problems: _Problems
) -> None:
    """Put the typed answers of a record into the columns."""
    raw_values = record.answers
    for reader, column in zip(readers, packer.answers.values(), strict=True):
        if reader is None:
            column.put(MISSING)
            continue
        field_, cache = reader.field, reader.cache
        raw_value = reader.several(raw_values) if field_ is None else raw_values.get(field_)
        if raw_value is None:
            column.put(MISSING)
            continue
        code = cache.get(raw_value) if type(raw_value) is str else None
        if code is None:
            try:
                code = reader.code(raw_value)
            except InvalidAnswer as invalid:
                problems.of_row(_unreadable(reader, invalid, record.location))
                code = MISSING
        column.put(code)


def _read_block(
    block: RecordBlock,
    readers: Sequence[_AnswerReader | None],
    packer: RecordPacker,
    problems: _Problems,
) -> None:
    """The same for all records of a block."""
    for reader, column in zip(readers, packer.answers.values(), strict=True):
        own = [name for name in (reader.fields if reader else ()) if name in block.fields]
        if reader is None or not own:
            column.put_all(np.full(len(block), MISSING))
            continue
        if reader.field is not None:
            cells = block.fields[reader.field]
        else:
            cells = _rows_together(own, [block.fields[name] for name in own], len(block))
        column.put_all(_block_codes(reader, cells, block.locations, problems))


def _rows_together(names: Sequence[str], columns: Sequence[Coded], count: int) -> Coded:
    """``{name: value}`` of each row that has any."""
    kind, first = together(columns, count)
    values = []
    for row in first.tolist():
        pairs = [(name, column[row]) for name, column in zip(names, columns, strict=True)]
        values.append({name: value for name, value in pairs if value is not None})
    return Coded(
        np.where(np.array([bool(value) for value in values], dtype=bool)[kind], kind, MISSING), values
    )


def _block_codes(reader: _AnswerReader, cells: Coded, locations: Piece, problems: _Problems) -> np.ndarray:
    """The codes of the answers that some raw values are, each of which is read once."""
    codes = np.full(len(cells.values) + 1, MISSING, dtype=np.int32)  # the last one is that of MISSING
    present = cells.counts() > 0
    for place, value in enumerate(cells.values):
        if not present[place]:
            continue
        code = reader.cache.get(value) if type(value) is str else None
        if code is None:
            try:
                code = reader.code(value)
            except InvalidAnswer as invalid:
                for row in np.flatnonzero(cells.codes == place).tolist():
                    problems.of_row(_unreadable(reader, invalid, locations.text(row)), row)
                continue
        codes[place] = code
    return codes[cells.codes]


def _unreadable(reader: _AnswerReader, invalid: InvalidAnswer, location: str) -> Problem:
    what = plain(f"{reader.name} {invalid.what}")
    # "misfit" is what ``check --json`` calls it: other programs read the kind.
    return Problem(location, what, invalid.hint, kind=f"misfit: {reader.name}")


def _propose_tag_rows(
    merged: Merged, questions: Mapping[str, Question], problems: list[Problem]
) -> list[Problem]:
    """One problem in the place of many, where most rows that answer a picture again answer otherwise: the
    table may have a row per tag.
    """
    replaced: set[int] = set()
    proposals = []
    for (name, source), rows in merged.contradicting.items():
        few = len({index for index, _ in rows}) < TAG_PICTURES
        if few or name not in questions or len(rows) < merged.repeated[name, source] / 2:
            continue
        answers = merged.records.answers[name].appearing().values
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
    return [*(problem for problem in problems if id(problem) not in replaced), *proposals]


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
    sources: Sequence[Source], questions: Sequence[Question], records: RecordColumns, all_fields: set[str]
) -> Iterator[Problem]:
    if not records:
        return  # a problem of its own already
    answered = {name for name, column in records.answers.items() if column.known.any()}
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
