"""A run folder that version 0.1.0 wrote is read, and answers what it answered then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import oneglance
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder, overview

SUPPORT = Path(__file__).resolve().parent / "support"
TASKS = ["digit", "background", "shapes", "covered", "objects", "look"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the run."""
    shutil.copytree(SUPPORT / "run_of_0_1_0", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def with_old_keys(old: Path) -> Path:
    """The same, with keys that have another name now in both files that hold keys."""
    text = (old / "config.toml").read_text(encoding="utf-8")
    text = text.replace("[training]\n", "[training]\nrate = 0.002\nprivate_stage = []\n")
    (old / "config.toml").write_text(text, encoding="utf-8")
    changes = {"base": "/data/shop", "set": ["training.seed=3", "training.backbone_rate=1.0"]}
    (old / "overrides.json").write_text(json.dumps(changes), encoding="utf-8")
    return old


def test_what_it_was_made_with(old: Path) -> None:
    run = RunFolder.open(old)
    config = run.config()
    assert (config.training.seed, config.training.epochs, config.base) == (3, 2, Path("/data/shop"))
    assert config.overrides == {"training.seed": 3}
    assert list(run.tasks(config)) == TASKS
    assert [row["epoch"] for row in run.history()] == [1, 2]
    assert overview(run)["state"] == "finished"


def test_keys_with_another_name_now(with_old_keys: Path) -> None:
    config = RunFolder.open(with_old_keys).config()
    table = config.training
    assert (table.learning_rate, table.backbone_learning_rate_scale, table.task_stage) == (0.002, 1.0, [])
    assert config.overrides == {"training.seed": 3, "training.backbone_learning_rate_scale": 1.0}
    assert "\nrate = 0.002\n" in config.text, "the text stays what the user wrote"


@pytest.mark.parametrize("kind", ["old", "with_old_keys"])
def test_it_answers_what_it_answered(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path: Path = request.getfixturevalue(kind)
    shutil.copy(SUPPORT / "picture_of_0_1_0.png", tmp_path / "00001.png")  # as it was drawn then
    monkeypatch.chdir(tmp_path)
    (row,) = oneglance.predict(path, "00001.png", screen=Screen())
    (then,) = json.loads((SUPPORT / "answers_of_0_1_0.json").read_text(encoding="utf-8"))
    assert alike(json.loads(json.dumps(row.to_dict())), then)


def alike(now: Any, then: Any) -> bool:
    """The same but for the last digits of a float: processors add in different orders."""
    if isinstance(then, dict):
        return now.keys() == then.keys() and all(alike(now[key], then[key]) for key in then)
    if isinstance(then, list):
        return len(now) == len(then) and all(map(alike, now, then))
    return bool(now == (pytest.approx(then, rel=1e-3, abs=1e-4) if isinstance(then, float) else then))
