"""Tables in text files: words with any amount of space between them, below a line that may count the rows."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from oneglance.data.images.references import is_picture
from oneglance.data.parsing import separator
from oneglance.data.parsing.tables.delimited import SPACE, Delimited
from oneglance.data.parsing.tables.unnamed_columns import PICTURE, are_names
from oneglance.data.parsing.text_lines import lines_or_none
from oneglance.errors import Problem

FILE = re.compile(r".*\.[A-Za-z]\w{1,4}")
SNIFFED = 20  # rows that tell whether a file is a table, and whether its first column has a name


class TextTable(Delimited):
    """A text file whose first row, or second below a number of rows, names the columns: all of them, or all
    but the first. Where no comma, semicolon, bar or tab separates its cells, any space does.
    """

    def _is_no_row(self, first: str) -> bool:
        return first.strip().isdecimal()

    def _detected(self) -> str:
        header = next((line for line in self._lines() if line.strip()), "")
        marked = any(mark in header.strip() for mark in separator.SEPARATORS)
        return super()._detected() if marked else SPACE

    def _named(self, header: list[str]) -> list[str]:
        rows = [row for _, row in islice(self._read(), 1, SNIFFED) if not isinstance(row, Problem)]
        unnamed = rows and all(len(row) == len(header) + 1 for row in rows) and PICTURE not in header
        return [PICTURE, *header] if unnamed else super()._named(header)


def is_text_table(path: Path) -> bool:
    """Whether a text file looks like a table by its first lines: names of columns, then rows that begin with
    the name of a picture; or only such rows, all with as many words, none of which is the name of
    another file.
    """
    nonempty = (words for line in lines_or_none(path) if (words := re.split(r"[\s,;|]+", line.strip()))[0])
    first = list(islice(nonempty, SNIFFED))
    if first and len(first[0]) == 1 and first[0][0].isdecimal():
        del first[0]
    if len(first) < 2:
        return False
    rows = first[1:] if are_names(first[0]) else first
    if not all(len(words) > 1 and is_picture(words[0]) for words in rows):
        return False
    return rows is not first or (
        len(set(map(len, rows))) == 1
        and not any(FILE.fullmatch(word) for words in rows for word in words[1:])
    )
