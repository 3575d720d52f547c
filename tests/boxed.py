"""A user whose pictures have boxes: drawn scenes, and a run of a tiny network that tells all it suspects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import oneglance
from oneglance.data.scenes import write_scenes
from oneglance.screen import Screen

CONFIG = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"
[[sources]]
path = "scenes/boxes.csv"

[tasks.background]
type = "label"
[tasks.objects]
type = "boxes"
width = 8
depth = 1
attributes.colour = { type = "label" }
[tasks.look]
type = "embedding"
like = "background"
size = 4

[cache]
workers = 1

[backbone]
name = "small"
options = { width = 4, depth = 2 }
size = 32

[training]
epochs = 2
batch = 16
precision = "fp32"
device = "cpu"
"""
PICTURES = 45

_made: list[Path] = []  # what the tests of all files share


@pytest.fixture(scope="session")
def trained_boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``scenes/``, ``oneglance.toml`` and the finished run ``runs/a``; nobody changes it."""
    if not _made:
        folder = tmp_path_factory.mktemp("boxed")
        write_scenes(folder / "scenes", count=PICTURES, size=32)
        (folder / "oneglance.toml").write_text(CONFIG, encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
            oneglance.train(folder / "oneglance.toml", out=folder / "runs" / "a", screen=Screen())
        state = json.loads((folder / "runs/a/tasks.json").read_text())
        state["objects"]["threshold"] = 0.0  # it has hardly learned, and is sure of nothing
        (folder / "runs/a/tasks.json").write_text(json.dumps(state))
        _made.append(folder)
    return _made[0]


@pytest.fixture
def boxed(trained_boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that may be changed; the current folder."""
    folder = tmp_path / "boxed"
    shutil.copytree(trained_boxes, folder)
    moved = {"base": str(folder), "set": []}  # the run's own pictures are those of the copy
    (folder / "runs" / "a" / "overrides.json").write_text(json.dumps(moved), encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder
