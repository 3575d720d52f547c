"""Answers as JSON lines, CSV and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.errors import OneglanceError, RunError
from oneglance.inference.output import OWN, columns, flattened, line, write_answers

ANSWER = {
    "kind": {"value": "hat", "confidence": 0.75, "probabilities": {"hat": 0.75, "shirt": 0.25}},
    "style": {"values": ["long", "striped"], "probabilities": {"long": 0.9, "striped": 0.8}},
    "price": {"value": 31.5, "low": 22.0, "high": 41.0, "unit": "€"},
}
ROWS: list[dict[str, Any]] = [
    {"image": "new/a.jpg", "width": 640, "height": 480, "answers": ANSWER},
    {"image": 'new/b "ü".jpg', "error": "is cut short"},
    {
        "image": "new/c.jpg",
        "width": 1,
        "height": 20000,
        "answers": {
            **ANSWER,
            "style": {"values": [], "probabilities": {"long": 0.1, "striped": 0.0}},
            "price": {"value": 2.0, "low": None, "high": None, "unit": "€"},
        },
    },
]
COLUMNS = [
    "image",
    "width",
    "height",
    "kind",
    "kind_confidence",
    "kind_probabilities_hat",
    "kind_probabilities_shirt",
    "style",
    "style_probabilities_long",
    "style_probabilities_striped",
    "price",
    "price_low",
    "price_high",
    "price_unit",
    "error",
]


def test_json_lines_are_the_objects_themselves(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "a.jsonl", ANSWER)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(text) for text in lines] == ROWS
    assert lines == [line(row) for row in ROWS]


def test_csv_has_a_column_per_part_of_an_answer(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "a.csv", ANSWER)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        rows = list(table)
    assert table.fieldnames == COLUMNS
    assert [row["image"] for row in rows] == [row["image"] for row in ROWS]
    assert rows[0]["style"] == "long|striped"
    assert (rows[0]["price"], rows[0]["price_unit"], rows[0]["error"]) == ("31.5", "€", "")
    assert set(rows[1].values()) == {'new/b "ü".jpg', "is cut short", ""}
    assert (rows[2]["style"], rows[2]["price_low"]) == ("", "")


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "a.parquet", ANSWER)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == COLUMNS
    types = {name: str(kind) for name, kind in zip(table.column_names, table.schema.types, strict=True)}
    assert {types[name] for name in ("image", "kind", "style", "price_unit", "error")} == {"string"}
    assert {types[name] for name in ("width", "height")} == {"int64"}
    assert {types[name] for name in ("kind_confidence", "price", "price_low")} == {"double"}
    rows = table.to_pylist()
    assert rows[1] == dict.fromkeys(COLUMNS) | ROWS[1]
    assert (rows[2]["height"], rows[2]["style"], rows[2]["price_low"]) == (20000, "", None)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_no_rows_make_a_file_all_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    write_answers([], path, ANSWER)
    if ending == "parquet":
        assert pq.read_table(path).column_names == COLUMNS
    else:
        assert path.read_text() == ("" if ending == "jsonl" else ",".join(COLUMNS) + "\n")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path, ending: str) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise KeyboardInterrupt

    path = tmp_path / f"a.{ending}"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_answers(rows(), path, ANSWER)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_another_ending_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        raise AssertionError("a network has been asked in vain")
        yield {}

    with pytest.raises(OneglanceError, match=r'has the ending "\.txt" — use \.jsonl, \.csv or \.parquet'):
        write_answers(rows(), tmp_path / "a.txt", ANSWER)
    with pytest.raises(RunError, match="cannot be written"):
        write_answers(rows(), tmp_path / "no folder" / "a.csv", ANSWER)


def test_capital_letters_in_an_ending_do_no_harm(tmp_path: Path) -> None:
    write_answers(ROWS, tmp_path / "A.CSV", ANSWER)
    assert (tmp_path / "A.CSV").read_text(encoding="utf-8").startswith("image,width,")


NAMES = st.sampled_from([*OWN, "kind", "kind_value", "kind_low", "kind_", "width_", "answers"])
TASKS = st.dictionaries(NAMES, st.just({"value": 1.0, "low": 0.5, "high": 2.0}), max_size=6)


@given(TASKS)
def test_no_column_takes_the_place_of_another(answers: dict[str, Any]) -> None:
    row = {"image": "a.jpg", "width": 3, "height": 4, "answers": answers}
    flat = flattened(row)
    assert len(flat) == 3 + 3 * len(answers)
    assert (flat["image"], flat["width"], flat["height"]) == ("a.jpg", 3, 4)
    assert "error" not in flat
    assert list(columns(answers)) == [*flat, "error"]


def test_a_task_called_as_a_column_of_the_picture() -> None:
    flat = flattened({"image": "a", "width": 3, "height": 4, "answers": {"width": {"value": 9.0}}})
    assert flat == {"image": "a", "width": 3, "height": 4, "width_": 9.0}
