"""Rows of a Parquet file; its pictures are read only when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oneglance.data.quote import quoted
from oneglance.data.refs import ParquetImage
from oneglance.data.tabular import SAMPLE, Repeated, Row, Rows, known, texts
from oneglance.errors import DataError, Problem

BATCH = 10_000  # rows in memory at once


class Parquet(Rows):
    """A Parquet file. Numbers, lists and true or false stay what they are; class numbers become class
    names where the file tells them, as Hugging Face's do.
    """

    def __init__(self, path: Path, title: str) -> None:
        super().__init__(path, title)
        with self._sound():
            self._file = pq.ParquetFile(path)
        self._schema = self._file.schema_arrow
        self._classes = _class_names(self._schema)
        self.columns = list(self._schema.names)
        again = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if again:
            what = f"two columns are called {' and '.join(map(quoted, again))}"
            raise DataError(what, where=title, cure="give each column its own name")
        # A row takes at least some bits; a file that claims more rows would keep us for ever.
        if self._file.metadata.num_rows > 8 * path.stat().st_size:
            raise DataError("claims to hold more rows than it can", where=title)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError):
            raise DataError(
                "is damaged or no Parquet file", where=self.title, cure="write it again"
            ) from None

    def looks_like_pictures(self, column: str) -> bool:
        return _holds_bytes(self._type(column)) or super().looks_like_pictures(column)

    def sample(self, column: str) -> list[str]:
        if not _is_text(self._type(column)):
            return []
        with self._sound():
            batch = next(self._file.iter_batches(SAMPLE, columns=[column]), None)
            return texts(batch.column(0).to_pylist()) if batch is not None else []

    def rows(self, column: str) -> Iterator[Row | Problem]:
        stored = _holds_bytes(self._type(column))
        others = [
            field.name for field in self._schema if field.name != column and not _holds_bytes(field.type)
        ]
        number = 0
        kept = Repeated()
        for group in range(self._file.metadata.num_row_groups):
            for row, answers in enumerate(self._answers(group, others if stored else [*others, column])):
                number += 1
                where = f"{self.title}:{number}"
                if stored:
                    yield (
                        where,
                        ParquetImage(str(self.path), group, row, column, number),
                        known(answers, kept),
                    )
                else:
                    name = answers.pop(column)
                    yield where, str(name).strip() if name is not None else None, known(answers, kept)

    def _answers(self, group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
        if not columns:
            yield from ({} for _ in range(self._file.metadata.row_group(group).num_rows))
            return
        with self._sound():
            for batch in self._file.iter_batches(BATCH, row_groups=[group], columns=columns):
                lists = [self._plain(name, batch.column(name).to_pylist()) for name in columns]
                for cells in zip(*lists, strict=True):
                    yield dict(zip(columns, cells, strict=True))

    def _plain(self, column: str, cells: list[Any]) -> list[Any]:
        """Values that JSON knows, class names for class numbers."""
        names = self._classes.get(column)
        if names:
            by_number: dict[Any, Any] = {-1: None, **dict(enumerate(names))}  # -1: nobody said
            return [by_number.get(cell, cell) for cell in cells]
        if pa.types.is_decimal(self._type(column)):
            return [float(cell) if isinstance(cell, Decimal) else cell for cell in cells]
        if pa.types.is_temporal(self._type(column)):
            return [None if cell is None else str(cell) for cell in cells]
        return cells

    def _type(self, column: str) -> pa.DataType:
        return self._schema.field(column).type


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether a cell is bytes, or a struct with a field of bytes."""
    if pa.types.is_struct(kind):
        return any(
            kind.field(i).name == "bytes" and _holds_bytes(kind.field(i).type) for i in range(kind.num_fields)
        )
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column -> class names by number, from the note that Hugging Face's `datasets` leaves in its files."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        named = {column: feature.get("names") for column, feature in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        column: names
        for column, names in named.items()
        if isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and column in schema.names
        and pa.types.is_integer(schema.field(column).type)
    }
