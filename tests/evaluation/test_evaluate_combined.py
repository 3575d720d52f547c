"""Each network of a combined folder is scored on its own data, in one report."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.combined import RUNS, several  # noqa: F401
from support.user import Shell, shell, trained  # noqa: F401

import oneglance
from oneglance.progress import Screen


def reads(run: Path) -> int:
    """How often its test split was scored: other tests may have."""
    path = run / "reads.json"
    return json.loads(path.read_text()).get("test", 0) if path.exists() else 0


@pytest.mark.slow  # three networks are scored, each alone and together
def test_scores_are_those_of_each_run(several: Path, tmp_path: Path, shell: Shell) -> None:
    before = max(reads(several / "runs" / name) for name in RUNS)
    run = oneglance.combine(
        [several / "runs" / name for name in RUNS],
        out=tmp_path / "all",
        rename={"classical.kind": "symbol"},
        screen=Screen(),
    )
    said = shell("evaluate", run.path, "--json")
    assert said.code == 0, said.err
    together = json.loads(said.out)
    assert together == json.loads((run.path / "report.json").read_text())
    pictures = 0
    for name in RUNS:
        shutil.copytree(several / "runs" / name, tmp_path / name)
        one = oneglance.evaluate(tmp_path / name, screen=Screen())
        pictures += one.pictures
        for task, scores in one["tasks"].items():
            assert together["tasks"]["symbol" if task == "kind" else task] == scores
        assert together["networks"][name]["pictures"] == one.pictures
    assert together["pictures"] == pictures and together["reads"] == before + 1
    page = (run.path / "report.html").read_text()
    assert "symbol" in page and "things" in page
    assert oneglance.evaluate(run.path, split="validation", screen=Screen()).split == "validation"
    assert run.evaluate(screen=Screen()).reads == before + 2


def test_data_that_are_gone_are_one_message(several: Path, tmp_path: Path, shell: Shell) -> None:
    shutil.copytree(several / "runs/all", tmp_path / "all")
    kept = tmp_path / "all/networks/boxes/overrides.json"
    kept.write_text(json.dumps({"base": str(tmp_path), "overrides": {}}))
    assert "scenes/boxes.csv" in shell("evaluate", tmp_path / "all").refused()
    assert not (tmp_path / "all/report.json").exists()


@pytest.mark.parametrize("split", ["train"])
def test_no_such_split(several: Path, shell: Shell, split: str) -> None:
    assert "is no split to score" in shell("evaluate", several / "runs/all", "--split", split).refused()
