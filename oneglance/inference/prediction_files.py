"""Answers as JSONL, CSV, Parquet or COCO, written as they come."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

from oneglance.data.csv_text import CsvLines
from oneglance.errors import OneglanceError
from oneglance.storage.atomic_files import replacing
from oneglance.task import Prediction, Task

ROWS = 4096  # rows of a Parquet row group
Way = TypeVar("Way")
OWN = ("image", "width", "height", "error")  # columns of the picture itself


def write_answers(
    rows: Iterable[Mapping[str, Any]],
    path: Path,
    example: Mapping[str, Prediction],
    tasks: Mapping[str, Task],
) -> None:
    """Write what ``Predictor.predict`` yields to a .jsonl, .csv, .parquet or .json file, the last as COCO,
    whole or not at all.

    Args:
        example: one answer by task, whose shape says which columns a table gets, and whose boxes which
            categories there are.

    Raises:
        OneglanceError: another ending.
        RunError: the file cannot be written.
    """
    write = by_ending(path, _writers())
    with replacing(path) as file:
        write(rows, file, example, tasks)


def check_ending(path: Path) -> None:
    """
    Raises:
        OneglanceError: no answers are written to a file with such an ending.
    """
    by_ending(path, _writers())


def _writers() -> dict[str, Callable[..., None]]:
    return {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet, ".json": _coco}


def by_ending(path: Path, ways: Mapping[str, Way]) -> Way:
    """That of ``ways``, one for each ending of a file of answers, by which ``path`` is written.

    Raises:
        OneglanceError: another ending.
    """
    way = ways.get(path.suffix.lower())
    if way is None:
        hint = "use .jsonl, .csv or .parquet, or .json for COCO"
        raise OneglanceError(f'has the ending "{path.suffix}"', location=str(path), hint=hint)
    return way


def line(row: Mapping[str, Any]) -> str:
    """One row as a line of JSON."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False, default=dict)


def columns(example: Mapping[str, Prediction]) -> dict[str, type]:
    """The columns of a table and their types, from the answers to one picture."""
    flat = flattened({"image": "", "width": 0, "height": 0, "answers": example})
    kinds: dict[str, type] = {
        name: type(value) if isinstance(value, str | int) else float for name, value in flat.items()
    }
    return {**kinds, "error": str}


def flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    """``{"answers": {"kind": {"value": "hat", "confidence": 0.9}}}`` as ``kind``, ``kind_confidence``, …

    What each of several networks says of the picture is ``unfamiliar_NETWORK`` and ``unknown_NETWORK``.

    A column whose name is taken already, such as that of a task called ``width``, gets a ``_`` behind it.
    """
    own = {key: value for key, value in row.items() if key not in ("answers", "networks")}
    for network, judged in row.get("networks", {}).items():
        own |= {f"{key}_{network}": value for key, value in judged.items() if key != "tasks"}
    answers = _spread(row.get("answers", {}), {*own, *OWN})
    return own | {name: _text(value) if isinstance(value, list) else value for name, value in answers.items()}


def _spread(answers: Mapping[str, Prediction], taken: Collection[str]) -> dict[str, Any]:
    """Every part of ``answers`` under a name of its own, none of those ``taken``."""
    columns: dict[str, Any] = {}
    for task, answer in answers.items():
        for key, value in answer.items():
            for name, part in _parts(task if key in ("value", "values") else f"{task}_{key}", value):
                while name in columns or name in taken:
                    name += "_"
                columns[name] = part
    return columns


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{name}_{key}", inner
    else:
        yield name, value


def _text(value: list[Any]) -> str:
    if all(isinstance(item, str) for item in value):
        return "|".join(value)
    return json.dumps(value, ensure_ascii=False)


def _jsonl(rows: Iterable[Mapping[str, Any]], file: IO[bytes], *_: Any) -> None:
    for row in rows:
        file.write(f"{line(row)}\n".encode())


def _csv(
    rows: Iterable[Mapping[str, Any]], file: IO[bytes], example: Mapping[str, Prediction], *_: Any
) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    names, lines = list(columns(example)), CsvLines()
    known = frozenset(names)
    text.write(lines.line(names))
    for row in rows:
        flat = flattened(row)
        assert flat.keys() <= known, flat.keys() - known
        text.write(lines.line(flat.get(name, "") for name in names))
    text.detach()


