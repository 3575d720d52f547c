"""Writing a data set in another format, and reading it back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import oneglance
from oneglance.cli import data as commands
from oneglance.data.convert import convert
from oneglance.data.images.references import FileImage
from oneglance.data.merging.collect import collect
from oneglance.data.merging.merge_answers import merge_same
from oneglance.data.record import Box, BoxAnnotations, ImageRef, Record
from oneglance.data.source import formats, open_source
from oneglance.data.writer import targets
from oneglance.errors import ConfigError, Problem, RunError

WIDTH, HEIGHT = 100, 80
CLASSES = ("cat", "dog", "traffic light", "no", "é/x")
# What the format can say: boxes without class, regions to ignore, attributes, fields, unknown, asked in part.
SAYS: dict[str, set[str]] = {
    "coco": {"ignore", "attributes", "fields", "unknown", "asked"},
    "table": {"nameless", "ignore", "attributes", "fields", "unknown"},
    "voc": {"ignore", "attributes", "unknown"},
    "yolo": set(),
}


def read_back(out: Path, to: str) -> list[Record]:
    """What is read of a written data set; nothing may be wrong with it."""
    paths = {"coco": ["."], "voc": ["."], "yolo": ["data.yaml"], "table": ["boxes.csv", "labels.csv"]}
    sources = [open_source({"path": path}, out) for path in paths[to] if (out / path).exists()]
    items = [item for source in sources for item in source.read()]
    messages = [item for item in items if isinstance(item, Problem) and item.kind != "no annotation"]
    assert [str(item) for item in messages] == []
    fields = {field for item in items if isinstance(item, Record) for field in item.answers} - {"split"}
    return sorted(collect(sources, [Taken(field) for field in sorted(fields)]).records, key=by_name)


class Taken:
    """A question that takes what a source says."""

    def __init__(self, name: str) -> None:
        self.name, self.answered_by, self.fields = name, name, (name,)

    def read(self, raw_value: Any, queried: Any = None) -> Any:
        return raw_value

    def stratify_labels(self, answer: Any) -> tuple[str, ...]:
        return ()

    def merge(self, first: Any, second: Any) -> Any:
        return merge_same(self.name, first, second)


def by_name(record: Record) -> str:
    return Path(record.image.stamp()[0]).stem


def picture(folder: Path, number: int) -> FileImage:
    path = folder / f"{number:02}.png"
    if not path.exists():
        Image.new("RGB", (WIDTH, HEIGHT), (number, 0, 0)).save(path)
    return FileImage(str(path), f"shelf {number % 2}/{path.name}")


# Words that lose nothing in a cell or an element: no space around them, no control characters.
words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
names = st.sampled_from(["colour", "made of", "truncated", "Größe"])


@st.composite
def a_box(draw: Any, says: set[str]) -> Box:
    """A box inside the picture, of at least two pixels."""
    x0, y0 = draw(st.floats(0, WIDTH - 4)), draw(st.floats(0, HEIGHT - 4))
    x1, y1 = draw(st.floats(x0 + 3, WIDTH)), draw(st.floats(y0 + 3, HEIGHT))
    left, top, right, bottom = (
        draw(st.sampled_from([value, float(round(value))])) for value in (x0, y0, x1, y1)
    )
    label = draw(st.sampled_from(CLASSES + (("",) if "nameless" in says else ())))
    messages = draw(st.dictionaries(names, words, max_size=2)) if "attributes" in says else {}
    return Box(left, top, right, bottom, label, messages, draw(st.booleans()) if "ignore" in says else False)


@st.composite
def a_set(draw: Any, says: set[str]) -> list[tuple[BoxAnnotations | None, dict[str, Any], str]]:
    """Boxes, fields and part of each picture."""
    parts = draw(st.sampled_from([("train", "validation", "test"), ("train",)]))
    queried = st.none() | (st.frozensets(st.sampled_from(CLASSES)) if "asked" in says else st.nothing())
    # Of two that are the same when written one would be left.
    place = lambda box: (box.label, *(round(edge, 3) for edge in (box.x0, box.y0, box.x1, box.y1)))  # noqa: E731
    some = st.lists(a_box(says), max_size=3, unique_by=place).map(tuple)
    annotations = st.builds(BoxAnnotations, some, queried) | (
        st.none() if "unknown" in says else st.nothing()
    )
    fields = st.dictionaries(st.sampled_from(["kind", "a note"]), words) if "fields" in says else st.just({})
    return draw(st.lists(st.tuples(annotations, fields, st.sampled_from(parts)), min_size=1, max_size=4))


def told_of(records: Sequence[Record]) -> frozenset[str]:
    """All that is looked for anywhere, which is what None means."""
    seen = [annotations for record in records if (annotations := record.answers.get("objects")) is not None]
    labels = {box.label for annotations in seen for box in annotations.boxes if box.label}
    return frozenset(labels | {name for annotations in seen for name in annotations.queried or ()})


def assert_same(first: Sequence[Record], again: Sequence[Record], to: str) -> None:
    assert len(first) == len(again)
    every = told_of(first)
    for old, new in zip(first, again, strict=True):
        assert old.image.load() == new.image.load()
        assert old.split == new.split
        fields, says = dict(old.answers), dict(new.answers)
        before, after = fields.pop("objects", None), says.pop("objects", None)
        if "folder" in says and "folder" not in fields:  # VOC keeps the folders, which are read as a field
            assert to == "voc"
            assert says.pop("folder") == Path(new.location).parent.name
        assert fields | {"split": ""} == says | {"split": ""}  # each has its own words for the part
        if before is None or before == BoxAnnotations(
            (), frozenset()
        ):  # looked for nothing: as good as not at all
            assert after in (None, BoxAnnotations((), frozenset()))
            continue
        assert after is not None
        assert (before.queried if before.queried is not None else every) == after.queried
        assert len(before.boxes) == len(after.boxes)
        for one, two in zip(before.boxes, after.boxes, strict=True):
            assert (one.label, one.attributes, one.ignore) == (two.label, two.attributes, two.ignore)
            for a, b in zip((one.x0, one.y0, one.x1, one.y1), (two.x0, two.y0, two.x1, two.y1), strict=True):
                assert math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


def test_every_format_is_tried() -> None:
    assert targets() == sorted(SAYS)


def test_a_table_holds_any_text_but_what_no_text_is(shelf: Path, tmp_path: Path) -> None:
    odd = ("=1+1", "a\rb", "'@x", "\0", "\ud800", "x" * 200_000)
    records = [
        Record(
            f"r{n}",
            picture(shelf, n),
            {"kind": word, "objects": BoxAnnotations((Box(1, 2, 30, 40, "=cat"),))},
        )
        for n, word in enumerate(odd)
    ]
    (told,) = convert(records, "table", tmp_path / "out")
    assert told.location == "r3" and "cannot be said" in told.what and "3" in str(told)
    again = read_back(tmp_path / "out", "table")
    assert [record.answers.get("kind") for record in again] == ["=1+1", "a\rb", "'@x", None, None, None]
    assert {record.answers["objects"].boxes[0].label for record in again} == {"=cat"}
    odd_class = BoxAnnotations((Box(1, 2, 30, 40, "a\0b"), Box(1, 2, 30, 40, "cat")))
    (told,) = convert([Record("r", picture(shelf, 0), {"objects": odd_class})], "table", tmp_path / "other")
    assert "a class that no cell can hold" in told.what


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("to", SAYS)
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_nothing_is_lost_that_the_format_can_say(
    tmp_path_factory: pytest.TempPathFactory, shelf: Path, to: str, copy: bool, data: st.DataObject
) -> None:
    records = []
    says = SAYS[to] - ({"unknown"} if to == "voc" and not copy else set())  # a list holds no whole paths
    for number, (seen, fields, split_name) in enumerate(data.draw(a_set(says))):
        fields = fields if seen is None else {**fields, "objects": seen}
        records.append(
            Record(f"r{number}", picture(shelf, number), {**fields, "split": split_name}, split=split_name)
        )
    if to == "yolo" and not told_of(records):
        return
    if to == "voc" and not any("objects" in record.answers for record in records):
        return
    out = tmp_path_factory.mktemp("out")
    assert convert(records, to, out, copy=copy) == []
    again = read_back(out, to)
    assert_same(records, again, to)
    inside = copy or to == "yolo"
    assert all(str(record.image.stamp()[0]).startswith(str(out)) == inside for record in again)


def one(shelf: Path, *boxes: Box, queried: frozenset[str] | None = None, **fields: Any) -> list[Record]:
    return [
        Record(
            "a.csv:2", picture(shelf, 1), {"objects": BoxAnnotations(boxes, queried), **fields}, split="train"
        )
    ]


def messages(problems: Sequence[Problem]) -> list[str]:
    assert not any(problem.fatal for problem in problems)
    return sorted(problem.what for problem in problems)


RICH = (
    Box(1, 2, 30, 40, "cat", {"colour": "red", "legs": 4, "of": {"a": 1}}),
    Box(1, 2, 31, 40, "cat", {"colour": "blue"}),
)
ODD = (Box(1, 2, 30, 40, ""), Box(5, 5, 5.5, 9, "dog"), Box(1, 2, 30, 40, "cat", ignore=True))


@pytest.mark.parametrize(
    ("to", "silent"),
    [
        ("coco", ["a box without a class", 'the attribute "of"', 'the field "nested"']),
        (
            "table",
            ["that only some classes were looked for", 'the attribute "of"', 'the field "nested"'],
        ),
        (
            "voc",
            [
                *(
                    "a box of one pixel or less",
                    "a box without a class",
                    "that only some classes were looked for",
                ),
                *('the attribute "of"', 'the field "kind"', 'the field "nested"'),
            ],
        ),
        (
            "yolo",
            [
                *("a box without a class", "a region to ignore", "that only some classes were looked for"),
                "a picture whose boxes are unknown (2 times)",
                *('the attribute "colour" (2 times)', 'the attribute "legs"', 'the attribute "of"'),
                *('the field "kind"', 'the field "nested"'),
            ],
        ),
    ],
)
def test_what_a_format_cannot_say_is_reported_once(
    tmp_path: Path, shelf: Path, to: str, silent: list[str]
) -> None:
    records = [
        *one(shelf, *RICH, kind="hat", nested={"a": 1}),
        Record("b", picture(shelf, 2), {"objects": BoxAnnotations(ODD)}, split="train"),
        Record("c", picture(shelf, 3), {"objects": BoxAnnotations((), frozenset({"cat"}))}, split="train"),
    ]
    annotations = messages(convert(records, to, tmp_path / "out"))
    cannot = " cannot be said in this format"
    expected = [
        f"{what[: -len(' (2 times)')]}{cannot} (2 times, here first)"
        if what.endswith("times)")
        else what + cannot
        for what in silent
    ]
    assert annotations == sorted(expected)


def test_unknown_never_becomes_empty(tmp_path: Path, shelf: Path) -> None:
    records = [*one(shelf, Box(1, 2, 30, 40, "cat")), Record("r", picture(shelf, 2), {}, split="train")]
    problems = messages(convert(records, "yolo", tmp_path / "yolo"))
    assert [what.partition(" cannot")[0] for what in problems] == ["a picture whose boxes are unknown"]
    assert [len(record.answers["objects"].boxes) for record in read_back(tmp_path / "yolo", "yolo")] == [1]
    for to in ("coco", "table", "voc"):
        assert messages(convert(records, to, tmp_path / to)) == []
        again = read_back(tmp_path / to, to)
        assert ["objects" in record.answers for record in again] == [True, False]


@pytest.mark.parametrize("to", SAYS)
@pytest.mark.parametrize(
    "partly",
    [
        BoxAnnotations((), frozenset({"cat"}), frozenset({"dog"})),
        BoxAnnotations((Box(1, 2, 30, 40, "cat"),), frozenset({"cat"}), frozenset({"dog"})),
        BoxAnnotations((Box(1, 2, 30, 40, "dog"),), frozenset({"cat"}), frozenset({"dog"})),
        BoxAnnotations((Box(1, 2, 30, 40, "dog"),), frozenset(), frozenset({""})),
        BoxAnnotations((Box(1, 2, 30, 40, "dog", ignore=True), Box(1, 2, 30, 50, "dog"))),
        BoxAnnotations((Box(5, 5, 5.5, 9, "dog"),)),
        BoxAnnotations((Box(1, 2, 30, 40, ""),)),
    ],
)
def test_what_is_unknown_of_a_class_stays_unknown(
    tmp_path: Path, shelf: Path, to: str, partly: BoxAnnotations
) -> None:
    """Of the dog in the second picture, no format may say that it is not there."""
    whole = one(shelf, Box(1, 2, 30, 40, "cat"), Box(40, 2, 70, 40, "dog"))
    convert(
        [*whole, Record("r", picture(shelf, 2), {"objects": partly}, split="train")], to, tmp_path / "out"
    )
    again = [record for record in read_back(tmp_path / "out", to) if by_name(record) == "02"]
    for found in (record.answers["objects"] for record in again if "objects" in record.answers):
        for box in partly.boxes:
            kept = [other for other in found.boxes if (other.label, other.ignore) == (box.label, box.ignore)]
            assert kept or (box.label not in (found.queried or ()) and (box.label or not found.queried))
        assert (found.queried or frozenset()) <= (EVERY if partly.queried is None else partly.queried)
        assert bool(found.unplaced) >= bool(partly.unplaced)


EVERY = frozenset({"cat", "dog"})


def test_other_programs_read_the_coco_file(tmp_path: Path, shelf: Path) -> None:
    """What pycocotools asks for: numbers from 1, an area, categories in every file."""
    convert(one(shelf, Box(1, 2, 31, 42, "cat", ignore=True)), "coco", tmp_path / "out")
    fields = json.loads((tmp_path / "out" / "annotations" / "instances_train.json").read_text())
    assert fields["images"] == [{"id": 1, "file_name": "shelf 1/01.png", "width": WIDTH, "height": HEIGHT}]
    assert fields["categories"] == [{"id": 1, "name": "cat"}]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "area": 1200, "iscrowd": 1}
    assert fields["annotations"] == [box]


class Odd(FileImage):
    """A picture whose name no system takes as it is."""

    __slots__ = ()


def test_names_are_made_safe_and_stay_apart(tmp_path: Path, shelf: Path) -> None:
    path = picture(shelf, 1).path
    odd = (
        "a.png",
        "A.jpg",
        "../../a.png",
        "/etc/a.png",
        'x:"y?.png',
        "images/a.png",
        ".b/.c.png",
        "set.zip:3",
        "..",
    )
    records = [Record(f"r{n}", Odd(path, name), {"n": str(n)}) for n, name in enumerate(odd)]
    assert convert(records, "coco", tmp_path / "out") == []
    written = sorted(
        path.relative_to(tmp_path / "out/images") for path in (tmp_path / "out/images").rglob("*.png")
    )
    jpg = [path.name for path in (tmp_path / "out/images").rglob("*.jpg")]
    assert len(written) + len(jpg) == len(odd)
    assert jpg == ["A_2.jpg"]
    assert {str(path) for path in written} >= {"a.png", "a_3.png", "etc/a.png", "_b/_c.png", "set.zip_3.png"}
    numbers = {record.answers["n"] for record in read_back(tmp_path / "out", "coco")}
    assert numbers == {str(n) for n in range(len(odd))}


@dataclass(frozen=True, slots=True)
class Numbers(ImageRef):
    """A picture of bare numbers."""

    name: str

    def load(self) -> np.ndarray:
        return np.arange(48, dtype=np.uint8).reshape(4, 4, 3)

    def stamp(self) -> tuple[Any, ...]:
        return (self.name,)


def test_arrays_become_files(tmp_path: Path) -> None:
    records = [Record("r", Numbers("set.npz:3"), {"kind": "seven"})]
    assert convert(records, "table", tmp_path / "out", copy=False) == []
    (record,) = read_back(tmp_path / "out", "table")
    assert record.answers == {"kind": "seven"}
    assert record.image.name == "set.npz_3.png"
    assert np.array_equal(np.asarray(Image.open(record.image.stamp()[0])), records[0].image.load())


def test_pictures_that_cannot_be_read_are_reported(tmp_path: Path, shelf: Path) -> None:
    gone = Record("r", FileImage(str(shelf / "gone.png"), "gone.png"), {"objects": BoxAnnotations(())})
    (problem,) = convert([gone, *one(shelf, Box(1, 2, 30, 40, "cat"))], "coco", tmp_path / "out")
    assert str(problem).startswith("gone.png  cannot be read (No such file")
    (shelf / "bad.png").write_bytes(b"no picture")
    bad = Record("r", FileImage(str(shelf / "bad.png"), "bad.png"), {"objects": BoxAnnotations(())})
    assert "bad.png" in {problem.location for problem in convert([bad], "yolo", tmp_path / "yolo")}


def test_a_format_or_folder_that_will_not_do(tmp_path: Path, shelf: Path) -> None:
    with pytest.raises(ConfigError, match='Did you mean "coco"'):
        convert([], "cocco", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").touch()
    with pytest.raises(RunError, match="is not empty"):
        convert(one(shelf), "coco", tmp_path / "full")


def test_the_format_to_read_may_be_named(
    tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of boxes is also a table, whose columns are words and no boxes."""
    monkeypatch.chdir(tmp_path)
    picture(shelf, 1)
    Path("boxes.csv").write_text("image,label,xmin,ymin,xmax,ymax\n01.png,cat,1,2,30,40\n")
    oneglance.convert("boxes.csv", "table", "found", images=shelf)
    assert {path.name for path in Path("found").glob("*.csv")} == {"boxes.csv"}
    oneglance.convert("boxes.csv", "table", "named", source_format="table", images=shelf)
    assert {path.name for path in Path("named").glob("*.csv")} == {"labels.csv"}
    with pytest.raises(ConfigError, match=r'no format "tabel" can be read\. Did you mean "table"'):
        oneglance.convert("boxes.csv", "table", "other", source_format="tabel", images=shelf)
    assert not Path("other").exists()


def test_the_shell_knows_the_formats() -> None:
    assert commands.readable("co") == ["coco"]
    assert commands.writable("") == targets()
    assert set(commands.readable("")) == set(formats())
