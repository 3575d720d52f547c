"""The contract of results: read like a dict or a list, shown as a table."""

from __future__ import annotations

import json
import pickle
import sys
from typing import Any

import pytest

from oneglance.errors import OneglanceError
from oneglance.result import LONGEST, SHOWN, Result, ResultList, Row, cell

VALUES = {"pictures": 3, "tasks": {"kind": {"accuracy": 0.91}}}


class One(Result):
    def headline(self) -> str:
        return f"{self['pictures']} pictures <b>"

    def rows(self) -> list[Row]:
        return [{"task": name, **entry} for name, entry in self["tasks"].items()]


class Several(ResultList[dict[str, Any]]):
    def headline(self) -> str:
        return f"{len(self)} rows"

    def rows(self) -> list[Row]:
        return list(self)


def test_a_result_is_read_like_a_dict() -> None:
    found = One(VALUES)
    assert found["tasks"]["kind"]["accuracy"] == 0.91
    assert "tasks" in found
    assert "task" not in found
    assert len(found) == 2
    assert list(found) == ["pictures", "tasks"]
    assert {**found} == dict(found) == found == VALUES
    assert found == VALUES
    assert found != {**VALUES, "pictures": 4}
    assert found.get("nothing", 7) == 7
    with pytest.raises(KeyError):
        found["nothing"]


def test_its_dict_is_json_and_belongs_to_the_caller() -> None:
    found = One(VALUES)
    mine = found.to_dict()
    assert json.loads(json.dumps(mine)) == VALUES
    mine["tasks"]["kind"]["accuracy"] = 0.0
    assert found["tasks"]["kind"]["accuracy"] == 0.91


def test_a_list_is_read_like_a_list() -> None:
    rows: list[dict[str, Any]] = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None}]
    found = Several(rows)
    assert found[0]["loss"] == 0.5
    assert found[-1] == rows[1]
    assert len(found) == 2
    assert [row["epoch"] for row in found] == [1, 2]
    assert found == rows
    assert rows == found
    assert found != rows[:1]
    assert rows[0] in found
    assert isinstance(found[:1], Several)
    assert found[:1] == rows[:1]
    assert not Several([])
    assert json.loads(json.dumps(found.to_dict())) == rows
    found.to_dict()[0]["loss"] = 0.0
    assert found[0]["loss"] == 0.5


@pytest.mark.parametrize("found", [One(VALUES), Several([{"epoch": 1}])])
def test_results_can_be_kept(found: Any) -> None:
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_prompt_shows_a_table() -> None:
    found = Several([{"epoch": 9, "loss": 0.51234}, {"epoch": 10, "loss": None, "note": "kept"}])
    assert repr(found).splitlines() == [
        "2 rows",
        "epoch   loss  note",
        "    9  0.512",
        "   10         kept",
    ]
    assert repr(Several([])) == "0 rows"


def test_many_rows_are_shortened_and_long_cells_cut() -> None:
    found = Several([{"row": number, "name": "a\n" * 100} for number in range(500)])
    lines = repr(found).splitlines()
    assert len(lines) == 2 + SHOWN + 1
    assert lines[2].split()[0] == "0"
    assert lines[-1].split()[0] == "499"
    assert max(map(len, lines)) < LONGEST + 10
    assert found._repr_html_().count("<tr>") == 1 + SHOWN + 1


def test_a_notebook_shows_a_table_that_needs_nothing_and_is_escaped() -> None:
    page = One({"pictures": 3, "tasks": {"<script>x": {"accuracy": 0.91, "<i>": "&"}}})._repr_html_()
    assert "3 pictures &lt;b&gt;" in page
    assert "&lt;script&gt;x" in page
    assert "&lt;i&gt;" in page
    assert "<td>&amp;</td>" in page
    assert '<td class="number">0.910</td>' in page
    for word in ("<script", "<i>", "http", "src=", "url("):
        assert word not in page


def test_a_frame_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = Several([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None, "note": "kept"}]).to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["epoch", "loss", "note"]
    assert frame["loss"].isna().tolist() == [False, True]
    assert Several([]).to_frame().empty


def test_without_pandas_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OneglanceError, match="to_frame needs the package pandas — pip install pandas"):
        One(VALUES).to_frame()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (True, "yes"),
        (12345, "12,345"),
        (0.12345, "0.123"),
        (0.0, "0.000"),
        (0.000012, "1.2e-05"),
        (12345.6, "12,346"),
        ("a", "a"),
    ],
)
def test_cells(value: Any, text: str) -> None:
    assert cell(value) == text
