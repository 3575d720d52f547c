"""A box that cannot be used is never a "no": one rule for every format that holds boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.annotated import annotations_of, boxes, corners, kinds, read
from support.drawn_things import FORMATS, Thing

from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.source import format_class, formats
from oneglance.errors import Problem

CAT, DOG = (10, 20, 40, 60), (50, 10, 90, 70)
EVERY = frozenset({"cat", "dog"})
GOOD = (Thing("cat", CAT), Thing("dog", DOG))


def read_set(folder: Path, name: str, *things: Thing) -> tuple[dict[str, Record], list[Problem]]:
    """The pictures ``a`` with both things, ``b`` with ``things``, and ``c`` with nothing."""
    folder.mkdir()
    path = FORMATS[name](folder, {"a": GOOD, "b": things, "c": ()})
    records, problems = read(path, format=name)
    by_name = {Path(record.image.name).stem: record for record in records}
    assert by_name.keys() == {"a", "b", "c"}
    assert [(box.label, box.ignore) for box in boxes(by_name["a"])] == [("cat", False), ("dog", False)]
    for found, place in zip(corners(by_name["a"]), (CAT, DOG), strict=True):
        assert found == pytest.approx(place)
    assert annotations_of(by_name["a"]).queried == annotations_of(by_name["c"]).queried == EVERY
    assert boxes(by_name["c"]) == ()
    return by_name, problems


def test_every_format_with_boxes_is_tried() -> None:
    with_boxes = {name for name in formats() if "queried classes" in (format_class(name).__doc__ or "")}
    assert with_boxes == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_class_whose_box_has_no_place_is_unknown_in_that_picture(tmp_path: Path, name: str) -> None:
    records, problems = read_set(tmp_path / "set", name, Thing("dog", DOG), Thing("cat", None))
    assert [box.label for box in boxes(records["b"])] == ["dog"]
    assert annotations_of(records["b"]).queried == frozenset({"dog"})
    assert annotations_of(records["b"]).unplaced == frozenset({"cat"})
    (problem,) = [problem for problem in problems if "cat" in str(problem)]
    assert 'the class "cat" is unknown in this picture' in problem.hint
    assert not problem.fatal


@pytest.mark.parametrize("name", FORMATS)
def test_other_boxes_of_that_class_stay(tmp_path: Path, name: str) -> None:
    records, _ = read_set(tmp_path / "set", name, Thing("cat", CAT), Thing("cat", None))
    assert [box.label for box in boxes(records["b"])] == ["cat"]
    assert annotations_of(records["b"]).queried == frozenset({"dog"})


@pytest.mark.parametrize("name", FORMATS)
def test_the_place_of_a_box_without_a_class_is_ignored(tmp_path: Path, name: str) -> None:
    records, problems = read_set(tmp_path / "set", name, Thing("dog", DOG), Thing(None, CAT))
    assert [box.label for box in boxes(records["b"])] == ["dog", ""]
    assert corners(records["b"])[1] == pytest.approx(CAT)
    assert annotations_of(records["b"]).queried == EVERY
    if name in ("yolo", "coco"):  # elsewhere nothing is written where a class might be: that is no mistake
        assert "its place is ignored" in problems[0].hint


@pytest.mark.parametrize("name", FORMATS)
def test_a_thing_of_which_nothing_is_known_makes_all_unknown(tmp_path: Path, name: str) -> None:
    records, problems = read_set(tmp_path / "set", name, Thing("dog", DOG), Thing(None, None))
    unknown = BoxAnnotations(boxes(records["b"]), frozenset(), frozenset({""}))
    assert annotations_of(records["b"]) == unknown
    assert [box.label for box in boxes(records["b"])] == ["dog"]
    assert "all classes are unknown" in " ".join(problem.hint for problem in problems)
    records, _ = read_set(tmp_path / "again", name, Thing(None, None))
    assert "objects" not in records["b"].answers


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_box_twice_is_one(tmp_path: Path, name: str) -> None:
    twice = (Thing("cat", CAT), Thing("dog", CAT), Thing("cat", CAT), Thing("cat", CAT))
    records, problems = read_set(tmp_path / "set", name, *twice)
    assert [box.label for box in boxes(records["b"])] == ["cat", "dog"]
    assert annotations_of(records["b"]).queried == EVERY
    assert kinds(problems) == ["box twice"]
    assert 'the box "cat" is there twice' in problems[0].what
    assert "(2 times, here first)" in problems[0].what
