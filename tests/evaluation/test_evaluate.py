"""A finished run scored on pictures it has not learned from."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from user import TASKS, Shell, files, home, shell, trained  # noqa: F401

import oneglance
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.screen import Screen

ROOT = Path(__file__).resolve().parent.parent.parent
METRICS = {
    "label": ["accuracy", "balanced_accuracy", "f1_macro", "log_loss", "ece"],
    "tags": ["map", "f1_macro", "f1_micro", "ece"],
    "number": ["mae", "rmse", "r2", "spearman", "coverage"],
}


def evaluate(run: str | Path = "runs/a", **settings: Any) -> dict[str, Any]:
    return oneglance.evaluate(run, screen=Screen(), **settings)


def edit(home: Path, change: Mapping[int, Mapping[str, str]]) -> None:
    """Change cells of labels.csv, by row."""
    path = home / "scenes" / "labels.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, cells in change.items():
        rows[number].update(cells)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def parts(home: Path) -> dict[str, str]:
    with (home / "runs" / "a" / "split.csv").open(newline="") as file:
        return {row["image"]: row["split"] for row in csv.DictReader(file)}


def test_the_report_has_the_promised_shape(home: Path) -> None:
    report = evaluate()
    assert report == json.loads((home / "runs/a/report.json").read_text(encoding="utf-8"))
    assert list(report) == ["oneglance", "split", "pictures", "unreadable", "reads", "date", "tasks"]
    assert (report["oneglance"], report["split"]) == (oneglance.__version__, "test")
    assert report["pictures"] == Counter(parts(home).values())["test"]
    assert tuple(report["tasks"]) == TASKS
    for task in report["tasks"].values():
        assert list(task) == ["type", "answered", "brief", "metrics", "constant"]
        assert list(task["metrics"])[:5] == METRICS[task["type"]]
        assert set(task["constant"]) == set(task["metrics"])
        for found in task["metrics"].values():
            assert list(found) == ["value", "low", "high", "n"]
            assert found["n"] <= task["answered"] <= report["pictures"]
            if found["value"] is not None and found["low"] is not None:
                assert found["low"] <= found["high"]


def test_the_shape_is_that_of_the_docs(home: Path) -> None:
    page = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```json\n(.*?)^```", page.partition("## report.json")[2], re.DOTALL | re.MULTILINE)
    documented, found = json.loads(blocks[0]), evaluate()
    assert list(documented) == list(found)
    kind, digit = documented["tasks"]["kind"], found["tasks"]["digit"]
    assert list(kind) == list(digit)
    assert list(kind["metrics"]["accuracy"]) == list(digit["metrics"]["accuracy"])
    rows = re.findall(r"^\| (\w+) \| (`.*) \|$", page, re.MULTILINE)
    assert {kind: re.findall(r"`([a-z]\w+)`", text)[: len(METRICS[kind])] for kind, text in rows} == METRICS


def test_reads_are_counted_by_part(home: Path) -> None:
    assert [evaluate()["reads"] for _ in range(2)] == [1, 2]
    assert evaluate(split="validation")["reads"] == 1
    assert evaluate()["reads"] == 3
    assert json.loads((home / "runs/a/reads.json").read_text()) == {"test": 3, "validation": 1}


def test_scoring_changes_nothing_else(home: Path) -> None:
    before = {path: path.read_bytes() for path in (home / "runs/a").iterdir()}
    report = evaluate()
    names = {"report.json", "report.html", "reads.json"}
    assert files(home / "runs/a") == {path.name for path in before} | names
    assert all(path.read_bytes() == content for path, content in before.items())
    again = evaluate()
    assert again["tasks"] == report["tasks"], "the same network, the same pictures, the same scores"


def test_the_report_may_go_elsewhere(home: Path) -> None:
    evaluate(out=home / "new" / "place")
    assert files(home / "new" / "place") == {"report.json", "report.html"}
    assert not (home / "runs/a/report.json").exists()
    assert (home / "runs/a/reads.json").exists()


def test_the_validation_part_gives_the_scores_of_the_training(home: Path) -> None:
    history = [json.loads(line) for line in (home / "runs/a/history.jsonl").read_text().splitlines()]
    best = max(history, key=lambda row: row["skill"])["validation"]
    report = evaluate(split="validation")
    assert report["pictures"] == Counter(parts(home).values())["validation"]
    for name in ("digit", "background"):
        found = report["tasks"][name]["metrics"]["accuracy"]["value"]
        assert found == pytest.approx(best[name]["accuracy"])


def test_unknown_answers_are_not_scored(home: Path) -> None:
    test = [number for number, part in enumerate(parts(home).values()) if part == "test"]
    before = evaluate()["tasks"]["digit"]["answered"]
    edit(home, {number: {"digit": ""} for number in test[:4]})
    task = evaluate()["tasks"]["digit"]
    assert task["answered"] < before
    assert task["metrics"]["accuracy"]["n"] == task["answered"]


def test_a_class_that_nobody_taught_is_a_wrong_answer(home: Path) -> None:
    test = [number for number, part in enumerate(parts(home).values()) if part == "test"]
    edit(home, {number: {"background": "moon"} for number in test})
    task = evaluate()["tasks"]["background"]
    assert task["answered"] == len(test)
    assert task["metrics"]["accuracy"]["value"] == 0


def test_a_task_without_an_answer_has_no_scores(home: Path) -> None:
    test = [number for number, part in enumerate(parts(home).values()) if part == "test"]
    edit(home, {number: {"digit": "", "covered": "", "shapes": ""} for number in test})
    report = evaluate()
    assert [report["tasks"][name]["answered"] for name in ("digit", "covered", "shapes")] == [0, 0, 0]
    assert all(found["value"] is None for found in report["tasks"]["digit"]["metrics"].values())
    assert "Infinity" not in (home / "runs/a/report.json").read_text()


def test_unreadable_pictures_are_counted_and_named(home: Path) -> None:
    class Heard(Screen):
        lines: list[str] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    name = next(name for name, part in parts(home).items() if part == "test")
    (home / "scenes" / name).write_bytes((home / "scenes" / name).read_bytes()[:200])
    before = Counter(parts(home).values())["test"]
    report = oneglance.evaluate("runs/a", screen=Heard())
    assert (report["pictures"], report["unreadable"]) == (before - 1, 1)
    assert [line for line in Heard.lines if name in line and line.endswith("— left out")]


@pytest.mark.parametrize("change", ["a row less", "another group", "a picture gone"])
def test_changed_data_are_refused(home: Path, change: str) -> None:
    path = home / "scenes" / "labels.csv"
    if change == "a row less":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    elif change == "another group":
        edit(home, {0: {"scene": "s9999"}})
    else:
        (home / "scenes" / next(iter(parts(home)))).unlink()
    before = files(home / "runs/a")
    with pytest.raises(RunError, match="the pictures or groups have changed since this run was trained"):
        evaluate()
    assert files(home / "runs/a") == before, "nothing was read, so nothing is counted"


def test_lost_data_are_named(home: Path) -> None:
    (home / "scenes" / "labels.csv").unlink()
    with pytest.raises((ConfigError, DataError), match=r"labels\.csv does not exist"):
        evaluate()


def test_there_is_no_other_part(home: Path) -> None:
    with pytest.raises(ConfigError, match='"train" is no part to score — choose test or validation'):
        evaluate(split="train")


def test_an_empty_part_is_refused(home: Path) -> None:
    run = oneglance.train(
        "oneglance.toml", set=["split.test=0", "training.epochs=1"], out="runs/b", screen=Screen()
    )
    with pytest.raises(ConfigError, match="the test part is empty"):
        run.evaluate(screen=Screen())
    assert not (home / "runs/b/reads.json").exists()
    assert run.evaluate(split="validation", screen=Screen())["pictures"] > 0


def test_an_unfinished_run_is_refused(home: Path) -> None:
    (home / "runs/a/tasks.json").unlink()
    with pytest.raises(RunError, match="this run is not finished — continue it with: oneglance train"):
        evaluate()
