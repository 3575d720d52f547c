"""Pictures in the cells of Parquet files."""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oneglance.data.images.references import file_key
from oneglance.data.parsing import parquet
from oneglance.data.parsing.parquet import ParquetImage
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import DataError


def write(path: Path, cells: list[object], group: int = 3) -> list[ParquetImage]:
    pq.write_table(pa.table({"image": cells, "label": list(range(len(cells)))}), path, row_group_size=group)
    return [ParquetImage(str(path), n // group, n % group, "image", n + 1) for n in range(len(cells))]


def test_cells_of_bytes_and_of_structs(tmp_path: Path) -> None:
    cells = [bytes([n]) * 10 for n in range(8)]
    for name, written in (("a.parquet", cells), ("b.parquet", [{"bytes": c, "path": "x"} for c in cells])):
        there = write(tmp_path / name, list(written))
        assert [ref.load() for ref in there] == cells
        assert [ref.load() for ref in reversed(there)] == cells[::-1]
        assert there[4].name == f"{name}:5"
        assert len({ref.stamp() for ref in there}) == len(there)


def test_a_large_row_group_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [os.urandom(1000) for _ in range(40)]
    there = write(tmp_path / "a.parquet", list(cells), group=40)
    monkeypatch.setattr(parquet, "WINDOW_BYTES", 5000)
    order = [*range(40), 3, 39, 0, 17]
    assert [there[n].load() for n in order] == [cells[n] for n in order]
    window = parquet._window(file_key(there[0].path), 0, "image")
    assert 1 <= len(window._cells) < 10


@pytest.mark.thorough
def test_one_large_picture_many_times_is_no_bomb(tmp_path: Path) -> None:
    large = bytes(2_000_000)
    for name, cells in (("a.parquet", [large] * 500), ("b.parquet", [{"bytes": large, "path": ""}] * 500)):
        table = pa.table({"image": cells})
        pq.write_table(table, tmp_path / name, compression="zstd", dictionary_pagesize_limit=1 << 30)
        del table
        before = pa.total_allocated_bytes()
        ref = ParquetImage(str(tmp_path / name), 0, 499, "image", 500)
        assert ref.load() == large
        assert pa.total_allocated_bytes() - before < 50_000_000


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(4)])
def test_every_kind_of_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    cells = [b"1234", None, b"abcd"]
    pq.write_table(pa.table({"a.b": pa.array(cells, kind)}), tmp_path / "a.parquet")
    refs = [ParquetImage(str(tmp_path / "a.parquet"), 0, row, "a.b", row + 1) for row in range(3)]
    assert (refs[0].load(), refs[2].load()) == (b"1234", b"abcd")
    with pytest.raises(OSError, match="no picture"):
        refs[1].load()


def test_a_cell_without_bytes_names_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for place in ("set/a.png", "b.png"):
        (tmp_path / place).write_bytes(b"file")
    outside = str(tmp_path / "b.png")
    paths = ["a.png", outside, "../b.png", "x/../../b.png", None, "", "missing.png"]
    there = write(tmp_path / "set" / "a.parquet", [{"bytes": None, "path": path} for path in paths])
    assert [ref.load() for ref in there[:2]] == [b"file", b"file"]
    for ref, message in zip(
        there[2:], ["leaves", "leaves", "no picture", "no picture", "missing.png"], strict=True
    ):
        with pytest.raises(OSError, match=message):
            ref.load()


def test_a_parquet_file_that_changed_fails_as_oserror(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    there = write(path, [b"x"] * 9)
    assert there[8].load() == b"x"
    write(path, [b"y"] * 4)
    assert there[3].load() == b"y"
    for damage in (there[4], there[8], replace(there[0], column="other")):
        with pytest.raises(OSError, match="damaged"):
            damage.load()
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(OSError, match="damaged"):
        there[0].load()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        there[0].load()


def test_refs_travel_and_are_keys(tmp_path: Path) -> None:
    there = write(tmp_path / "a.parquet", [b"a", b"b"])
    again = pickle.loads(pickle.dumps(there))
    assert again == there
    assert len({*again, *there}) == 2
    assert [ref.load() for ref in again] == [b"a", b"b"]


# Small files that unpack to much.


def bombs() -> dict[str, pa.Table]:
    long_text = [f"{number}{'x' * 1_000_000}" for number in range(30)]
    columns = {f"c{number}": [7] * 50_000 for number in range(100)}
    return {
        "long texts that differ a little": pa.table({"image": ["a.png"] * 30, "text": long_text}),
        "one long list": pa.table({"image": ["a.png"] * 2, "list": [[1] * 3_000_000, [1]]}),
        "many equal numbers": pa.table({"image": ["a.png"] * 50_000, **columns}),
    }


@pytest.mark.parametrize("name", ["long texts that differ a little", "one long list", "many equal numbers"])
def test_a_small_file_that_unpacks_to_much_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    equal = name == "many equal numbers"
    pq.write_table(bombs()[name], tmp_path / "a.parquet", compression="zstd", use_dictionary=equal)
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    assert list(open_source({"path": "a.parquet"}, tmp_path).read()), "less than what no ratio forbids"
    monkeypatch.setattr(parquet, "SMALL", 20_000_000)
    with pytest.raises(DataError, match=r"^a\.parquet: unpacks to far more than a table of its size"):
        list(open_source({"path": "a.parquet"}, tmp_path).read())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the memory")
def test_a_file_that_understates_what_it_unpacks_to_meets_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"image": ["a.png"], "text": ["x" * 200_000_000]})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    del table
    monkeypatch.setattr(parquet, "MEMORY", 100_000_000)
    with pytest.raises(DataError, match=r"^a\.parquet: unpacks to far more than a table of its size"):
        list(open_source({"path": "a.parquet"}, tmp_path).read())


def test_a_long_text_and_many_references_to_it_are_one_text(tmp_path: Path) -> None:
    count = 50_000
    text = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["x" * 20_000]))
    other = pa.array([os.urandom(2) for _ in range(count)])  # or it had more rows than such a file can hold
    table = pa.table({"image": ["a.png"] * count, "text": text, "other": other})
    pq.write_table(table, tmp_path / "a.parquet")
    records = list(open_source({"path": "a.parquet"}, tmp_path).read())
    assert len(records) == count
    texts = {id(record.answers["text"]) for record in records if isinstance(record, Record)}
    assert len(texts) <= count // parquet.BATCH, "one for each batch"


def test_a_cell_that_is_larger_than_a_picture_is_an_error_of_that_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MEMBER_LIMIT", 20_000_000)
    refs = write(tmp_path / "a.parquet", [b"x" * 19_000_000, b"y" * 21_000_000, b"z"])
    assert [len(refs[index].load()) for index in (0, 2)] == [19_000_000, 1]
    with pytest.raises(OSError, match="is larger than 20,000,000 bytes"):
        refs[1].load()
