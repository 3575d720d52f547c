"""Answers as JSONL, CSV or Parquet, written as they come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

from oneglance.errors import OneglanceError
from oneglance.files import replacing
from oneglance.task import Prediction

ROWS = 4096  # rows of a Parquet row group
OWN = ("image", "width", "height", "error")  # columns of the picture itself


def write_answers(rows: Iterable[Mapping[str, Any]], path: Path, example: Mapping[str, Prediction]) -> None:
    """Write what ``Predictor.predict`` yields to a .jsonl, .csv or .parquet file, whole or not at all.

    Args:
        example: one answer by task, whose shape says which columns a table gets.

    Raises:
        OneglanceError: another ending.
        RunError: the place cannot be written.
    """
    writers: dict[str, Callable[..., None]] = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise OneglanceError(
            f'has the ending "{path.suffix}"', where=str(path), cure="use .jsonl, .csv or .parquet"
        )
    with replacing(path) as file:
        write(rows, file, columns(example))


def line(row: Mapping[str, Any]) -> str:
    """One answer as a line of JSON."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def columns(example: Mapping[str, Prediction]) -> dict[str, type]:
    """The columns of a table and their types, from the answers to one picture."""
    flat = flattened({"image": "", "width": 0, "height": 0, "answers": example})
    kinds: dict[str, type] = {
        name: type(value) if isinstance(value, str | int) else float for name, value in flat.items()
    }
    return {**kinds, "error": str}


def flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    """``{"answers": {"kind": {"value": "hat", "confidence": 0.9}}}`` as ``kind``, ``kind_confidence``, …

    A column whose name is taken already, such as that of a task called ``width``, gets a ``_`` behind it.
    """
    flat = {key: value for key, value in row.items() if key != "answers"}
    for task, answer in row.get("answers", {}).items():
        for key, value in answer.items():
            for name, cell in _cells(task if key in ("value", "values") else f"{task}_{key}", value):
                while name in flat or name in OWN:
                    name += "_"
                flat[name] = cell
    return flat


def _cells(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{name}_{key}", inner
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield name, "|".join(value)
    elif isinstance(value, list):
        yield name, json.dumps(value, ensure_ascii=False)
    else:
        yield name, value


def _jsonl(rows: Iterable[Mapping[str, Any]], file: IO[bytes], kinds: Mapping[str, type]) -> None:
    for row in rows:
        file.write(f"{line(row)}\n".encode())


def _csv(rows: Iterable[Mapping[str, Any]], file: IO[bytes], kinds: Mapping[str, type]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.DictWriter(text, list(kinds), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(flattened(row) for row in rows)
    text.detach()


def _parquet(rows: Iterable[Mapping[str, Any]], file: IO[bytes], kinds: Mapping[str, type]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    flat = (flattened(row) for row in rows)
    with pq.ParquetWriter(file, schema) as writer:
        while chunk := list(islice(flat, ROWS)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
