"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oneglance.errors import RunError
from oneglance.storage import atomic_files
from oneglance.storage.atomic_files import make_folder, replacing, sweep, write_bytes, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_there(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\0\1")
    write_text(tmp_path / "b", "één\r\nzwei\n\u2028")
    write_json(tmp_path / "c", {"ü": [1, None, 0.5]})
    assert (tmp_path / "a").read_bytes() == b"\0\1"
    assert (tmp_path / "b").read_bytes() == "één\r\nzwei\n\u2028".encode()
    assert (tmp_path / "c").read_text(encoding="utf-8") == '{\n "ü": [\n  1,\n  null,\n  0.5\n ]\n}\n'
    assert names(tmp_path) == ["a", "b", "c"]


def test_the_new_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    for content in (b"old and longer", b"new"):
        write_bytes(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == b"new" and names(tmp_path) == ["a"]


def test_until_the_end_the_old_file_stays(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    with replacing(tmp_path / "a") as file:
        file.write(b"new")
        file.flush()
        assert (tmp_path / "a").read_bytes() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whoever_fails_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(error), replacing(tmp_path / "a") as file:
        file.write(b"half")
        raise error
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as one, replacing(tmp_path / "a") as two:
        one.write(b"one")
        two.write(b"two")
    assert (tmp_path / "a").read_bytes() == b"one" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}])
def test_what_json_does_not_know_is_refused(tmp_path: Path, value: Any) -> None:
    write_json(tmp_path / "a", 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a", value)
    assert (tmp_path / "a").read_text() == "1\n" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_a_message(tmp_path: Path, name: str) -> None:
    for write in (lambda path: write_bytes(path, b"new"), make_folder):
        with pytest.raises(RunError, match="no file can have such a name"):
            write(tmp_path / name)


ERRORS = {
    errno.ENOSPC: "the disk is full — free some space or name another folder",
    errno.EROFS: "cannot be written: not allowed — name another folder with --out",
    errno.EACCES: "cannot be written: not allowed — name another folder with --out",
    errno.EFBIG: "may not become so large here — raise the limit (ulimit -f) or name another folder",
    errno.EDQUOT: "your share of the disk is full — free some space",
    errno.EIO: f"cannot be written ({os.strerror(errno.EIO)})",
}


def failing(number: int) -> Callable[..., Any]:
    def fail(*args: Any, **rest: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("moment", ["opening", "writing", "flushing", "renaming"])
def test_an_error_of_the_disk_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, moment: str
) -> None:
    """Tests may run as root, whom no permission stops: the errors are made."""
    path = tmp_path / "a"
    write_bytes(path, b"old")
    target, name = {
        "opening": (Path, "open"),
        "flushing": (os, "fsync"),
        "renaming": (Path, "replace"),
        "writing": (atomic_files, "json"),
    }[moment]
    with monkeypatch.context() as patch, pytest.raises(RunError) as caught:
        if moment != "writing":
            patch.setattr(target, name, failing(number))
        with replacing(path) as file:
            file.write(b"new")
            if moment == "writing":
                failing(number)()
    assert str(caught.value) == f"{path}: {ERRORS[number]}"
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_disk_that_is_really_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", **rest: Any) -> Any:
        return opened(Path("/dev/full"), "wb") if mode == "xb" else opened(self, mode, **rest)

    write_bytes(tmp_path / "a", b"old")
    monkeypatch.setattr(Path, "open", full)
    for size in (10, 10**7):  # kept back until the end, or written at once
        with pytest.raises(RunError, match="the disk is full"):
            write_bytes(tmp_path / "a", bytes(size))
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        write_text(tmp_path / "gone" / "a", "x")


@pytest.mark.parametrize("inside", ["file", "file/deeper", "file/deeper/still"])
def test_a_file_in_the_way(tmp_path: Path, inside: str) -> None:
    write_text(tmp_path / "file", "x")
    with pytest.raises(RunError, match="cannot be written: a file is in the way"):
        make_folder(tmp_path / inside)


def test_make_folder(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_the_users_own_rights_apply(tmp_path: Path) -> None:
    """Not only the writer may read a run."""
    kept = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(kept)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_sweep_takes_what_killed_writers_left_and_nothing_else(tmp_path: Path) -> None:
    kept = ["a.txt", ".hidden", ".a.b.c", ".config.toml", ".a.12.0a1b2c3", "a.12.0a1b2c3d", ".a.x.0a1b2c3d"]
    for name in [*kept, ".resume.pt.4711.0a1b2c3d", ".a.1.ffffffff"]:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_sweep_knows_the_names_that_replacing_uses(tmp_path: Path) -> None:
    with replacing(tmp_path / "weights.safetensors") as file:
        left = Path(file.name)
        assert left.parent == tmp_path
        copy = left.with_name(left.name.replace(left.name[-8:], "00000000"))
        copy.touch()
    assert names(tmp_path) == sorted([copy.name, "weights.safetensors"])
    sweep(tmp_path)
    assert names(tmp_path) == ["weights.safetensors"]
