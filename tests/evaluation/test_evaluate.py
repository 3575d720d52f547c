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
from support.boxed import boxed, trained_boxes  # noqa: F401
from support.user import TASKS, Shell, files, home, shell, trained  # noqa: F401

import oneglance
from oneglance.data.images.decode import Limits
from oneglance.errors import ConfigError, DataError, RunError
from oneglance.progress import Screen

pytestmark = pytest.mark.usefixtures("few_resamples")

ROOT = Path(__file__).resolve().parent.parent.parent
METRICS = {
    "label": ["accuracy", "balanced_accuracy", "f1_macro", "log_loss", "ece"],
    "tags": ["map", "f1_macro", "f1_micro", "ece"],
    "number": ["mae", "rmse", "r2", "spearman", "coverage"],
    "boxes": ["ap", "ap50", "ap75", "ar100"],
    "embedding": ["recall_at_1", "map_at_r", "knn_accuracy"],
}


def evaluate(run: str | Path = "runs/a", **settings: Any) -> oneglance.Report:
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
        figures = ["calibration"] if task["type"] in ("label", "tags") else []
        assert list(task) == ["type", "answered", "brief", "unit", "metrics", "constant", *figures]
        for figure in task.get("calibration", {}).values():
            assert list(figure) == ["ece", "log_loss", "brier"]
        assert list(task["metrics"])[: len(METRICS[task["type"]])] == METRICS[task["type"]]
        assert set(task["constant"]) == set(task["metrics"])
        for result in task["metrics"].values():
            assert list(result) == ["value", "low", "high", "n"]
            assert result["n"] <= task["answered"] <= report["pictures"]
            if result["value"] is not None and result["low"] is not None:
                assert result["low"] <= result["high"]


def test_the_shape_is_that_of_the_docs(home: Path) -> None:
    page = (ROOT / "docs" / "reference" / "run-folder.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```json\n(.*?)^```", page.partition("## report.json")[2], re.DOTALL | re.MULTILINE)
    documented, result = json.loads(blocks[0]), evaluate()
    assert list(documented) == list(result)
    kind, digit = documented["tasks"]["kind"], result["tasks"]["digit"]
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
    best = next(row for row in history[::-1] if row["kept"])["validation"]
    report = evaluate(split="validation")
    assert report["pictures"] == Counter(parts(home).values())["validation"]
    for name in ("digit", "background"):
        result = report["tasks"][name]["metrics"]["accuracy"]["value"]
        assert result == pytest.approx(best[name]["accuracy"])


def test_unknown_answers_are_not_scored(home: Path) -> None:
    test = [number for number, part in enumerate(parts(home).values()) if part == "test"]
    before = evaluate()["tasks"]["digit"]["answered"]
    edit(home, {number: {"digit": ""} for number in test[:4]})
    task = evaluate()["tasks"]["digit"]
    assert task["answered"] < before
    assert task["metrics"]["accuracy"]["n"] == task["answered"]


