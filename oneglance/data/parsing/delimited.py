"""Tables row by row: the contract that ``sources/table.py`` reads, and the formats that are text."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from oneglance.data.cell import as_text
from oneglance.data.csv_text import from_cell
from oneglance.data.images.references import is_picture
from oneglance.data.parsing import separator
from oneglance.data.parsing.text_lines import lines
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, Problem

SAMPLE = 100  # rows that decide which column holds the pictures
SAMPLE_CELLS = 1_000_000  # in them, at most
MOST_COLUMNS = 16_384  # as many as a sheet of Excel
CLOSE_IT = 'close the quotation mark, or write "" for one inside a cell'
INTERNED = 100_000  # distinct cells kept: classes repeat, and a million equal words share one object

Row = tuple[str, str | ImageRef | None, Mapping[str, Any]]  # (location, the picture, the other cells)


@dataclass(frozen=True)
class LostRow(Problem):
    """A row that cannot be read, and what stands in it, so that somebody may look whom it concerns."""

    cells: tuple[str, ...] = ()


class Rows(ABC):
    """One table. Cells of text lose the space around them; empty ones are left out."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
        self.columns: list[str] = []
        self.separator = ""  # between the cells of text
        # Class names by number of what stands inside cells: "objects.category" -> names.
        self.nested_names: Mapping[str, Sequence[str]] = {}

    @abstractmethod
    def sample(self, column: str) -> list[str]:
        """The text in the first rows of a column."""

    @abstractmethod
    def rows(self, column: str) -> Iterator[Row | Problem]:
        """Every row, its picture taken from ``column``; a Problem for a row that cannot be read.

        Raises:
            DataError: nothing after this location can be read.
        """

    def looks_like_pictures(self, column: str) -> bool:
        """Whether the column seems to hold pictures or their names."""
        sample = self.sample(column)
        return bool(sample) and all(map(is_picture, sample))


class InternedText(dict[str, str]):
    """Text as it was read -> the interned text: what ``clean`` makes of it, and the same object each time.

    ``interned.get(raw) or interned.add(raw)`` is the fastest look-up, a million times.
    """

    def __init__(self, clean: Callable[[str], str] = str.strip) -> None:
        super().__init__()
        self._clean = clean

    def add(self, raw: str) -> str:
        """Add one; when there are too many, all are dropped and the frequent ones come back."""
        if len(self) >= INTERNED:
            self.clear()
        interned = self[raw] = self._clean(raw)
        return interned


