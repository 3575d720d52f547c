"""Pictures inside zip and tar: read in any order from any thread, and no archive does harm."""

from __future__ import annotations

import copy
import gzip
import io
import os
import pickle
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from oneglance.data.images import archives, references
from oneglance.data.images.archives import members
from oneglance.data.images.references import MemberImage
from oneglance.errors import DataError, Problem

CONTENT = {f"cats/{n}.png": bytes([n]) * (100 + n) for n in range(20)}


def write_zip(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def write_tar(path: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_stored(path: Path, content: dict[str, bytes]) -> Path:
    return write_zip(path, content, zipfile.ZIP_STORED)


Writer = Callable[[Path, dict[str, bytes]], Path]
ARCHIVES = [("a.zip", write_zip), ("b.zip", write_stored), ("a.tar", write_tar), ("a.tgz", write_tar)]
every_archive = pytest.mark.parametrize(
    ("name", "write"), ARCHIVES, ids=lambda x: x if type(x) is str else ""
)


def by_name(path: Path) -> dict[str, MemberImage]:
    return {ref.member: ref for ref in members(path) if isinstance(ref, MemberImage)}


def problems(path: Path) -> list[str]:
    return [str(problem) for problem in members(path) if isinstance(problem, Problem)]


# ---- members of archives


@every_archive
def test_members_are_read_in_any_order(tmp_path: Path, name: str, write: Writer) -> None:
    refs = by_name(write(tmp_path / name, CONTENT))
    assert list(refs) == list(CONTENT)
    for member in [*CONTENT, *reversed(CONTENT)]:
        assert refs[member].load() == CONTENT[member]
    assert refs["cats/3.png"].name == f"{name}/cats/3.png"
    assert len({ref.stamp() for ref in refs.values()}) == len(CONTENT)


@every_archive
def test_members_are_read_by_several_threads(tmp_path: Path, name: str, write: Writer) -> None:
    refs = by_name(write(tmp_path / name, CONTENT))
    start = threading.Barrier(4)

    def read_all(step: int) -> bool:
        start.wait()
        names = list(CONTENT)[::step]
        return all(refs[member].load() == CONTENT[member] for member in names * 5)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read_all, (1, -1, 2, -3)))


@every_archive
def test_refs_travel_and_are_keys(tmp_path: Path, name: str, write: Writer) -> None:
    refs = list(by_name(write(tmp_path / name, CONTENT)).values())
    again = pickle.loads(pickle.dumps(refs))
    assert again == refs
    assert len({*again, *refs}) == len(CONTENT)
    assert not hasattr(again[0], "__dict__")
    assert [ref.load() for ref in again] == list(CONTENT.values())


@every_archive
def test_a_replaced_archive_is_opened_anew(tmp_path: Path, name: str, write: Writer) -> None:
    path = write(tmp_path / name, {"a.png": b"old"})
    old = by_name(path)["a.png"]
    stamp = old.stamp()
    assert old.load() == b"old"
    write(path, {"a.png": b"new", "b.png": bytes(1000)})
    new = by_name(path)["a.png"]
    assert new.load() == b"new"
    assert new.stamp() != stamp


def test_nothing_open_is_shared_with_a_forked_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write_tar(tmp_path / "a.tgz", {"a.png": b"a"}))
    mine = references._unpacked(references.file_key(path))
    assert references._unpacked(references.file_key(path)) is mine
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert references._unpacked(references.file_key(path)) is not mine


