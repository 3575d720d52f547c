"""A user: a folder with drawn pictures, a configuration, a finished run, and the shell to ask in."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import oneglance
from oneglance.cli import main
from oneglance.data.scenes import write_scenes
from oneglance.screen import Screen

CONFIG = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"

[tasks.digit]
type = "label"
[tasks.background]
type = "label"
[tasks.shapes]
type = "tags"
none = ["none"]
[tasks.covered]
type = "number"
unit = "%"

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
PICTURES = 60
TASKS = ("digit", "background", "shapes", "covered")

_made: dict[str, Path] = {}  # what the tests of all files share


@dataclass(frozen=True)
class Said:
    """What the shell said."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The one message of a request that was wrong."""
        assert self.code == 1, self
        assert not self.out, "answers and messages are mixed"
        assert "Traceback" not in self.err
        assert not self.err.endswith("\n\n")
        return self.err.strip()


Shell = Callable[..., Said]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """``shell("train", "oneglance.toml")`` is what that line does in the shell, in the current folder."""

    def ask(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["oneglance", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    return ask


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``scenes/``, ``oneglance.toml`` and the finished run ``runs/a``; nobody changes it."""
    if "trained" not in _made:
        folder = tmp_path_factory.mktemp("trained")
        write_scenes(folder / "scenes", count=PICTURES, size=32)
        (folder / "oneglance.toml").write_text(CONFIG, encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
            oneglance.train(folder / "oneglance.toml", out=folder / "runs" / "a", screen=Screen())
        _made["trained"] = folder
    return _made["trained"]


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that may be changed; the current folder."""
    folder = tmp_path / "home"
    shutil.copytree(trained, folder)
    moved = {"base": str(folder), "set": []}  # the run's own pictures are those of the copy
    (folder / "runs" / "a" / "overrides.json").write_text(json.dumps(moved), encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> set[str]:
    """All that lies in ``folder``."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
