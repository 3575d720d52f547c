"""Tables: ``boxes.csv`` with a row per box, and ``labels.csv`` with a row per picture; two sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneglance.data.csv_text import csv_text, require_text
from oneglance.data.quoting import quoted
from oneglance.data.record import Box
from oneglance.data.writer import Item, Writer, in_a_cell, is_plain
from oneglance.errors import InvalidAnswer
from oneglance.storage.atomic_files import write_text

BOX = ("image", "label", "xmin", "ymin", "xmax", "ymax", "ignore", "split")
TAKEN = frozenset((*BOX, "width", "height"))  # what a boxes table reads as something else than an attribute

Row = dict[str, str]


class TableWriter(Writer):
    """Everything is text; a list is ``a|b``."""

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        super().__init__(out, labels)
        self._pictures: list[Row] = []
        self._boxes: list[Row] = []
        self._needed = False  # whether labels.csv says more than boxes.csv

    def image_path(self, name: str, split: str) -> str:
        return f"images/{name}"

    def refusal(self, box: Box) -> str:
        # A row may have no class.
        return "a class that no cell can hold" if cell_of(box.label) is None else ""

    def add(self, item: Item) -> None:
        same = {"image": item.image, **({"split": item.split} if item.split else {})}
        fields = self._cells(item.fields, frozenset(("image", "split")), "field", item)
        self._pictures.append({**same, **fields})
        self._needed = self._needed or bool(fields) or item.annotations is None
        if item.annotations is None:
            return
        if not item.annotations.boxes:
            self._boxes.append(same)
        for box in item.annotations.boxes:
            edges = zip(BOX[2:6], (box.x0, box.y0, box.x1, box.y1), strict=True)
            row = {**same, "label": box.label, **{name: _number(value) for name, value in edges}}
            if box.ignore:
                row["ignore"] = "1"
            self._boxes.append(row | self._cells(box.attributes, TAKEN, "attribute", item))

    def _cells(self, values: Any, taken: frozenset[str], kind: str, item: Item) -> Row:
        cells = {}
        for name, value in values.items():
            cell = cell_of(value)
            if name.strip() != name or not name or name.lower() in taken or cell is None:
                self.unsupported(f"the {kind} {quoted(name)}", item.location)
            else:
                cells[name] = cell
        return cells

    def finish(self) -> None:
        if self._boxes:
            _write(self.out / "boxes.csv", BOX[:6], self._boxes)
        if self._needed or not self._boxes:
            _write(self.out / "labels.csv", BOX[:1], self._pictures)


def cell_of(value: Any) -> str | None:
    """What a cell says for ``value``; None where none can hold it."""
    if not is_plain(value):
        return None
    cell = in_a_cell(value)
    try:
        require_text(cell)
    except InvalidAnswer:
        return None
    return cell


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _write(path: Path, first: Sequence[str], rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys((*first, *(name for row in rows for name in row))))
    write_text(path, csv_text(columns, rows))
