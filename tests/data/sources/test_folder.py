"""Folders on the disk and in archives: the same pictures, levels and parts from both."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oneglance.data.record import Record
from oneglance.data.source import open_source
from oneglance.errors import Problem


def read(path: Path, **keys: Any) -> tuple[list[Record], list[Problem]]:
    source = open_source({"path": path.name, **keys}, path.parent)
    assert source.format == "folder"
    items = list(source.read())
    return [i for i in items if not isinstance(i, Problem)], [i for i in items if isinstance(i, Problem)]


def on_disk(base: Path, *names: str) -> Path:
    root = base / "photos"
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(os.fsencode(name))
    return root


def in_zip(base: Path, *names: str) -> Path:
    with zipfile.ZipFile(base / "photos.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return base / "photos.zip"


def in_tar(base: Path, *names: str) -> Path:
    with tarfile.open(base / "photos.tar.gz", "w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return base / "photos.tar.gz"


Maker = Callable[..., Path]
everywhere = pytest.mark.parametrize("make", [on_disk, in_zip, in_tar])


def seen(path: Path, **keys: Any) -> list[tuple[str, dict[str, Any], str]]:
    """(name below the root, answers, split); nothing may be wrong."""
    records, problems = read(path, **keys)
    assert problems == []
    assert all(record.location == record.image.name for record in records)
    return [(r.location.removeprefix(f"{path.name}/"), dict(r.answers), r.split) for r in records]


@everywhere
def test_a_folder_per_class(tmp_path: Path, make: Maker) -> None:
    path = make(tmp_path, "dog/b.jpg", "cat/2.PNG", "cat/1.jpeg", "LICENSE", "cat/notes.txt")
    cat, dog = ({"folder1": name, "folder": name} for name in ("cat", "dog"))
    assert seen(path) == [("cat/1.jpeg", cat, ""), ("cat/2.PNG", cat, ""), ("dog/b.jpg", dog, "")]
    assert [record.image.load() for record in read(path)[0]] == [b"cat/1.jpeg", b"cat/2.PNG", b"dog/b.jpg"]


@everywhere
def test_levels_and_pictures_at_the_top(tmp_path: Path, make: Maker) -> None:
    path = make(tmp_path, "a.jpg", "cat/b.jpg", "cat/tabby/c.jpg", "cat/tabby/young/d.jpg")
    assert seen(path) == [
        ("a.jpg", {}, ""),
        ("cat/b.jpg", {"folder1": "cat", "folder": "cat"}, ""),
        ("cat/tabby/c.jpg", {"folder1": "cat", "folder2": "tabby", "folder": "tabby"}, ""),
        (
            "cat/tabby/young/d.jpg",
            {"folder1": "cat", "folder2": "tabby", "folder3": "young", "folder": "young"},
            "",
        ),
    ]


@everywhere
def test_splits_above_the_classes(tmp_path: Path, make: Maker) -> None:
    path = make(
        tmp_path, "Train/cat/a.jpg", "val/cat/b.jpg", "TEST/dog/c.jpg", "test/d.jpg", "docs/readme.md"
    )
    cat, dog = ({"folder1": name, "folder": name} for name in ("cat", "dog"))
    records, _ = read(path)
    assert {(r.image.name.rpartition("/")[2], r.split, r.answers.get("folder")) for r in records} == {
        ("a.jpg", "train", "cat"),
        ("b.jpg", "validation", "cat"),
        ("c.jpg", "test", "dog"),
        ("d.jpg", "test", None),
    }
    assert {"split": "Train", **cat} in [record.answers for record in records]
    records, _ = read(path, split="")
    assert {(r.split, r.answers["folder1"]) for r in records} == {
        ("", "Train"),
        ("", "val"),
        ("", "TEST"),
        ("", "test"),
    }
    assert {"folder1": "TEST", "folder2": "dog", "folder": "dog"} in [record.answers for record in records]
    assert dog not in [record.answers for record in records]


@everywhere
def test_a_class_called_train_is_a_class(tmp_path: Path, make: Maker) -> None:
    path = make(tmp_path, "bus/a.jpg", "car/b.jpg", "train/c.jpg")
    assert [(expected["folder"], split) for _, expected, split in seen(path)] == [
        ("bus", ""),
        ("car", ""),
        ("train", ""),
    ]


@everywhere
def test_pictures_beside_the_splits_are_fatal(tmp_path: Path, make: Maker) -> None:
    path = make(tmp_path, "train/cat/a.jpg", "test/cat/b.jpg", "extra/cat/c.jpg", "d.jpg")
    records, problems = read(path)
    assert [record.split for record in records] == ["", "", "test", "train"]
    assert [problem.location for problem in problems] == [path.name, f"{path.name}/extra"]
    assert all("they belong to no split" in problem.what and problem.fatal for problem in problems)
    assert read(path, split="")[1] == []


@everywhere
def test_hidden_things_are_not_seen(tmp_path: Path, make: Maker) -> None:
    path = make(
        tmp_path, "cat/a.jpg", ".thumbs/b.jpg", "cat/.b.jpg", "__MACOSX/cat/._a.jpg", "cat/.git/c.jpg"
    )
    assert [name for name, _, _ in seen(path)] == ["cat/a.jpg"]


@everywhere
def test_no_pictures_at_all(tmp_path: Path, make: Maker) -> None:
    path = make(tmp_path, "LICENSE", "notes.txt")
    records, problems = read(path)
    assert records == []
    assert [str(p) for p in problems] == [
        f"{path.name}  holds no pictures — put some into it, or give another path"
    ]
    assert problems[0].fatal


def test_the_one_folder_of_an_archive_is_no_level(tmp_path: Path) -> None:
    assert [expected for _, expected, _ in seen(in_zip(tmp_path, "set/cat/a.jpg", "set/b.jpg"))] == [
        {},
        {"folder1": "cat", "folder": "cat"},
    ]
    assert [
        (expected.get("folder"), split)
        for _, expected, split in seen(in_zip(tmp_path, "x/train/cat/a.jpg", "x/test/b.jpg"))
    ] == [
        (None, "test"),
        ("cat", "train"),
    ]
    assert [
        (expected["folder1"], split) for _, expected, split in seen(in_zip(tmp_path, "train/cat/a.jpg"))
    ] == [("cat", "train")]
    assert [expected["folder"] for _, expected, _ in seen(in_zip(tmp_path, "cat/a.jpg"))] == ["cat"]


def test_an_empty_class_is_named_but_not_fatal(tmp_path: Path) -> None:
    root = on_disk(tmp_path, "cat/a.jpg", "hats/readme.txt")
    (root / "bags" / "small").mkdir(parents=True)
    records, problems = read(root)
    assert len(records) == 1
    assert [(str(problem), problem.fatal) for problem in problems] == [
        ("photos/bags/small  holds no picture", False),
        ("photos/hats  holds no picture", False),
    ]


def test_links_are_followed_once_and_never_upwards(tmp_path: Path) -> None:
    root = on_disk(tmp_path, "cat/a.jpg")
    other = on_disk(tmp_path / "elsewhere", "b.jpg")
    (tmp_path / "private.jpg").touch()
    try:
        (root / "cat" / "loop").symlink_to(root, target_is_directory=True)
        (root / "up").symlink_to(tmp_path, target_is_directory=True)
        (root / "self").symlink_to(root / "self")
        (root / "gone.jpg").symlink_to(root / "nothing")
        (root / "dog").symlink_to(other, target_is_directory=True)
        (root / "hound").symlink_to(other, target_is_directory=True)
    except OSError:
        pytest.skip("links are not allowed here")
    records, problems = read(root)
    assert [record.location for record in records] == [
        "photos/gone.jpg",
        "photos/cat/a.jpg",
        "photos/dog/b.jpg",
    ]
    assert records[2].image.stamp()[0] == str(other.resolve() / "b.jpg")
    assert problems == []


@pytest.mark.skipif(sys.platform != "linux", reason="names must be text here")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = on_disk(tmp_path, "cat\udcff/a\udcfe.jpg")
    ((record,), problems) = read(root)
    assert problems == []
    assert record.location == record.image.name == r"photos/cat\udcff/a\udcfe.jpg"
    assert record.answers["folder"] == r"cat\udcff"
    assert record.image.load()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="every folder may be read here")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    root = on_disk(tmp_path, "cat/a.jpg", "dog/b.jpg")
    (root / "dog").chmod(0)
    records, problems = read(root)
    (root / "dog").chmod(0o700)
    assert len(records) == 1
    assert str(problems[0]).startswith("photos/dog  cannot be read")


def test_order_does_not_depend_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{c}/{n}.jpg" for c in "ba" for n in (10, 9, 1)]
    root = on_disk(tmp_path, *names)
    plain = [record.location for record in read(root)[0]]
    assert plain == [f"photos/{name}" for name in sorted(names)]


def test_a_damaged_archive_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(Exception, match=r"^photos\.zip: is damaged or no such archive — pack it again$"):
        read(tmp_path / "photos.zip")


def test_real_folders(shared: Path) -> None:
    records, problems = read(shared / "data" / "own_pictures" / "rubbish")
    assert (len(records), problems) == (90, [])
    assert {record.answers["folder"] for record in records} == {
        *("cardboard", "glass", "metal", "paper", "plastic", "trash")
    }
    assert len(read(shared / "data" / "own_pictures" / "broken")[0]) == 10


@everywhere
def test_pictures_that_are_not_read_are_there_and_what_accompanies_others_is_not(
    tmp_path: Path, make: Maker
) -> None:
    names = ["cat/a.cr2", "cat/a.jpg", "cat/b.jxl", "dog/c.svg", "dog/notes.txt", "dog/d.heic"]
    expected = ["cat/a.jpg", "cat/b.jxl", "dog/c.svg", "dog/d.heic"]
    records, problems = read(make(tmp_path, *names))
    assert [record.image.name.partition("/")[2] for record in records] == expected and problems == []


@everywhere
def test_scenes_as_they_are_shared(tmp_path: Path, make: Maker) -> None:
    path = make(
        tmp_path,
        *("seg_train/seg_train/sea/1.jpg", "seg_train/seg_train/ice/2.jpg", "seg_test/seg_test/sea/3.jpg"),
        *("seg_pred/seg_pred/4.jpg", "seg_pred/seg_pred/5.jpg"),
    )
    records, problems = read(path)
    assert [(r.image.name[-5:], r.split, dict(r.answers)) for r in records] == [
        ("3.jpg", "test", {"split": "test", "folder1": "sea", "folder": "sea"}),
        ("2.jpg", "train", {"split": "train", "folder1": "ice", "folder": "ice"}),
        ("1.jpg", "train", {"split": "train", "folder1": "sea", "folder": "sea"}),
    ]
    assert [(str(problem), problem.fatal) for problem in problems] == [
        (
            f"{path.name}/seg_pred  holds pictures beside the splits that wait for answers, by its name, so "
            'they are left out — set split = "" if it is a class',
            False,
        )
    ]
    assert len(read(path, split="")[0]) == 5
