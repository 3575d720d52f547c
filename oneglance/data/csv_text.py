"""Text in the cells of CSV tables: it reads back equal, and no spreadsheet takes it for a formula.

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-`` or ``@``, wherever it came from. Such text
is written with an apostrophe before it, which spreadsheets know as "this is text" (OWASP, CSV Injection), and
the reader of tables takes that apostrophe away again. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oneglance.data.quoting import quoted
from oneglance.errors import InvalidAnswer

LONGEST = 10_000  # characters: far more than any answer, far less than what readers of CSV take (131,072)

_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")  # of full width too: some spreadsheets take them for the same
_HALF = re.compile(r"[\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def as_cell(text: str) -> str:
    """``text`` as a cell, without the space around it."""
    text = text.strip()
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """The mirror of ``as_cell``; any other cell only loses the space around it."""
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and as_cell(cell[1:]) == cell else cell


def require_text(text: str) -> None:
    """
    Raises:
        InvalidAnswer: no cell can hold it.
    """
    if len(text) > LONGEST:
        raise InvalidAnswer(f"has {len(text):,} characters", f"write {LONGEST:,} at most")
    if "\0" in text or _HALF.search(text):
        what = f"is {quoted(text)}, with a NUL or half a character, which no text holds"
        raise InvalidAnswer(what, "write it without")


class CsvLines:
    """Rows as lines of CSV, ended by ``\\n``; any text comes back from a reader as it was."""

    def __init__(self) -> None:
        self._line = io.StringIO(newline="")
        # With this end, and only with it, the library also puts cells with \r in quotation marks.
        self._writer = csv.writer(self._line, lineterminator="\r\n")

    def line(self, cells: Iterable[Any]) -> str:
        """One row."""
        self._writer.writerow(cells)
        text = self._line.getvalue()
        self._line.seek(0)
        self._line.truncate()
        return text[:-2] + "\n"


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """A table whose cells are made by ``as_cell``. A cell that a row lacks is empty."""
    lines = CsvLines()
    header = {column: column for column in columns}
    return "".join(lines.line(as_cell(row.get(column, "")) for column in columns) for row in (header, *rows))