def _parquet(
    rows: Iterable[Mapping[str, Any]], file: IO[bytes], example: Mapping[str, Prediction], *_: Any
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns(example).items()])
    flat = (flattened(row) for row in rows)
    with pq.ParquetWriter(file, schema) as writer:
        while chunk := list(islice(flat, ROWS)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def _coco(
    rows: Iterable[Mapping[str, Any]],
    file: IO[bytes],
    example: Mapping[str, Prediction],
    tasks: Mapping[str, Task],
) -> None:
    """A category per class of each spatial task, and the boxes as annotations with a ``score``; all
    other answers stand beside the pictures' names, as in a table.
    """
    boxed = [name for name, task in tasks.items() if task.is_spatial]
    labels = [
        (name, label)
        for name in boxed
        for label in sorted({box["label"] for box in tasks[name].detections(example[name])})
    ]
    numbers = {label: number for number, label in enumerate(labels, 1)}
    categories = [
        {"id": number, "name": label, "supercategory": name} for (name, label), number in numbers.items()
    ]
    with TemporaryFile() as aside:
        whole = CocoFile(file, aside)
        for row in rows:
            whole.add_image(_image(row, boxed))
            for name in boxed:
                for box in tasks[name].detections(row.get("answers", {}).get(name, {})):
                    whole.add_annotation(_annotation(whole.images, numbers[name, box["label"]], box))
        # Where no boxes were asked for, an empty list would mean that there are none.
        whole.end(categories, with_annotations=bool(boxed))


class CocoFile:
    """A COCO file in the making. Pictures and annotations are two lists of it, but come in turn: the second
    waits in ``aside``. Both are numbered from 1.
    """

    def __init__(self, file: IO[bytes], aside: IO[bytes]) -> None:
        self._file, self._aside = file, aside
        self.images = self.annotations = 0
        file.write(b'{"images": [')

    def add_image(self, image: Mapping[str, Any]) -> None:
        """One more picture; a number that it has already is replaced."""
        self.images += 1
        _append(self._file, image, self.images)

    def add_annotation(self, annotation: Mapping[str, Any]) -> None:
        """One more annotation; the same."""
        self.annotations += 1
        _append(self._aside, annotation, self.annotations)

    def end(self, categories: Sequence[Mapping[str, Any]], *, with_annotations: bool) -> None:
        """Nothing can be added afterwards."""
        self._file.write(b"]")
        if with_annotations:
            self._file.write(b',\n"annotations": [')
            self._aside.seek(0)
            shutil.copyfileobj(self._aside, self._file)
            self._file.write(b"]")
        self._file.write(f',\n"categories": {json.dumps(categories, ensure_ascii=False)}}}\n'.encode())


def _append(file: IO[bytes], item: Mapping[str, Any], number: int) -> None:
    numbered = {"id": number} | dict(item) | {"id": number}  # first, and not what it was in a shard
    file.write(f"{',' if number > 1 else ''}\n{line(numbered)}".encode())


def _image(row: Mapping[str, Any], boxed: Collection[str]) -> dict[str, Any]:
    from oneglance.data.sources.coco import OF_A_PICTURE  # nothing else here needs to know of sources

    own = {key: value for key, value in row.items() if key not in ("image", "answers")}
    others = {name: answer for name, answer in row.get("answers", {}).items() if name not in boxed}
    image = {"file_name": row["image"], **own}
    if "error" in row:
        image["neg_category_ids"] = []  # in LVIS: no category was looked for
    return image | _spread(others, {"id", *image, *OWN, *OF_A_PICTURE})


def _annotation(image: int, category: int, box: Mapping[str, Any]) -> dict[str, Any]:
    x0, y0, x1, y1 = box["box"]
    width, height = x1 - x0, y1 - y0
    annotation = {
        "image_id": image,
        "category_id": category,
        "bbox": [x0, y0, round(width, 2), round(height, 2)],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "score": box["confidence"],
    }
    attributes = _spread(box["attributes"], ())
    return {**annotation, "attributes": attributes} if attributes else annotation
