"""European numbers in the columns of a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.tiny import GivenSource, row

from oneglance.data.merging import column_notation
from oneglance.data.merging.collect import Collected, collect
from oneglance.data.source import open_source
from oneglance.errors import InvalidAnswer
from oneglance.task import Task, build_tasks


def prices(*cells: Any, **source: Any) -> Collected:
    rows = [row(2 + place, f"{place}", price=cell) for place, cell in enumerate(cells)]
    task = build_tasks({"price": {"type": "number", "unknown": ["n/a", "9,999"]}})["price"]
    return collect([GivenSource(items=rows, **source)], [task])


def values(collected: Collected) -> list[Any]:
    return [record.answers.get("price") for record in collected.records]


def messages(collected: Collected) -> list[str]:
    return [str(problem) for problem in collected.problems]


@pytest.mark.parametrize("cells", [["3,5", "4", "0,25"], ["4", "3,5", "0,25"], ["0,25", "n/a", "3,5"]])
def test_a_column_with_decimal_commas_is_read_and_reported_once(cells: list[str]) -> None:
    collected = prices(*cells)
    by_text = {"3,5": 3.5, "4": 4.0, "0,25": 0.25, "n/a": None}
    assert values(collected) == [by_text[cell] for cell in cells]
    first = next(cell for cell in cells if "," in cell)
    assert messages(collected) == [
        f'given.csv  price: "{first}" is read as {by_text[first]:g}, as the whole column says (2 cells) — '
        'decimal = "," says it for certain'
    ]
    assert not collected.problems[0].fatal


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_rows_decides_nothing(order: int) -> None:
    cells = ["1.234", "2", "2.345,50", "12,5", "1 234"][::order]
    assert values(prices(*cells)) == [1234, 2, 2345.5, 12.5, 1234][::order]


@pytest.mark.parametrize("order", [1, -1])
def test_a_column_with_both_marks_is_refused_and_the_comma_named(order: int) -> None:
    collected = prices(*["0.5", "3,5", "1.5"][::order])
    (fatal,) = (problem for problem in collected.problems if problem.fatal)
    point = "0.5" if order == 1 else "1.5"
    assert fatal.what == f'price is "3,5", with a decimal comma, but another cell is "{point}"'
    assert fatal.hint == "write the whole column with the same mark"


def test_an_unclear_column_is_asked_for_and_a_key_answers() -> None:
    collected = prices("1,234", "12")
    assert [p.what for p in collected.problems if p.fatal] == ['price is "1,234", which may be 1234 or 1.234']
    assert values(prices("1,234", "12", decimal=",")) == [1.234, 12]
    assert values(prices("1,234", "12", decimal=".")) == [1234, 12]
    assert values(prices("1,234", "12", decimal={"price": ","})) == [1.234, 12]
    assert not prices("1,234", "12", decimal=",").problems


def test_a_declared_mark_refuses_the_other() -> None:
    collected = prices("3.5", "3,5", decimal=",")
    assert values(collected) == [None, 3.5]
    assert [p.what for p in collected.problems] == ['price is "3.5", with a decimal point']
    assert 'decimal = "."' in collected.problems[0].hint
    alone = build_tasks({"price": {"type": "number"}})["price"]
    with pytest.raises(InvalidAnswer, match='is "3,5", with a decimal comma'):
        alone.read("3,5")


def test_a_word_that_means_unknown_is_one_whatever_it_looks_like() -> None:
    assert values(prices("9,999", "3,5")) == [None, 3.5]


def test_numbers_of_json_are_no_text() -> None:
    collected = prices(3.5, 4, "3,5")
    assert values(collected) == [3.5, 4.0, 3.5]


def test_ordinary_columns_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_notation, "notation", None)
    assert values(prices("1.5", "2", "0.125", "1e5")) == [1.5, 2, 0.125, 1e5]


def test_three_decimals_are_no_thousands() -> None:
    collected = prices("1.234", "12.345", "0.5")
    assert values(collected) == [1.234, 12.345, 0.5]
    assert not collected.problems
    assert values(prices("1.234", "12.345")) == [1.234, 12.345]


def test_a_table_of_a_european_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image;price;grade\na.jpg;1.234,56;3,5\nb.jpg;12,50;4\n")
    tasks: dict[str, Task] = build_tasks({"price": {"type": "number"}, "grade": {"type": "number"}})
    collected = collect([open_source({"path": "t.csv"}, tmp_path)], list(tasks.values()))
    assert [record.answers for record in collected.records] == [
        {"price": 1234.56, "grade": 3.5},
        {"price": 12.5, "grade": 4.0},
    ]