class Delimited(Rows):
    """CSV and its relatives: the first row names the columns. Quotation marks as Excel writes them."""

    def __init__(self, path: Path, title: str, encoding: str = "utf-8", delimiter: str = "") -> None:
        super().__init__(path, title)
        self._encoding = encoding
        first = next(lines(path, encoding), "")
        declared = separator.declared(first)
        self._hides_first = bool(declared) or self._is_no_row(first)
        self.separator = delimiter or declared
        self.separator = self.separator or self._detected()
        header = next((row for _, row in self._read()), [])
        if isinstance(header, Problem):
            hint = 'close it, or write "" for one inside a cell'
            raise DataError(header.what, location=header.location, hint=hint)
        self._header = self._named([from_cell(name) for name in header])
        self.columns = [name for name in self._header if name]  # a column without a name is left out
        self._check()

    def _is_no_row(self, first: str) -> bool:
        """Whether the first line belongs to no column."""
        return False

    def _detected(self) -> str:
        """The separator, where nothing says it."""
        return separator.detected(self._lines(), self.title)

    def _named(self, header: list[str]) -> list[str]:
        """The names of the columns."""
        return header

    def _lines(self) -> Iterator[str]:
        """The lines of the file; a first one that is no row is empty, so that all keep their numbers."""
        text = lines(self.path, self._encoding)
        if self._hides_first:
            next(text)
            yield "\n"
        yield from text

    def _check(self) -> None:
        check_columns(self.columns, self.title)
        if not self.columns:
            what = "has no column names in its first row" if self._header else "is empty"
            raise DataError(what, location=self.title, hint="write a first row such as: image,kind")
        if any(map(is_picture, self.columns)):
            what = f"has no column names: its first row is {quoted(self.separator.join(self._header))}"
            raise DataError(what, location=self.title, hint="add a first row such as: image,kind")

    def _read(self) -> Iterator[tuple[int, list[str] | Problem]]:
        """The rows that are not empty, the header among them, each with the line where it begins."""
        latest = ""

        def remembered() -> Iterator[str]:
            nonlocal latest
            for latest in self._lines():  # noqa: UP028 - kept for a message
                yield latest

        reader = csv.reader(remembered(), delimiter=self.separator, strict=True)
        start = 1
        while True:
            try:
                for row in reader:
                    if reader.line_num > start and self._holds_rows(row):
                        yield start, self._swallowed(start, reader.line_num)
                    elif row:
                        yield start, row
                    start = reader.line_num + 1
                return
            except csv.Error:
                yield start, self._misquoted(start, reader.line_num, latest)
                start = reader.line_num + 1

    def _holds_rows(self, row: Sequence[str]) -> bool:
        """Whether a later line of a cell holds a picture's name between separators, as a row does."""
        later = (line for cell in row if "\n" in cell for line in cell.split("\n")[1:])
        parts = (line.split(self.separator) for line in later)
        return any(len(cells) > 1 and any(is_picture(cell.strip()) for cell in cells) for cells in parts)

    def _swallowed(self, start: int, end: int) -> Problem:
        what = f"has a cell that goes on to line {end} and holds whole rows"
        return Problem(f"{self.title}:{start}", what, CLOSE_IT, kind="quotes")

    def _misquoted(self, start: int, end: int, line: str) -> Problem:
        location = f"{self.title}:{start}"
        if end > start:  # the rows in between are lost
            what = f"has a quotation mark that is still open in line {end}"
            return Problem(location, what, CLOSE_IT, kind="quotes")
        longest = csv.field_size_limit()
        what = f"has a quotation mark in the wrong place, or a cell of over {longest:,} characters"
        cells = tuple(line.split(self.separator))
        return LostRow(location, what, f"{CLOSE_IT}; the row is left out", "quotes", fatal=False, cells=cells)

    def sample(self, column: str) -> list[str]:
        index = self._header.index(column)
        return [from_cell(row[index]) for row in self._sampled if len(row) > index and row[index].strip()]

    @cached_property
    def _sampled(self) -> list[list[str]]:
        """The first rows, read once for all columns."""
        sampled: list[list[str]] = []
        cells = 0
        for _, row in islice(self._read(), 1, SAMPLE + 1):
            if not isinstance(row, Problem):
                sampled.append(row)
                cells += len(row)
            if cells > SAMPLE_CELLS:
                break
        return sampled

    def rows(self, column: str) -> Iterator[Row | Problem]:
        title, width = self.title, len(self._header)
        index = self._header.index(column)
        fields = [*self._header[:index], *self._header[index + 1 :]]
        unnamed = not all(fields)
        named, widest = max(place for place, name in enumerate(self._header, 1) if name), 0
        interned = InternedText(from_cell)
        get, add = interned.get, interned.add
        for line, row in islice(self._read(), 1, None):
            location = f"{title}:{line}"
            if isinstance(row, Problem):
                yield row
                continue
            if len(row) > width and any(map(str.strip, row[width:])):
                what = f"has {len(row)} cells, but there are {width} columns"
                hint = f"put a cell that holds the separator {separator.shown(self.separator)} between "
                hint += "quotation marks; the row is left out"
                yield LostRow(location, what, hint, "too many cells", fatal=False, cells=tuple(row))
                continue
            widest = max(widest, len(row))
            name = from_cell(row.pop(index)) if len(row) > index else ""
            answers = {field: cell for field, raw in zip(fields, row) if (cell := get(raw) or add(raw))}  # noqa: B905
            if unnamed:
                answers.pop("", None)
            if name or answers:
                yield location, name, answers
        if 0 < widest < named:  # a separator inside a name has moved all that follows it
            what = f"names {named} columns, but none of its rows has more than {widest} cells"
            hint = f"put a name that holds the separator {separator.shown(self.separator)} between "
            hint += "quotation marks, or give a row all its cells"
            yield Problem(title, what, hint, kind="too few cells")


