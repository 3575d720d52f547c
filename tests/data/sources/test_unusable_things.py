"""A box that cannot be used is never a "no": one rule for every format that holds boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.annotated import annotations_of, boxes, corners, kinds, read
from support.drawn_things import FORMATS, KEYS, Thing

import oneglance
from oneglance import config as configuration
from oneglance.data.dataset import load_dataset
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.data.source import format_class, formats
from oneglance.data.writer import targets
from oneglance.errors import Problem
from oneglance.task import Prediction, build_tasks
from oneglance.tasks.boxes import Boxes

CAT, DOG = (10, 20, 40, 60), (50, 10, 90, 70)
EVERY = frozenset({"cat", "dog"})
GOOD = (Thing("cat", CAT), Thing("dog", DOG))


def read_set(folder: Path, name: str, *things: Thing) -> tuple[dict[str, Record], list[Problem]]:
    """The pictures ``a`` with both things, ``b`` with ``things``, and ``c`` with nothing."""
    folder.mkdir()
    path = FORMATS[name](folder, {"a": GOOD, "b": things, "c": ()})
    records, problems = read(path, format=name, **KEYS.get(name, {}))
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
    assert with_boxes - {"masks"} == set(FORMATS)  # a mask is read whole or not at all


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


def answers_of(path: Path, name: str, **keys: str) -> tuple[Boxes, dict[str, BoxAnnotations]]:
    """The task and its answers, as a training gets them."""
    config = configuration.load(
        {
            "sources": [{"path": str(path), "format": name, **KEYS.get(name, {}), **keys}],
            "tasks": {"objects": {"type": "boxes"}},
        }
    )
    tasks = build_tasks(config.tasks, config.file)
    dataset = load_dataset(config, list(tasks.values()), strict=False)
    task = tasks["objects"]
    assert isinstance(task, Boxes)
    found = {Path(record.image.name).stem: record.answers["objects"] for record in dataset.records}
    task.fit_target(list(found.values()))
    return task, found


def predictions(*things: Thing) -> Prediction:
    return {
        "boxes": [
            {"box": list(place), "label": label, "confidence": 0.9, "attributes": {}}
            for label, place in things
            if label and place
        ]
    }


def score(task: Boxes, told: list[Prediction], answers: list[BoxAnnotations]) -> float:
    return task.metrics(task.metric_state(told, answers), np.ones(len(answers)))["ap"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_broken_box_is_neither_learned_nor_scored_as_a_no(tmp_path: Path, name: str) -> None:
    """In ``b`` the place of the cat is lost, in ``c`` the class of a thing, and ``d`` is what it seems."""
    pictures = {
        "a": GOOD,
        "b": (Thing("dog", DOG), Thing("cat", None)),
        "c": (Thing("dog", DOG), Thing(None, CAT)),
        "d": (Thing("dog", DOG),),
    }
    task, answers = answers_of(FORMATS[name](tmp_path, pictures), name)
    target = task.encode([answers[picture] for picture in "abcd"])
    assert target["labelled"].tolist() == [[1, 1], [0, 1], [1, 1], [1, 1]]  # cat, dog
    assert target["ignore"].sum(axis=1).tolist() == [0, 0, 1, 0]
    everything = predictions(*GOOD)
    rows = [answers[picture] for picture in "abc"]
    assert score(task, [everything] * 3, rows) == pytest.approx(1)  # the cats in b and c are not wrong
    assert score(task, [everything] * 4, [answers["d"], *rows]) < 1  # that in d is


@pytest.mark.parametrize("name", FORMATS)
def test_a_perfect_detector_of_things_that_are_there_twice_is_perfect(tmp_path: Path, name: str) -> None:
    pictures = {"a": (*GOOD, GOOD[0]), "b": GOOD}
    task, answers = answers_of(FORMATS[name](tmp_path, pictures), name)
    assert score(task, [predictions(*GOOD)] * 2, list(answers.values())) == pytest.approx(1)
    target = task.encode(list(answers.values()))
    assert (target["label"] >= 0).sum(axis=1).tolist() == [2, 2]


@pytest.mark.parametrize("name", FORMATS)
def test_check_tells_of_both(tmp_path: Path, name: str) -> None:
    pictures = {"a": GOOD, "b": (*GOOD, GOOD[0]), "c": (Thing("dog", DOG), Thing("cat", None))}
    path = FORMATS[name](tmp_path, pictures)
    config = {
        "sources": [{"path": str(path), "format": name, **KEYS.get(name, {})}],
        "tasks": {"objects": {"type": "boxes"}},
    }
    problems = oneglance.check(config, pictures=False)
    assert any('the box "cat" is there twice' in problem.what for problem in problems)
    assert any('the class "cat" is unknown in this picture' in problem.hint for problem in problems)


@pytest.mark.parametrize("to", targets())
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in KEYS])  # convert takes no keys
def test_convert_makes_no_no_of_it(tmp_path: Path, name: str, to: str) -> None:
    pictures = {
        "a": GOOD,
        "b": (Thing("dog", DOG), Thing("cat", None)),
        "c": (Thing("dog", DOG), Thing(None, CAT)),
        "d": (Thing("dog", DOG),),
    }
    (tmp_path / "set").mkdir()
    path = FORMATS[name](tmp_path / "set", pictures)
    problems = oneglance.convert(path, to, tmp_path / "out", source_format=name)
    assert any('the class "cat" is unknown in this picture' in problem.hint for problem in problems)
    assert not problems.fatal
    back = "boxes_table" if to == "table" else to
    (out,) = (tmp_path / "out").glob({"coco": "annotations/*.json", "table": "boxes.csv"}.get(to, "../out"))
    records, _ = read(out, format=back, **({"images": "../images"} if to == "coco" else {}))
    found = {Path(record.image.name).stem: record.answers.get("objects") for record in records}
    assert [box.label for box in boxes_in(found["a"])] == ["cat", "dog"]
    assert [box.label for box in boxes_in(found["d"])] == ["dog"]
    for picture in "bc":
        annotations = found.get(picture)
        assert annotations is None or "cat" not in (annotations.queried or ()) or len(annotations.boxes) == 2


def boxes_in(annotations: BoxAnnotations | None) -> tuple[Box, ...]:
    assert annotations is not None and annotations.queried == EVERY
    return annotations.boxes
