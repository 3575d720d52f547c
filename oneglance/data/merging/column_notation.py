"""How one source writes the numbers of one field: declared, or decided by all of its cells together."""

from __future__ import annotations

from collections.abc import Iterator

from oneglance.data import cell
from oneglance.data.number_notation import Notation, is_marked, notation
from oneglance.data.quoting import quoted
from oneglance.data.record import Record
from oneglance.data.source import Source
from oneglance.errors import DataError, Problem

PLAIN = Notation()


class ColumnNotation:
    """The notation of a column. The source is read once more, where a cell may be two numbers."""

    def __init__(self, source: Source, field: str) -> None:
        self._source, self._field = source, field
        declared = source.decimal if isinstance(source.decimal, str) else source.decimal.get(field, "")
        self._is_declared = bool(declared)
        self._whole = Notation(declared, grouped=True) if declared else None
        self._has_point = (
            False  # a cell is a number only with a decimal point, and none before it with a comma
        )

    def of(self, text: str) -> Notation:
        """The notation in which a cell is to be read."""
        if self._whole is not None:
            return self._whole
        if not is_marked(text):
            return PLAIN
        if cell.number(text) is not None:
            # Most columns with three decimals say soon that they are such; no need to read on.
            if not self._has_point:
                beginning = notation(self._texts(), point_suffices=True)
                self._has_point = bool(beginning.point and not beginning.comma)
            if self._has_point:
                return PLAIN
        self._whole = notation(self._texts())
        return self._whole

    def _texts(self) -> Iterator[str]:
        try:
            for item in self._source.read():
                if isinstance(item, Record) and type(text := item.answers.get(self._field)) is str:
                    yield text
        except DataError:  # reported by who reads the source for its answers
            return

    def problems(self, task: str) -> Iterator[Problem]:
        """How the cells were read, where that is not as Python reads them and nobody declared it."""
        whole = self._whole
        if whole is None or self._is_declared or not whole.count:
            return
        value = whole.number(whole.example)
        if value is None:
            return  # refused, cell by cell
        cells = f"{whole.count:,} cells" if whole.count > 1 else "a cell"
        what = f"{task}: {quoted(whole.example)} is read as {value:.15g}, as the whole column says ({cells})"
        hint = f'decimal = "{whole.decimal}" says it for certain'
        yield Problem(self._source.title, what, hint, kind="number notation", fatal=False)
