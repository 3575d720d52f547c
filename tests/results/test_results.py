"""What each verb gives back: attributes, tables and pages of the JSON of before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.compared import compared

from oneglance.errors import Problem
from oneglance.result import Score
from oneglance.results.comparison import Comparison
from oneglance.results.exported import Exported
from oneglance.results.grouping import Grouping
from oneglance.results.history import History
from oneglance.results.overview import answers
from oneglance.results.problems import Problems
from oneglance.results.report import Report
from oneglance.results.runs import Runs
from oneglance.results.tuning import Tuning

EVIL = "<script>"
REPORT: dict[str, Any] = {
    "oneglance": "0.1.0",
    "split": "test",
    "pictures": 412,
    "unreadable": 3,
    "reads": 2,
    "date": "2031-02-03T04:05:06+00:00",
    "tasks": {
        "kind": {
            "type": "label",
            "answered": 400,
            "brief": "0.913",
            "metrics": {
                "accuracy": {"value": 0.913, "low": 0.887, "high": 0.936, "n": 400},
                "ece": {"value": None, "low": None, "high": None, "n": 400},
            },
            "constant": {"accuracy": 0.34, "ece": None},
            "sources": {"shop.csv": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 40}}},
        },
        EVIL: {
            "type": "number",
            "answered": 0,
            "brief": "",
            "metrics": {"mae": {"value": None, "low": None, "high": None, "n": 0}},
            "constant": {"mae": None},
        },
    },
}
ROW = {"skill": 0.5, "seconds": 2.0, "rate": 0.001, "gradients": {}}
HISTORY = [
    {
        **ROW,
        "epoch": 1,
        "kept": True,
        "loss": {"kind": 0.9},
        "validation": {"kind": {"accuracy": 0.5, "ece": 0.1}},
    },
    {
        **ROW,
        "epoch": 2,
        "kept": False,
        "loss": {"kind": 0.8},
        "validation": {"kind": {"accuracy": 0.6, "ece": 0.1}},
    },
]
GROUPING = {
    "run": "runs/a",
    "tasks": ["kind", "kids", "price"],
    "epochs": 7,
    "cosines": {"kind | kids": 0.3},
    "groupings": [
        {"networks": 1, "groups": [["kind", "kids", "price"]], "score": 0.1, "gain": 0.0, "error": None},
        {"networks": 2, "groups": [["kind", "kids"], ["price"]], "score": 0.3, "gain": 0.2, "error": 0.01},
    ],
    "proposed": [["kind", "kids"], ["price"]],
    "notes": ["2 networks take 2 times the time to answer"],
}
TUNING = {
    "tasks": ["kind", "price"],
    "candidates": [
        {
            "name": "as they are",
            "weights": {"kind": 1.0, "price": 1.0},
            "epochs": 3,
            "skill": 0.4,
            "skills": [0.4],
        },
        {"name": "a", "weights": {"kind": 2.0, "price": 0.5}, "epochs": 9, "skill": 0.6, "skills": [0.6]},
    ],
    "best": "a",
    "gain": 0.2,
    "error": None,
    "set": ["tasks.kind.weight=2.0"],
    "notes": [],
}
EXPORTED = {
    "file": "runs/a/model.onnx",
    "format": "onnx",
    "precision": "fp32",
    "bytes": 12_300_000,
    "pictures": 64,
    "drawn": False,
    "disagreement": {"kind": 1e-6},
    "speed": None,
    "scores": {"kind": {"metric": "accuracy", "run": 0.9, "file": 0.9}},
}
RUNS = [
    {
        "run": "a",
        "state": "finished",
        "backbone": "small",
        "epochs": 9,
        "best_epoch": 7,
        "skill": 0.6,
        "scores": {"kind": 0.9},
        "seconds": 61.0,
    }
]
PROBLEMS = [
    Problem("a.csv:3", "price is low", "write a number", kind="price"),
    Problem("a.csv:4", "price is high", "write a number", kind="price"),
    Problem("b.jpg", "is cut short", kind="unreadable", fatal=False),
]


def comparison() -> dict[str, Any]:
    advice = {
        "task": "kind",
        "remedy": "weight",
        "command": "oneglance tune",
        "why": "w",
        "cost": {"words": "c"},
    }
    return {**compared(("kind",)), "unreadable": 1, "advice": [advice]}


ALL = [
    (Report(REPORT), REPORT),
    (Comparison(comparison()), comparison()),
    (History(HISTORY), HISTORY),
    (Problems(PROBLEMS), [problem.to_dict() for problem in PROBLEMS]),
    (Grouping(GROUPING), GROUPING),
    (Tuning(TUNING), TUNING),
    (Exported(EXPORTED), EXPORTED),
    (Runs(RUNS), RUNS),
]
of_each = pytest.mark.parametrize(("result", "values"), ALL, ids=[type(result).__name__ for result, _ in ALL])


@of_each
def test_the_json_is_that_of_before(result: Any, values: Any) -> None:
    assert json.dumps(result.to_dict()) == json.dumps(values)


@of_each
def test_each_shows_itself_at_a_prompt_and_in_a_notebook(result: Any, values: Any) -> None:
    head, *lines = repr(result).splitlines()
    assert head == result.headline() and 0 < len(head) < 110
    assert lines, "no table"
    assert max(map(len, lines)) < 200
    page = result._repr_html_()
    assert "<script" not in page
    for word in ("http://", "https://", "<link rel=stylesheet", "@import"):
        assert word not in page


@of_each
def test_each_is_a_frame(result: Any, values: Any) -> None:
    pytest.importorskip("pandas")
    frame = result.to_frame()
    assert len(frame) == len(result.rows()) > 0


def test_a_report_has_attributes() -> None:
    report = Report(REPORT, Path("runs/a"))
    score = report.tasks["kind"].metrics["accuracy"]
    assert score == Score(0.913, 0.887, 0.936, 400)
    assert str(score) == "0.913 (0.887 to 0.936), n = 400"
    assert str(report.tasks["kind"].metrics["ece"]) == "not defined, n = 400"
    assert report.tasks["kind"].sources["shop.csv"]["accuracy"].n == 40
    assert report.tasks["kind"].constant["accuracy"] == 0.34
    assert (report.split, report.pictures, report.unreadable, report.reads) == ("test", 412, 3, 2)
    assert report.path == Path("runs/a")
    assert report["tasks"]["kind"]["metrics"]["accuracy"]["value"] == score.value
    first = report.rows()[0]
    assert first["task"] == "kind" and first["low"] == 0.887 and first["constant"] == 0.34


def test_a_notebook_shows_the_page_of_this_report_and_of_no_other(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(f"<p>with curves and pictures <time>{REPORT['date']}</time>")
    assert "with curves and pictures" in Report(REPORT, tmp_path)._repr_html_()
    page.write_text("<p>of another day")
    shown = Report(REPORT, tmp_path)._repr_html_()
    assert "of another day" not in shown
    assert "95 % interval 0.887 to 0.936" in shown
    assert shown.startswith('<iframe srcdoc="') and "sandbox" in shown


def test_a_comparison_has_attributes() -> None:
    found = Comparison(comparison())
    task = found.tasks["kind"]
    assert task.scores["joint"] == Score(0.8, 0.7, 0.9, 50, seeds=2)
    assert task.differences["equal_steps"].verdict == "worse"
    assert task.differences["equal_time"].verdict == "no difference"
    assert str(task.differences["equal_steps"]) == "−0.100  worse"
    assert found.cost["joint"].parameters == 1_000_000
    assert found.recommendations[0].remedy == "weight"
    assert (found.seeds, found.epochs, found.unreadable) == (2, 10, 1)
    assert "joint − single" in repr(found)
    titles = [row["variant"] for row in found.rows() if row["task"] == "kind"]
    assert titles[:3] == ["joint", "joint_long", "single"]
    assert "Joint − single, at equal steps" in titles


def test_a_history_has_a_row_per_epoch() -> None:
    history = History(HISTORY)
    assert history.kept == HISTORY[0]
    assert history[-1]["epoch"] == 2
    assert history.rows()[1]["kind accuracy"] == 0.6
    assert history.rows()[1]["kind loss"] == 0.8
    assert "kind ece" in history.rows()[0] and "kind ece" not in repr(history)
    assert "Skill on the validation split" in history._repr_html_()
    assert History([]).kept is None
    assert "No epoch is finished yet" in History([])._repr_html_()


def test_problems_know_which_are_fatal() -> None:
    problems = Problems(PROBLEMS)
    assert [problem.location for problem in problems.fatal] == ["a.csv:3", "a.csv:4"]
    assert problems.headline() == "3 problems, 2 of them fatal"
    assert problems.summary()[0] == "a.csv:3  price is low — write a number"
    assert not Problems([]).fatal
    assert repr(Problems([])) == "no problems"


def test_other_results_have_attributes() -> None:
    assert Grouping(GROUPING).proposed == [["kind", "kids"], ["price"]]
    assert Grouping(GROUPING).headline() == "proposed: kind + kids | price"
    assert [row["proposed"] for row in Grouping(GROUPING).rows()] == [False, True]
    assert Tuning(TUNING).overrides == ["tasks.kind.weight=2.0"]
    assert Tuning(TUNING).gain == 0.2
    assert [row["name"] for row in Tuning(TUNING).rows()] == ["a", "as they are"]
    assert Exported(EXPORTED).file == Path("runs/a/model.onnx")
    assert Exported(EXPORTED).bytes == 12_300_000
    assert "12.3 MB, compared with the run on 64 validation pictures" in Exported(EXPORTED).headline()
    assert Runs(RUNS)[0]["run"] == "a"


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ((22000.0, 529000.0, 5858000.0), "22,000 to 5,858,000, half of them below 529,000"),
        ((0.25, 2.5, 448), "0.25 to 448, half of them below 2.5"),
        ((-1500.4, 0.0, 3e15), "-1,500 to 3e+15, half of them below 0"),
    ],
)
def test_a_range_of_numbers_can_be_read_aloud(span: tuple[float, ...], said: str) -> None:
    assert answers({"range": list(span)}) == said
