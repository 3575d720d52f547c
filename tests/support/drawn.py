"""A finished run of a tiny network on drawn scenes, and a copy of it that a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import oneglance
from oneglance.api import Run
from oneglance.data.synthetic import write_scenes
from oneglance.progress import Screen


def settings(size: object = 32, epochs: int = 2) -> str:
    """The tables of a configuration that say nothing of its sources and tasks."""
    return f"""\
[cache]
workers = 1

[backbone]
name = "small"
options = {{ width = 4, depth = 2 }}
size = {size}

[training]
epochs = {epochs}
batch = 16
precision = "fp32"
device = "cpu"
"""


@contextmanager
def own_cache(factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEGLANCE_CACHE", str(factory.mktemp("cache")))
        yield


def trained_on_scenes(factory: pytest.TempPathFactory, name: str, config: str, count: int) -> Run:
    """The finished run ``runs/a`` in a folder with ``scenes/`` and ``oneglance.toml``."""
    folder = factory.mktemp(name)
    write_scenes(folder / "scenes", count=count, size=32)
    (folder / "oneglance.toml").write_text(config, encoding="utf-8")
    with own_cache(factory):
        return oneglance.train(folder / "oneglance.toml", out=folder / "runs" / "a", screen=Screen())


def copied(trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of a run that may be changed; the current folder."""
    shutil.copytree(trained, folder)
    moved = {"base": str(folder), "overrides": {}}  # the run's own pictures are those of the copy
    (folder / "runs" / "a" / "overrides.json").write_text(json.dumps(moved), encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder
