"""Kinds of pictures that are not read are counted and named, by ``init`` and ``check`` too."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import oneglance
from oneglance.data.images.references import FileImage
from oneglance.data.inspection import unread_pictures
from oneglance.data.inspection.unread_pictures import unread_kinds


def test_each_kind_is_one_problem_with_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread_pictures, "has_heif", lambda: False)
    names = ["a.jpg", "b.CR2", "c.jxl", "d.cr2", "e.heic", "f.png", "notes.txt"]
    problems = list(unread_kinds(FileImage(f"/p/{name}", name) for name in names))
    assert [(problem.location, problem.kind, problem.fatal) for problem in problems] == [
        ("b.CR2", "unreadable", False),
        ("c.jxl", "unreadable", False),
        ("e.heic", "unreadable", False),
    ]
    assert problems[0].what == (
        "is a raw file of a camera, which is not read here; it is read by the package rawpy; "
        "so are 1 more with the ending .cr2"
    )
    monkeypatch.setattr(unread_pictures, "has_heif", lambda: True)
    assert len(list(unread_kinds([FileImage("/p/e.heic", "e.heic")]))) == 0


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of four pictures, a raw file, and a drawing beside one of the pictures."""
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            colour = (50 * number, 20, 200 if name == "cat" else 0)
            Image.new("RGB", (9, 9), colour).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos/cat/raw.cr3").write_bytes(b"\0\0\0\x18ftypcrx " + bytes(30))
    (tmp_path / "photos/dog/0.svg").write_bytes(b"<svg/>")
    return tmp_path / "photos"


def test_init_and_check_name_them(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = oneglance.init(photos)
    assert "raw.cr3  is a raw file of a camera" in "".join(capsys.readouterr())
    for pictures in (True, False):
        problems = oneglance.check(config, pictures=pictures)
        unread = [problem for problem in problems if problem.kind == "unreadable"]
        assert [problem.location for problem in unread] == ["photos/cat/raw.cr3"]
        assert "rawpy" in unread[0].what and "PNG" in unread[0].hint
