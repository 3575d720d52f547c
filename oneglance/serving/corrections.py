"""Corrections that people make, kept as tables that ``train`` reads.

``labels.csv`` has a row per picture and a column per task; for a task with boxes, ``labels-TASK.csv`` has a
row per box. The pictures lie beside them in ``labels-pictures/``, each under a name made of its content.

What is written reads back equal: the tables are read by the reader that ``train`` uses, the cells are those
of ``data.csv_text``, and text that no cell can hold is refused.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from oneglance.data.csv_text import csv_text, require_text
from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.parsing.annotations.box_geometry import distinct, identity
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.picture_files.formats import PICTURE_ENDINGS, format_of
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import ConfigError, DataError, InvalidAnswer, Problem, RunError
from oneglance.serving.limits import Refused, busy
from oneglance.storage.atomic_files import HOUR, explained, make_folder, sweep, write_bytes, write_text
from oneglance.task import Task

EDGES = ("xmin", "ymin", "xmax", "ymax")
MOST_BOXES = 1000
PATIENCE = 10  # seconds that a correction waits for those of another service

Line = dict[str, str]


class Corrections:
    """Appends to the tables at ``path``. Each is written whole or not at all.

    Raises:
        ConfigError: ``path`` is no name of a table.
        RunError: its folder cannot be written.
    """

    def __init__(self, path: Path, tasks: Mapping[str, Task]) -> None:
        if path.suffix.lower() != ".csv":
            raise ConfigError("is no name of a table", location=str(path), hint="use one such as labels.csv")
        self.path, self.tasks = path, tasks
        self.pictures = path.with_name(f"{path.stem}-pictures")
        sweep(make_folder(self.pictures), HOUR)
        self._lock = threading.Lock()
        self._file_lock = FileLock(path.with_name(f".{path.stem}.lock"), timeout=PATIENCE)

    def keep(self, picture: EncodedImage, width: int, height: int, answers: Mapping[str, Any]) -> str:
        """Keep a picture of that size and its corrected answers; earlier corrections of the same tasks are
        replaced. An answer looks like the one that ``/predict`` gives: ``{"value": "hat"}``,
        ``{"values": [...]}``, ``{"boxes": [{"box": [...], "label": ...}]}``.

        Returns:
            The picture as the tables name it.

        Raises:
            Refused: an answer that its task cannot understand.
            RunError: the tables cannot be written.
        """
        cells: Line = {}
        boxes: dict[str, list[Line]] = {}
        for name, answer in answers.items():
            task = self.tasks.get(name)
            if task is None:
                raise Refused(422, "is no task of this network", location=name)
            try:
                for text in _texts(answer):
                    require_text(text)
                if task.is_spatial:
                    boxes[name] = _box_rows(task, answer, width, height)
                    continue
                for field, cell in _cells(task, answer).items():
                    require_text(cell)  # of many tags
                    if cells.setdefault(field, cell) != cell:
                        raise InvalidAnswer(
                            "is another answer than that of a task that reads the same column"
                        )
            except InvalidAnswer as error:
                raise Refused(422, error.what, error.hint, location=name) from None
        if not cells and not boxes:
            raise Refused(422, "nothing was corrected")
        fresh = {self.path: [cells]} if cells else {}
        fresh |= {self.path.with_name(f"{self.path.stem}-{task}.csv"): rows for task, rows in boxes.items()}
        with self._alone():
            name = f"{self.pictures.name}/{self._file(picture)}"
            # All tables are read before any is written.
            texts = {table: self._replaced(table, name, rows) for table, rows in fresh.items()}
            if not (self.path.parent / name).exists():
                write_bytes(self.path.parent / name, picture.data)
            for table, text in texts.items():
                write_text(table, text)
        return name

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else reads and writes the tables meanwhile: no thread, and no other service."""
        with self._lock:
            try:
                with self._file_lock:
                    yield
            except Timeout:
                raise busy("another service keeps a correction in the same tables") from None
            except OSError as error:
                raise explained(error, self.path) from error

    def _file(self, picture: EncodedImage) -> str:
        """One name for one content, whatever the client calls it: what is said of it stands in one place."""
        digest = hashlib.sha256(picture.data).hexdigest()[:20]
        for kept in self.pictures.glob(f"{digest}.*"):
            return kept.name
        known, named = format_of(picture.data), Path(picture.name).suffix.lower()
        if known is not None and known.opened:
            return digest + (named if named in known.endings else known.endings[0])
        return digest + (named if named in PICTURE_ENDINGS else ".jpg")

    def _replaced(self, table: Path, name: str, fresh: list[Line]) -> str:
        """The text of a table in which the rows of one picture are new and all others stay."""
        columns, rows = _read(table)
        before = [row for row in rows if row["image"] == name]
        if len(fresh) == 1 and table == self.path:
            fresh = [{**(before[0] if before else {}), **fresh[0]}]
        rows = [row for row in rows if row["image"] != name]
        rows += ({**row, "image": name} for row in fresh)
        first = ("image",) if table == self.path else ("image", "label", *EDGES)
        columns = list(dict.fromkeys((*columns, *first, *(key for row in rows for key in row))))
        return csv_text(columns, rows)


