"""Run folders in a store: fetched when they are read, sent while they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from filelock import FileLock
from support.user import Shell, shell  # noqa: F401
from support.web_server import web_server

import oneglance as og
from oneglance.errors import RunError
from oneglance.storage.remote import copies, local_files
from oneglance.storage.remote import store as stores
from oneglance.storage.remote.copies import FolderCopy
from oneglance.storage.remote.store import Entry, store_of

RUN = Path(__file__).resolve().parents[2] / "support" / "run_of_0_1_0"
PICTURE = RUN.parent / "picture_of_0_1_0.png"


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    files.pipe({"/runs/a/config.toml": b"x", "/runs/a/networks/one/tasks.json": b"{}"})
    yield files
    files.rm("/runs", recursive=True)


@pytest.fixture
def copy(store: fsspec.AbstractFileSystem) -> FolderCopy:
    made = FolderCopy.of("memory://runs/a")
    assert made is not None
    made.fetch()
    return made


def here(copy: FolderCopy) -> dict[str, bytes]:
    files = (path for path in copy.folder.rglob("*") if path.is_file())
    return {path.relative_to(copy.folder).as_posix(): path.read_bytes() for path in files}


def there(store: fsspec.AbstractFileSystem) -> dict[str, bytes]:
    return {name.removeprefix("/runs/a/"): store.cat(name) for name in store.find("/runs/a")}


def test_a_copy_becomes_what_the_store_holds(store: fsspec.AbstractFileSystem, copy: FolderCopy) -> None:
    assert copy.folder.name == "a"
    assert here(copy) == {"config.toml": b"x", "networks/one/tasks.json": b"{}"}
    store.pipe({"/runs/a/config.toml": b"y", "/runs/a/new.json": b"1"})
    store.rm("/runs/a/networks", recursive=True)
    (copy.folder / "stray.json").write_bytes(b"of a training that was killed")
    copy.fetch()
    assert here(copy) == {"config.toml": b"y", "new.json": b"1"}
    (copy.folder / "new.json").write_bytes(b"changed here")
    copy.fetch()
    assert here(copy)["new.json"] == b"1"


def test_only_what_has_changed_is_fetched(
    store: fsspec.AbstractFileSystem, copy: FolderCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe("/runs/a/config.toml", b"y")
    fetched: list[str] = []
    whole = local_files.fetch_file

    def fetch_file(store: stores.RemoteStore, address: str, path: Path) -> None:
        fetched.append(path.name)
        whole(store, address, path)

    monkeypatch.setattr(copies, "fetch_file", fetch_file)
    copy.fetch()
    assert fetched == ["config.toml"]


def test_the_store_becomes_what_the_copy_is(store: fsspec.AbstractFileSystem, copy: FolderCopy) -> None:
    (copy.folder / "resume.pt").write_bytes(b"1")
    (copy.folder / "lock").write_bytes(b"")
    (copy.folder / ".half.1.00000000").write_bytes(b"")
    copy.send()
    assert there(store) == {"config.toml": b"x", "networks/one/tasks.json": b"{}", "resume.pt": b"1"}
    (copy.folder / "resume.pt").unlink()
    (copy.folder / "tasks.json").write_bytes(b"{}")
    copy.send()
    assert there(store) == {"config.toml": b"x", "networks/one/tasks.json": b"{}", "tasks.json": b"{}"}


def test_a_run_is_finished_in_the_store_only_once_all_else_is_there(
    store: fsspec.AbstractFileSystem, copy: FolderCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy.folder / "resume.pt").write_bytes(b"1")
    copy.send()
    for name in ("weights.safetensors", "tasks.json"):
        (copy.folder / name).write_bytes(b"2")
    (copy.folder / "resume.pt").unlink()
    left, seen = 0, []
    whole = store_of("memory://runs/a").send

    def send(address: str, file: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(5, "the line is cut")
        whole(address, file)

    monkeypatch.setattr(store_of("memory://runs/a"), "send", send)
    for left in (0, 1, 2):  # noqa: B007 - each goes on where the one before was cut off
        try:
            copy.send()
        except RunError as error:
            assert "cannot be written (the line is cut)" in str(error)
            assert str(copy.folder) in error.hint
        seen.append(sorted(set(there(store)) - {"config.toml", "networks/one/tasks.json"}))
    assert seen == [
        ["resume.pt"],
        ["resume.pt", "weights.safetensors"],
        ["tasks.json", "weights.safetensors"],
    ]


def test_a_run_that_goes_on_is_first_not_finished_any_more(
    store: fsspec.AbstractFileSystem, copy: FolderCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy.folder / "tasks.json").write_bytes(b"{}")
    copy.send()
    (copy.folder / "tasks.json").unlink()
    (copy.folder / "weights.safetensors").write_bytes(b"3")

    def cut(address: str, file: Path) -> None:
        raise OSError(5, "the line is cut")

    monkeypatch.setattr(store_of("memory://runs/a"), "send", cut)
    with pytest.raises(RunError):
        copy.send()
    assert "tasks.json" not in there(store)


def test_a_run_that_is_trained_here_is_not_fetched_under_its_training(
    store: fsspec.AbstractFileSystem, copy: FolderCopy
) -> None:
    (copy.folder / "history.jsonl").write_bytes(b"newer than the store")
    with FileLock(copy.folder / "lock"):
        copy.fetch()
        assert "history.jsonl" in here(copy)
    copy.fetch()
    assert "history.jsonl" not in here(copy)


def test_what_a_store_lists_stays_in_the_folder_and_is_bounded(
    copy: FolderCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of("memory://runs/a")
    names = ["..\\up", "c:x", ".hidden", "config.toml"]
    listed = [Entry(name, f"memory:/runs/a/{name}", False) for name in names]
    monkeypatch.setattr(store, "entries", lambda address: listed)
    copy.fetch()
    assert set(here(copy)) == {"config.toml"}
    monkeypatch.setattr(copies, "MOST_FILES", 0)
    with pytest.raises(RunError, match="holds more than any run does"):
        copy.fetch()


def test_a_run_in_a_store_answers_and_says_where_it_is(store: fsspec.AbstractFileSystem) -> None:
    store.put(str(RUN), "/runs/old", recursive=True)
    answer = og.load(RUN).predict(PICTURE)[0]
    run = og.Run("memory://runs/old")
    assert repr(run) == "Run('memory://runs/old')"
    assert run.predict(PICTURE)[0] == answer
    run.predict([PICTURE, PICTURE], out="memory://runs/out/answers.jsonl")
    assert store.cat("/runs/out/answers.jsonl").count(b"\n") == 2
    with pytest.raises(RunError, match="memory://runs/none: there is no such run folder"):
        og.Run("memory://runs/none")
    with pytest.raises(RunError, match="holds a name or a password") as refused:
        og.Run("https://me:secret@127.0.0.1/run")
    assert "secret" not in str(refused.value)


def test_a_run_on_the_web_answers_and_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    with web_server() as web:
        web.files.update({f"run/{path.name}": path.read_bytes() for path in RUN.iterdir()})
        run = og.Run(f"{web.address}/run")
        assert run.predict(PICTURE)[0]["answers"] == og.load(RUN).predict(PICTURE)[0]["answers"]
        with pytest.raises(RunError, match="cannot be written: not allowed"):
            run.predict([PICTURE, PICTURE], out=f"{web.address}/answers.jsonl")


def test_shards_of_a_run_in_a_store(
    store: fsspec.AbstractFileSystem,
    shell: Shell,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    store.put(str(RUN), "/runs/old", recursive=True)
    out = "memory://runs/out/all.csv"
    words = ["predict", "memory://runs/old", PICTURE, PICTURE, "--out", out, "--shard"]
    for shard in ("1/2", "2/2"):
        assert shell(*words, shard).code == 0
    assert "answered already" in shell(*words, "1/2").err
    store.pipe("/runs/old/tasks.json", (RUN / "tasks.json").read_bytes() + b"\n")
    assert "answered already" not in shell(*words, "1/2").err, "another network may have answered"
    assert shell("merge", out).code == 1
    assert "answered already" not in shell(*words, "2/2").err
    assert shell("merge", out).code == 0
    og.load(RUN).predict([PICTURE, PICTURE], out="here.csv")
    assert store.cat("/runs/out/all.csv") == Path("here.csv").read_bytes()
