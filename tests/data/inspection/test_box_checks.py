"""Boxes that are there twice, and sizes that no other box of the class has."""

from __future__ import annotations

from oneglance.data.images.references import FileImage
from oneglance.data.inspection.box_checks import forgotten_classes, implausible_boxes, repeated_boxes
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


def in_folder(folder: str, number: int, *labels: str, queried: frozenset[str] | None = None) -> Record:
    boxes = tuple(box(50 * place, 40, label) for place, label in enumerate(labels))
    image = FileImage(f"/{folder}/{number}.png", f"{folder}/{number}.png")
    return Record(f"{folder}.csv:{number}", image, {"things": BoxAnnotations(boxes, queried)})


def streets(folder: str, pictures: int, *more: str, queried: frozenset[str] | None = None) -> list[Record]:
    return [in_folder(folder, n, "car", "tree", *more[: n % 2], queried=queried) for n in range(pictures)]


def test_a_class_that_somebody_forgot_in_a_folder_is_named() -> None:
    records = [*streets("a", 40, "dog"), *streets("b", 40, "dog"), *streets("c", 40)]
    (problem,) = forgotten_classes(records, "things")
    assert problem.kind == "forgotten_class" and problem.location == "c.csv:0" and not problem.fatal
    assert '"dog" in 40 pictures of c; of others that else show the same, 49% have one' in problem.what


def test_a_class_that_nobody_looked_for_that_is_rare_or_of_other_pictures_is_not_forgotten() -> None:
    others = [*streets("a", 40, "dog"), *streets("b", 40, "dog")]
    unlooked = streets("c", 40, queried=frozenset({"car", "tree"}))
    assert list(forgotten_classes([*others, *unlooked], "things")) == []
    assert list(forgotten_classes([*others, *streets("c", 8)], "things")) == []  # few pictures
    rare = [in_folder("a", n, "car", "tree", *["cat"][: n % 8 == 0]) for n in range(200)]
    assert list(forgotten_classes([*rare, *streets("c", 40)], "things")) == []  # one time in 200 by accident
    assert len(list(forgotten_classes([*rare, *streets("c", 90)], "things"))) == 1
    kitchens = [in_folder("c", n, "cup") for n in range(40)]
    assert [each.location for each in forgotten_classes([*others, *kitchens], "things")] == []
    assert list(forgotten_classes(others, "things")) == list(forgotten_classes([], "things")) == []
