"""Parquet files: their rows, and the pictures in their cells, each of which is read when it is needed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oneglance.data.images.references import MEMBER_LIMIT, FileImage, FileKey, file_key, file_stat
from oneglance.data.parsing.tables.rows import (
    SAMPLE,
    InternedText,
    Row,
    Rows,
    check_columns,
    names,
    nonempty,
    picture_name,
)
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, Problem
from oneglance.parallel.memory_bound import at_most
from oneglance.storage.plain_files import for_arrow, open_plain
from oneglance.storage.remote.addresses import address_of, below, is_remote

BATCH = 10_000  # rows in memory at once
BATCH_BYTES = 32_000_000  # of these rows, by what the file says of itself
WINDOW_BYTES = 256_000_000  # of pictures in memory at once
MOST_NUMBERS = 200  # columns of a table in which numbers are looked at: they may be ids, and it takes time
LARGEST_RATIO = 200  # of all cells to the file; equal cells shrink, but then there are not many of them
SMALL = 200_000_000  # bytes of all cells that no ratio forbids
MEMORY = 1_000_000_000  # bytes that reading a batch may take, whatever the file says of itself


class Parquet(Rows):
    """A Parquet file. Numbers, lists and true or false stay what they are; class numbers become class
    names where the file holds them, as Hugging Face's do.
    """

    def __init__(self, path: Path, title: str) -> None:
        super().__init__(path, title)
        with self._explained():
            with open_plain(path) as file:
                metadata = pq.read_metadata(file)
                self._size = file.seek(0, 2)
            # Text stays a dictionary until it is read: a file of one long text and a million references to it
            # is small.
            texts = [leaf.path for leaf in _leaves(metadata) if leaf.logical_type.type == "STRING"]
            self._file = pq.ParquetFile(
                for_arrow(path),
                metadata=metadata,
                read_dictionary=texts,
                page_checksum_verification=True,  # where it holds checksums
            )
        self._schema = self._file.schema_arrow
        features = _features(self._schema)
        self._classes = _class_names(self._schema, features)
        self.nested_names = dict(_nested_names(features))
        self.columns = list(self._schema.names)
        check_columns(self.columns, title)
        # A row takes at least some bits; reading a file that claims more would never end.
        if self._file.metadata.num_rows > 8 * self._size:
            raise DataError("claims to hold more rows than it can", location=title)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with at_most(MEMORY):
                yield
        except MemoryError:
            raise self._too_much() from None
        except (pa.ArrowException, OSError, ValueError):
            raise DataError(
                "is damaged or no Parquet file", location=self.title, hint="write it again"
            ) from None

    def looks_like_pictures(self, column: str) -> bool:
        kind = self._type(column)
        return _holds_bytes(kind) or (_is_text(kind) and super().looks_like_pictures(column))

    def sample(self, column: str) -> list[str]:
        kind = self._type(column)
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        may_be_id = is_number and column not in self._classes and len(self.columns) <= MOST_NUMBERS
        if not (_is_text(kind) or may_be_id):
            return []
        with self._explained():
            batch = next(self._file.iter_batches(self._at_once([column], SAMPLE), columns=[column]), None)
            return names(_values(batch.column(0))) if batch is not None else []

    def rows(self, column: str) -> Iterator[Row | Problem]:
        stored = _holds_bytes(self._type(column))
        fields = [
            field.name for field in self._schema if field.name != column and not _holds_bytes(field.type)
        ]
        number = self._made = 0
        interned = InternedText()
        columns = fields if stored else [*fields, column]
        at_once = self._at_once(columns, BATCH)
        for group in range(self._file.metadata.num_row_groups):
            for row, cells in enumerate(self._cells(group, columns, at_once)):
                number += 1
                answers = nonempty(zip(fields, cells), interned)  # noqa: B905 - the last cell may be the name
                picture: ParquetImage | str | None
                if stored:
                    picture = ParquetImage(str(self.path), group, row, column, number)
                else:
                    picture = picture_name(cells[-1])
                yield f"{self.title}:{number}", picture, answers

    def _cells(self, group: int, columns: list[str], at_once: int) -> Iterator[tuple[Any, ...]]:
        """The rows of a row group, of which so many are read at once."""
        if not columns:
            yield from (() for _ in range(self._file.metadata.row_group(group).num_rows))
            return
        batches = self._file.iter_batches(at_once, row_groups=[group], columns=columns, use_threads=False)
        while True:
            with self._explained():
                batch = next(batches, None)
                if batch is None:
                    return
                self._made += batch.nbytes
                if self._made > max(SMALL, LARGEST_RATIO * self._size):
                    raise self._too_much()
                lists = [self._plain(name, _values(batch.column(name))) for name in columns]
            yield from zip(*lists, strict=True)

    def _at_once(self, columns: list[str], most: int) -> int:
        """How many rows of these columns are read at once."""
        metadata, names = self._file.metadata, frozenset(columns)
        wanted = [i for i, leaf in enumerate(_leaves(metadata)) if leaf.path.partition(".")[0] in names]
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        size = sum(group.column(i).total_uncompressed_size for group in groups for i in wanted)
        return max(1, min(most, BATCH_BYTES * max(1, metadata.num_rows) // max(1, size)))

    def _too_much(self) -> DataError:
        return DataError(
            "unpacks to far more than a table of its size", location=self.title, hint="write it again"
        )

    def _plain(self, column: str, cells: list[Any]) -> list[Any]:
        """Values that JSON knows, class names for class numbers."""
        names = self._classes.get(column)
        if names:
            by_number: dict[Any, Any] = {-1: None, **dict(enumerate(names))}  # -1: unknown
            return [by_number.get(cell, cell) for cell in cells]
        if pa.types.is_decimal(self._type(column)):
            return [float(cell) if isinstance(cell, Decimal) else cell for cell in cells]
        if pa.types.is_temporal(self._type(column)):
            return [None if cell is None else str(cell) for cell in cells]
        return cells

    def _type(self, column: str) -> pa.DataType:
        return self._schema.field(column).type


def _values(cells: pa.Array) -> list[Any]:
    """The cells as Python has them; equal ones of a dictionary are the same object."""
    if not pa.types.is_dictionary(cells.type):
        return list(cells.to_pylist())
    values = [*cells.dictionary.to_pylist(), None]
    return [values[-1 if index is None else index] for index in cells.indices.to_pylist()]


def _leaves(metadata: pq.FileMetaData) -> list[pq.ColumnSchema]:
    """The columns as they are stored: each field of a struct, the items of a list."""
    return [metadata.schema.column(index) for index in range(metadata.num_columns)]


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


def _features(schema: pa.Schema) -> dict[str, Any]:
    """Column -> what the note of Hugging Face's `datasets` says of it."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(schema: pa.Schema, features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Column -> class names by number."""
    return {
        column: names
        for column, feature in features.items()
        if (names := _names(feature))
        and column in schema.names
        and pa.types.is_integer(schema.field(column).type)
    }


