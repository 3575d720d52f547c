"""A picture that is a file, and what may be shown of any name; archives and Parquet have their own tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oneglance.data.images import references
from oneglance.data.images.references import FileImage, is_picture, printable


def test_a_file_gives_its_bytes_and_a_stamp_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    ref = FileImage(str(path), "photos/a.png")
    before = ref.stamp()
    assert (ref.load(), ref.name, ref.stamp()) == (b"one", "photos/a.png", before)
    path.write_bytes(b"three")
    assert (ref.load(), ref.stamp() != before) == (b"three", True)


def test_files_are_equal_by_path_whatever_they_are_called() -> None:
    assert FileImage("/a", "x") == FileImage("/a", "y") != FileImage("/b", "x")
    assert len({FileImage("/a", "x"), FileImage("/a", "y")}) == 1
    assert not hasattr(FileImage("/a", "x"), "__dict__")  # a million of them


@pytest.mark.parametrize("path", ["/nowhere/a.png", "/a\0b.png", "/\ud800.png", ""])
def test_a_file_that_cannot_be_is_not_there(path: str) -> None:
    for ask in (FileImage(path, "a").load, FileImage(path, "a").stamp):
        with pytest.raises(FileNotFoundError):
            ask()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(OSError, match="is no file"):
        FileImage(str(tmp_path / "a.png"), "a").load()


def test_a_file_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    monkeypatch.setattr(references, "FILE_LIMIT", 4)
    with pytest.raises(OSError, match="larger"):
        FileImage(str(tmp_path / "a.png"), "a").load()


def test_names_can_always_be_printed() -> None:
    assert printable("caf\xe9\u202f1.jpg") == "caf\xe9\u202f1.jpg"
    assert printable("a\n\x1b[31m\udcff.jpg") == "a\\n\\x1b[31m\\udcff.jpg"


def test_endings_count_whatever_their_case() -> None:
    assert all(map(is_picture, ["a.JPG", "b.Jpeg", "x/y.z/c.png", "x..tif"]))
    assert not any(map(is_picture, ["jpg", "a.jpg.txt", ".png", "a.", "x.png/y", ""]))
