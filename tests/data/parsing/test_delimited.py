"""Tables of many columns: read in one go, or refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from oneglance.data.parsing.parquet import Parquet
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.parsing.tables.rows import MOST_COLUMNS, JsonLines
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import DataError

SOON = 8.0  # seconds, on a machine that does other things too


def wide(path: Path, columns: int, rows: int = 100) -> Path:
    names = [f"c{number}" for number in range(columns - 1)]
    if path.suffix == ".jsonl":
        row = {"x": "a.png", **dict.fromkeys(names, 1)}
        path.write_text(f"{json.dumps(row)}\n" * rows)
        return path
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"x": ["a.png"] * rows, **{name: [1] * rows for name in names}}), path)
        return path
    path.write_text(
        ",".join(["x", *names]) + "\n" + (",".join(["a.png", *["1"] * (columns - 1)]) + "\n") * rows
    )
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_eight_thousand_columns_are_read_soon(tmp_path: Path, name: str) -> None:
    path = wide(tmp_path / name, 8_000, 20)
    began = time.perf_counter()
    items = list(open_source({"path": name}, tmp_path).read())
    assert time.perf_counter() - began < SOON
    assert [len(item.answers) for item in items if isinstance(item, Record)] == [7_999] * 20
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "reader"), [("a.csv", Delimited), ("a.jsonl", JsonLines), ("a.parquet", Parquet)]
)
def test_more_columns_than_a_sheet_has_are_refused_soon(tmp_path: Path, name: str, reader: type) -> None:
    path = wide(tmp_path / name, MOST_COLUMNS + 1, 1)
    began = time.perf_counter()
    with pytest.raises(DataError, match=r"a: has 16,385 columns"):
        reader(path, "a")
    assert time.perf_counter() - began < SOON


def test_a_column_that_is_there_twice_is_named_among_thousands(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(["image", *[f"c{n}" for n in range(8_000)], "c7", "c9"]) + "\n")
    began = time.perf_counter()
    with pytest.raises(DataError, match='two columns are called "c7" and "c9"'):
        Delimited(path, "a")
    assert time.perf_counter() - began < SOON