def test_pictures_as_large_as_the_configuration_allows_are_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits of [pictures] hold for the pictures of the page too, not those that hold without it."""
    monkeypatch.setattr(Limits.__init__, "__defaults__", (1e-5, 1e-5))  # every picture is larger
    evaluate()
    page = (home / "runs/a/report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page
    assert "cannot be read" not in page


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
    assert all(result["value"] is None for result in report["tasks"]["digit"]["metrics"].values())
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
    with pytest.raises(ConfigError, match='"train" is no split to score — choose test or validation'):
        evaluate(split="train")


def test_an_empty_part_is_refused(home: Path) -> None:
    run = oneglance.train(
        "oneglance.toml", overrides=["split.test=0", "training.epochs=1"], out="runs/b", screen=Screen()
    )
    with pytest.raises(ConfigError, match="the test split is empty"):
        run.evaluate(screen=Screen())
    assert not (home / "runs/b/reads.json").exists()
    assert run.evaluate(split="validation", screen=Screen())["pictures"] > 0


def test_an_unfinished_run_is_refused(home: Path) -> None:
    (home / "runs/a/tasks.json").unlink()
    with pytest.raises(RunError, match="this run is not finished — continue it with: oneglance train"):
        evaluate()


# Several sources.


def two_sources(home: Path, second: str) -> set[str]:
    """Train ``runs/c`` on labels.csv parted in two; the pictures of the table ``second``."""
    path, other = home / "scenes" / "labels.csv", home / "scenes" / second
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    scenes = sorted({row["scene"] for row in rows})
    with path.open("w", newline="") as first, other.open("w", newline="") as file:
        tables = [csv.DictWriter(place, list(rows[0])) for place in (first, file)]
        for table in tables:
            table.writeheader()
        for row in rows:
            moved = row["scene"] in scenes[::3]
            tables[moved].writerow({**row, "digit": ""} if moved else row)
    config = home / "oneglance.toml"
    sources = f'[[sources]]\npath = "scenes/{second}"\ngroup = "scene"\n'
    config.write_text(sources + config.read_text(encoding="utf-8"), encoding="utf-8")
    oneglance.train(config, overrides=["training.epochs=1"], out="runs/c", screen=Screen())
    return {row["image"] for row in rows if row["scene"] in scenes[::3]}


def test_scores_are_also_told_of_each_source(home: Path) -> None:
    moved = two_sources(home, "more.csv")
    report = evaluate("runs/c")
    answered: set[str] = set()
    for table in ("labels.csv", "more.csv"):
        with (home / "scenes" / table).open(newline="") as file:
            answered |= {Path(row["image"]).name for row in csv.DictReader(file) if row["background"]}
    with (home / "runs/c/split.csv").open(newline="") as file:
        images = [row["image"] for row in csv.DictReader(file) if row["split"] == "test"]
    test = [image for image in images if Path(image).name in answered]
    counts = {"more.csv": len(moved & set(test)), "labels.csv": len(set(test) - moved)}
    assert all(counts.values()), "else nothing is tested"
    background = report["tasks"]["background"]
    assert list(background)[-1] == "sources"
    assert {source: scores["accuracy"]["n"] for source, scores in background["sources"].items()} == counts
    right = sum(
        scores["accuracy"]["value"] * scores["accuracy"]["n"] for scores in background["sources"].values()
    )
    assert right == pytest.approx(background["metrics"]["accuracy"]["value"] * len(test))


def test_a_source_that_did_not_ask_has_no_score(home: Path) -> None:
    two_sources(home, "more.csv")
    digit = evaluate("runs/c")["tasks"]["digit"]
    assert list(digit["sources"]) == ["labels.csv"]
    assert digit["sources"]["labels.csv"] == digit["metrics"], "nobody else answered"


def test_one_source_is_not_told_twice(home: Path) -> None:
    assert not any("sources" in task for task in evaluate()["tasks"].values())


# Boxes and embeddings.


def test_boxes_and_embeddings_are_reported(boxed: Path) -> None:
    report = evaluate()
    objects, look = report["tasks"]["objects"], report["tasks"]["look"]
    assert list(objects["metrics"])[:5] == ["ap", "ap50", "ap75", "ar100", "colour.accuracy"]
    assert list(look["metrics"]) == ["recall_at_1", "map_at_r", "knn_accuracy"]
    for task in (objects, look):
        # The mean boxes may meet no true one, and then nobody asks what they are like.
        assert set(task["constant"]) <= set(task["metrics"])
        assert task["answered"] > 0
    assert objects["answered"] == report["pictures"], "a picture without shapes was looked at, too"
    assert 0 <= objects["metrics"]["ap"]["value"] <= objects["metrics"]["ap50"]["value"] <= 1


def test_the_page_shows_the_boxes_of_truth_and_answer(boxed: Path) -> None:
    evaluate()
    page = (boxed / "runs/a/report.html").read_text(encoding="utf-8")
    part = page[page.index("objects <span") : page.index("look <span")]
    for word in ("Per class (precision and recall", "AP50", "circle", "triangle", "colour: Per class"):
        assert word in part, word
    pairs = re.findall(r'<figure class="pair">\s*<img src="([^"]+)"[^>]*><img src="([^"]+)"', part)
    assert pairs, "two pictures for each that is far from the truth"
    assert all(truth != answer for truth, answer in pairs), "other boxes on each"
    assert "its boxes on the right. On the right, warm colours" in part


def test_the_page_shows_what_wrong_answers_rest_on(home: Path) -> None:
    evaluate()
    page = (home / "runs/a/report.html").read_text(encoding="utf-8")
    part = page[page.index("digit <span") : page.index("background <span")]
    pairs = re.findall(r'<figure class="pair">\s*<img src="([^"]+)"[^>]*><img src="([^"]+)"', part)
    assert pairs and all(picture != heat for picture, heat in pairs)
    assert "warm colours lie where the answer rests" in part
