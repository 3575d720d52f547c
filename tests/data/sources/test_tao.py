"""NVIDIA TAO's multi-task sets: a folder is a source of its own, a single file a plain table."""

from __future__ import annotations

from pathlib import Path

from support.annotated import draw, read

from oneglance.data.source import open_source


def write(folder: Path) -> Path:
    for n in range(3):
        draw(folder / "images" / f"{n}.png")
    (folder / "train.csv").write_text("fname,color,type,size\n0.png,Blue,1,Big\n2.png,Red,,Small\n")
    (folder / "val.csv").write_text("fname,color,type,size\n1.png,Red,0,Small\n")
    return folder


def test_a_folder_has_its_splits(tmp_path: Path) -> None:
    records, problems = read(write(tmp_path / "set"))
    assert problems == []
    assert [(record.location, record.split, record.answers) for record in records] == [
        ("set/train.csv:2", "train", {"color": "Blue", "type": "1", "size": "Big", "split": "train"}),
        ("set/train.csv:3", "train", {"color": "Red", "size": "Small", "split": "train"}),
        ("set/val.csv:2", "validation", {"color": "Red", "type": "0", "size": "Small", "split": "val"}),
    ]
    assert all(record.image.load() for record in records)


def test_a_single_file_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "set") / "train.csv"
    assert open_source({"path": path.name}, path.parent).format == "table"
    records, problems = read(path)
    assert [record.answers["color"] for record in records] == ["Blue", "Red"]
    assert all(record.image.load() for record in records)
    assert problems == []


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    base = write(tmp_path / "set")
    (base / "train.csv").write_text("image,color\n0.png,Blue\n")
    (base / "val.csv").unlink()
    assert open_source({"path": "set"}, tmp_path).format == "folder"
