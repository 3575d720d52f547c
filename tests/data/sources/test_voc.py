"""Pascal VOC: XML files, lists, and how their pixels are counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read

from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import Problem


def thing(name: str = "cat", box: tuple[Any, ...] = (11, 21, 40, 60), more: str = "") -> str:
    edges = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inside = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges)
    return f"<object><name>{name}</name>{more}<bndbox>{inside}</bndbox></object>"


def write(folder: Path, *things: str, stem: str = "a", head: str = "", picture: bool = True) -> Path:
    if picture:
        draw(folder / "JPEGImages" / f"{stem}.png")
    (folder / "Annotations").mkdir(parents=True, exist_ok=True)
    size = "<size><width>100</width><height>80</height><depth>3</depth></size>"
    page = f"<annotation>{head}{size}{''.join(things)}</annotation>"
    (folder / "Annotations" / f"{stem}.xml").write_text(page)
    return folder


def test_a_box_includes_its_last_pixel(tmp_path: Path) -> None:
    more = "<pose>Unspecified</pose><truncated>1</truncated><difficult>0</difficult><occluded>0</occluded>"
    hard = thing("dog", (1, 1, 100, 80), "<pose>Left</pose><difficult>1</difficult>")
    ((record,), problems) = read(write(tmp_path / "set", thing(more=more), hard))
    assert problems == []
    assert record.location == "set/Annotations/a.xml"
    assert record.answers == {
        "objects": BoxAnnotations(
            (
                Box(10, 20, 40, 60, "cat", {"truncated": "1", "occluded": "0"}),
                Box(0, 0, 100, 80, "dog", {"pose": "Left"}, ignore=True),
            ),
            frozenset({"cat", "dog"}),
        )
    }


def test_a_zero_anywhere_means_that_all_count_from_zero(tmp_path: Path) -> None:
    write(tmp_path / "set", thing(box=(11, 21, 40, 60)))
    base = write(tmp_path / "set", thing(box=(0, 3, 100, 80)), stem="b")
    (a, b), (problem,) = read(base)
    assert (corners(a), corners(b)) == ([(11, 21, 40, 60)], [(0, 3, 100, 80)])
    assert "counted from 0 in all files" in problem.what
    assert problem.location == "set/Annotations/b.xml: object 1"
    (a, b), problems = read(base, first_pixel=1)
    assert (corners(a), corners(b)) == ([(10, 20, 40, 60)], [(0, 2, 100, 80)])
    assert problems == []
    assert corners(read(write(tmp_path / "one", thing()), first_pixel=0)[0][0]) == [(11, 21, 40, 60)]


def test_a_click_at_zero_says_nothing_of_the_counting(tmp_path: Path) -> None:
    ((record,), problems) = read(write(tmp_path / "set", thing(), thing(box=(0, 0, 0, 0))))
    assert corners(record) == [(10, 20, 40, 60)]
    assert kinds(problems) == ["box has no area"]


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ((5, 5, 5, 9), "box has no area"),
        ((9, 5, 5, 9), "box has its corners swapped"),
        ((200, 5, 210, 9), "box outside"),
        ((90, 5, 121, 9), "box beyond the edge"),
        (("", 5, 6, 9), "box has a corner that is no number"),
        (("1_0", 5, 60, 9), "box has a corner that is no number"),
        (("nan", 5, 60, 9), "box has a corner that is no number"),
    ],
)
def test_boxes_that_cannot_be_used_are_reported(tmp_path: Path, box: tuple[Any, ...], kind: str) -> None:
    ((record,), problems) = read(write(tmp_path / "set", thing(), thing(box=box)))
    assert kinds(problems) == [kind]
    used = kind in ("box beyond the edge", "box has its corners swapped")
    assert len(boxes(record)) == (2 if used else 1)
    assert (annotations_of(record).queried == frozenset({"cat"})) == used
    if "swapped" in kind:
        assert corners(record)[1] == (4, 4, 9, 9)


def test_what_else_is_said_of_a_box(tmp_path: Path) -> None:
    more = (
        "<attributes><attribute><name>colour</name><value>red</value></attribute></attributes>"
        "<actions><jumping>1</jumping></actions>"
        "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    )
    ((record,), (problem,)) = read(write(tmp_path / "set", thing(more=more)))
    assert boxes(record)[0].attributes == {"colour": "red", "jumping": "1"}
    assert "parts" in problem.what


def test_polygons_and_turned_boxes_are_taken_by_their_bounds(tmp_path: Path) -> None:
    outline = (
        "<polygon><pt><x>11</x><y>21</y></pt><pt><x>40</x><y>30</y></pt><pt><x>15</x><y>60</y></pt></polygon>"
    )
    turned = "<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
    nothing = "<object><name>hen</name></object>"
    objects = [f"<object><name>cat</name>{folder}</object>" for folder in (outline, turned)]
    ((record,), problems) = read(write(tmp_path / "set", *objects, nothing))
    assert corners(record)[0] == (10, 20, 40, 60)
    assert corners(record)[1] == pytest.approx((44, 29, 55, 50))
    assert len(problems) == 2
    assert "2 times" in problems[0].what


def test_lists_give_the_splits(tmp_path: Path) -> None:
    base = tmp_path / "set"
    for stem in "abcd":
        write(base, thing(), stem=stem)
    draw(base / "JPEGImages" / "e.png")
    lists = base / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("b\n")
    (lists / "test.txt").write_text("JPEGImages/c.png\r\ne\n\nnone\n")
    (lists / "cat_val.txt").write_text("b  1\n")
    (lists / "dog_trainval.txt").write_text("a -1\nb  0\n")
    records, problems = read(base)
    objects = {record.image.name[0]: record.split for record in records}
    assert objects == {"a": "train", "b": "validation", "c": "test", "d": "", "e": "test"}
    assert "objects" not in records[-1].answers
    assert kinds(problems) == ["list of a class", "no annotation", "on no list", "picture not there"]
    (message,) = [str(problem) for problem in problems if problem.kind == "list of a class"]
    assert message.startswith("Main/cat_val.txt  tells of one class") and "2 times" in message
    assert [r.split for r in read(base, split="")[0]] == [""] * 5


def test_a_picture_of_two_splits_is_fatal(tmp_path: Path) -> None:
    base = write(tmp_path / "set", thing())
    for name in ("train", "val"):
        (base / f"{name}.txt").write_text("a\n")
    _, (problem,) = read(base)
    assert problem.fatal
    assert str(problem).startswith('val.txt:1  "a" is in validation, but in train by train.txt:1')


def test_folders_per_split(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write(tmp_path / "set" / split, thing())
        for file in ("JPEGImages/a.png", "Annotations/a.xml"):
            (tmp_path / "set" / split / file).rename(tmp_path / "set" / split / Path(file).name)
    records, problems = read(tmp_path / "set")
    assert [(r.location, r.split) for r in records] == [
        ("set/train/a.xml", "train"),
        ("set/valid/a.xml", "validation"),
    ]
    assert all(record.image.load() for record in records)
    assert problems == []


def test_the_picture_is_the_one_called_like_the_file(tmp_path: Path) -> None:
    base = tmp_path / "set"
    write(base, thing(), stem="a", head="<filename>b.png</filename>")
    write(base, thing(), stem="b", head="<filename>b.png</filename>")
    draw(base / "JPEGImages" / "other.png")
    write(base, thing(), stem="c", head="<filename>other.png</filename>", picture=False)
    records, problems = read(base)
    assert [record.image.name for record in records] == ["a.png", "b.png", "other.png"]
    assert kinds(problems) == ["filename"]
    assert "2 times" in problems[0].what


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<annotation><object><name>cat</na", "is cut short"),
        (b"<annotation><a></b></annotation>", "is no XML here"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares a document type"),
        (
            '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><annotation/>'.encode("utf-16"),
            "document type",
        ),
        (b"<annotations/>", "begins with <annotations>"),
        (b"<annotation>" + b"<a>" * 200, "inside one another"),
        (b'<?xml version="1.0" encoding="klingon"?><annotation/>', "encoding"),
        (b"", "is cut short"),
    ],
)
def test_a_damaged_file_costs_only_its_own_boxes(tmp_path: Path, content: bytes, message: str) -> None:
    base = write(tmp_path / "set", thing())
    (base / "Annotations" / "b.xml").write_bytes(content)
    (record,), (problem,) = read(base)
    assert len(boxes(record)) == 1
    assert not problem.fatal
    assert problem.location == "set/Annotations/b.xml"
    assert message in problem.what


def test_entities_never_grow(tmp_path: Path) -> None:
    """A billion laughs: the file is small, what it declares is not."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    page = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><annotation><filename>&e11;</filename></annotation>'
    base = write(tmp_path / "set", thing())
    (base / "Annotations" / "b.xml").write_text(page)
    assert len(read(base)[0]) == 1


def test_names_do_not_leave_the_folder(tmp_path: Path) -> None:
    draw(tmp_path / "secret.png")
    base = write(tmp_path / "set", thing())
    write(base, thing(), stem="b", head="<filename>../../secret.png</filename>", picture=False)
    (record,), problems = read(base)
    assert record.image.name == "a.png"
    assert "picture name" in kinds(problems)


@pytest.mark.parametrize(("name", "pictures", "count"), [("bccd", 364, 4886), ("raccoon", 200, 217)])
def test_real_sets(shared: Path, name: str, pictures: int, count: int) -> None:
    records, problems = read(shared / "data" / name)
    assert len(records) == pictures
    assert sum(len(boxes(record)) for record in records) == count
    assert min(value for record in records for corner in corners(record) for value in corner) == 0
    assert Counter(record.split for record in records) == (
        {"train": 205, "validation": 87, "test": 72} if name == "bccd" else {"": 200}
    )
    assert kinds(problems) == ["box has no area"] * (2 if name == "bccd" else 0)
    assert {type(problem) for problem in problems} <= {Problem}
    assert all(annotations_of(record).queried for record in records)
