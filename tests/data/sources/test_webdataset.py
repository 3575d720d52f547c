"""WebDataset: examples in tar files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.annotated import kinds, read

from oneglance.data.source import open_source
from oneglance.errors import DataError


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, "PNG")
    return out.getvalue()


def write(path: Path, files: dict[str, bytes], mode: Any = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


ONE = {"0001.png": picture(), "0001.cls": b"3\n", "0001.json": b'{"kind": "hat", "price": 2.5, "n": null}'}


@pytest.mark.parametrize(("name", "mode"), [("shard.tar", "w"), ("shard.tar.gz", "w:gz")])
def test_files_of_one_key_are_one_picture(tmp_path: Path, name: str, mode: str) -> None:
    two = {"sub/0001.png": picture(), "sub/0001.caption.txt": b"a hat", "sub/0001.txt": b""}
    records, problems = read(write(tmp_path / name, {**ONE, **two}, mode))
    assert problems == []
    assert [(record.location, record.answers) for record in records] == [
        (f"{name}/0001", {"cls": "3", "kind": "hat", "price": 2.5}),
        (f"{name}/sub/0001", {"caption.txt": "a hat"}),
    ]
    assert all(record.image.load() == picture() for record in records)


def test_shards_say_their_split_if_all_do(tmp_path: Path) -> None:
    base = tmp_path / "set"
    for name in ("train-000.tar", "train-001.tar", "val-000.tar"):
        write(base / name, ONE)
    records, problems = read(base)
    assert [record.split for record in records] == ["train", "train", "validation"]
    assert problems == []
    assert [r.split for r in read(base, shards="train-*.tar")[0]] == ["train", "train"]
    write(base / "more.tar", ONE)
    assert {record.split for record in read(base)[0]} == {""}
    for pattern in ("no*.tar", "/etc/*"):
        with pytest.raises(DataError, match="shards"):
            read(base, shards=pattern)


def test_what_is_not_read_is_reported(tmp_path: Path) -> None:
    files = {
        "a.png": picture(),
        "a.json": b"{",
        "a.npy": b"1",
        "b.png": picture(),
        "b.jpg": b"x",
        "b.cls": b"\xff",
        "c.json": b"{}",
        "d.png": picture(),
        "d.json": b'["\\ud800"]',
        "e.png": picture(),
        "e.json": b"[1, 2]",
        "f.png": picture(),
        "f.npy": b"1",
    }
    records, problems = read(write(tmp_path / "shard.tar", files), format="webdataset")
    assert [record.location[-1] for record in records] == ["a", "b", "d", "e", "f"]
    assert [record.answers for record in records] == [{}, {}, {}, {"json": [1, 2]}, {}]
    told = ["ending npy", *["file of an example"] * 3, "no picture", "several pictures"]
    assert kinds(problems) == told
    assert any("2 times" in problem.what for problem in problems)


def test_an_archive_of_pictures_alone_is_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "photos.tar", {"cat/a.png": picture(), "dog/b.png": picture()})
    assert open_source({"path": path.name}, tmp_path).format == "folder"


def test_a_damaged_shard_is_one_message(tmp_path: Path) -> None:
    path = write(tmp_path / "shard.tar", ONE)
    path.write_bytes(b"x" * 2000)
    with pytest.raises(DataError, match="damaged"):
        read(path, format="webdataset")
