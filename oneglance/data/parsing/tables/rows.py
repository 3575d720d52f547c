"""Tables row by row, and many rows at once: the contract that ``sources/table.py`` reads; and JSON lines."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import pyarrow as pa

from oneglance.data.cell import as_text
from oneglance.data.columns.coded import Coded
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.text_lines import lines
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, Problem

SAMPLE = 100  # rows that decide which column holds the pictures
MOST_COLUMNS = 16_384  # as many as a sheet of Excel
INTERNED = 100_000  # distinct cells kept: classes repeat, and a million equal words share one object

Row = tuple[str, str | ImageRef | None, Mapping[str, Any]]  # (location, the picture, the other cells)


@dataclass(frozen=True)
class LostRow(Problem):
    """A row that cannot be read, and what stands in it, so that somebody may look whom it concerns."""

    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Rows at once that lie in a line each, and have all cells of the table and a name of a picture."""

    title: str
    start: int  # the line of the first row
    names: pa.StringArray  # of the pictures, without the space around them
    fields: dict[str, Coded]  # the text in every row of each other column; missing where a cell is empty

    def rows(self) -> Iterator[Row]:
        """The rows one by one."""
        cells = zip(*self.fields.values(), strict=True) if self.fields else repeat(())
        for number, (name, row) in enumerate(zip(self.names.to_pylist(), cells), self.start):  # noqa: B905
            answers = {field: cell for field, cell in zip(self.fields, row, strict=True) if cell is not None}
            yield f"{self.title}:{number}", name, answers


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

    def blocks(self, column: str) -> Iterator[TextBlock | Row | Problem]:
        """The same, with rows in blocks where that can be."""
        yield from self.rows(column)

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

    __missing__ = add


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
