"""A user whose pictures have boxes: drawn scenes, and a run of a tiny network that tells all it suspects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.drawn import copied, settings, trained_on_scenes

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

""" + settings()
PICTURES = 45

_made: list[Path] = []  # what the tests of all files share


@pytest.fixture(scope="session")
def trained_boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``scenes/``, ``oneglance.toml`` and the finished run ``runs/a``; nobody changes it."""
    if not _made:
        run = trained_on_scenes(tmp_path_factory, "boxed", CONFIG, PICTURES).path
        state = json.loads((run / "tasks.json").read_text())
        state["objects"]["threshold"] = 0.0  # it has hardly learned, and is sure of nothing
        (run / "tasks.json").write_text(json.dumps(state))
        _made.append(run.parents[1])
    return _made[0]


@pytest.fixture
def boxed(trained_boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that may be changed; the current folder."""
    return copied(trained_boxes, tmp_path / "boxed", monkeypatch)
