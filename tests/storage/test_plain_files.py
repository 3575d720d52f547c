"""No name, and nothing that is at it, makes a reader wait, fill the memory or fail in another way."""

from __future__ import annotations

import os
import socket
import sys
import tracemalloc
from pathlib import Path

import pytest

from oneglance.storage.plain_files import (
    exists,
    is_file,
    is_folder,
    names_in,
    open_plain,
    plain_stat,
    read_plain,
    resolved,
)

LONG = "n" * 300
DEEP = "/".join(["n" * 200] * 30)


@pytest.fixture
def strange(tmp_path: Path) -> dict[str, Path]:
    """Things that are no plain file, by what they are."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "there").symlink_to("back")
    (tmp_path / "back").symlink_to("there")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to_pipe").symlink_to("pipe")
    places = (
        "pipe",
        "circle",
        "there",
        "broken",
        "folder",
        "to_pipe",
        LONG,
        DEEP,
        "nothing",
        "a\0b",
        "\ud800",
    )
    return {place: tmp_path / place for place in places} | {
        "device": Path("/dev/zero"),
        "full": Path("/dev/full"),
    }


def test_what_is_no_plain_file_is_refused_at_once(strange: dict[str, Path]) -> None:
    for name, path in strange.items():
        for read in (plain_stat, open_plain, lambda path: read_plain(path, 100)):
            with pytest.raises(OSError) as refused:
                read(path)
            assert refused.value.strerror, name
        assert not is_file(path), name
        assert is_folder(path) is (name == "folder")
        resolved(path)
        assert names_in(path) == []
    with pytest.raises(OSError, match="is no file but a pipe"):
        open_plain(strange["to_pipe"])


def test_questions_are_never_errors(strange: dict[str, Path]) -> None:
    there = {name for name, path in strange.items() if exists(path)}
    assert there == {"pipe", "to_pipe", "folder", "device", "full"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such sockets there")
def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a path to a socket may only be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        with pytest.raises(OSError, match="is no file but a pipe"):
            open_plain("s")


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    assert read_plain(path, 5) == b"12345"
    assert plain_stat(path).size == 5
    for read in (open_plain, read_plain):
        with pytest.raises(OSError, match="is larger than 4 bytes"):
            read(path, 4)


def test_a_file_that_says_it_is_empty_and_never_ends_is_read_up_to_the_limit() -> None:
    with pytest.raises(OSError, match="is larger than 3 bytes"):
        read_plain("/proc/self/status", 3)


def test_a_file_that_was_replaced_by_a_pipe_in_between_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"1")
    opened = os.open

    def swap(name: object, *rest: object) -> int:
        path.unlink()
        os.mkfifo(path)
        return opened(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(OSError, match="is no file but a pipe"):
        open_plain(path)


def test_names_in_a_folder(tmp_path: Path) -> None:
    for name in ("b.xml", "a.xml", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in names_in(tmp_path, "*.xml")] == ["a.xml", "b.xml"]


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Whatever the limit is: in a process whose memory is bounded, the limit itself may not be there."""
    (tmp_path / "a").write_bytes(b"small")
    tracemalloc.start()
    try:
        assert read_plain(tmp_path / "a", 2_000_000_000) == b"small"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
