"""Text files of boxes as public sets of aerial photographs have them: DOTA and VisDrone."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read
from support.layouts import proposed, write

import oneglance
from oneglance.data.images.references import FileImage
from oneglance.data.parsing.annotations.pair_lists import has_pairs
from oneglance.data.parsing.layouts import named_split
from oneglance.data.record import BoxAnnotations

DOTA = "imagesource:GoogleEarth\ngsd:0.146343590398\n"
PLANE = "12.0 20.0 40.0 10.0 38.0 60.0 10.0 58.0 large-vehicle 0\n"
SHIP = "50 10 70 10 70 30 50 30 ship 1\n"


@pytest.mark.parametrize("folder", ["labelTxt", "labelTxt-v1.0", "labelTxt-v1.5/labelTxt"])
def test_dota(tmp_path: Path, folder: str) -> None:
    for part in ("train", "val"):
        for n, text in enumerate((PLANE + SHIP, PLANE, "", SHIP)):
            draw(tmp_path / "set" / part / "images" / f"P{part}{n}.png")
            write(tmp_path / "set" / part / folder / f"P{part}{n}.txt", DOTA + text)
    found = proposed(tmp_path / "set")
    assert found.tasks["objects"]["type"] == "boxes"
    first, _, third, fourth = found.records[:4]
    assert corners(first) == [(10, 10, 40, 60), (50, 10, 70, 30)]
    assert [(box.label, box.ignore) for box in boxes(first)] == [("large-vehicle", False), ("ship", True)]
    assert annotations_of(third) == BoxAnnotations((), frozenset({"large-vehicle", "ship"}))
    assert annotations_of(fourth).boxes[0].ignore
    assert {record.split for record in found.records} == {"train", "validation"}
    assert found.problems == []


def test_lists_of_pictures_with_their_text_files(tmp_path: Path) -> None:
    """Each board beside the template that it was made after, as lists name them without saying which."""
    folder, lines = tmp_path / "repo/Data", []
    for n, text in enumerate(("12 20 40 60 3\n", "50 10 70 30 1\n5 60 90 75 3\n", "", "30 1 44 61 2\n")):
        for word in ("temp", "test"):
            draw(folder / f"group7/0{n % 2}/{n}_{word}.png")
        write(folder / f"group7/0{n % 2}_not/{n}.txt", text)
        lines.append(f"group7/0{n % 2}/{n}.png group7/0{n % 2}_not/{n}.txt\n")
    write(folder / "trainval.txt", "".join(lines[:3]) + "a line of something else\n")
    write(folder / "test.txt", lines[3])
    draw(tmp_path / "repo/fig/logo.png")
    found = proposed(tmp_path / "repo")
    assert found.sources[0]["columns"] == ["xmin", "ymin", "xmax", "ymax", "class"]
    assert [record.split for record in found.records] == ["train", "train", "train", "test"]
    images = [record.image for record in found.records]
    assert [isinstance(one, FileImage) and Path(one.path).name for one in images] == [
        f"{n}_test.png" for n in range(4)
    ]
    assert [corners(record) for record in found.records] == [
        [(12, 20, 40, 60)],
        [(50, 10, 70, 30), (5, 60, 90, 75)],
        [],
        [(30, 1, 44, 61)],
    ]
    assert sorted(kinds(found.problems)) == ["line of a list", "on no list", "picture names"]
    assert '"group7/00/0.png" is "0_test.png"' in found.text


def test_a_picture_on_two_lists_is_told(tmp_path: Path) -> None:
    for n in range(4):
        draw(tmp_path / "set" / f"{n}.png")
        write(tmp_path / "set/boxes" / f"{n}.txt", f"1{n} 20 40 60 3\n")
    for part, numbers in {"train": (0, 1, 2), "test": (2, 3)}.items():
        lines = "".join(f"{n}.png boxes/{n}.txt\n" for n in numbers)
        write(tmp_path / "set" / f"{part}.txt", lines)
    columns = ["xmin", "ymin", "xmax", "ymax", "class"]
    records, problems = read(tmp_path / "set", format="text_boxes", columns=columns)
    assert kinds(problems) == ["two parts"]
    assert {record.image.name: record.split for record in records}["2.png"] in ("train", "test")
    assert len(records) == 4


@pytest.mark.parametrize(
    "line", ["../else/1.png ../else/1.txt", "/etc/1.png /etc/1.txt", "1.png 2.png", "1.png", "a b c"]
)
def test_what_a_list_may_not_name(tmp_path: Path, line: str) -> None:
    for n in range(3):
        draw(tmp_path / "set" / f"{n}.png")
        write(tmp_path / "set" / f"{n}.txt", "12 20 40 60 3\n")
    draw(tmp_path / "else" / "1.png")
    write(tmp_path / "else" / "1.txt", "12 20 40 60 3\n")
    write(tmp_path / "set" / "train.txt", line + "\n")
    assert not has_pairs(tmp_path / "set")


def test_a_damaged_line_is_no_heading(tmp_path: Path) -> None:
    for n, text in enumerate((PLANE + SHIP, SHIP, "ship:1\n" + PLANE)):
        draw(tmp_path / "set" / "images" / f"{n}.png")
        write(tmp_path / "set" / "labelTxt" / f"{n}.txt", DOTA + text)
    columns = ["x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4", "class", "difficult"]
    records, problems = read(tmp_path / "set", format="text_boxes", columns=columns)
    assert annotations_of(records[2]).queried == frozenset()
    assert kinds(problems) == ["line of no box"]


def visdrone(folder: Path) -> None:
    rows = ("10,20,30,40,1,4,0,1\n60,10,10,12,0,11,1,2,\n", "5,5,20,20,0,0,0,0\n1,2,30,40,1,1,0,0\n", "")
    for part in ("train", "val", "test-dev"):
        for n, text in enumerate(rows):
            draw(folder / f"VisDrone2019-DET-{part}" / "images" / f"{n:07}_{part}.jpg")
            write(folder / f"VisDrone2019-DET-{part}" / "annotations" / f"{n:07}_{part}.txt", text)


def test_visdrone(tmp_path: Path) -> None:
    visdrone(tmp_path / "set")
    found = proposed(tmp_path / "set")
    assert found.sources[0]["ignore"] == ["0"]
    assert sorted({record.split for record in found.records}) == ["test", "train", "validation"]
    first, second, third = sorted(
        (record for record in found.records if record.split == "train"), key=lambda record: record.image.name
    )
    assert corners(first) == [(10, 20, 40, 60), (60, 10, 70, 22)]
    assert [(box.label, box.ignore) for box in boxes(first)] == [("car", False), ("others", True)]
    assert boxes(first)[0].attributes == {"truncated": "0", "occluded": "1"}
    assert [(box.label, box.ignore) for box in boxes(second)] == [("", True), ("pedestrian", False)]
    assert annotations_of(third) == BoxAnnotations((), frozenset({"car", "others", "pedestrian"}))
    assert found.problems == []


@pytest.mark.parametrize(
    "row",
    [
        "10,20,30,40,1,12,0,1",
        "10,20,30,40,0.9,4,0,1",
        "90,70,30,40,1,4,0,1",
        "10,20,30,40,1,4,0,3",
        f"1,2,3,4,1,{'9' * 5000},0,0",
    ],
)
def test_other_lines_of_eight_numbers_are_not_visdrone(tmp_path: Path, row: str) -> None:
    for n in range(3):
        draw(tmp_path / "set" / "images" / f"{n}.jpg")
        write(tmp_path / "set" / "annotations" / f"{n}.txt", f"{row}\n")
    with pytest.raises(oneglance.DataError):
        read(tmp_path / "set", format="text_boxes")


def test_convert(tmp_path: Path) -> None:
    visdrone(tmp_path / "set")
    oneglance.convert(tmp_path / "set", "coco", tmp_path / "new")
    found = proposed(tmp_path / "new")
    assert len(found.records) == 9


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("VisDrone2019-DET-test-dev", "test"),
        ("VisDrone2019-DET-test-challenge", "test"),
        ("test-dev2017", "test"),
        ("VisDrone2019-DET-train", "train"),
        ("dev", "validation"),
        ("train_val", ""),
    ],
)
def test_the_split_of_a_folder(name: str, split: str) -> None:
    assert named_split(name) == split
