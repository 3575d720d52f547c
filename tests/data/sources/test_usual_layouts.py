"""Boxes in layouts that are usual though no format says so: what ``init`` proposes reads them rightly."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.annotated import annotations_of, boxes, kinds, read
from support.layouts import (
    CLASSES,
    HEIGHT,
    PARTS,
    THINGS,
    WIDTH,
    check_things,
    coco,
    draw,
    found_things,
    proposed,
    voc,
    write,
    yolo,
)

from oneglance.data.parsing.folder_walk import files_below
from oneglance.errors import DataError

FOLDERS = ("annots", "annotations", "Annotation", "xmls", "labels")


@pytest.mark.parametrize("name", FOLDERS)
def test_voc_in_a_folder_beside_the_pictures(tmp_path: Path, name: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / "images" / f"{stem}.png")
        write(tmp_path / "set" / name / f"{stem}.xml", voc(stem))
    check_things(proposed(tmp_path / "set"))


def test_voc_in_files_without_an_ending(tmp_path: Path) -> None:
    for n, stem in enumerate(THINGS):
        kind = ("n02085620-Chihuahua", "n02085782-Spaniel")[n % 2]
        draw(tmp_path / "set" / "Images" / kind / f"{stem}.png")
        text = voc(stem).replace(f"<filename>{stem}.png", "<filename>%s")
        write(tmp_path / "set" / "Annotation" / kind / stem, text)
    write(tmp_path / "set" / "Annotation" / "LICENSE", "Do what you like.\n")
    write(tmp_path / "set" / "Annotation" / "n02085620-Chihuahua" / "README", "")
    found = proposed(tmp_path / "set")
    check_things(found)
    assert [record.answers["folder"] for record in found.records] == [
        *("n02085620-Chihuahua",) * 2, *("n02085782-Spaniel",) * 2
    ]  # fmt: skip
    assert kinds(found.problems) == ["filename"]


@pytest.mark.parametrize("place", ["", "fruit", "{part}", "{part}_zip/{part}"])
def test_voc_beside_the_pictures(tmp_path: Path, place: str) -> None:
    for stem in THINGS:
        folder = tmp_path / "set" / place.format(part=PARTS[stem])
        draw(folder / f"{stem}.png")
        write(folder / f"{stem}.xml", voc(stem))
    check_things(proposed(tmp_path / "set"), parts="part" in place)


@pytest.mark.parametrize(
    ("pictures", "annotations"),
    [
        ("{part}/images", "{part}/annots"),
        ("images/{part}", "annotations/{part}"),
        ("images/{part}", "annotations"),
        ("{part}", "{part}_annotations"),
        ("{part}_images", "{part}_xmls"),
        ("one/set/JPEGImages", "one/set/Annotations"),
        ("all", "xmls"),
    ],
)
def test_voc_in_folders_of_parts(tmp_path: Path, pictures: str, annotations: str) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        write(tmp_path / "set" / annotations.format(part=PARTS[stem]) / f"{stem}.xml", voc(stem))
    check_things(proposed(tmp_path / "set"), parts="part" in pictures)


@pytest.mark.parametrize(
    ("pictures", "annotations"),
    [
        ("{part}2017", "annotations/instances_{part}2017.json"),
        ("{part}2017", "annotations/instances_{part}.json"),
        ("{part}", "{part}/_annotations.coco.json"),
        ("{part}", "{part}/annotations.json"),
        ("{part}/data", "{part}/labels.json"),
        ("images", "{part}.json"),
        ("", "whatever.json"),
        ("photos", "annotations/whatever.json"),
    ],
)
def test_coco_wherever_it_lies(tmp_path: Path, pictures: str, annotations: str) -> None:
    for part in ("train", "test"):
        stems = [stem for stem in THINGS if PARTS[stem] == part or "{" not in annotations]
        content = json.dumps(coco(stems))
        write(tmp_path / "set" / annotations.format(part=part), content)
        for stem in stems:
            draw(tmp_path / "set" / pictures.format(part=part) / f"{stem}.png")
    check_things(proposed(tmp_path / "set"), parts="part" in annotations)


def test_what_tells_how_a_box_was_drawn_is_named_and_not_asked(tmp_path: Path) -> None:
    for n, stem in enumerate(THINGS):
        draw(tmp_path / "set" / f"{stem}.png")
        more = f"<truncated>{n % 2}</truncated><pose>Unspecified</pose><colour>{'rb'[n % 2]}</colour>"
        write(tmp_path / "set" / f"{stem}.xml", voc(stem, f"{more}<occluded>0</occluded>"))
    found = proposed(tmp_path / "set")
    assert found.tasks["objects"]["attributes"] == {"colour": {"type": "label"}}
    assert "# not asked of a box: truncated: is about the drawing" in found.text
    assert "# not asked of a box: occluded: says 0 in all 5 boxes" in found.text.replace('"', "")


YAML = "train: {train}\ntest: {test}\nnames: [cat, dog]\nnc: 2\n"


@pytest.mark.parametrize(
    ("pictures", "labels", "described"),
    [
        (
            "images/{part}",
            "labels/{part}",
            {"my_set.yaml": YAML.format(train="images/train", test="images/test")},
        ),
        (
            "images/{part}",
            "labels/{part}",
            {"data.yaml": YAML.format(train="/mnt/x/set/images/train", test="/mnt/x/set/images/test")},
        ),
        ("{part}/images", "{part}/labels", {"data.yaml": YAML.format(train="/old/tr", test="/old/te")}),
        ("{part}/images", "{part}/labels", {"classes.txt": "cat\ndog\n"}),
        ("images/{part}", "labels/{part}", {"coco.names": "cat\ndog\n"}),
        ("{part}_images", "{part}_labels", {"coco.names": "cat\ndog\n"}),
        ("images", "labels", {"labels/classes.txt": "cat\ndog\n"}),
        ("", "", {"obj.names": "cat\ndog\n"}),
        ("obj", "obj", {"obj.names": "cat\ndog\n"}),
        ("one/photos", "one/labels", {"one/classes.txt": "cat\ndog\n"}),
    ],
)
def test_yolo_wherever_it_lies(tmp_path: Path, pictures: str, labels: str, described: dict[str, str]) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        write(tmp_path / "set" / labels.format(part=PARTS[stem]) / f"{stem}.txt", yolo(stem))
    for name, content in described.items():
        write(tmp_path / "set" / name, content)
    check_things(proposed(tmp_path / "set"), parts="part" in pictures)


@pytest.mark.parametrize("links", [("images", "labels"), ("images",), ("labels",)])
@pytest.mark.parametrize("name", ["data.yaml", "classes.txt"])
def test_yolo_through_links_to_folders(tmp_path: Path, links: tuple[str, ...], name: str) -> None:
    for stem in THINGS:
        for kind in ("images", "labels"):
            (tmp_path / ("else" if kind in links else "set") / kind / PARTS[stem]).mkdir(
                parents=True, exist_ok=True
            )
        draw(tmp_path / ("else" if "images" in links else "set") / "images" / PARTS[stem] / f"{stem}.png")
        start = tmp_path / ("else" if "labels" in links else "set")
        write(start / "labels" / PARTS[stem] / f"{stem}.txt", yolo(stem))
    for kind in links:
        (tmp_path / "set" / kind).mkdir(parents=True)
        for part in ("train", "test"):
            (tmp_path / "set" / kind / part).symlink_to(tmp_path / "else" / kind / part)
    content = YAML.format(train="images/train", test="images/test") if name == "data.yaml" else "cat\ndog\n"
    write(tmp_path / "set" / name, content)
    check_things(proposed(tmp_path / "set"), parts=True)


def test_yolo_without_names_is_called_by_its_numbers_and_says_so(tmp_path: Path) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / f"{stem}.png")
        write(tmp_path / "set" / f"{stem}.txt", yolo(stem))
    found = proposed(tmp_path / "set")
    assert [thing[0] for name in "ab" for thing in found.things[name]] == ["0", "1", "0"]
    assert kinds(found.problems) == ["no names"]


def test_links_that_lead_back_are_followed_once(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "images" / "a.png")
    draw(tmp_path / "else" / "b.png")
    for place, target in (
        ("up", tmp_path / "set"),
        ("once", tmp_path / "else"),
        ("twice", tmp_path / "else"),
    ):
        (tmp_path / "set" / "images" / place).symlink_to(target)
    (tmp_path / "else" / "back").symlink_to(tmp_path / "else")
    there = files_below(tmp_path / "set", lambda name: name.endswith(".png"))
    assert sorted(name.rpartition("/")[2] for name in there) == ["a.png", "b.png"]


def test_boxes_below_no_names_of_columns(tmp_path: Path) -> None:
    """As keras-retinanet reads them: a picture, four edges and a class in each row."""
    for stem, things in THINGS.items():
        draw(tmp_path / "set" / PARTS[stem] / f"{stem}.png")
        file = tmp_path / "set" / PARTS[stem] / "_annotations.csv"
        rows = "".join(f"{stem}.png,{','.join(map(str, edges))},{kind}\n" for kind, *edges in things)
        write(file, (file.read_text() if file.exists() else "") + rows)
    check_things(proposed(tmp_path / "set"), parts=True)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("pictures", "file", "start"),
    [
        ("{part}", "{part}/_annotations.txt", ""),
        ("pictures of {part}", "2007_{part}.txt", "pictures of {part}/"),
        ("images", "data/{part}.txt", "/home/someone/set/images/"),
    ],
)
def test_all_boxes_of_a_picture_in_a_line(
    tmp_path: Path, pictures: str, file: str, start: str, named: bool
) -> None:
    """As programs of YOLO read them: edges and the number of a class, which a list beside them names."""
    for stem, things in THINGS.items():
        part = PARTS[stem]
        draw(tmp_path / "set" / pictures.format(part=part) / f"{stem}.png")
        lines = tmp_path / "set" / file.format(part=part)
        text = " ".join(f"{x0},{y0},{x1},{y1},{CLASSES.index(label)}" for label, x0, y0, x1, y1 in things)
        line = f"{start.format(part=part)}{stem}.png {text}\n"
        write(lines, (lines.read_text() if lines.exists() else "") + line)
        if named:
            write(lines.parent / "_classes.txt", "\n".join(CLASSES))
    found = proposed(tmp_path / "set")
    if named:
        check_things(found, parts=True)
    else:
        assert {box.label for record in found.records for box in boxes(record)} == {"0", "1"}


def test_a_box_of_no_width_in_a_line_is_a_fault_of_the_drawing(tmp_path: Path) -> None:
    for stem in "ab":
        draw(tmp_path / f"{stem}.png")
    records, _ = read(write(tmp_path / "boxes.txt", "a.png 1,2,30,40,0 7,9,7,20,0\nb.png 1,2,30,40,0\n"))
    assert [len(boxes(record)) for record in records] == [1, 1]


def test_a_line_with_something_else_than_boxes_says_nothing(tmp_path: Path) -> None:
    for stem in "abcd":
        draw(tmp_path / f"{stem}.png")
    path = write(
        tmp_path / "boxes.txt", "a.png 1,2,30,40,0\nb.png\nc.png 1,2,30,40,0 7,7\nd.png 9,9,20,20,1\n"
    )
    records, problems = read(path, format="boxes_table")
    assert [len(boxes(record)) for record in records] == [1, 0, 1, 1]
    assert annotations_of(records[1]).queried == frozenset({"0", "1"})
    assert annotations_of(records[2]).queried == frozenset()
    assert kinds(problems) == ["line of boxes"]


@pytest.mark.parametrize(
    ("pictures", "table"),
    [
        ("{part}", "{part}_labels.csv"),
        ("{part}", "{part}/_annotations.csv"),
        ("{part}", "{part}/{part}_labels.csv"),
        ("images", "data/{part}_labels.csv"),
        ("images/{part}", "annotations/{part}.csv"),
        ("pictures/of/{part}", "annotations/{part}.csv"),
    ],
)
def test_a_table_of_boxes_for_each_part(tmp_path: Path, pictures: str, table: str) -> None:
    for stem, things in THINGS.items():
        draw(tmp_path / "set" / pictures.format(part=PARTS[stem]) / f"{stem}.png")
        file = tmp_path / "set" / table.format(part=PARTS[stem])
        head = "" if file.exists() else "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        rows = "".join(f"{stem}.png,{WIDTH},{HEIGHT},{','.join(map(str, thing))}\n" for thing in things)
        write(file, (file.read_text() if file.exists() else "") + head + rows)
    found = proposed(tmp_path / "set")
    check_things(found, parts=True)
    assert len(found.sources) == 1
    assert {frozenset(record.answers["objects"].queried) for record in found.records} == {frozenset(CLASSES)}


def test_another_table_beside_those_of_the_parts_is_not_lost(tmp_path: Path) -> None:
    for stem, ((label, *edges), *_) in THINGS.items():
        draw(tmp_path / "set" / f"{stem}.png")
        row = f"filename,class,xmin,ymin,xmax,ymax\n{stem}.png,{label},{','.join(map(str, edges))}\n"
        write(tmp_path / "set" / ("train.csv" if stem == "a" else f"more_{stem}.csv"), row)
    assert len(proposed(tmp_path / "set").records) == len(THINGS)


@pytest.mark.parametrize("written", ["lists", "dictionaries", "edges"])
@pytest.mark.parametrize("file", ["{part}/metadata.jsonl", "{part}.jsonl", "{part}-00000-of-00001.parquet"])
def test_boxes_in_cells_as_hubs_write_them(tmp_path: Path, file: str, written: str) -> None:
    rows: dict[str, list[dict[str, object]]] = {"train": [], "test": []}
    inside = "images/" if file == "{part}.jsonl" else ""
    for number, (stem, things) in enumerate(THINGS.items()):
        path = draw(
            tmp_path / ("set" if "jsonl" in file else "else") / (inside or PARTS[stem]) / f"{stem}.png"
        )
        boxes = [
            [x0, y0, x1, y1] if written == "edges" else [x0, y0, x1 - x0, y1 - y0]
            for _, x0, y0, x1, y1 in things
        ]
        numbers = [CLASSES.index(thing[0]) for thing in things]
        labels: list[object] = [*numbers] if "parquet" in file else [thing[0] for thing in things]
        ids = list(range(len(things)))
        objects: object = {"id": ids, "bbox": boxes, "category": labels}
        if written == "dictionaries":
            objects = [{"bbox": box, "category": label} for box, label in zip(boxes, labels, strict=True)]
        picture = {"image": {"bytes": path.read_bytes(), "path": f"{stem}.png"}}
        named = {"file_name": f"{inside}{stem}.png"}
        row = {"image_id": number, "width": WIDTH, "height": HEIGHT, "objects": objects}
        rows[PARTS[stem]].append((picture if "parquet" in file else named) | row)
    for part, content in rows.items():
        path = tmp_path / "set" / file.format(part=part)
        path.parent.mkdir(parents=True, exist_ok=True)
        if "jsonl" in file:
            path.write_text("".join(json.dumps(row) + "\n" for row in content))
        else:
            names = {"names": list(CLASSES), "_type": "ClassLabel"}
            inner = {"bbox": {"feature": {"dtype": "float32"}}, "category": names}
            features = {"image": {"_type": "Image"}, "objects": {"feature": inner, "_type": "Sequence"}}
            note = json.dumps({"info": {"features": features}})
            pq.write_table(pa.Table.from_pylist(content).replace_schema_metadata({"huggingface": note}), path)
    found = proposed(tmp_path / "set")
    if "parquet" in file:  # its pictures have no names
        in_pictures = sorted(sorted(found_things(record)) for record in found.records)
        assert in_pictures == sorted(sorted(things) for things in THINGS.values())
        assert sorted(record.split for record in found.records) == ["test", "train", "train", "train"]
    else:
        check_things(found, parts=True)
    assert list(found.tasks) == ["objects"]
    assert kinds(found.problems) == (["boxes as edges"] if written == "edges" else [])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_metadata_beside_the_pictures_of_each_part(tmp_path: Path, ending: str) -> None:
    rows: dict[str, list[dict[str, str]]] = {"train": [], "test": []}
    for stem, things in THINGS.items():
        draw(tmp_path / "set" / PARTS[stem] / f"{stem}.png")
        rows[PARTS[stem]].append({"file_name": f"{stem}.png", "kind": things[0][0]})
    for part, content in rows.items():
        csv = "".join(f"{','.join(row.values())}\n" for row in [{"n": "file_name", "k": "kind"}, *content])
        text = csv if ending == "csv" else "".join(json.dumps(row) + "\n" for row in content)
        write(tmp_path / "set" / part / f"metadata.{ending}", text)
    found = proposed(tmp_path / "set")
    assert found.parts == PARTS
    assert found.tasks == {"kind": {"type": "label"}}


ORDERS = {
    "class xmin ymin xmax ymax": "{label} {x0} {y0} {x1} {y1}",
    "class x y w h": "{label} {x0} {y0} {w} {h}",
    "xmin ymin xmax ymax class": "{x0},{y0},{x1},{y1},{label}",
    "x y w h class": "{x0};{y0};{w};{h};{label}",
    "class truncated occluded - xmin ymin xmax ymax": (
        "{label} 0.00 0 -1.57 {x0}.00 {y0}.00 {x1}.00 {y1}.00 1.0 1.0 1.0 0 0 0 0"
    ),
    "x1 y1 x2 y2 x3 y3 x4 y4 class difficult": "{x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1} {label} 0",
}


def text_boxes(folder: Path, line: str, pictures: str = "images", texts: str = "labels") -> Path:
    """Each photograph with its things a line each."""
    for stem, things in THINGS.items():
        draw(folder / pictures / f"{stem}.png")
        all_lines = [
            line.format(label=label, x0=x0, y0=y0, x1=x1, y1=y1, w=x1 - x0, h=y1 - y0)
            for label, x0, y0, x1, y1 in things
        ]
        write(folder / texts / f"{stem}.txt", "\n".join(all_lines))
    return folder


@pytest.mark.parametrize("places", [("images", "labels"), ("", ""), ("training/image_2", "training/label_2")])
@pytest.mark.parametrize("order", ORDERS)
def test_lines_of_boxes_in_any_order(tmp_path: Path, order: str, places: tuple[str, str]) -> None:
    found = proposed(text_boxes(tmp_path / "set", ORDERS[order], *places))
    assert {name: sorted(things) for name, things in found.things.items()} == {
        name: sorted(things) for name, things in THINGS.items()
    }
    (source,) = found.sources
    assert (source["format"], source["columns"]) == ("text_boxes", order.split())
    assert "# a line is taken for: " in found.text
    assert kinds(found.problems) == []


def test_boxes_without_a_class_are_of_one(tmp_path: Path) -> None:
    found = proposed(text_boxes(tmp_path / "set", "{x0} {y0} {w} {h}"))
    assert found.sources[0]["columns"] == ["x", "y", "w", "h"]
    assert found.tasks["objects"]["single"] == "object"
    assert found.things["c"] == [("", 20, 25, 33, 47)]


def test_numbers_that_may_be_edges_or_sizes_are_not_guessed(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "a.png")
    write(tmp_path / "set" / "a.txt", "cat 10 20 40 60\n")
    with pytest.raises(DataError, match="may be xmin, ymin, xmax, ymax and x, y, w, h") as error:
        proposed(tmp_path / "set")
    assert 'a line is "cat 10 20 40 60"; write columns, such as' in str(error.value)
    ((record,), problems) = read(tmp_path / "set", format="text_boxes", columns=["class", "x", "y", "w", "h"])
    assert (found_things(record), problems) == ([("cat", 10, 20, 50, 80)], [])


def test_what_the_columns_of_text_say(tmp_path: Path) -> None:
    for stem in THINGS:
        draw(tmp_path / "set" / f"{stem}.png")
    write(tmp_path / "set" / "a.txt", "2\n\ncat;0.5;0.5;0.2;0.4;red;7\ndog;0.5;0.5;0.2;0.4\n")
    write(tmp_path / "set" / "b.txt", "crowd;0.5;0.5;0.2;0.4;red\n;0.5;0.5;0.2;0.4;red\n")
    write(tmp_path / "set" / "c.txt", "")
    columns = ["class", "cx", "cy", "w", "h", "colour"]
    keys = {"columns": columns, "shares": True, "ignore": ["crowd"]}
    (a, b, c, d), problems = read(tmp_path / "set", format="text_boxes", **keys)
    assert [(box.label, box.x0, box.y0, box.attributes) for box in boxes(a)] == [
        ("cat", 40, 24, {"colour": "red"})
    ]
    assert annotations_of(a).queried == frozenset()  # of the short line nobody knows what it is
    assert [(box.label, box.ignore) for box in boxes(b)] == [("", True), ("", False)]
    assert (boxes(c), annotations_of(c).queried) == ((), frozenset({"cat"}))
    assert "objects" not in d.answers  # nobody wrote anything of it
    assert kinds(problems) == ["class missing", "line of no box", "no text file"]


@pytest.mark.parametrize("columns", [["class", "x", "y"], ["cat"]])
def test_columns_without_a_box_are_refused(tmp_path: Path, columns: list[str]) -> None:
    text_boxes(tmp_path / "set", "{label} {x0} {y0} {x1} {y1}")
    with pytest.raises(DataError, match="columns: they name no four numbers of a box"):
        read(tmp_path / "set", format="text_boxes", columns=columns)
