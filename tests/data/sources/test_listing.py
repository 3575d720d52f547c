"""A list of paths, and a single picture."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from oneglance.data.images.references import FileImage
from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import DataError, Problem


def read(path: Path, **keys: Any) -> tuple[list[Record], list[Problem]]:
    source = open_source({"path": path.name, **keys}, path.parent)
    assert source.format == "listing"
    items = list(source.read())
    return [i for i in items if not isinstance(i, Problem)], [i for i in items if isinstance(i, Problem)]


def write(folder: Path, content: str) -> Path:
    (folder / "list.txt").write_bytes(content.encode())
    return folder / "list.txt"


def test_a_path_per_line(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff# my pictures\r\na.jpg\r\n\r\n  sub\\b # 1.jpg  \r\n../c.jpg\r\n/d/e.jpg")
    records, problems = read(path)
    root = tmp_path.resolve()
    assert [(record.location, record.image) for record in records] == [
        ("list.txt:2", FileImage(str(root / "a.jpg"), "")),
        ("list.txt:4", FileImage(str(root / "sub" / "b # 1.jpg"), "")),
        ("list.txt:6", FileImage(str(Path("/d/e.jpg").resolve()), "")),
    ]
    assert all(record.answers == {} for record in records)
    assert [problem.location for problem in problems] == ["list.txt:5"]


def test_names_start_in_images_or_an_archive(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"A")
    assert read(path)[0][0].image.load() == b"A"
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("a.jpg", b"B")
    assert read(path, images="p.zip")[0][0].image.load() == b"B"


def test_an_empty_list_and_one_that_is_not_text(tmp_path: Path) -> None:
    records, problems = read(write(tmp_path, "# nothing\n"))
    assert records == []
    assert [problem.fatal for problem in problems] == [True]
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.jpg\n")
    with pytest.raises(DataError, match=r"list\.txt:1: is not utf-8 text: byte 4"):
        read(tmp_path / "list.txt")
    assert read(tmp_path / "list.txt", encoding="cp1252")[0][0].image.name == "café.jpg"


def test_one_picture(tmp_path: Path) -> None:
    (tmp_path / "a.JPG").write_bytes(b"A")
    ((record,), problems) = read(tmp_path / "a.JPG")
    assert problems == []
    assert (record.location, record.image.name, record.image.load()) == ("a.JPG", "a.JPG", b"A")