def _nested_names(features: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The same for what stands in lists and dictionaries inside the cells: ``objects.category`` -> names."""
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) and feature else feature
        inner = inner.get("feature", inner) if isinstance(inner, dict) else {}
        for key, value in inner.items() if isinstance(inner, dict) else ():
            value = value[0] if isinstance(value, list) and value else value
            value = value.get("feature", value) if isinstance(value, dict) else value
            if names := _names(value):
                yield f"{column}.{key}", names


def _names(feature: Any) -> list[str]:
    names = feature.get("names") if isinstance(feature, dict) else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


@dataclass(frozen=True, slots=True)
class ParquetImage(ImageRef):
    """A picture in a cell of a Parquet file: bytes, or a struct of bytes and path. Where the bytes are
    missing, the path is that of a file beside the Parquet file; a change of that one is not in the stamp.
    """

    path: str
    row_group: int
    row: int  # in its group
    column: str
    number: int = field(compare=False)  # in the file, from 1

    @property
    def name(self) -> str:
        return f"{Path(self.path).name}:{self.number}"

    @property
    def is_remote(self) -> bool:
        return is_remote(self.path)

    @property
    def random_access(self) -> bool:
        return False

    @property
    def place(self) -> tuple[str, int, int]:
        return self.path, self.row_group, self.row

    def stamp(self) -> tuple[Any, ...]:
        return self.path, *file_stat(self.path), self.column, self.row_group, self.row

    def load(self) -> bytes:
        with _readable(self.name):
            cell = _window(file_key(self.path), self.row_group, self.column).cell(self.row)
        cell_fields = cell if isinstance(cell, dict) else {"bytes": cell}
        data, sibling = cell_fields.get("bytes"), cell_fields.get("path")
        if isinstance(data, bytes):
            if len(data) > MEMBER_LIMIT:
                raise OSError(27, f"is larger than {MEMBER_LIMIT:,} bytes", self.name)
            return data
        if not isinstance(sibling, str) or not sibling:
            raise OSError(2, "the cell holds no picture", self.name)
        home = os.path.dirname(self.path)  # noqa: PTH120 - text in, text out
        if (address := address_of(home)) is not None:
            inside = below(address, sibling)
            if inside is None:
                raise OSError(2, "the path leaves the folder of the file", self.name)
            return FileImage(inside, self.name).load()
        path = os.path.normpath(os.path.join(home, sibling))  # noqa: PTH118
        if not os.path.isabs(sibling) and not path.startswith(os.path.join(home, "")):  # noqa: PTH117, PTH118
            raise OSError(2, "the path leaves the folder of the file", self.name)
        return FileImage(path, self.name).load()


class _Window:
    """Some rows of one row group's picture column: all of them where they fit, else those around the
    last one read, moving forward.
    """

    def __init__(self, path: str, row_group: int, column: str) -> None:
        file = for_arrow(path)
        metadata = pq.read_metadata(file)
        named = (leaf for leaf in _leaves(metadata) if leaf.path.partition(".")[0] == column)
        leaves = [leaf.path for leaf in named if _is_bytes(leaf)]
        # A buffer instead of reading ahead: a group may be larger than the memory. Dictionaries stay such:
        # a file of one large picture and a million references to it is small.
        self._file = pq.ParquetFile(
            file,
            metadata=metadata,
            read_dictionary=leaves,
            pre_buffer=False,
            buffer_size=1 << 20,
            page_checksum_verification=True,
        )
        group = metadata.row_group(row_group)
        mean = group.total_byte_size // max(1, group.num_rows) + 1
        self._rows = max(1, min(group.num_rows, WINDOW_BYTES // mean))
        self._group, self._column = row_group, column
        self._lock = threading.Lock()
        self._restart()

    def _restart(self) -> None:
        self._start, self._cells = 0, pa.nulls(0)
        self._batches: Iterator[pa.RecordBatch] = self._file.iter_batches(
            self._rows, row_groups=[self._group], columns=[self._column]
        )

    def cell(self, row: int) -> Any:
        with self._lock:
            if row < self._start:
                self._restart()
            while row >= self._start + len(self._cells):
                self._start += len(self._cells)
                with at_most(MEMORY):
                    self._cells = next(self._batches).column(0)
            return self._cells[row - self._start].as_py()


def _is_bytes(leaf: pq.ColumnSchema) -> bool:
    return bool(leaf.physical_type == "BYTE_ARRAY")


@lru_cache(maxsize=2)
def _window(file: FileKey, row_group: int, column: str) -> _Window:
    return _Window(file[0], row_group, column)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise OSError(27, "unpacks to far more than a picture", name) from None
    except (pa.ArrowException, StopIteration, IndexError, KeyError, ValueError):
        raise OSError(5, "the file is damaged here", name) from None
