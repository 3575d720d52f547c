"""Files on other machines, as ``plain_files`` opens them: the web on this machine, and a store in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from support.web_server import WebServer, web_server

from oneglance.errors import MissingExtraError
from oneglance.storage import plain_files
from oneglance.storage.plain_files import (
    exists,
    is_file,
    is_folder,
    names_in,
    open_plain,
    plain_stat,
    read_part,
    read_plain,
    resolved,
)
from oneglance.storage.remote import store as stores

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files["a.bin"] = CONTENT
        yield server


@pytest.fixture
def memory() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    files.pipe("/test/photos/a.bin", CONTENT)
    files.pipe("/test/photos/inside/b.bin", b"b")
    yield "memory://test"
    files.rm("/test", recursive=True)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    monkeypatch.setattr(stores, "SECONDS", 2.0)
    stores._store.cache_clear()


def test_both_are_read_as_files_of_this_machine_are(web: WebServer, memory: str) -> None:
    for path in (f"{web.address}/a.bin", Path(f"{memory}/photos/a.bin"), f"{memory}/photos/a.bin"):
        assert is_file(path)
        assert exists(path)
        assert not is_folder(path)
        assert read_plain(path, len(CONTENT)) == CONTENT
        assert read_part(path, 300, 5) == CONTENT[300:305]
        assert read_part(path, len(CONTENT) - 2, 5) == CONTENT[-2:]
        with open_plain(path) as file:
            assert file.read() == CONTENT
        assert plain_stat(path).size == len(CONTENT)
        with pytest.raises(OSError, match="is larger than 100 bytes"):
            read_plain(path, 100)
        with pytest.raises(OSError, match="is larger than 100 bytes"):
            open_plain(path, 100)


def test_what_is_not_there_is_so_in_the_same_words(web: WebServer, memory: str) -> None:
    for path in (f"{web.address}/b.bin", f"{memory}/b.bin"):
        assert not exists(path)
        with pytest.raises(FileNotFoundError, match="No such file"):
            read_plain(path, 10)


def test_a_version_changes_with_the_file(web: WebServer, memory: str) -> None:
    for path, change in (
        (f"{web.address}/a.bin", lambda: web.files.update({"a.bin": CONTENT[::-1]})),
        (
            f"{memory}/photos/a.bin",
            lambda: fsspec.filesystem("memory").pipe("/test/photos/a.bin", CONTENT[::-1]),
        ),
    ):
        first = plain_stat(path)
        assert plain_stat(path) == first
        change()
        assert plain_stat(path).size == first.size
        assert plain_stat(path).version != first.version


def test_folders_are_listed_where_the_store_has_some(web: WebServer, memory: str) -> None:
    assert is_folder(f"{memory}/photos")
    assert names_in(f"{memory}/photos") == [Path(f"{memory}/photos/a.bin"), Path(f"{memory}/photos/inside")]
    assert names_in(f"{memory}/photos", "*.bin") == [Path(f"{memory}/photos/a.bin")]
    assert names_in(f"{web.address}/photos") == []
    assert resolved(Path(f"{memory}/photos")) == Path(f"{memory}/photos")


def test_only_parts_of_a_large_file_are_asked_for(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "WHOLE", 2000)
    monkeypatch.setattr(stores, "PIECE", 1000)
    with open_plain(f"{web.address}/a.bin") as file:
        assert file.read(4) == CONTENT[:4]
        file.seek(-3, 2)
        assert file.read() == CONTENT[-3:]
    assert web.gets("a.bin") == ["bytes=0-999", f"bytes={len(CONTENT) - 3}-{len(CONTENT) - 1}"]


def test_a_server_that_gives_no_parts_is_read_whole_or_refused(web: WebServer) -> None:
    web.parts = False
    assert read_plain(f"{web.address}/a.bin", 20_000) == CONTENT
    with pytest.raises(OSError, match="gives no parts of files"):
        read_part(f"{web.address}/a.bin", 10, 10)


def test_a_server_that_tells_no_size(web: WebServer) -> None:
    web.heads = False
    path = f"{web.address}/a.bin"
    assert plain_stat(path).size == -1
    with open_plain(path) as file:
        assert file.read() == CONTENT
    with pytest.raises(OSError, match="is larger than 100 bytes"):
        open_plain(path, 100)


def test_what_may_pass_is_tried_again_a_few_times(web: WebServer) -> None:
    path = f"{web.address}/a.bin"
    web.fails["a.bin"] = [503, 429, 500]
    assert read_plain(path, 20_000) == CONTENT
    web.fails["a.bin"] = [503] * 9
    with pytest.raises(OSError, match="the server answers 503; tried 4 times"):
        read_plain(path, 20_000)
    assert len(web.fails["a.bin"]) == 5


@pytest.mark.parametrize(
    ("status", "what"), [(403, "does not allow it"), (401, "does not allow it"), (418, "answers 418")]
)
def test_what_will_not_pass_is_not_tried_again(web: WebServer, status: int, what: str) -> None:
    web.fails["a.bin"] = [status] * 9
    with pytest.raises(OSError, match=what):
        read_plain(f"{web.address}/a.bin", 20_000)
    assert len(web.fails["a.bin"]) == 8


def test_a_server_that_says_nothing_costs_a_bounded_time(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "SECONDS", 0.3)
    web.hangs.add("a.bin")
    begun = time.monotonic()
    with pytest.raises(OSError, match="does not answer in time; tried"):
        read_plain(f"{web.address}/a.bin", 20_000)
    assert time.monotonic() - begun < 5


def test_what_breaks_off_is_not_taken_for_the_whole(web: WebServer) -> None:
    web.cut.add("a.bin")
    with pytest.raises(OSError, match="the connection broke off; tried 4 times"):
        read_plain(f"{web.address}/a.bin", 20_000)


def test_a_file_without_end_is_left_at_its_limit(web: WebServer) -> None:
    web.endless.add("endless.jpg")
    with pytest.raises(OSError, match="is larger than 1,000,000 bytes"):
        read_plain(f"{web.address}/endless.jpg", 1_000_000)


def test_nothing_listens(web: WebServer) -> None:
    with pytest.raises(OSError, match="cannot be reached; tried 4 times"):
        read_plain("http://127.0.0.1:9/a.bin", 10)
    assert plain_files.why_absent("http://127.0.0.1:9/a.bin").startswith("cannot be read: cannot be reached")


def test_secrets_in_an_address_are_never_sent(web: WebServer) -> None:
    path = f"{web.address}/a.bin".replace("http://", "http://me:secret@")
    assert not exists(path)
    with pytest.raises(OSError, match="holds a name or a password"):
        read_plain(path, 10)
    assert web.asked == []


def test_a_listing_gives_no_name_that_leads_elsewhere(monkeypatch: pytest.MonkeyPatch, memory: str) -> None:
    store = stores.store_of(memory)
    listed = [("..", True), ("a/b", False), ("", True), ("ok.jpg", False), ("n\0", False)]
    monkeypatch.setattr(store, "_entries", lambda address: listed)
    assert [entry.name for entry in store.entries(memory)] == ["ok.jpg"]
    monkeypatch.setattr(stores, "MOST_NAMES", 3)
    with pytest.raises(OSError, match="holds more than 3 files"):
        store.entries(memory)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stores.NEEDED, "gs", ("no_such_package", "gs"))
    with pytest.raises(MissingExtraError, match=r'pip install "oneglance\[gs\]"'):
        exists("gs://bucket/a.jpg")
