"""CVAT for images: shapes, tags, attributes, and what is no box."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read

from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.source import open_source
from oneglance.errors import DataError

LABELS = (
    "<label><name>cat</name><type>rectangle</type></label>"
    "<label><name>person</name><type>tag</type></label>"
    "<label><name>dog</name></label>"
)


def write(folder: Path, shapes: str, head: str = "", image: str = "", labels: str = LABELS) -> Path:
    draw(folder / "images" / "a.png")
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    found = image or f'<image id="3" name="a.png" width="100" height="80">{shapes}</image>'
    path = folder / "annotations.xml"
    path.write_text(f"<?xml version='1.0' encoding='utf-8'?><annotations>{head or meta}{found}</annotations>")
    return path


BOX = '<box label="cat" occluded="0" xtl="10" ytl="20" xbr="40" ybr="60" z_order="0"/>'


def test_boxes_keep_their_attributes(tmp_path: Path) -> None:
    more = (
        '<box label="dog" occluded="1" source="manual" xtl="1.5" ytl="2.25" xbr="30" ybr="40">'
        '<attribute name="colour">red</attribute><attribute name="note"></attribute></box>'
    )
    ((record,), problems) = read(write(tmp_path, BOX + more))
    assert problems == []
    assert open_source({"path": "annotations.xml"}, tmp_path).format == "cvat"
    assert record.location == "annotations.xml: image 3"
    assert record.image.load()
    assert annotations_of(record) == BoxAnnotations(
        (
            Box(10, 20, 40, 60, "cat", {"occluded": "0"}),
            Box(1.5, 2.25, 30, 40, "dog", {"colour": "red", "occluded": "1"}),
        ),
        frozenset({"cat", "dog"}),
    )


def test_tags_and_their_attributes_are_fields(tmp_path: Path) -> None:
    tags = (
        '<tag label="person"><attribute name="age">old</attribute></tag>'
        '<tag label="outdoors"/><tag label="person"/>'
    )
    ((record,), problems) = read(write(tmp_path, tags))
    assert problems == []
    assert record.answers == {
        "tags": ["person", "outdoors"],
        "person.age": "old",
        "objects": BoxAnnotations((), frozenset({"cat", "dog"})),
    }


def test_labels_for_tags_alone_say_nothing_of_boxes(tmp_path: Path) -> None:
    labels = "<label><name>person</name><type>tag</type></label>"
    ((record,), _) = read(write(tmp_path, '<tag label="person"/>', labels=labels))
    assert record.answers == {"tags": ["person"]}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="cat" points="10.0,20.0;40.0,30.0;15.0,60.0"/>', (10, 20, 40, 60)),
        ('<ellipse label="cat" cx="25" cy="40" rx="15" ry="20"/>', (10, 20, 40, 60)),
        ('<ellipse label="cat" cx="25" cy="40" rx="20" ry="15" rotation="90"/>', (10, 20, 40, 60)),
        ('<mask label="cat" rle="1, 2" left="10" top="20" width="30" height="40"/>', (10, 20, 40, 60)),
        ('<box label="cat" xtl="5" ytl="25" xbr="45" ybr="55" rotation="90"/>', (10, 20, 40, 60)),
        (
            '<cuboid label="cat" xtl1="10" ytl1="25" xbl1="10" ybl1="60"'
            ' xtr1="30" ytr1="25" xbr1="30" ybr1="60"'
            ' xtl2="20" ytl2="20" xbl2="20" ybl2="50" xtr2="40" ytr2="20" xbr2="40" ybr2="50"/>',
            (10, 20, 40, 60),
        ),
    ],
)
def test_other_shapes_are_taken_by_their_bounds(
    tmp_path: Path, shape: str, expected: tuple[float, ...]
) -> None:
    ((record,), (problem,)) = read(write(tmp_path, shape + shape.replace("cat", "dog")))
    assert corners(record) == [pytest.approx(expected)] * 2
    assert "its bounds are taken (2 times, here first)" in problem.what


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ('<points label="cat" points="1,2;3,4"/>', "points"),
        ('<polyline label="cat" points="1,2;3,4"/>', "polyline"),
        ('<skeleton label="cat"><points label="1" points="1,2"/></skeleton>', "skeleton"),
        ('<box label="cat" xtl="10" ytl="20" xbr="10" ybr="60"/>', "box has no area"),
        ('<box label="cat" xtl="10" ytl="20" ybr="60"/>', "box has a corner that is no number"),
        ('<box label="cat" xtl="50" ytl="20" xbr="10" ybr="60"/>', "box has its corners swapped"),
        ('<box label="cat" xtl="500" ytl="20" xbr="510" ybr="60"/>', "box outside"),
    ],
)
def test_what_cannot_be_used_is_reported(tmp_path: Path, shape: str, kind: str) -> None:
    ((record,), problems) = read(write(tmp_path, BOX + shape))
    assert kinds(problems) == [kind]
    used = kind == "box has its corners swapped"
    assert corners(record) == ([(10, 20, 40, 60), (10, 20, 50, 60)] if used else [(10, 20, 40, 60)])
    assert annotations_of(record).queried == frozenset({"cat", "dog"} if used else {"dog"})


def test_words_between_shapes_may_be_a_broken_one(tmp_path: Path) -> None:
    ((record,), (problem,)) = read(write(tmp_path, f"{BOX}\n  {BOX[1:]}\n"))
    assert annotations_of(record) == BoxAnnotations(boxes(record), frozenset(), frozenset({""}))
    assert len(boxes(record)) == 1
    assert 'holds the text "box label' in problem.what


def test_a_label_that_the_file_does_not_list_is_none(tmp_path: Path) -> None:
    ((record,), problems) = read(
        write(tmp_path, BOX + BOX.replace("cat", "cta") + '<points label="do" points=""/>')
    )
    assert [box.label for box in boxes(record)] == ["cat", ""]
    assert annotations_of(record).queried == frozenset()
    assert kinds(problems) == ["label unknown", "label unknown", "points"]


def test_a_tag_without_a_label_makes_the_tags_unknown(tmp_path: Path) -> None:
    ((record,), (problem,)) = read(write(tmp_path, '<tag label="person"/><tag/>'))
    assert "tags" not in record.answers
    assert problem.kind == "tag"


def test_subsets_are_splits_but_default_is_none(tmp_path: Path) -> None:
    names = ("Train", "Validation", "default", "")
    for n in range(len(names)):
        draw(tmp_path / f"{n}.png")
    images = "".join(f'<image id="{n}" name="{n}.png" subset="{split}"/>' for n, split in enumerate(names))
    records, problems = read(write(tmp_path, "", image=images))
    assert [record.split for record in records] == ["train", "validation", "", ""]
    assert problems == []


def test_a_folder_holds_its_files(tmp_path: Path) -> None:
    base = tmp_path / "set"
    write(base, BOX).rename(base / "train.xml")
    write(base, "").rename(base / "val.xml")
    assert open_source({"path": "set"}, tmp_path).format == "cvat"
    records, problems = read(base)
    assert [(record.location, record.split, len(boxes(record))) for record in records] == [
        ("set/train.xml: image 3", "train", 1),
        ("set/val.xml: image 3", "validation", 0),
    ]
    assert problems == []
    (base / "val.xml").unlink()
    (base / "train.xml").rename(base / "annotations.xml")
    ((record,), _) = read(base)
    assert (record.split, record.image.load() != b"") == ("", True)


def test_tracks_are_reported(tmp_path: Path) -> None:
    track = '<track id="0" label="cat"><box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/></track>'
    path = write(tmp_path, BOX, image=f'{track * 2}<image id="0" name="a.png">{BOX}</image>')
    ((record,), (problem,)) = read(path)
    assert len(boxes(record)) == 1
    assert problem.kind == "track"
    assert "2 times" in problem.what


def test_another_version_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'is of version "2.0"; 1.0 and 1.1 are read'):
        read(write(tmp_path, BOX, head="<version>2.0</version>"))


def test_a_file_cut_short_is_one_message(tmp_path: Path) -> None:
    path = write(tmp_path, BOX)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"annotations\.xml:1: is cut short"):
        read(path)


def test_document_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotations>&x;</annotations>')
    with pytest.raises(DataError, match="declares a document type"):
        read(path)
