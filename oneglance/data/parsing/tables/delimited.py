"""CSV and its relatives, row by row or many rows at once."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pa_csv

from oneglance.data.columns.coded import MISSING, Coded
from oneglance.data.columns.packed_text import printable_ascii, text_array
from oneglance.data.csv_text import from_cell
from oneglance.data.images.references import is_picture
from oneglance.data.parsing import separator
from oneglance.data.parsing.tables.rows import (
    SAMPLE,
    InternedText,
    LostRow,
    Row,
    Rows,
    TextBlock,
    check_columns,
)
from oneglance.data.parsing.tables.unnamed_columns import PICTURE, are_names, names_for
from oneglance.data.parsing.text_lines import TextInPieces, lines, lines_of, pieces
from oneglance.errors import DataError, Problem

SAMPLE_CELLS = 1_000_000  # in a sample, at most
CLOSE_IT = 'close the quotation mark, or write "" for one inside a cell'
SPACE = " "  # stands for any amount of space


class Delimited(Rows):
    """CSV and its relatives. The first row names the columns, or else names a picture: then the columns have
    the names that ``names_for`` gives, which is told. Quotation marks as Excel writes them.
    """

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
        cells = [from_cell(name) for name in header]
        self._is_headed = are_names(cells)
        self._header = self._named(cells) if self._is_headed else names_for(self._sampled)
        self.columns = [name for name in self._header if name]  # a column without a name is left out
        self._check()

    def _is_no_row(self, first: str) -> bool:
        """Whether the first line belongs to no column."""
        return False

    def _detected(self) -> str:
        """The separator, where nothing says it; space only behind the name of a picture."""
        first, *others = next((line for line in self._lines() if line.strip()), "").split() or [""]
        marked = any(mark in word for word in (first, *others) for mark in separator.SEPARATORS)
        is_spaced = others and not marked and is_picture(first)
        return SPACE if is_spaced else separator.detected(self._lines(), self.title)

    def _named(self, header: list[str]) -> list[str]:
        """The names of the columns. One without a name that holds the pictures has one too, as a table that
        was saved with them for the names of its rows.
        """
        unnamed = [place for place, name in enumerate(header) if not name and self._holds_pictures(place)]
        if len(unnamed) != 1 or PICTURE in header or not any(header):
            return header
        return [PICTURE if place == unnamed[0] else name for place, name in enumerate(header)]

    def _holds_pictures(self, place: int) -> bool:
        cells = [row[place] for row in self._sampled if len(row) > place]
        return bool(cells) and all(map(is_picture, cells))

    def _pieces(self) -> Iterator[str]:
        """The text of the file; a first line that is no row is empty, so that all keep their numbers."""
        text = pieces(self.path, self._encoding)
        if self._hides_first:
            first = lines_of(next(text))
            first.readline()
            text = chain(["\n" + first.read()], text)
        return map(_single_spaced, text) if self.separator == SPACE else text

    def _unnamed(self) -> Iterator[Problem]:
        """What is told of a table whose first row names no columns."""
        if not self._is_headed:
            what = f"has no column names: they are called {', '.join(self.columns)}"
            hint = "write a first row of names if others are better"
            yield Problem(self.title, what, hint, kind="column names", fatal=False)

    def _lines(self) -> Iterator[str]:
        for text in self._pieces():
            yield from lines_of(text)

    def _check(self) -> None:
        check_columns(self.columns, self.title)
        if not self.columns:
            what = "has no column names in its first row" if self._header else "is empty"
            raise DataError(what, location=self.title, hint="write a first row such as: image,kind")

    def _read(
        self, text: Iterable[str] | None = None, before: int = 0, least: int = 0
    ) -> Iterator[tuple[int, list[str] | Problem]]:
        """The rows that are not empty, the header among them, each with the line where it begins.

        Args:
            text: the lines; default: all.
            before: how many come before these.
            least: of lines; it ends at the first end of a row behind them; default: at the last line.
        """
        latest = ""

        def remembered() -> Iterator[str]:
            nonlocal latest
            for latest in self._lines() if text is None else text:  # noqa: UP028 - kept for a message
                yield latest

        reader = csv.reader(remembered(), delimiter=self.separator, strict=True)
        start = before + 1
        while True:
            try:
                for row in reader:
                    end = before + reader.line_num
                    if end > start and self._holds_rows(row):
                        yield start, self._swallowed(start, end)
                    elif row:
                        yield start, row
                    start = end + 1
                    if 0 < least <= reader.line_num:
                        return
                return
            except csv.Error:
                end = before + reader.line_num
                yield start, self._misquoted(start, end, latest)
                start = end + 1
                if 0 < least <= reader.line_num:
                    return

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
        for _, row in islice(self._read(), self._is_headed, SAMPLE + self._is_headed):
            if not isinstance(row, Problem):
                sampled.append(row)
                cells += len(row)
            if cells > SAMPLE_CELLS:
                break
        return sampled

    def rows(self, column: str) -> Iterator[Row | Problem]:
        widths = _Widths(self._header)
        rows = islice(self._read(), self._is_headed, None)
        yield from self._unnamed()
        yield from self._rows(rows, column, InternedText(from_cell), widths)
        yield from widths.problems(self.title, self.separator)

    def blocks(self, column: str) -> Iterator[TextBlock | Row | Problem]:
        text, before, is_header = TextInPieces(self._pieces()), 0, self._is_headed
        interned, widths = InternedText(from_cell), _Widths(self._header)
        yield from self._unnamed()
        while taken := next(text, "") if is_header else text.piece():
            block = None if is_header else self._block(taken, before + 1, column, interned)
            if block is not None:
                widths.widest = len(self._header)
                before += len(block.names)
                yield block
                continue
            counted = _Counted(chain(lines_of(taken), text))
            rows = self._read(counted, before, sum(1 for _ in lines_of(taken)))
            if is_header:
                is_header = next(rows, None) is None
            yield from self._rows(rows, column, interned, widths)
            before += counted.count
        yield from widths.problems(self.title, self.separator)

    def _block(self, text: str, start: int, column: str, interned: InternedText) -> TextBlock | None:
        """The rows of some lines; None where not each of them is a whole row that names a picture."""
        columns = self._arrow_columns(text) or self._csv_columns(text)
        if columns is None:
            return None
        names = columns.pop(column)
        try:
            cleaned = text_array(list(map(from_cell, names.to_pylist()))) if _needs_care(names) else names
        except UnicodeEncodeError:
            return None
        if pc.any(pc.equal(pc.binary_length(cleaned), 0)).as_py():
            return None
        columns.pop("", None)
        fields = {name: _cleaned(cells, interned) for name, cells in columns.items()}
        return TextBlock(self.title, start, cleaned, fields)

    def _arrow_columns(self, text: str) -> dict[str, pa.StringArray] | None:
        """The cells of some lines, where no quotation mark says that there is more to them than that."""
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if '"' in text or "\r" in text or not self.separator.isascii():
            return None
        options = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(self._columns, pa.string()), strings_can_be_null=False
        )
        try:
            data = text.encode()
            table = pa_csv.read_csv(
                pa.BufferReader(data),
                pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._columns),
                pa_csv.ParseOptions(delimiter=self.separator, quote_char=False, double_quote=False),
                options,
            )
        except (UnicodeEncodeError, pa.ArrowInvalid):
            return None
        if table.num_rows != text.count("\n") + (not text.endswith("\n")):
            return None
        arrays = [table.column(name).combine_chunks() for name in self._columns]
        if max(pc.max(pc.binary_length(cells)).as_py() for cells in arrays) > csv.field_size_limit():
            return None
        return dict(zip(self._header, arrays, strict=True))

    def _csv_columns(self, text: str) -> dict[str, pa.StringArray] | None:
        """The same where there are quotation marks; None where a line is no whole row of the table."""
        try:
            reader = csv.reader(lines_of(text), delimiter=self.separator, strict=True)
            rows = list(reader)
            if len(rows) != reader.line_num or set(map(len, rows)) != {len(self._header)}:
                return None
            return {
                name: pa.array(cells, type=pa.string())
                for name, cells in zip(self._header, zip(*rows, strict=True), strict=True)
            }
        except (csv.Error, UnicodeEncodeError):
            return None

    @property
    def _columns(self) -> list[str]:
        """A name for every column, those without one too."""
        return list(map(str, range(len(self._header))))

    def _rows(
        self,
        rows: Iterator[tuple[int, list[str] | Problem]],
        column: str,
        interned: InternedText,
        widths: _Widths,
    ) -> Iterator[Row | Problem]:
        title, width = self.title, len(self._header)
        index = self._header.index(column)
        fields = [*self._header[:index], *self._header[index + 1 :]]
        unnamed = not all(fields)
        get, add = interned.get, interned.add
        for line, row in rows:
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
            widths.widest = max(widths.widest, len(row))
            name = from_cell(row.pop(index)) if len(row) > index else ""
            answers = {field: cell for field, raw in zip(fields, row) if (cell := get(raw) or add(raw))}  # noqa: B905
            if unnamed:
                answers.pop("", None)
            if name or answers:
                yield location, name, answers


def _single_spaced(text: str) -> str:
    return "".join(f"{SPACE.join(line.split())}\n" for line in lines_of(text))


def _needs_care(names: pa.StringArray) -> bool:
    """Whether a cell may be another text than is written in it."""
    plain = printable_ascii(names)
    if plain is None:
        text = "".join(names.to_pylist())
        if not text.isprintable() or "'" in text:
            return True
    elif b"'" in plain:
        return True
    return not names.equals(pc.utf8_trim(names, " "))


def _cleaned(cells: pa.StringArray, interned: InternedText) -> Coded:
    encoded = cells.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    if _needs_care(encoded.dictionary):
        texts = list(map(interned.__getitem__, texts))
    codes = encoded.indices.to_numpy()
    if "" not in texts:
        return Coded(codes, texts)
    places = np.array([MISSING if text == "" else place for place, text in enumerate(texts)], dtype=np.int32)
    return Coded(places[codes], texts)


class _Widths:
    """How many cells the rows have."""

    def __init__(self, header: Sequence[str]) -> None:
        self._named = max((place for place, name in enumerate(header, 1) if name), default=0)
        self.widest = 0

    def problems(self, title: str, mark: str) -> Iterator[Problem]:
        if 0 < self.widest < self._named:  # a separator inside a name has moved all that follows it
            what = f"names {self._named} columns, but none of its rows has more than {self.widest} cells"
            hint = f"put a name that holds the separator {separator.shown(mark)} between "
            hint += "quotation marks, or give a row all its cells"
            yield Problem(title, what, hint, kind="too few cells")


class _Counted:
    """Lines, counted."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text, self.count = iter(text), 0

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.count += 1
            yield line
