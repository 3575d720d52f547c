"""Supervisely's projects: shapes, masks, tags, damaged files."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.annotated import annotations_of, boxes, corners, draw, kinds, read
from support.layouts import HEIGHT, PARTS, THINGS, WIDTH, check_things, proposed, write
from support.layouts import draw as draw_things

import oneglance
from oneglance.data.record import BoxAnnotations
from oneglance.errors import DataError


def mask(width: int, height: int, mode: str = "1", margin: int = 0) -> str:
    """A mask with an empty margin."""
    file = io.BytesIO()
    colours: dict[str, tuple[Any, Any]] = {"RGBA": ((9, 9, 9, 0), (0, 0, 0, 255)), "LA": ((9, 0), (0, 255))}
    empty, full = colours.get(mode, (0, 1))
    image = Image.new(mode, (width + 2 * margin, height + 2 * margin), empty)
    image.paste(full, (margin, margin, margin + width, margin + height))
    image.save(file, "PNG", **({"transparency": 0} if mode == "P" else {}))
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def thing(label: Any = "cat", *exterior: Any, kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    points = {"exterior": list(exterior or ([10, 20], [39, 59])), "interior": []}
    return {"classTitle": label, "geometryType": kind, "points": points, "tags": [], **more}


def put(folder: Path, name: str, *objects: Any, **more: Any) -> None:
    draw(folder / "img" / name)
    content = {
        "description": "",
        "tags": [],
        "size": {"height": 80, "width": 100},
        "objects": list(objects),
        **more,
    }
    write(folder / "ann" / f"{name}.json", json.dumps(content))


def meta(folder: Path, *classes: tuple[str, str]) -> None:
    content = {"classes": [{"title": title, "shape": shape} for title, shape in classes], "tags": []}
    write(folder / "meta.json", json.dumps(content))


@pytest.mark.parametrize("dataset", ["ds", "{part}", "", "outer/datasets/inner"])
@pytest.mark.parametrize("ending", [".png.json", ".json"])
def test_layouts(tmp_path: Path, dataset: str, ending: str) -> None:
    for stem in THINGS:
        folder = tmp_path / "set" / dataset.format(part=PARTS[stem])
        draw_things(folder / "img" / f"{stem}.png")
        objects = [thing(label, [x0, y0], [x1 - 1, y1 - 1]) for label, x0, y0, x1, y1 in THINGS[stem]]
        content = {"size": {"width": WIDTH, "height": HEIGHT}, "tags": [], "objects": objects}
        write(folder / "ann" / f"{stem}{ending}", json.dumps(content))
    meta(tmp_path / "set", ("cat", "rectangle"), ("dog", "any"))
    check_things(proposed(tmp_path / "set"), parts="part" in dataset)


def test_every_shape(tmp_path: Path) -> None:
    put(
        tmp_path / "set" / "ds",
        "a.png",
        thing("rect", [39, 59], [10, 20]),
        thing("poly", [10, 20], [39, 25], [30, 59], kind="polygon"),
        thing("mask", kind="bitmap", points=None, bitmap={"data": mask(30, 40), "origin": [10, 20]}),
        thing("sub", [10.5, 20], [39.25, 59]),
        thing("cube", kind="cuboid", points=[[10, 20], [39, 20], [39, 59]]),
        thing("line", [1, 2], [3, 4], kind="line"),
        thing("spot", [1, 2], kind="point"),
        thing("pose", kind="graph", nodes={"x": {"loc": [1, 2]}}),
    )
    meta(tmp_path / "set", ("rect", "rectangle"), ("spot", "point"), ("none", "polygon"))
    ((record,), problems) = read(tmp_path / "set")
    place = (10, 20, 40, 60)
    assert corners(record) == [place, place, place, (10.5, 20, 39.25, 59), place]
    assert annotations_of(record).queried == frozenset({"rect", "poly", "mask", "sub", "cube", "none"})
    assert annotations_of(record).unplaced == frozenset({"line", "spot", "pose"})
    assert set(kinds(problems)) == {
        *("bounds of bitmap", "bounds of cuboid", "bounds of polygon", "graph", "line", "point")
    }


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_masks_of_every_kind(tmp_path: Path, mode: str) -> None:
    bitmap = {"data": mask(30, 40, mode, 5), "origin": [5, 15]}
    put(tmp_path / "set" / "ds", "a.png", thing(kind="bitmap", bitmap=bitmap))
    ((record,), _) = read(tmp_path / "set")
    assert corners(record) == [(10, 20, 40, 60)]


def test_tags(tmp_path: Path) -> None:
    tags = [
        {"name": "wet", "value": None},
        "old",
        {"name": "light", "value": "sun "},
        {"name": "n", "value": 3},
    ]
    odd = [
        {"name": ""},
        {"value": 3},
        5,
        None,
        {"name": "deep", "value": [1]},
        {"name": "objects", "value": "x"},
    ]
    put(tmp_path / "set" / "ds", "a.png", thing(tags=[*tags, *odd]), tags=[*tags, *odd])
    put(tmp_path / "set" / "ds", "b.png", tags={"name": "x"})
    (a, b), problems = read(tmp_path / "set")
    assert {name: a.answers[name] for name in ("tags", "light", "n")} == {
        "tags": ["wet", "old", "5", "deep"],
        "light": "sun",
        "n": 3,
    }
    assert boxes(a)[0].attributes["wet"] is True and boxes(a)[0].attributes["light"] == "sun"
    assert b.answers == {"objects": BoxAnnotations((), frozenset({"cat"}))}
    assert problems == []


def test_only_tags(tmp_path: Path) -> None:
    for n in range(12):
        put(
            tmp_path / "set" / "ds", f"{n:02}.png", tags=[{"name": ("kind", "rude")[n % 2]}, {"name": "seen"}]
        )
    found = proposed(tmp_path / "set")
    assert found.tasks["tags"]["type"] == "tags"
    assert list(found.tasks) == ["tags"]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "cat",
        {},
        thing(None),
        thing("cat", [1, 2]),
        thing("cat", [1, 2], [3, 1e999]),
        thing("cat", [1, 2], [3, 10**400]),
        thing("cat", points=None),
        thing("cat", points={"exterior": {"x": 1}}),
        thing("cat", [1, 2], [3, 4], kind="polygon"),
        thing("cat", kind="spline"),
        thing("cat", kind="bitmap"),
        thing("cat", kind="bitmap", bitmap={"data": "@@", "origin": [1, 2]}),
        thing("cat", kind="bitmap", bitmap={"data": mask(3, 3)[:40], "origin": "x"}),
        thing("cat", kind="bitmap", bitmap={"data": [1, 2, 3], "origin": [1, 2]}),
        thing("cat", kind="bitmap", bitmap={"data": ["x", {}], "origin": [1, 2]}),
        thing("cat", kind="cuboid", points=5),
    ],
)
def test_an_odd_object_is_never_a_no(tmp_path: Path, odd: Any) -> None:
    put(tmp_path / "set" / "ds", "a.png", thing("dog"), odd)
    put(tmp_path / "set" / "ds", "b.png", thing("cat"))
    (a, b), problems = read(tmp_path / "set")
    assert corners(b) == [(10, 20, 40, 60)]
    assert "dog" in {box.label for box in boxes(a)}
    others = boxes(a)[1:]
    assert others or "cat" not in (annotations_of(a).queried or ())
    assert others or kinds(problems)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "5", '{"objects": 5}', "[" * 50_000, '{"tags": ["\\ud800"]}']
)
def test_a_damaged_file_takes_nothing_else_along(tmp_path: Path, content: str) -> None:
    put(tmp_path / "set" / "ds", "a.png", thing())
    put(tmp_path / "set" / "ds", "b.png")
    write(tmp_path / "set" / "ds" / "ann" / "b.png.json", content)
    write(tmp_path / "set" / "meta.json", content)
    (a, b), problems = read(tmp_path / "set")
    assert corners(a) == [(10, 20, 40, 60)]
    assert b.answers == {}
    assert kinds(problems)


def test_a_mask_that_would_fill_the_memory(tmp_path: Path) -> None:
    data = base64.b64encode(zlib.compress(b"\x89PNG\r\n\x1a\n" + bytes(50_000_000))).decode()
    put(tmp_path / "set" / "ds", "a.png", thing(kind="bitmap", bitmap={"data": data, "origin": [1, 2]}))
    ((record,), problems) = read(tmp_path / "set")
    assert "objects" not in record.answers
    assert not [problem for problem in problems if problem.fatal]


def test_files_without_a_picture_and_pictures_without_a_file(tmp_path: Path) -> None:
    put(tmp_path / "set" / "ds", "a.png", thing())
    put(tmp_path / "set" / "ds", "b.png", thing())
    (tmp_path / "set" / "ds" / "img" / "b.png").rename(tmp_path / "set" / "ds" / "img" / "c.png")
    records, problems = read(tmp_path / "set")
    write(tmp_path / "set" / "ds" / "ann" / "x.json", "{}")
    records, problems = read(tmp_path / "set")
    answered = {record.image.name: bool(record.answers) for record in records}
    assert answered == {"a.png": True, "b.png": True, "c.png": False}
    assert kinds(problems) == ["no JSON file", "picture not there"]


def test_another_folder(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "img" / "a.png")
    with pytest.raises(DataError, match="holds no folder with img and ann"):
        read(tmp_path / "set", format="supervisely")


def test_convert(tmp_path: Path) -> None:
    put(tmp_path / "set" / "ds", "a.png", thing())
    oneglance.convert(tmp_path / "set", "voc", tmp_path / "new")
    assert proposed(tmp_path / "new").things == {"a": [("cat", 10, 20, 40, 60)]}
