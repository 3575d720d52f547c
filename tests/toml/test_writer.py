"""What is written as TOML is read as it was."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneglance.errors import DataError
from oneglance.toml.writer import document, inline, lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@pytest.mark.parametrize("value", [{"a b": [1, 2.5, True]}, {"x": {"y": "\x7f\\\n\t é"}}, [], {}, "1"])
def test_values_are_written_as_toml_reads_them(value: Any) -> None:
    assert tomllib.loads(f"value = {inline(value)}")["value"] == value


@given(VALUES)
def test_any_value_is_read_as_it_was(value: Any) -> None:
    assert tomllib.loads(f"value = {inline(value)}")["value"] == value


def test_numbers_that_are_not_finite() -> None:
    assert math.isnan(tomllib.loads(f"x = {inline(math.nan)}")["x"])
    assert tomllib.loads(f"x = {inline([math.inf, -math.inf])}")["x"] == [math.inf, -math.inf]


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_any_document_is_read_as_it_was(tables: dict[str, Any]) -> None:
    assert tomllib.loads(document(tables)) == tables


def test_a_document_looks_as_a_person_writes_it() -> None:
    tables = {
        "sources": [{"path": "photos"}, {"path": "b.csv", "columns": {"a": "b"}}],
        "tasks": {"kind": {"type": "label"}, "the price": {"type": "number"}},
        "training": {"epochs": 3},
    }
    assert document(tables) == (
        '[[sources]]\npath = "photos"\n\n[[sources]]\npath = "b.csv"\ncolumns = { a = "b" }\n\n'
        '[tasks.kind]\ntype = "label"\n\n[tasks."the price"]\ntype = "number"\n\n[training]\nepochs = 3\n'
    )


def test_half_a_character_is_refused() -> None:
    with pytest.raises(DataError, match=r"the name \"a\\ud800\" cannot be written as text — rename it"):
        document({"tasks": {"a\ud800": {"type": "label"}}})


def test_the_lines_of_a_table() -> None:
    table = {"type": "boxes", "attributes": {"colour": {"type": "label"}, "a b": {}}, "options": {}}
    assert list(lines(table)) == [
        'type = "boxes"',
        'attributes.colour = { type = "label" }',
        'attributes."a b" = {}',
        "options = {}",
    ]
