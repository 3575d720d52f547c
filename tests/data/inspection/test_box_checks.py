"""Boxes that are there twice, and sizes that no other box of the class has."""

from __future__ import annotations

from oneglance.data.images.references import FileImage
from oneglance.data.inspection.box_checks import implausible_boxes, repeated_boxes
from oneglance.data.record import Box, BoxAnnotations, Record


def record(number: int, *boxes: Box) -> Record:
    return Record(f"boxes.csv:{number}", FileImage("/a.png", "a.png"), {"things": BoxAnnotations(boxes)})


def box(x: float, side: float, label: str = "cup", ignore: bool = False) -> Box:
    return Box(x, 10, x + side, 10 + side, label, ignore=ignore)


def test_the_same_box_twice_is_named() -> None:
    records = [
        record(1, box(10, 40), box(10.4, 40)),  # some formats round
        record(2, box(10, 40), box(20, 40)),  # two things that overlap
        record(3, box(10, 40), box(10, 40, "hat")),  # two classes of one thing
        record(4, box(10, 40), box(10, 40, ignore=True)),
    ]
    assert [problem.location for problem in repeated_boxes(records, "things")] == ["boxes.csv:1"]
    (problem,) = repeated_boxes(records, "things")
    assert problem.kind == "repeated_box" and not problem.fatal
    assert '"cup" twice, at (10, 10)' in problem.what


def test_sizes_that_no_other_has_are_named() -> None:
    usual = [record(number, box(5, 30 + number % 10), box(60, 300, "hat")) for number in range(30)]
    odd = [record(100, box(5, 2)), record(101, box(5, 400)), record(102, box(5, 300, "hat"))]
    found = list(implausible_boxes([*usual, *odd], "things"))
    assert [problem.location for problem in found] == ["boxes.csv:100", "boxes.csv:101"]
    assert {problem.kind for problem in found} == {"implausible_box"}
    assert "2×2 pixels" in found[0].what


def test_few_boxes_and_wide_classes_say_nothing() -> None:
    few = [record(number, box(5, 30)) for number in range(10)]
    assert list(implausible_boxes([*few, record(99, box(5, 1))], "things")) == []
    wide = [record(number, box(5, 2.0 ** (number % 9))) for number in range(90)]
    assert list(implausible_boxes(wide, "things")) == []
