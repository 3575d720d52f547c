"""Features as a file: a table of pictures and vectors, written block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from oneglance.data.csv_text import CsvLines
from oneglance.errors import OneglanceError
from oneglance.storage.atomic_files import replacing, write_text

Blocks = Iterator[tuple[Sequence[str], np.ndarray]]
"""Names and vectors, float32 [m, d], of some pictures at once."""


def refuse_other_endings(path: Path) -> None:
    """
    Raises:
        OneglanceError: no table is written under such a name.
    """
    if path.suffix.lower() not in WRITERS:
        raise OneglanceError(
            f'has the ending "{path.suffix}"', location=str(path), hint="use .parquet, .csv or .npy"
        )


def write_features(path: Path, names: Sequence[str], vectors: Iterator[np.ndarray], width: int) -> None:
    """Write the file whole or not at all.

    ``.parquet``  image, and vector as a list of float32
    ``.csv``      image, then a column for each value: 0, 1, …
    ``.npy``      float32 [n, d]; the pictures' names are the lines of a file beside it, ``….npy.txt``

    Args:
        vectors: float32 [m, d], the blocks of all pictures in order.
        width: d.

    Raises:
        OneglanceError: another ending.
        RunError: it cannot be written.
    """
    refuse_other_endings(path)

    def blocks() -> Blocks:
        start = 0
        for block in vectors:
            yield names[start : start + len(block)], block
            start += len(block)

    with replacing(path) as file:
        WRITERS[path.suffix.lower()](file, blocks(), len(names), width)
    if path.suffix.lower() == ".npy":
        write_text(path.with_name(f"{path.name}.txt"), "".join(f"{name}\n" for name in names))


def _parquet(file: IO[bytes], blocks: Blocks, count: int, width: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("image", pa.string()), ("vector", pa.list_(pa.float32()))])
    with pq.ParquetWriter(file, schema) as writer:
        for names, vectors in blocks:
            offsets = pa.array(np.arange(0, vectors.size + 1, width, dtype=np.int32))
            lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel()))
            writer.write_table(pa.Table.from_arrays([pa.array(names, pa.string()), lists], schema=schema))


def _csv(file: IO[bytes], blocks: Blocks, count: int, width: int) -> None:
    lines = CsvLines()
    file.write(lines.line(["image", *range(width)]).encode())
    for names, vectors in blocks:
        for name, vector in zip(names, vectors, strict=True):
            file.write(lines.line([name, *map(str, vector)]).encode())


def _npy(file: IO[bytes], blocks: Blocks, count: int, width: int) -> None:
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(file, header)
    for _, vectors in blocks:
        file.write(vectors.astype("<f4").tobytes())


WRITERS: dict[str, Callable[[IO[bytes], Blocks, int, int], None]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".npy": _npy,
}