def _read(table: Path) -> tuple[list[str], list[Line]]:
    """The columns and rows that are there; read each time, since people edit the table too.

    Raises:
        RunError: they cannot all be read, so that writing them again would lose some.
    """
    if not table.exists() or not table.stat().st_size:
        return [], []
    try:
        delimited = Delimited(table, table.name)
        if "image" not in delimited.columns:
            raise RunError("has no column image", location=str(table), hint="name another with --corrections")
        rows: list[Line] = []
        for row in delimited.rows("image"):
            if isinstance(row, Problem):
                raise DataError(row.what, location=row.location)
            rows.append({"image": str(row[1] or ""), **row[2]})
    except DataError as error:
        hint = "correct the table, or name another with --corrections: no correction is kept until then"
        raise RunError(error.what, location=error.location or table.name, hint=hint) from None
    return delimited.columns, rows


def _texts(value: Any) -> Iterator[str]:
    """All text in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _cells(task: Task, answer: Any) -> Line:
    """The columns that the task reads its answer from.

    Raises:
        InvalidAnswer: it is no answer of this task.
    """
    raw = answer.get("value", answer.get("values")) if isinstance(answer, dict) and len(answer) == 1 else None
    items = raw if isinstance(raw, list) else [raw]
    if raw is None or any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in items):
        raise InvalidAnswer(
            "has no answer of the form that /predict gives", 'write {"value": …} or {"values": […]}'
        )
    return task.to_cells(raw)


def _box_rows(task: Task, answer: Any, width: int, height: int) -> list[Line]:
    """A row per box; of a picture without boxes, a row that says only so.

    Raises:
        InvalidAnswer: they are no boxes of this task.
    """
    items = answer.get("boxes") if isinstance(answer, dict) and set(answer) == {"boxes"} else None
    if not isinstance(items, list) or len(items) > MOST_BOXES:
        raise InvalidAnswer(
            "has no boxes of the form that /predict gives", 'write {"boxes": [{"box": […], "label": …}]}'
        )
    boxes = [_in_cells(task, _box(item, width, height)) for item in items]
    once = {identity(box): box for box in distinct(boxes)}  # as the reader counts them
    if any(not box.attributes.keys() <= once[identity(box)].attributes.keys() for box in boxes):
        raise InvalidAnswer("has the same box twice, with different attributes", "leave one out")
    task.read(BoxAnnotations(tuple(once.values())))
    return [{"label": box.label, **box.attributes, **_edges(box)} for box in once.values()] or [{}]


def _in_cells(task: Task, box: Box) -> Box:
    """The box as a table says it."""
    cells = task.detection_cells(box.label, box.attributes)
    for cell in cells.values():
        require_text(cell)
    return replace(box, label=cells.pop("label"), attributes=cells)


def _edges(box: Box) -> Line:
    return dict(zip(EDGES, map(_number, (box.x0, box.y0, box.x1, box.y1)), strict=True))


def _box(item: Any, width: int, height: int) -> Box:
    hint = 'write {"box": [x0, y0, x1, y1], "label": …}, in pixels of the upright picture'
    if not isinstance(item, dict) or not {"box", "label"} <= set(item):
        raise InvalidAnswer("has a box of another form", hint)
    corners, label, attributes = item["box"], item["label"], item.get("attributes", {})
    plain = isinstance(corners, list) and all(type(edge) in (int, float) for edge in corners)
    if not plain or len(corners) != 4 or not isinstance(label, str) or not label.strip():
        raise InvalidAnswer("has a box of another form", hint)
    x0, y0, x1, y1 = corners
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InvalidAnswer(f"has a box outside its picture of {width}×{height} pixels", hint)
    if not isinstance(attributes, dict):
        raise InvalidAnswer("has a box whose attributes have another form", hint)
    values = {name: _attribute(name, answer) for name, answer in attributes.items()}
    return Box(x0, y0, x1, y1, label.strip(), values)


def _attribute(name: str, answer: Any) -> Any:
    raw = answer.get("value", answer.get("values")) if isinstance(answer, dict) else None
    items = raw if isinstance(raw, list) else [raw]
    if raw is None or not all(type(one) in (str, int, float) for one in items):
        raise InvalidAnswer(f"has a box whose {name} has another form", 'write {"value": …}')
    return raw


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
