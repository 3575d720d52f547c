"""compare.html and the table of the terminal: results first, and every way with its cost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.compared import compared

from oneglance.cli.tables import show_comparison
from oneglance.evaluation.baselines.catalogue import WAYS
from oneglance.evaluation.comparison import wording
from oneglance.evaluation.reports.comparison import page_of
from oneglance.results.comparison import Comparison


@pytest.fixture
def probed() -> dict[str, Any]:
    """compare.json with a frozen probe of each task, and another way."""
    comparison = compared() | {"advice": []}
    for number, task in enumerate(comparison["tasks"].values()):
        score = {"value": 0.71, "low": 0.70, "high": 0.72, "n": 50, "seeds": 1}
        task["baselines"] = {
            wording.PROBE: {**score, "seconds": 10.0 if number == 0 else 1.5},
            "classical features, linear": {**score, "value": 0.66, "seconds": 2.0},
        }
    return comparison


def test_the_probe_is_called_as_the_baselines_call_it() -> None:
    assert [name for name, _, _ in WAYS["probe"]] == [wording.PROBE]


def test_results_come_first_and_the_cost_last(probed: dict[str, Any]) -> None:
    page = page_of(probed, "c")
    titles = re.findall(r"<h2>([^<]*)", page)
    assert titles[0] == "Results" and titles[-1] == "Cost"
    first = page[: page.index("</table>")]
    assert "frozen probe" in first and "0.710 ± 0.010" in first
    assert "single networks" in first


def test_every_way_has_its_cost(probed: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    page = page_of(probed, "c")
    costs = page[page.index("<h2>Cost") :]
    for way, seconds in ((wording.PROBE, "13.00"), ("classical features, linear", "6.000")):
        assert re.search(rf"{way}</th><td[^>]*>{seconds}<", costs)
    show_comparison(Comparison(probed))
    said = capsys.readouterr().out
    header, first, *_ = said.splitlines()
    assert "frozen probe" in header and "0.710 ± 0.010" in first
    assert re.search(rf"{wording.PROBE} +13 *\n", said)


def test_without_a_probe_there_is_no_column_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compared() | {"advice": []}
    assert "frozen probe" not in page_of(comparison, "c")
    show_comparison(Comparison(comparison))
    assert "frozen probe" not in capsys.readouterr().out
