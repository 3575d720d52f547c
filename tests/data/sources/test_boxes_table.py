"""A table of boxes, alone and beside a table of labels."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.annotated import annotations_of, boxes, corners, draw, kinds, read

import oneglance
from oneglance.data.merging.collect import collect
from oneglance.data.merging.merge_answers import merge_same
from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.source import open_source
from oneglance.errors import DataError

HEAD = "image,label,xmin,ymin,xmax,ymax"


def write(folder: Path, *rows: str, head: str = HEAD, name: str = "boxes.csv") -> Path:
    draw(folder / "a.png")
    draw(folder / "b.png")
    (folder / name).write_text("\n".join((head, *rows)) + "\n")
    return folder / name


def test_a_row_is_a_box_and_a_bare_name_is_none_found(tmp_path: Path) -> None:
    rows = ("a.png,cat,10,20,40,60,red", "b.png,,,,,,", "a.png,dog,0,0,100.0,8e1,", "a.png,,1,2,3,4,")
    (a, b), problems = read(write(tmp_path, *rows, head=f"{HEAD},colour"))
    assert problems == []
    assert (a.location, b.location) == ("boxes.csv:2", "boxes.csv:3")
    every = frozenset({"cat", "dog"})
    result = (Box(10, 20, 40, 60, "cat", {"colour": "red"}), Box(0, 0, 100, 80, "dog"), Box(1, 2, 3, 4, ""))
    assert annotations_of(a) == BoxAnnotations(result, every)
    assert annotations_of(b) == BoxAnnotations((), every)


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("image,name,xmin,ymin,xmax,ymax", "a.png,cat,10,20,40,60"),
        ("Filename;Class;X_Min;Y_Min;X_Max;Y_Max", "a.png;cat;10;20;40;60"),
        ("path,label,x0,y0,x1,y1", "a.png,cat,10,20,40,60"),
        ("path,label,x1,y1,x2,y2", "a.png,cat,10,20,40,60"),
        ("x,y,width,height,label,image", "10,20,30,40,cat,a.png"),
        ("image,category,bbox_x,bbox_y,bbox_width,bbox_height", "a.png,cat,10,20,30,40"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,100,80,cat,10,20,40,60"),
        ("image_id,width,height,bbox,source", 'a.png,100,80,"[10.0, 20.0, 30.0, 40.0]",x'),
        ("image,class_id,xmin,ymin,xmax,ymax", "a.png,cat,10,20,40,60"),
        ("ImageID,LabelName,XMin,XMax,YMin,YMax", "a.png,cat,10,40,20,60"),
        ("picture of,xmin,ymin,xmax,ymax", "a.png,10,20,40,60"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,200,160,cat,20,40,80,120"),
    ],
)
def test_usual_columns_are_found(tmp_path: Path, head: str, row: str) -> None:
    ((record,), problems) = read(write(tmp_path, row, head=head))
    label = "cat" if "cat" in row else ""
    assert boxes(record) == (Box(10, 20, 40, 60, label, {"source": "x"} if "source" in head else {}),)
    assert kinds(problems) == (["boxes scaled"] if "200" in row else [])
    assert open_source({"path": "boxes.csv"}, tmp_path).format == "boxes_table"


def test_left_edge_and_size_beside_repeated_pictures_are_boxes(tmp_path: Path) -> None:
    """Where no column has a usual name of a class."""
    head = "image,x,y,width,height,species"
    path = write(tmp_path, "a.png,10,20,30,40,cat", "a.png,1,2,30,40,dog", head=head)
    ((record,), _) = read(path)
    assert [box.attributes["species"] for box in boxes(record)] == ["cat", "dog"]
    ((record,), _) = read(path, format="boxes_table", label="species")
    assert [box.label for box in boxes(record)] == ["cat", "dog"]
    for rows in (("a.png,10,20,30,40,cat",), ("a.png,10,far,30,40,cat", "a.png,1,2,3,4,cat")):
        write(tmp_path, *rows, head=head)
        assert open_source({"path": "boxes.csv"}, tmp_path).format == "table"


@pytest.mark.parametrize(
    "head", ["image,kind,price", "image,x,y,width,height", "label,xmin,ymin,xmax,ymax", "image,label,x,y"]
)
def test_other_tables_are_not_claimed(tmp_path: Path, head: str) -> None:
    path = write(tmp_path, head=head)
    assert open_source({"path": path.name}, tmp_path).format == "table"


def test_ignored_boxes_splits_and_groups(tmp_path: Path) -> None:
    rows = ("a.png,cat,1,2,30,40,1,train,s1", "a.png,cat,2,2,30,40,0,train,", "b.png,cat,1,2,30,40,,val,s2")
    (a, b), problems = read(write(tmp_path, *rows, head=f"{HEAD},difficult,split,seller"), group="seller")
    assert problems == []
    assert [box.ignore for box in boxes(a)] == [True, False]
    assert (a.split, a.group, b.split, b.group) == ("train", "s1", "validation", "s2")
    assert all(box.attributes == {} for box in boxes(a))


def test_two_splits_for_one_picture_are_fatal(tmp_path: Path) -> None:
    rows = ("a.png,cat,1,2,30,40,train", "a.png,cat,2,2,30,40,test")
    _, (problem,) = read(write(tmp_path, *rows, head=f"{HEAD},split"))
    assert problem.fatal
    assert str(problem).startswith('boxes.csv:3  split is "test", but "train" in boxes.csv:2')


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("a.png,cat,10,20,10,60", "box has no area"),
        ("a.png,cat,10,20,400,10", "box has its corners swapped"),
        ("a.png,cat,10,,40,10", "box has a corner that is no number"),
        ("a.png,cat,,,,", "box has a corner that is no number"),
        ("a.png,cat,100,20,140,30", "box outside"),
        (",cat,100,20,140,30", "no picture named"),
        ("../a.png,cat,1,2,3,4", "picture name"),
        ("a.png,cat,1,2,3,4,5", "too many cells"),
    ],
)
def test_rows_that_cannot_be_used_are_reported(tmp_path: Path, row: str, kind: str) -> None:
    records, problems = read(write(tmp_path, "a.png,dog,5,5,30,30", row))
    assert kinds(problems) == [kind]
    assert problems[0].location == "boxes.csv:3"
    assert [len(boxes(record)) for record in records] == [1]
    if row.startswith("a.png") and ("," + "," not in row):
        assert annotations_of(records[0]).queried == frozenset(() if kind == "too many cells" else {"dog"})


def test_swapped_edges_are_put_right_where_nothing_else_is_wrong(tmp_path: Path) -> None:
    ((record,), (problem,)) = read(write(tmp_path, "a.png,cat,40,60,10,20", "a.png,dog,40,20,10,60"))
    assert corners(record) == [(10, 20, 40, 60)] * 2
    assert "the smaller numbers are taken for the left and top (2 times" in problem.what
    head = "image,label,x,y,width,height"
    ((record,), (problem,)) = read(write(tmp_path, "a.png,cat,40,60,-10,-20", "a.png,dog,1,1,9,9", head=head))
    assert [box.label for box in boxes(record)] == ["dog"]
    assert annotations_of(record).queried == frozenset({"dog"})


def test_rows_that_are_lost_or_contradict_make_all_unknown(tmp_path: Path) -> None:
    rows = ("a.png,cat,1,2,30,40", "b.png,cat,1,2,30,40", 'b.png,"ca"t,5,6,7,8', "a.png,,,,,")
    (a, b), problems = read(write(tmp_path, *rows))
    assert kinds(problems) == ["quotes", "row without a box"]
    for record in (a, b):
        assert len(boxes(record)) == 1
        assert annotations_of(record).queried == frozenset()


def test_a_mark_that_is_neither_yes_nor_no_is_ignored(tmp_path: Path) -> None:
    rows = [
        f"a.png,cat,1,2,3{n},40,{mark}" for n, mark in enumerate(("1", "yes", "0", "", "False", "perhaps"))
    ]
    ((record,), (problem,)) = read(write(tmp_path, *rows, head=f"{HEAD},difficult"))
    assert [box.ignore for box in boxes(record)] == [True, True, False, False, False, True]
    assert "neither yes nor no" in problem.what


def test_boxes_beyond_the_edge_are_cut_and_reported_once(tmp_path: Path) -> None:
    ((record,), (problem,)) = read(write(tmp_path, "a.png,cat,90,20,133,60", "a.png,cat,-0.5,20,100.5,60"))
    assert corners(record) == [(90, 20, 100, 60), (0, 20, 100, 60)]
    assert "reaches 33 pixels beyond the picture" in problem.what


def test_shares_where_pixels_should_be(tmp_path: Path) -> None:
    rows = ("a.png,cat,0.1,0.2,0.3,0.4", "a.png,cat,0.1,0.2,0.3,0.9")
    _, problems = read(write(tmp_path, *rows))
    (fatal,) = [problem for problem in problems if problem.fatal]
    assert str(fatal).startswith("boxes.csv  has only numbers from 0 to 1: they seem to be shares")


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.png,cat,10,20,40,60", head="where,what,x0,y0,x1,y1")
    ((record,), _) = read(path, format="boxes_table", image="where", label="what")
    assert boxes(record) == (Box(10, 20, 40, 60, "cat"),)
    with pytest.raises(DataError, match='has no column "whta"'):
        read(path, format="boxes_table", image="where", label="whta")
    assert len(boxes(read(path, format="boxes_table")[0][0])) == 1  # `where` looks like names of pictures
    path.write_text("where,what,x0,y0,x1,y1\nhere,cat,10,20,40,60\n")
    with pytest.raises(DataError, match="has no columns for the pictures' names"):
        read(path, format="boxes_table")


def test_a_picture_drawn_on_lying_shows_in_its_boxes(tmp_path: Path) -> None:
    """Stored 100 x 80, seen 80 x 100: a box that reaches to 95 can only be of the stored one."""
    draw(tmp_path / "turned.jpg", orientation=6)
    path = write(tmp_path, "turned.jpg,cat,10,20,95,60", "turned.jpg,cat,0,0,100,80")
    ((record,), problems) = read(path)
    assert corners(record) == [(20, 10, 60, 95), (0, 0, 80, 100)]
    assert kinds(problems) == ["boxes drawn lying"]


@dataclass(frozen=True)
class AsSaid:
    """A question that takes what a source says."""

    name: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def answered_by(self) -> str:
        return self.name

    def read(self, raw_value: Any, queried: Any = None) -> Any:
        return raw_value

    def stratify_labels(self, answer: Any) -> tuple[str, ...]:
        return ()

    def merge(self, first: Any, second: Any) -> Any:
        return merge_same(self.name, first, second)


def test_labels_and_boxes_of_the_same_picture_are_one_record(tmp_path: Path) -> None:
    write(tmp_path, "a.png,cat,10,20,40,60")
    (tmp_path / "labels.csv").write_text("image,kind\nb.png,hat\n./a.png,shirt\n")
    sources = [open_source({"path": name}, tmp_path) for name in ("labels.csv", "boxes.csv")]
    result = collect(sources, [AsSaid("kind"), AsSaid("objects")])
    assert result.problems == []
    assert [record.answers for record in result.records] == [
        {"kind": "hat"},
        {"kind": "shirt", "objects": BoxAnnotations((Box(10, 20, 40, 60, "cat"),), frozenset({"cat"}))},
    ]


@pytest.mark.parametrize(
    ("name", "pictures", "count", "reported"), [("food", 572, 1184, 1), ("pcb", 260, 1864, 0)]
)
def test_real_sets(shared: Path, name: str, pictures: int, count: int, reported: int) -> None:
    records, problems = read(shared / "data" / name / "boxes.csv")
    assert len(records) == pictures
    assert sum(len(boxes(record)) for record in records) == count
    assert kinds(problems) == ["box beyond the edge"] * reported
    tables = {"food": "labels.csv", "pcb": "tags.csv"}
    sources = [
        open_source({"path": str(shared / "data" / name / file)}, shared)
        for file in ("boxes.csv", tables[name])
    ]
    joined = collect(sources, [AsSaid("objects"), AsSaid({"food": "view", "pcb": "tags"}[name])])
    assert len(joined.records) == pictures
    assert all(len(record.answers) == 2 for record in joined.records)


@pytest.mark.parametrize(
    ("head", "row", "expected"),
    [
        (HEAD, "{},cat,1{},20,40,60", {"type": "boxes"}),
        ("file,x,y,width,height,kind", "{},1{},20,30,30,cat", {"type": "boxes", "single": "object"}),
        ("image_id,bbox", '{},"[1{}, 20, 30, 30]"', {"type": "boxes", "single": "object"}),
    ],
)
def test_init_proposes_boxes_for_a_row_per_box(
    tmp_path: Path, head: str, row: str, expected: dict[str, Any]
) -> None:
    rows = [row.format(name, n) for name in ("a.png", "b.png") for n in range(3)]
    path = write(tmp_path, *rows, head=head)
    made = oneglance.init(path, out=tmp_path / "oneglance.toml")
    assert tomllib.loads(made.read_text())["tasks"] == {"objects": expected}