class JsonLines(Rows):
    """One JSON object per line; numbers, lists and true or false stay what they are."""

    def __init__(self, path: Path, title: str, encoding: str = "utf-8") -> None:
        super().__init__(path, title)
        self._encoding = encoding
        self._first: list[dict[str, Any]] = []
        columns: dict[str, None] = {}
        for _, row in islice(self._read(), SAMPLE):
            if not isinstance(row, Problem):
                self._first.append(row)
                columns |= dict.fromkeys(row)
            if len(columns) > MOST_COLUMNS:
                break
        self.columns = list(columns)
        check_columns(self.columns, title)
        if not self.columns:
            raise DataError("holds no rows", location=title, hint='write one {"image": "a.jpg", …} per line')

    def _read(self) -> Iterator[tuple[str, dict[str, Any] | Problem]]:
        for number, line in enumerate(lines(self.path, self._encoding), 1):
            if line and not line.isspace():
                location = f"{self.title}:{number}"
                yield location, self._row(line, location)

    def _row(self, line: str, location: str) -> dict[str, Any] | Problem:
        try:
            row = STRICT_JSON.decode(line)
            if "\\u" in line:  # half a character may be written so, but no text may hold it
                json.dumps(row, ensure_ascii=False).encode()
        except RepeatedKey as error:
            row = error
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            return row
        if isinstance(row, RepeatedKey):
            what = f"holds {quoted(row.args[0])} twice"
            return Problem(location, what, "keep one of them; the row is left out", kind="JSON", fatal=False)
        what = f"is no JSON object: {plain(line.strip(), 40)}"
        hint = 'write {"column": value, …} in one line; the row is left out'
        return Problem(location, what, hint, kind="JSON", fatal=False)

    def sample(self, column: str) -> list[str]:
        return names(row.get(column) for row in self._first)

    def rows(self, column: str) -> Iterator[Row | Problem]:
        interned = InternedText()
        for location, row in self._read():
            if isinstance(row, Problem):
                yield row
                continue
            name = row.pop(column, None)
            yield location, picture_name(name), nonempty(row.items(), interned)


class RepeatedKey(ValueError):  # noqa: N818 - what is repeated is its argument
    """An object of JSON that holds a key twice, so that one of two values would be lost."""


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of some pairs: an ``object_pairs_hook``.

    Raises:
        RepeatedKey: a key is there twice.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise RepeatedKey(repetitions([key for key, _ in pairs])[0])
    return fields


# One for all lines: json.loads would make one for each.
STRICT_JSON = json.JSONDecoder(object_pairs_hook=without_repetition)


def repetitions(columns: Sequence[str]) -> list[str]:
    """The names that several columns have, sorted."""
    return sorted(name for name, count in Counter(columns).items() if count > 1)


def check_columns(columns: Sequence[str], title: str) -> None:
    """
    Raises:
        DataError: there are more than ``MOST_COLUMNS``, or two of the same name.
    """
    if len(columns) > MOST_COLUMNS:
        what = f"has {len(columns):,} columns, more than the {MOST_COLUMNS:,} that are read"
        raise DataError(what, location=title, hint="keep the columns that hold answers")
    if repeated := repetitions(columns):
        what = f"two columns are called {' and '.join(map(quoted, repeated))}"
        raise DataError(what, location=title, hint="give each column its own name")


def picture_name(value: Any) -> str | None:
    """The name of a picture in a value of JSON or Parquet; a number may be one: 7 and 7.0 are both ``7``."""
    if isinstance(value, str):
        return value.strip()
    return None if value is None else as_text(value)


def names(values: Iterable[Any]) -> list[str]:
    """Those that may name a picture: text that is not empty, and whole numbers, which may be ids."""
    return [
        name
        for value in values
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        if (name := picture_name(value)) and (isinstance(value, str) or name.lstrip("-").isdigit())
    ]


def nonempty(cells: Iterable[tuple[str, Any]], interned: InternedText) -> dict[str, Any]:
    """The cells that are not empty."""
    answers = {}
    for field, value in cells:
        cell = (interned.get(value) or interned.add(value)) if type(value) is str else value
        if cell is not None and cell != "":
            answers[field] = cell
    return answers
