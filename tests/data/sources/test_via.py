"""VGG Image Annotator: its JSON of both versions, its projects, its CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read
from support.layouts import PARTS, THINGS, check_things, proposed, write
from support.layouts import draw as draw_things

import oneglance
from oneglance.data.record import BoxAnnotations
from oneglance.errors import DataError

RECT = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}
COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count", "region_id"),
    *("region_shape_attributes", "region_attributes"),
)


def region(shape: Any = RECT, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name: str, *regions: Any, **fields: Any) -> dict[str, Any]:
    return {"filename": name, "size": 7, "regions": list(regions), "file_attributes": fields}


def put(folder: Path, *entries: dict[str, Any], name: str = "via_region_data.json") -> Path:
    for one in entries:
        draw(folder / one["filename"])
    write(folder / name, json.dumps({f"{one['filename']}{n}": one for n, one in enumerate(entries)}))
    return folder


def things(stem: str) -> dict[str, Any]:
    found = [
        region({"name": "rect", "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}, kind=label)
        for label, x0, y0, x1, y1 in THINGS[stem]
    ]
    return entry(f"{stem}.png", *found)


def version_1(entries: list[dict[str, Any]]) -> str:
    for one in entries:
        one["regions"] = {str(n): one for n, one in enumerate(one["regions"])}
        one |= {"fileref": "", "base64_img_data": "A" * 100_000}
    return json.dumps({f"{one['filename']}7": one for one in entries})


def version_2(entries: list[dict[str, Any]]) -> str:
    return json.dumps({f"{one['filename']}7": one for one in entries})


def project(entries: list[dict[str, Any]]) -> str:
    pictures = {f"{one['filename']}7": one for one in entries}
    attributes = {"region": {"kind": {"type": "dropdown", "options": {}}}, "file": {}}
    settings = {"ui": {}, "core": {"default_filepath": ""}, "project": {"name": "x" * 70_000}}
    return json.dumps(
        {"_via_settings": settings, "_via_img_metadata": pictures, "_via_attributes": attributes}
    )


def table(entries: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([f"#{COLUMNS[0]}", *COLUMNS[1:]])
    for one in entries:
        for n, found in enumerate(one["regions"] or [region({})]):
            count = len(one["regions"])
            cells = (one["file_attributes"], found["shape_attributes"], found["region_attributes"])
            about, shape, attributes = map(json.dumps, cells)
            writer.writerow([one["filename"], 7, about, count, n, shape, attributes])
    return out.getvalue()


WRITERS = {"1.json": version_1, "2.json": version_2, "project.json": project, "via.csv": table}


@pytest.mark.parametrize(
    ("pictures", "file"),
    [("", ""), ("images", ""), ("{part}", "{part}/"), ("images", "annotations/"), ("{part}", "via_{part}_")],
)
@pytest.mark.parametrize("name", WRITERS)
def test_layouts(tmp_path: Path, name: str, pictures: str, file: str) -> None:
    files: dict[Path, list[dict[str, Any]]] = {}
    for stem in THINGS:
        draw_things(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        path = tmp_path / "set" / f"{file.format(part=PARTS[stem])}{name}"
        files.setdefault(path, []).append(things(stem))
    for path, entries in files.items():
        write(path, WRITERS[name](entries))
    check_things(proposed(tmp_path / "set"), parts="part" in file)


def test_every_shape(tmp_path: Path) -> None:
    shapes = [
        RECT,
        {"name": "circle", "cx": 50, "cy": 40, "r": 5.5},
        {"name": "ellipse", "cx": 50, "cy": 40, "rx": 20, "ry": 10},
        {"name": "ellipse", "cx": 50, "cy": 40, "rx": 20, "ry": 10, "theta": 1.5707963267948966},
        {"name": "polygon", "all_points_x": [10, 30, 20], "all_points_y": [5, 6, 60]},
        {"name": "polyline", "all_points_x": [10, 30, 20], "all_points_y": [5, 6, 60]},
        {"name": "point", "cx": 5, "cy": 6},
    ]
    put(tmp_path / "set", entry("a.png", *(region(one, kind=f"k{n}") for n, one in enumerate(shapes))))
    ((record,), problems) = read(tmp_path / "set")
    places = [(10, 20, 40, 60), (44.5, 34.5, 55.5, 45.5), (30, 30, 70, 50), (40, 20, 60, 60), (10, 5, 30, 60)]
    assert corners(record) == [pytest.approx(place) for place in places]
    assert annotations_of(record).unplaced == frozenset({"k5", "k6"})
    assert kinds(problems) == [
        *("bounds of circle", "bounds of ellipse", "bounds of polygon", "point", "polyline")
    ]


def test_attributes_of_regions(tmp_path: Path) -> None:
    put(
        tmp_path / "set",
        entry(
            "a.png",
            region(colour="red", type={"cat": True, "dog": False}, signs={"a": True, "b": True}, n=3),
            region(colour="", type={}, signs={}),
            region({**RECT, "x": 50}, type={"cat": True, "dog": True}),
        ),
        entry("b.png"),
    )
    (a, b), problems = read(tmp_path / "set")
    assert [box.label for box in boxes(a)] == ["cat", "", "cat", "dog"]
    assert boxes(a)[0].attributes == {"colour": "red", "signs": ["a", "b"], "n": 3}
    assert annotations_of(b) == BoxAnnotations((), frozenset({"cat", "dog"}))
    assert kinds(problems) == ["no class", "no region"]
    (a, _), _ = read(tmp_path / "set", label="colour")
    assert [box.label for box in boxes(a)] == ["red", "", ""]


def test_no_attribute_is_the_class(tmp_path: Path) -> None:
    put(tmp_path / "set", entry("a.png", region(wet="yes", old="no")))
    ((record,), problems) = read(tmp_path / "set")
    assert [(box.label, box.attributes) for box in boxes(record)] == [("", {"wet": "yes", "old": "no"})]
    assert annotations_of(record).queried is None
    assert kinds(problems) == ["which class"]


def test_attributes_of_files_are_answers(tmp_path: Path) -> None:
    entries = [
        entry(
            f"p{n:02}.png",
            weather=("sun", "rain")[n % 2],
            signs={"stop": True, "left": n % 2 == 0},
            objects="x",
            caption="",
        )
        for n in range(12)
    ]
    found = proposed(put(tmp_path / "set", *entries))
    assert found.records[1].answers == {"weather": "rain", "signs": "stop", "file_attributes.objects": "x"}
    assert found.records[0].answers["signs"] == ["stop", "left"]
    assert found.tasks["weather"]["type"] == "label"
    assert found.problems == []


def test_the_same_in_two_files_counts_once(tmp_path: Path) -> None:
    entries = [entry("a.png", region(kind="cat")), entry("b.png", region(kind="dog"))]
    folder = put(tmp_path / "set", *entries)
    write(folder / "via_project.json", project(entries))
    write(folder / "via.csv", table(entries))
    records, problems = read(folder)
    assert len(records) == 2
    assert problems == []


@pytest.mark.parametrize(
    "odd",
    [
        None,
        5,
        "cat",
        [],
        {},
        region(None, kind="cat"),
        region([1], kind="cat"),
        region({}, kind="cat"),
        region({**RECT, "name": 5}, kind="cat"),
        region({**RECT, "name": "spline"}, kind="cat"),
        region({**RECT, "x": "1_0"}, kind="cat"),
        region({**RECT, "x": 1e999}, kind="cat"),
        region({**RECT, "width": 10**400}, kind="cat"),
        region({**RECT, "width": -5}, kind="cat"),
        region({"name": "circle", "cx": 1, "cy": 2}, kind="cat"),
        region({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, kind="cat"),
        region({"name": "polygon", "all_points_x": {"0": 1}, "all_points_y": None}, kind="cat"),
        region(kind=["cat"]),
        {"shape_attributes": RECT, "region_attributes": [1]},
    ],
)
def test_an_odd_region_is_never_a_no(tmp_path: Path, odd: Any) -> None:
    put(
        tmp_path / "set",
        entry("a.png", region({**RECT, "x": 50}, kind="dog"), odd),
        entry("b.png", region(kind="cat")),
    )
    (a, b), problems = read(tmp_path / "set")
    assert corners(b) == [(10, 20, 40, 60)]
    assert "dog" in {box.label for box in boxes(a)}
    others = boxes(a)[1:]
    assert others or "cat" not in (annotations_of(a).queried or ())
    assert others or kinds(problems)


def test_odd_entries_take_nothing_else_along(tmp_path: Path) -> None:
    folder = put(tmp_path / "set", entry("a.png", region(kind="cat")))
    content = json.loads((folder / "via_region_data.json").read_text())
    content |= {
        "x": 5,
        "y": {"size": 3, "regions": []},
        "z": {"filename": "https://web/a.png", "regions": [region(kind="cat")]},
        "w": {"filename": "../../etc/x.png", "regions": 7, "file_attributes": [1]},
    }
    write(folder / "via_region_data.json", json.dumps(content))
    records, problems = read(folder)
    assert [corners(record) for record in records] == [[(10, 20, 40, 60)]]
    assert kinds(problems) == ["no picture named"] * 2 + ["no shape"] + ["picture name"] * 2


def test_odd_rows_of_a_csv(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    text = table([entry("a.png", region(kind="cat")), entry("b.png"), entry("c.png", region(kind="dog"))])
    deep = '{"a":' * 5000
    text += f'c.png,7,"{{}}",2,1,"{deep.replace(chr(34), chr(34) * 2)}","{{}}"\n'
    text += 'c.png,7,x,2,2,"{""name"": ""\\ud800""}",\n,7,,,,,\n'
    for name in "abc":
        draw(folder / f"{name}.png")
    write(folder / "via.csv", text)
    (a, b, c), problems = read(folder)
    assert annotations_of(b) == BoxAnnotations((), frozenset({"cat", "dog"}))
    assert corners(a) == corners(c) == [(10, 20, 40, 60)]
    assert annotations_of(c).queried == frozenset()
    assert {"no shape", "no picture named"} <= set(kinds(problems))


@pytest.mark.parametrize(
    "content", ['{"filename": "regions": "shape_attributes"', "[]", "5", '{"_via_img_metadata": 5}']
)
def test_damaged(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "via.json", content)
    with pytest.raises(DataError):
        read(path, format="via")
    with pytest.raises(DataError):
        read(write(tmp_path / "via.csv", "filename,kind\n"), format="via")


def test_convert(tmp_path: Path) -> None:
    for stem in THINGS:
        draw_things(tmp_path / "set" / f"{stem}.png")
    write(tmp_path / "set" / "via.json", version_2([things(stem) for stem in THINGS]))
    oneglance.convert(tmp_path / "set", "yolo", tmp_path / "new")
    assert proposed(tmp_path / "new").things["b"] == list(THINGS["b"])
