"""A user: a folder with drawn pictures, a configuration, a finished run, and the shell to ask in."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.drawn import copied, settings, trained_on_scenes
from typer.main import get_command

from oneglance.cli.commands import app, main

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

""" + settings()
PICTURES = 60
TASKS = ("digit", "background", "shapes", "covered")

SHELL_DETECTION = "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"

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


@cache
def _command(detection: str | None) -> Any:
    """As Typer builds it, which looks at that variable then."""
    return get_command(app)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """``shell("train", "oneglance.toml")`` is what that line does in the shell, in the current folder.
    No line of progress: those come by the clock. Typer reads every signature anew for each line, a tenth of a
    second; here they are read once.
    """
    monkeypatch.setattr("typer.main.get_command", lambda app: _command(os.environ.get(SHELL_DETECTION)))
    monkeypatch.setattr("oneglance.screens.terminal.LINE_EVERY", math.inf)

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
        _made["trained"] = trained_on_scenes(tmp_path_factory, "trained", CONFIG, PICTURES).path.parents[1]
    return _made["trained"]


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that may be changed; the current folder."""
    return copied(trained, tmp_path / "home", monkeypatch)


def files(folder: Path) -> set[str]:
    """All that lies in ``folder``."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
