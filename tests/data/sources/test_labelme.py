"""LabelMe's JSON: shapes, flags, pictures that are called otherwise or stand in the file."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read
from support.layouts import HEIGHT, PARTS, THINGS, WIDTH, check_things, found_things, proposed, write
from support.layouts import draw as draw_things

import oneglance
from oneglance.data.images.header import Header, header
from oneglance.data.record import BoxAnnotations
from oneglance.data.source import open_source
from oneglance.errors import DataError


def shape(label: Any = "cat", *points: Any, kind: Any = "rectangle", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": list(points or ([10, 20], [40, 60])), "shape_type": kind, **more}


def said(*shapes: Any, **more: Any) -> dict[str, Any]:
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": 80,
        "imageWidth": 100,
        **more,
    }


def put(folder: Path, name: str, *shapes: Any, picture: bool = True, **more: Any) -> Path:
    if picture:
        draw(folder / f"{name}.png")
    return write(folder / f"{name}.json", json.dumps(said(*shapes, **more)))


def labelme(stem: str, **more: Any) -> str:
    things = [shape(label, [x1, y1], [x0, y0]) for label, x0, y0, x1, y1 in THINGS[stem]]
    sizes = {"imageWidth": WIDTH, "imageHeight": HEIGHT}
    return json.dumps(said(*things, **{"imagePath": f"{stem}.png", **sizes, **more}))


@pytest.mark.parametrize(
    ("pictures", "files"),
    [
        ("", ""),
        ("images", "labels"),
        ("img", "ann"),
        ("{part}", "{part}"),
        ("{part}/images", "{part}/labels"),
        ("images/{part}", "labels/{part}"),
        ("photos", "json"),
        ("pets", "pets"),
    ],
)
def test_layouts(tmp_path: Path, pictures: str, files: str) -> None:
    for stem in THINGS:
        draw_things(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        write(tmp_path / "set" / files.format(part=PARTS[stem]) / f"{stem}.json", labelme(stem))
    check_things(proposed(tmp_path / "set"), parts="part" in pictures)


def test_folders_of_classes_are_answers(tmp_path: Path) -> None:
    for n in range(12):
        put(tmp_path / "set" / ("pets", "cars")[n % 2], f"p{n:02}", shape(), imagePath=f"p{n:02}.png")
    found = proposed(tmp_path / "set")
    assert {name: task["type"] for name, task in found.tasks.items()} == {
        "folder": "label",
        "objects": "boxes",
    }


def test_every_shape(tmp_path: Path) -> None:
    put(
        tmp_path / "set",
        "a",
        shape("box", [40, 60], [10, 20]),  # drawn from the lower right
        shape("poly", [10, 20], [40, 25], [30, 60], kind="polygon"),
        shape("round", [50, 40], [53, 44], kind="circle"),
        shape("cut", [10, 20], [39, 59], kind="mask", mask="iVBORw0KGgo="),
        shape("old", [10, 20], [40, 25], [30, 61], kind=""),
        shape("line", [1, 2], [3, 4], kind="line"),
        shape("nose", [5, 5], kind="point"),
    )
    ((record,), problems) = read(tmp_path / "set")
    assert corners(record) == [
        (10, 20, 40, 60),
        (10, 20, 40, 60),
        (45, 35, 55, 45),
        (10, 20, 40, 60),
        (10, 20, 40, 61),
    ]
    found = annotations_of(record)
    assert found.queried == frozenset({"box", "poly", "round", "cut", "old"})
    assert found.unplaced == frozenset({"line", "nose"})
    assert kinds(problems) == [
        "bounds of circle",
        "bounds of mask",
        "bounds of polygon",
        "line",
        "point",
    ]


def test_a_class_that_is_drawn_as_a_point_is_unknown_there(tmp_path: Path) -> None:
    put(tmp_path / "set", "a", shape("cat"), shape("dog", [5, 5], kind="point"))
    put(tmp_path / "set", "b", shape("dog"))
    put(tmp_path / "set", "c")
    (a, b, c), _ = read(tmp_path / "set")
    assert annotations_of(a).queried == frozenset({"cat"})
    assert annotations_of(b).queried == frozenset({"cat", "dog"})
    assert annotations_of(c) == BoxAnnotations((), frozenset({"cat", "dog"}))


def test_a_group_is_one_thing(tmp_path: Path) -> None:
    put(
        tmp_path / "set",
        "a",
        shape(group_id=1, flags={"wet": True, "old": True}),
        shape("cat", [50, 10], [60, 30], group_id=1, flags={"wet": False, "old": True}),
        shape("cat", [15, 25], kind="point", group_id=1),
        shape("dog", [15, 25], kind="point", group_id=1),
        shape("cat", [70, 10], [80, 30], group_id=None),
        shape("cat", [70, 40], [80, 50]),
    )
    ((record,), problems) = read(tmp_path / "set")
    assert corners(record) == [(10, 10, 60, 60), (70, 10, 80, 30), (70, 40, 80, 50)]
    assert boxes(record)[0].attributes == {"old": True}
    assert annotations_of(record).queried == frozenset({"cat"})
    assert "one thing in several shapes" in kinds(problems)


def test_what_is_said_of_a_shape(tmp_path: Path) -> None:
    put(
        tmp_path / "set",
        "a",
        shape(
            flags={"wet": True, "x": "?"},
            attributes={"colour": "red ", "n": 2, "deep": [1]},
            description="shy",
        ),
        shape("cat", [1, 1], [9, 9], difficult=True),
        shape("__ignore__", [20, 1], [29, 9]),
        shape("_background_", [40, 1], [49, 9]),
    )
    ((record,), problems) = read(tmp_path / "set")
    assert [(box.label, box.ignore) for box in boxes(record)] == [("cat", False), ("cat", True), ("", True)]
    assert boxes(record)[0].attributes == {"wet": True, "colour": "red", "n": 2, "description": "shy"}
    assert kinds(problems) == ["background"]


def test_flags_of_which_one_is_set_are_a_label(tmp_path: Path) -> None:
    for n in range(12):
        flags = {"__ignore__": n == 11, "kind": n % 2 == 0, "rude": n % 2 == 1}
        put(tmp_path / "set", f"p{n:02}", flags=flags, imagePath=f"p{n:02}.png")
    found = proposed(tmp_path / "set")
    assert [record.answers for record in found.records] == [
        {"flags": word} for word in ["kind", "rude"] * 5 + ["kind"]
    ] + [{}]
    assert found.tasks["flags"]["type"] == "label"
    assert kinds(found.problems) == ["ignored picture"]


def test_flags_of_which_several_are_set_are_tags(tmp_path: Path) -> None:
    for n in range(12):
        flags = {"wet": n % 2 == 0, "dark": n % 3 == 0, "old": n > 6}
        put(tmp_path / "set", f"p{n:02}", flags=flags if n else {"dark": True}, imagePath=f"p{n:02}.png")
    found = proposed(tmp_path / "set")
    assert found.records[0].answers == {"dark": True}  # of the others nothing is known
    assert found.records[6].answers == {"wet": True, "dark": True, "old": False}
    assert found.tasks["attributes"]["type"] == "tags"


def test_flags_never_take_the_place_of_boxes_or_the_split(tmp_path: Path) -> None:
    flags = {"objects": True, "split": True}
    put(tmp_path / "set" / "train", "a", shape(), flags=flags)
    put(tmp_path / "set" / "test", "b", shape(), flags=flags)
    records, _ = read(tmp_path / "set")
    assert {record.split for record in records} == {"train", "test"}
    assert all(isinstance(record.answers["objects"], BoxAnnotations) for record in records)
    assert all(record.answers["flags.objects"] is True for record in records)


@pytest.mark.parametrize("path", ["..\\photos\\b.png", "../photos/b.png", "C:\\Users\\me\\b.png", "B.PNG"])
def test_a_picture_that_is_called_otherwise(tmp_path: Path, path: str) -> None:
    draw(tmp_path / "set" / "photos" / "b.png")
    put(tmp_path / "set" / "json", "first", shape(), picture=False, imagePath=path)
    records, problems = read(tmp_path / "set")
    (record,) = [record for record in records if record.answers]
    assert record.image.stamp()[0] == str(tmp_path / "set" / "photos" / "b.png")
    assert corners(record) == [(10, 20, 40, 60)]
    assert not [problem for problem in problems if problem.fatal]


def test_the_picture_in_the_file(tmp_path: Path) -> None:
    data = base64.b64encode(draw(tmp_path / "other" / "a.png").read_bytes()).decode()
    put(tmp_path / "set", "a", shape(), picture=False, imageData=data)
    put(tmp_path / "set", "b", shape(), imageData=data, imagePath="b.png")
    put(tmp_path / "set", "c", shape(), picture=False, imagePath="c.png")
    put(tmp_path / "set", "d", shape(), picture=False, imagePath="d.png", imageData="@@@@")
    put(tmp_path / "set", "e", shape(), picture=False, imagePath="e.json")
    records, problems = read(tmp_path / "set")
    by_name = {Path(record.location).name: record for record in records}
    image = pickle.loads(pickle.dumps(by_name["a.json"].image))
    assert header(image) == Header(100, 80)
    assert by_name["b.png"].image.stamp()[0].endswith("b.png")
    with pytest.raises(FileNotFoundError):
        by_name["c.json"].image.stamp()
    assert "e.json" not in by_name
    with pytest.raises(OSError, match="holds no picture in base64"):
        by_name["d.json"].image.load()
    assert kinds(problems) == ["picture in a file", "picture not there"]


def test_files_apart_from_their_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stem in THINGS:
        draw_things(tmp_path / "photos" / f"{stem}.png")
        write(tmp_path / "labels" / f"{stem}.json", labelme(stem))
    monkeypatch.chdir(tmp_path)
    oneglance.init("photos", boxes="labels", out="oneglance.toml")
    records, problems = read(tmp_path / "labels", images=tmp_path / "photos")
    assert {Path(record.image.name).stem: found_things(record) for record in records} == {
        stem: list(there) for stem, there in THINGS.items()
    }
    assert problems == []


def test_a_picture_without_a_file_is_unknown(tmp_path: Path) -> None:
    put(tmp_path / "set", "a", shape())
    draw(tmp_path / "set" / "b.png")
    (_, b), problems = read(tmp_path / "set")
    assert b.answers == {}
    assert kinds(problems) == ["no JSON file"]


def test_two_pictures_called_like_one_file(tmp_path: Path) -> None:
    put(tmp_path / "set", "a", shape())
    draw(tmp_path / "set" / "a.jpg")
    records, _ = read(tmp_path / "set")
    assert {record.image.name: bool(record.answers) for record in records} == {"a.jpg": False, "a.png": True}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "5",
        '{"shapes": 5}',
        '{"shapes": {"label": "cat"}, "imagePath": "b.png"}',
        '{"shapes": ' + "[" * 50_000,
        '{"shapes": ' + '{"a":' * 2000 + "1" + "}" * 2001,
        '{"shapes": [], "imagePath": "\\ud800"}',
    ],
)
def test_a_damaged_file_takes_nothing_else_along(tmp_path: Path, content: str) -> None:
    put(tmp_path / "set", "a", shape())
    draw(tmp_path / "set" / "b.png")
    write(tmp_path / "set" / "b.json", content)
    (a, b), problems = read(tmp_path / "set")
    assert corners(a) == [(10, 20, 40, 60)]
    assert "objects" not in b.answers
    assert kinds(problems)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        5,
        "cat",
        [],
        {},
        shape(["cat"]),
        shape("cat", [1, 2]),
        shape("cat", [1, 2], [3, "x"]),
        shape("cat", [1, 2], [3, 1e999]),
        shape("cat", [1, 2], [3, 10**400]),
        shape("cat", [1, 2, 3], [4, 5, 6]),
        shape("cat", [1, 2], [3, 4], kind="polygon"),
        shape("cat", [1, 2], kind="circle"),
        shape("cat", {"x": 1}, None),
        {"label": "cat", "points": {"x": 1}, "shape_type": "rectangle"},
        shape("cat", kind="spline"),
        shape("cat", kind=["rectangle"]),
        shape(flags=[1], attributes="x", group_id=[1], description={}, difficult={}),
    ],
)
def test_an_odd_shape_is_never_a_no(tmp_path: Path, odd: Any) -> None:
    put(tmp_path / "set", "a", shape("dog"), odd)
    put(tmp_path / "set", "b", shape("cat"), imagePath="b.png")
    (a, b), problems = read(tmp_path / "set")
    assert corners(b) == [(10, 20, 40, 60)]
    assert "dog" in {box.label for box in boxes(a)}
    others = boxes(a)[1:]
    assert others or "cat" not in (annotations_of(a).queried or ())
    assert others or kinds(problems)


def test_another_size_and_odd_sizes(tmp_path: Path) -> None:
    put(tmp_path / "set", "a", shape(), imageWidth=200, imageHeight=160)
    put(tmp_path / "set", "b", shape(), imageWidth=300, imageHeight=10, imagePath="b.png")
    put(tmp_path / "set", "c", shape(), imageWidth=None, imageHeight="wide", imagePath="c.png")
    (a, b, c), problems = read(tmp_path / "set")
    assert corners(a) == [(5, 10, 20, 30)]
    assert "objects" not in b.answers
    assert corners(c) == [(10, 20, 40, 60)]
    assert kinds(problems) == ["boxes scaled", "size of the picture"]


def test_its_picture_before_its_shapes(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "a.png")
    content = {"imageData": "A" * 200_000, **{k: v for k, v in said(shape()).items() if k != "imageData"}}
    write(tmp_path / "set" / "a.json", json.dumps(content))
    ((record,), _) = read(tmp_path / "set")
    assert corners(record) == [(10, 20, 40, 60)]


def test_other_json_is_not_taken_for_it(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "a.png")
    write(tmp_path / "set" / "package.json", '{"shapes": ["round"], "name": "x"}')
    assert open_source({"path": "set"}, tmp_path).format == "folder"
    with pytest.raises(DataError, match="holds no JSON files of LabelMe"):
        read(tmp_path / "set", format="labelme")


def test_convert(tmp_path: Path) -> None:
    for stem in THINGS:
        draw_things(tmp_path / "set" / f"{stem}.png")
        write(tmp_path / "set" / f"{stem}.json", labelme(stem))
    oneglance.convert(tmp_path / "set", "coco", tmp_path / "new")
    check_things(proposed(tmp_path / "new"))
