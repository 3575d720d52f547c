"""CUB-200-2011's text files."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import corners, draw, kinds, read
from support.layouts import proposed, write

import oneglance
from oneglance.errors import DataError

KINDS = ("001.Black_footed_Albatross", "817 Oak Titmouse (Adult)")


def cub(folder: Path, count: int = 8) -> Path:
    files: dict[str, list[str]] = {
        name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")
    }
    for n in range(count):
        name = f"{n % 2:03}/{n:04}.jpg"
        draw(folder / "images" / name)
        for file, text in zip(files, (name, n % 2, n // 4 % 2, f"10.0 20.0 30.5 {40.0 + n}"), strict=True):
            files[file].append(f"id-{n} {text}")
    files["classes"] = [f"{number} {kind}" for number, kind in enumerate(KINDS)]
    for file, lines in files.items():
        write(folder / f"{file}.txt", "\n".join(lines) + "\n")
    return folder


def add(folder: Path, name: str, *lines: str) -> None:
    with (folder / f"{name}.txt").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("inside", ["", "CUB_200_2011"])
def test_class_split_and_box(tmp_path: Path, inside: str) -> None:
    cub(tmp_path / "set" / inside)
    write(tmp_path / "set" / inside / "attributes" / "image_attribute_labels.txt", "1 1 0 3 27.7\n")
    found = proposed(tmp_path / "set")
    assert found.tasks == {"class": {"type": "label"}, "objects": {"type": "boxes", "single": "object"}}
    assert [record.answers["class"] for record in found.records] == list(KINDS) * 4
    assert [record.split for record in found.records] == ["test"] * 4 + ["train"] * 4
    assert corners(found.records[1]) == [(10, 20, 40.5, 61)]
    assert found.problems == []


def test_without_the_other_files(tmp_path: Path) -> None:
    folder = cub(tmp_path / "set")
    for name in ("classes", "train_test_split", "bounding_boxes"):
        (folder / f"{name}.txt").unlink()
    records, problems = read(folder)
    assert [record.answers for record in records] == [{"class": "0"}, {"class": "1"}] * 4
    assert problems == []


def test_odd_lines(tmp_path: Path) -> None:
    folder = cub(tmp_path / "set")
    add(folder, "images", "id-1 001/0003.jpg", "id-90 ../../etc/x.jpg", "id-91", "id-92 001/gone.jpg")
    add(folder, "image_class_labels", "id-92 7", "id-93 0")
    add(folder, "bounding_boxes", "id-92 1 2 3", "id-94 1 2 3 4")
    write(
        folder / "bounding_boxes.txt",
        (folder / "bounding_boxes.txt").read_text().replace("id-0 10.0 20.0 30.5", "id-0 10.0 1e999 nan"),
    )
    records, problems = read(folder)
    assert len(records) == 9
    assert records[0].answers == {"class": KINDS[0], "split": "test"}
    assert records[1].image.name == "001/0001.jpg"
    assert records[-1].answers == {}
    assert {
        "twice in images.txt",
        "line of images.txt",
        "picture name",
        "class unknown",
        "line of no box",
        "no such picture in image_class_labels.txt",
        "no such picture in bounding_boxes.txt",
    } <= set(kinds(problems))


def test_a_split_of_another_number_stops(tmp_path: Path) -> None:
    folder = cub(tmp_path / "set")
    write(folder / "train_test_split.txt", "id-0 2\n")
    assert [problem.kind for problem in read(folder)[1] if problem.fatal] == ["split word"]


def test_convert(tmp_path: Path) -> None:
    oneglance.convert(cub(tmp_path / "set"), "table", tmp_path / "new")
    found = proposed(tmp_path / "new")
    kinds_read = [record.answers["class"] for record in found.records if "class" in record.answers]
    assert sorted(kinds_read) == sorted(KINDS * 4)


def test_another_folder(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "a.jpg")
    with pytest.raises(DataError, match=r"holds no images\.txt"):
        read(tmp_path / "set", format="cub")
