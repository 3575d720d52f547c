"""A folder appears as a whole, or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from oneglance.errors import RunError
from oneglance.storage.atomic_files import beside, new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path) -> None:
    for name in ("b", "last", "a"):
        (folder / name).write_text(name)


def test_it_is_there_only_at_the_end(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep" / "run", last="last") as fresh:
        fill(fresh)
        assert not (tmp_path / "deep" / "run").exists()
    assert names(tmp_path / "deep") == ["run"] and names(tmp_path / "deep" / "run") == ["a", "b", "last"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whoever_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), new_folder(tmp_path / "run", last="last") as fresh:
        fill(fresh)
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize("way", ["empty", "full", "link", "current folder"])
def test_a_folder_that_is_there_is_filled(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    path.mkdir()
    if way == "full":
        (path / "notes.txt").write_text("mine")
    if way == "link":
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    if way == "current folder":
        monkeypatch.chdir(path)
        path = Path()
    order: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        order.append(self.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    with new_folder(path, last="last") as fresh:
        fill(fresh)
    assert order == ["a", "b", "last"]
    assert set(names(path)) - {"notes.txt"} == {"a", "b", "last"}
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with (
        pytest.raises(RunError, match="run: cannot be written: a file is in the way"),
        new_folder(tmp_path / "run", last="last") as fresh,
    ):
        fill(fresh)
    assert names(tmp_path) == ["run"]


def test_what_a_killed_process_left_goes_after_an_hour(tmp_path: Path) -> None:
    old, young, foreign = beside(tmp_path / "run"), beside(tmp_path / "run"), tmp_path / ".run.1.x"
    for folder in (old, young, foreign):
        folder.mkdir()
        fill(folder)
    os.utime(old, (0, time.time() - 4000))
    with new_folder(tmp_path / "run", last="last") as fresh:
        fill(fresh)
    assert set(names(tmp_path)) == {"run", young.name, foreign.name}
