"""CelebA's text tables, in the folders in which people have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import annotations_of, corners, draw, kinds, read
from support.layouts import proposed, write

from oneglance.data.record import BoxAnnotations
from oneglance.errors import DataError

COUNT = 24


def celeba(folder: Path, tables: str = "", evaluation: str = "", pictures: str = "img_align_celeba") -> Path:
    """Two faces of each of twelve people."""
    attributes, parts, people, boxes = (
        [str(COUNT), "Bald Eyeglasses Male "],
        [],
        [],
        [str(COUNT), "image_id x_1 y_1 width height"],
    )
    for n in range(COUNT):
        name = f"{n:06}.jpg"
        draw(folder / pictures / name)
        attributes.append(f"{name}  {1 if n % 3 else -1}  {-1 if n % 2 else 1} {1 if n % 4 else -1:2d}")
        parts.append(f"{name} {0 if n < 12 else 1 if n < 18 else 2}")
        people.append(f"{name} {1000 + n // 2}")
        boxes.append(f"{name}    10  20  30  {40 if n else 4000}")
    write(folder / tables / "list_attr_celeba.txt", "\n".join(attributes) + "\n")
    write(folder / evaluation / "list_eval_partition.txt", "\n".join(parts) + "\n")
    write(folder / tables / "identity_CelebA.txt", "\n".join(people) + "\n")
    write(folder / tables / "list_bbox_celeba.txt", "\n".join(boxes) + "\n")
    write(folder / tables / "list_landmarks_align_celeba.txt", f"{COUNT}\nlefteye_x\n")
    return folder


@pytest.mark.parametrize(
    ("tables", "evaluation", "pictures"),
    [
        ("", "", "img_align_celeba"),
        ("", "", "img_align_celeba/img_align_celeba"),
        ("Anno", "Eval", "Img/img_align_celeba"),
        ("", "", ""),
        ("", "", "faces"),
    ],
)
def test_layouts(tmp_path: Path, tables: str, evaluation: str, pictures: str) -> None:
    found = proposed(celeba(tmp_path / "set", tables, evaluation, pictures))
    assert found.tasks["attributes"] == {"type": "tags", "from": ["Bald", "Eyeglasses", "Male"]}
    assert [source["group"] for source in found.sources] == ["person"]
    assert len(found.tasks) == 1
    assert [record.split for record in found.records] == ["train"] * 12 + ["validation"] * 6 + ["test"] * 6
    assert found.records[1].answers == {
        "Bald": "1",
        "Eyeglasses": "-1",
        "Male": "1",
        "person": "1000",
        "split": "train",
    }
    assert found.records[0].group == found.records[1].group != found.records[2].group
    assert not [problem for problem in found.problems if problem.fatal]


def test_as_csv(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set", pictures="img_align_celeba/img_align_celeba")
    for name, header in (
        ("list_attr_celeba", "image_id,Bald,Eyeglasses,Male"),
        ("list_eval_partition", "image_id,partition"),
    ):
        lines = (folder / f"{name}.txt").read_text().splitlines()
        rows = [",".join(line.split()) for line in lines if ".jpg" in line]
        write(folder / f"{name}.csv", "\n".join([header, *rows]) + "\n")
        (folder / f"{name}.txt").unlink()
    found = proposed(folder)
    assert found.tasks["attributes"]["from"] == ["Bald", "Eyeglasses", "Male"]
    assert [record.split for record in found.records].count("validation") == 6


def test_pictures_saved_otherwise(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set")
    for file in list((folder / "img_align_celeba").iterdir()):
        draw(folder / "img_align_celeba_png" / f"{file.stem}.png")
        file.unlink()
    records, problems = read(folder)
    assert problems == []
    assert all(record.image.stamp()[0].endswith(".png") for record in records)


def test_boxes_are_those_of_whole_photographs(tmp_path: Path) -> None:
    records, problems = read(celeba(tmp_path / "set", "Anno", "Eval", "Img/img_celeba"))
    assert corners(records[1]) == [(10, 20, 40, 60)]
    assert corners(records[0]) == [(10, 20, 40, 80)]
    assert annotations_of(records[1]).queried == frozenset({"face"})
    assert kinds(problems) == ["box beyond the edge", "one face each"]


def test_both_kinds_of_pictures(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set", pictures="img_celeba")
    celeba(folder, pictures="img_align_celeba")
    records, problems = read(folder)
    assert not any(
        isinstance(value, BoxAnnotations) for record in records for value in record.answers.values()
    )
    assert len({record.image for record in records}) == COUNT
    assert problems == []


def test_odd_rows(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set", pictures="img_celeba")
    for name, row in (
        ("list_attr_celeba", "000000.jpg 1 1 1 1 1 1"),
        ("list_attr_celeba", "../../etc/x.jpg 1 1 1"),
        ("list_eval_partition", "000001.jpg 2"),
        ("list_eval_partition", "lonely.jpg"),
        ("list_bbox_celeba", "000002.jpg"),
        ("identity_CelebA", "\0"[:0] + "x" * 100_000),
    ):
        with (folder / f"{name}.txt").open("a") as file:
            file.write(f"{row}\n")
    boxes = (
        (folder / "list_bbox_celeba.txt").read_text().replace("000003.jpg    10  20", "000003.jpg  nan 1e999")
    )
    write(folder / "list_bbox_celeba.txt", boxes.replace("000004.jpg    10  20  30  40", "000004.jpg 10"))
    records, problems = read(folder)
    assert len(records) == COUNT
    assert records[1].split == "train"
    assert "objects" not in records[3].answers and "objects" not in records[4].answers
    assert {"too many cells", "picture name", "box"} <= set(kinds(problems))


def test_a_split_of_another_number_stops(tmp_path: Path) -> None:
    folder = celeba(tmp_path / "set")
    write(folder / "list_eval_partition.txt", "000000.jpg 3\n")
    _, problems = read(folder)
    assert [problem.kind for problem in problems if problem.fatal] == ["split word"]


def test_without_its_table(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "a.jpg")
    with pytest.raises(DataError, match="holds no list_attr_celeba"):
        read(tmp_path / "set", format="celeba")
