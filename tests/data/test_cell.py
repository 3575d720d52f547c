"""One reading of a cell for all formats."""

from __future__ import annotations

import io
import json
import math
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.data.cell import as_list, as_text, is_code, number
from oneglance.data.merging.collect import collect
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.task import build_tasks


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.0", "1"),
        ("1.000", "1"),
        (1.0, "1"),
        (1, "1"),
        (" 1 ", "1"),
        ("-3.0", "-3"),
        ("-0.0", "0"),
        (-0.0, "0"),
        (1e22, "10000000000000000000000"),
        ("01", "01"),
        ("01.0", "01.0"),
        ("1.10", "1.10"),
        ("1.5", "1.5"),
        ("10", "10"),
        ("1.0.0", "1.0.0"),
        ("112_05", "112_05"),
        ("1_0", "1_0"),
        ("v1.0", "v1.0"),
        ("\uff11.0", "\uff11.0"),
        (float("nan"), "nan"),
        (True, "True"),
        (" a  b ", "a  b"),
    ],
)
def test_a_word(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1),
        (" 1.50 ", 1.5),
        ("-.5", -0.5),
        ("+2.", 2),
        ("1e5", 1e5),
        ("1E-2", 0.01),
        (3, 3),
        (0.5, 0.5),
        ("01", 1),
    ],
)
def test_a_number(value: Any, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "1_0",
        "112_05",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "infinity",
        "0x10",
        "\uff11",
        "\u0663",
        "1,5",
        "1 000",
        "1'000",
        "",
        ".",
        "e5",
        "1e",
        "--1",
        "1-2",
        "\u22125",
        "5%",
        True,
        False,
        None,
        [1],
        {"a": 1},
    ],
)
def test_no_number(value: Any) -> None:
    assert number(value) is None


def test_a_number_that_is_too_large_is_infinite() -> None:
    assert number("1e999") == number(10**400) == math.inf
    assert number(-(10**400)) == -math.inf


def test_codes() -> None:
    assert all(map(is_code, ("007", "01", "-01", "00")))
    assert not any(map(is_code, ("0", "0.5", "7", "70", "-0.5", "0e5", "a0")))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_one_word_as_a_value_and_as_text(value: float) -> None:
    assert as_text(repr(value)) == as_text(value) or "e" in repr(value)
    assert number(repr(value)) == value


@given(st.text())
def test_a_word_is_read_once(text: str) -> None:
    assert as_text(as_text(text)) == as_text(text)


# Every format


CELLS = {"kind": ["1", 1, 1.0, "1.0"], "price": ["2.5", 2.5, 2.5, "2.50"]}


def collected(folder: Path, **source: Any) -> tuple[list[Any], list[str]]:
    tasks = build_tasks({"kind": {"type": "label"}, "price": {"type": "number"}})
    result = collect([open_source(source, folder)], list(tasks.values()))
    return [record.answers for record in result.records], [str(p) for p in result.problems]


def as_csv(folder: Path, row: dict[str, Any]) -> None:
    (folder / "t.csv").write_text(
        "image," + ",".join(row) + "\na.jpg," + ",".join(map(str, row.values())) + "\n"
    )


def as_jsonl(folder: Path, row: dict[str, Any]) -> None:
    (folder / "t.jsonl").write_text(json.dumps({"image": "a.jpg", **row}))


def as_parquet(folder: Path, row: dict[str, Any]) -> None:
    pq.write_table(
        pa.table({key: [value] for key, value in {"image": "a.jpg", **row}.items()}), folder / "t.parquet"
    )


def as_tar(folder: Path, row: dict[str, Any]) -> None:
    with tarfile.open(folder / "t.tar", "w") as tar:
        for name, content in (("a.jpg", b"jpeg"), ("a.json", json.dumps(row).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


WRITERS = {"t.csv": as_csv, "t.jsonl": as_jsonl, "t.parquet": as_parquet, "t.tar": as_tar}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("which", range(4))
def test_equal_cells_are_equal_answers_in_every_format(tmp_path: Path, name: str, which: int) -> None:
    WRITERS[name](tmp_path, {key: values[which] for key, values in CELLS.items()})
    assert collected(tmp_path, path=name) == ([{"kind": "1", "price": 2.5}], [])


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("odd", ["1_0", "nan", "inf", "0x10", "\uff11"])
def test_what_python_takes_for_a_number_is_none_in_every_format(tmp_path: Path, name: str, odd: str) -> None:
    WRITERS[name](tmp_path, {"kind": "01", "price": odd})
    answers, problems = collected(tmp_path, path=name)
    assert answers == [{"kind": "01"}]
    assert len(problems) == 2 and f'price is "{odd}"' in problems[0]  # and that the task has no answer at all


def test_groups_are_words_too(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"image": "a.jpg", "g": 3.0}\n{"image": "b.jpg", "g": 3}\n{"image": "c.jpg", "g": "3.0"}'
    )
    read = open_source({"path": "t.jsonl", "group": "g"}, tmp_path).read()
    assert [item.group for item in read if isinstance(item, Record)] == ["3", "3", "3"]


def test_decimals_of_parquet_are_numbers(tmp_path: Path) -> None:
    as_parquet(tmp_path, {"kind": Decimal("3.00"), "price": Decimal("2.50")})
    assert collected(tmp_path, path="t.parquet")[0] == [{"kind": "3", "price": 2.5}]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['Comedy', 'Drama']", ["Comedy", "Drama"]),
        ('["a","b"]', ["a", "b"]),
        ("[]", []),
        ("[ 'a', ]", ["a"]),
        ("[1, 2.0]", ["1", "2"]),
        ("['a', None, \"it's\"]", ["a", None, "it's"]),
        (r'["\u00e9", "a\"b"]', ["é", 'a"b']),
        (r"['it\'s', 'a\\b']", ["it's", r"a\b"]),
        ("['a' 'b']", None),
        (r"['a\d']", None),
        ("[abc]", None),
        ("[,]", None),
        ("['a'", None),
        ("a", None),
        ("", None),
    ],
)
def test_lists_as_python_and_json_write_them(text: str, items: list[str | None] | None) -> None:
    assert as_list(text) == items
