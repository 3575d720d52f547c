"""A program that uses the whole public API passes ``mypy --strict``, and a wrong one does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import oneglance

PROGRAM = """
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import oneglance as og

config: og.Config
started: og.Started = og.start("photos", ["labels.csv"], minutes=10, ask=True)
first_scores: og.Report = started.report
held: og.Overview | None = og.check("oneglance.toml").overview
good_enough: og.Run = og.finish("runs/c")
place: Path = og.init("photos", "labels.csv", out="oneglance.toml", recipe="classic", force=True)
downloaded: Path = og.get("mnist", "data")
problems: og.Problems = og.check(place, overrides={"training.epochs": 5}, pictures=False)
first: og.Problem = problems[0]
texts: list[str] = [first.location, first.what, first.hint, *problems.summary(), *og.summary(problems)]
stops: bool = bool(problems.fatal)

run: og.Run = og.train("oneglance.toml", overrides=["training.epochs=5"], minutes=10, resume=False)
history: og.History = run.history()
rows: list[dict[str, Any]] = history.to_dict()
kept: dict[str, Any] | None = history.kept
epoch: int = history[-1]["epoch"]

report: og.Report = run.evaluate(split="validation", out="reports")
again: og.Report = og.evaluate("runs/a")
score: og.Score = report.tasks["kind"].metrics["accuracy"]
numbers: list[float | None] = [score.value, score.low, score.high]
counts: list[int] = [score.n, report.pictures, report.unreadable, len(report)]
names: list[str] = [*report, report.split]
where: Path | None = report.path
same: bool = report == report.to_dict() and "tasks" in report

comparison: og.Comparison = og.compare(
    {"tasks": {}}, seeds=2, budget="30m", only=["joint", "single"], balancers=["equal"], groups=[["a"], ["b"]]
)
verdict: str = comparison.tasks["kind"].differences["equal_time"].verdict
advised: str = comparison.recommendations[0].command
seconds: float = comparison.cost["joint"].seconds

grouping: og.Grouping = og.group("oneglance.toml")
together: list[list[str]] = grouping.proposed
tuning: og.Tuning = og.tune("oneglance.toml", seeds=1)
weights: list[str] = tuning.overrides
runs: og.Runs = og.runs("runs")
name: str = runs[0]["run"]

at_hand: og.Weights = og.weights(measure=True)
fetched: og.Weights = og.weights("get", "resnet18")

exported: og.Exported = og.export("runs/a", precision="fp16")
file: Path = run.export().file

model: og.Model = og.load("runs/a", device="cpu", precision="fp32", false_alarm=0.01)
pixels = np.zeros((8, 8, 3), dtype=np.uint8)
answers: og.Answers = model.predict([pixels, Image.new("RGB", (8, 8)), "a.jpg", b"..."])
answer: og.Answer = answers[0]
some: og.Answers = og.predict("runs/a", "photos", out="answers.csv", draw="drawn", device="cpu")
more: og.Answers = run.predict(Path("photos"))
vectors: np.ndarray[Any, Any] = model.embed("photos")
task: og.Task = model.tasks["kind"]
every = (problems, history, report, comparison, grouping, tuning, runs, at_hand, exported, answers, answer)
for result in every:
    shown: str = repr(result) + result._repr_html_()
    result.to_frame()

finished: og.Run = og.demo("demo")
further: og.Run = og.extend("runs/a", "new.toml", out="runs/more", stage=True)
maps: og.Explained = og.explain("runs/a", "photos", out="maps", method="occlusion", tasks=["kind"])
seen: Image.Image = model.explain(pixels).draw()
worse: og.Robustness = og.robustness("runs/a", split="test", pictures=100, out="runs/a")
following: og.LabelNext = og.label_next("runs/a", "pool", count=10, tasks=["kind"], out="b.xml", tool="cvat")
doubts: og.Suspects = og.suspects("a.toml", folds=3, whole=True, tasks=["kind"], count=50, out="doubts")
taught: og.Distilled = og.distil(["runs/a", "runs/b"], pictures="photos", out="runs/one", minutes=5)
gain: float | None = taught.tasks["kind"].difference.value
table: og.Embedded = og.embed("runs/a", "photos", out="f.parquet", task="kind", index="i.sqlite")
own: np.ndarray[Any, Any] = run.embed("photos", task="kind")
groups: og.Clusters = og.cluster("runs/a", "photos", clusters=8, method="kmeans", out="clusters")
alike: og.Matches = og.search("runs/a", "a.jpg", ["photos"], count=5)
drawn_map: og.Map = og.map("runs/a", split="test", method="pca", out="map.html")
first_match: tuple[str, float] = alike.matches[0]
merged: og.Merged = og.merge("answers.csv")
both: og.Run = og.combine(["runs/a", "runs/b"], out="runs/both", rename={"a.kind": "article"})
og.watch("runs/a", port=8001)
converted: og.Problems = og.convert(["a", "b"], "coco", "out", images="photos", copy=False)
kinds: tuple[type[og.Backbone], type[og.Balancer], type[og.Source]]
try:
    og.serve("runs/a", host="127.0.0.1", port=0, processes=2)
except (og.ConfigError, og.DataError, og.RunError) as error:
    hints: list[str] = [error.location, error.what, error.hint]
except og.OneglanceError:
    version: str = og.__version__
"""


def mypy(folder: Path, program: str) -> str:
    """What mypy says of it, as a program outside of this repository; "" where all is well."""
    pytest.importorskip("mypy")
    file = folder / "program.py"
    file.write_text(program)
    words = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", os.devnull]
    words += ["--cache-dir", str(folder / "cache"), str(file)]
    package = str(Path(oneglance.__file__).parents[1])
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
        env={**os.environ, "MYPYPATH": package},
    )
    # Of the package only what a program sees counts; its own files are checked by `make check`.
    return "\n".join(
        line for line in (done.stdout + done.stderr).splitlines() if line.startswith("program.py")
    )


@pytest.mark.slow  # mypy reads the whole package, without a cache
def test_a_program_with_the_whole_api_is_typed(tmp_path: Path) -> None:
    used = set(re.findall(r"\bog\.(\w+)", PROGRAM))
    assert set(vars(oneglance)["__all__"]) - used == set(), "public names that the program does not use"
    assert mypy(tmp_path, PROGRAM) == ""
    wrong = mypy(tmp_path, "import oneglance as og\nx: str = og.evaluate('runs/a').pictures\nog.trane('a')\n")
    assert 'has type "int"' in wrong and '"trane"' in wrong


def test_types_are_shipped() -> None:
    package = Path(oneglance.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "__init__.pyi").is_file()