@every_archive
def test_a_damaged_archive_is_reported(tmp_path: Path, name: str, write: Writer) -> None:
    path = write(tmp_path / name, {"a.png": os.urandom(5000), "b.png": os.urandom(5000)})
    whole = path.read_bytes()
    refs = by_name(path)
    path.write_bytes(whole[: min(8000, len(whole) * 2 // 3)])  # in the middle of b.png
    with pytest.raises(OSError, match="damaged"):
        refs["b.png"].load()
    with pytest.raises(DataError, match="is damaged or no such archive") as error:
        list(members(path))
    assert error.value.location == name
    path.write_bytes(b"no archive at all")
    with pytest.raises(DataError, match="damaged"):
        list(members(path))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        refs["a.png"].load()


def test_a_changed_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    path = write_stored(tmp_path / "a.zip", {"a.png": b"picture"})
    ref = by_name(path)["a.png"]
    path.write_bytes(path.read_bytes().replace(b"picture", b"pixture"))
    with pytest.raises(OSError, match="damaged"):
        ref.load()


@every_archive
def test_hidden_and_leaving_members_are_no_pictures(tmp_path: Path, name: str, write: Writer) -> None:
    content = dict.fromkeys(
        ["../out.png", "a/../../b.png", ".hidden.png", ".git/a.png", "__MACOSX/._a.png"], b"x"
    )
    path = write(tmp_path / name, {**content, "./x\\y.png": b"y", "/top.png": b"t"})
    assert {member: ref.load() for member, ref in by_name(path).items()} == {"x/y.png": b"y", "top.png": b"t"}
    assert problems(path) == [
        f"{name}/../out.png  leaves the archive — left out",
        f"{name}/a/../../b.png  leaves the archive — left out",
    ]


@every_archive
def test_a_large_member_is_left_out(
    tmp_path: Path, name: str, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / name, {"a.png": bytes(2000), "b.png": b"small"})
    large = by_name(path)["a.png"]
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 1000)
    monkeypatch.setattr(references, "MEMBER_LIMIT", 1000)
    assert list(by_name(path)) == ["b.png"]
    assert problems(path) == [f"{name}/a.png  is larger than 1,000 bytes — left out"]
    with pytest.raises(OSError, match="larger than"):
        large.load()


def test_a_member_that_is_larger_than_declared_is_cut_off(tmp_path: Path) -> None:
    ref = by_name(write_zip(tmp_path / "a.zip", {"a.png": bytes(50_000_000)}))["a.png"]
    tracemalloc.start()
    with pytest.raises(OSError, match="damaged"):
        replace(ref, size=10).load()
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_packed_tar_that_is_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "a.tgz", {"zeros": bytes(30_000_000), "a.png": b"x"})
    assert list(by_name(path)) == ["zeros", "a.png"]
    monkeypatch.setattr(archives, "SMALL", 1_000_000)
    with pytest.raises(DataError, match="damaged"):
        by_name(path)


def test_a_tar_header_of_any_length_is_not_believed(tmp_path: Path) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.XHDTYPE, 2**40  # an extended header of a terabyte
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(10240))
    (tmp_path / "a.tgz").write_bytes(gzip.compress(info.tobuf() + bytes(10240)))
    for name in ("a.tar", "a.tgz"):
        with pytest.raises(DataError, match="damaged"):
            list(members(tmp_path / name))


def test_locked_and_strangely_packed_members_are_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.png": b"a" * 99}, zipfile.ZIP_BZIP2)
    assert problems(path) == ["a.zip/a.png  is packed by a method that is not read here — left out"]
    data = bytearray(write_stored(path, {"a.png": b"a"}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1  # the flag that says: encrypted
    path.write_bytes(data)
    assert problems(path) == ["a.zip/a.png  is locked with a password — left out"]


def test_a_member_without_a_name_is_none(tmp_path: Path) -> None:
    data = write_stored(tmp_path / "a.zip", {"x": b"a"}).read_bytes()
    head = data.index(b"PK\1\2")
    no_name = data[: head + 28] + b"\0\0" + data[head + 30 : head + 46] + data[head + 47 :]
    size = int.from_bytes(no_name[-10:-6], "little") - 1
    (tmp_path / "a.zip").write_bytes(no_name[:-10] + size.to_bytes(4, "little") + no_name[-6:])
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == [""]
    assert list(members(tmp_path / "a.zip")) == []


def test_links_and_folders_in_a_tar_are_no_pictures(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("a.png", tarfile.SYMTYPE),
            ("b.png", tarfile.LNKTYPE),
            ("c.png", tarfile.DIRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert list(members(tmp_path / "a.tar")) == []


def test_a_zip_whose_members_lie_in_each_other_is_refused(tmp_path: Path) -> None:
    """Each of its names leads to the same two megabytes, which unpack to 190."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(190_000_000))
        for number in range(20):
            info = copy.copy(archive.filelist[0])
            info.filename = info.orig_filename = f"{number}.png"
            archive.filelist.append(info)
    assert path.stat().st_size < 1_000_000
    began = time.perf_counter()
    with pytest.raises(DataError, match=r"a\.zip: is damaged or no such archive"):
        list(members(path))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_tar_that_says_much_of_one_member_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        head = tarfile.TarInfo("x")
        head.type, head.size = kind, 50_000_000
        file.write(head.tobuf(tarfile.GNU_FORMAT) + b"a" * 50_000_000 + bytes(-50_000_000 % 512))
        file.write(tarfile.TarInfo("a.png").tobuf() + bytes(1024))
    with pytest.raises(DataError, match=r"a\.tar\.gz: is damaged or no such archive"):
        list(members(path))


def test_a_tar_of_sparse_heads_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    head = tarfile.TarInfo("a.png")
    head.type = tarfile.GNUTYPE_SPARSE
    first = bytearray(head.tobuf(tarfile.GNU_FORMAT))
    first[482] = 1  # more heads follow
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    more = (b"00000000001\0" * 2) * 21 + b"\1" + bytes(7)
    with gzip.open(path, "wb", 1) as file:
        file.write(bytes(first) + more * 100_000)
    began = time.perf_counter()
    with pytest.raises(DataError, match=r"a\.tar\.gz: is damaged or no such archive"):
        list(members(path))
    assert time.perf_counter() - began < 5


def test_a_name_longer_than_any_path_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{'n' * 5000}.png", b"1")
        archive.writestr("b.png", b"2")
    wrong, member = members(path)
    assert isinstance(wrong, Problem) and wrong.what == "has a name that is too long"
    assert len(wrong.location) < 200
    assert isinstance(member, MemberImage) and member.load() == b"2"
