"""Whatever text is put into a table is read back equal, and is no formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.data.csv_text import LONGEST, as_cell, csv_text, from_cell, require_text
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.errors import InvalidAnswer, Problem

# All of Unicode, with halves of characters; what CSV and spreadsheets take for something comes often.
ANY = st.text(
    st.one_of(st.characters(exclude_categories=()), st.sampled_from("'=+-@\t\r\n\0\",;|1.e \u2028\x85＝"))
)


def is_text(text: str) -> bool:
    try:
        require_text(text)
    except InvalidAnswer:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("-", "'-"),
        ("@home", "'@home"),
        ("+x", "'+x"),
        ("＝1", "'＝1"),
        ("'=x", "''=x"),
        ("'x", "'x"),
        ("-5", "-5"),
        ("+1,5e-3", "+1,5e-3"),
        ("-5+1", "'-5+1"),
        (" \t=x\r", "'=x"),
        ("hat", "hat"),
        ("", ""),
    ],
)
def test_a_formula_becomes_text(text: str, cell: str) -> None:
    assert as_cell(text) == cell
    assert from_cell(cell) == text.strip()


@pytest.mark.parametrize("cell", ["'", "''", "'-5", "'x", "it's"])
def test_other_apostrophes_stay(cell: str) -> None:
    assert from_cell(cell) == cell


@pytest.mark.parametrize(
    ("text", "words"), [("a\0b", "NUL"), ("\ud800", "half"), ("x" * 200_000, "200,000 characters")]
)
def test_what_no_cell_holds_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words) as refused:
        require_text(text)
    assert refused.value.what.isprintable() and len(refused.value.what) < 200
    require_text("é" * LONGEST)


@settings(max_examples=500, deadline=None)
@given(ANY)
def test_a_cell_is_read_back_and_begins_no_formula(text: str) -> None:
    cell = as_cell(text)
    assert from_cell(cell) == text.strip()
    if cell[:1] in tuple("=+-@＝＋－＠\t\r"):
        float(cell.replace(",", "."))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(ANY.filter(is_text), ANY.filter(is_text)), max_size=4))
def test_a_table_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    lines = [{"image": f"{n}.png", "a": a, "=b": b} for n, (a, b) in enumerate(rows)]
    path.write_bytes(csv_text(["image", "a", "=b"], lines).encode())
    table = Delimited(path, "any.csv")
    assert table.columns == ["image", "a", "=b"]
    read = list(table.rows("image"))
    assert not any(isinstance(row, Problem) for row in read)
    kept = [{"image": name, **cells} for _, name, cells in read]  # type: ignore[misc]
    assert kept == [{key: v.strip() for key, v in line.items() if v.strip()} for line in lines]
    for line in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
        assert not any(cell[:1] in tuple("=@") for cell in line)
