"""What points of a map are coloured by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.boxed import trained_boxes as trained_boxes

from oneglance.data.images.memory_image import EncodedImage
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.features.mapping.columns import UNKNOWN, WORDS, Numbers, Words, column, columns
from oneglance.task import build_tasks
from oneglance.tasks.tags import TagAnnotations

TASKS: dict[str, dict[str, Any]] = {
    "kind": {"type": "label", "classes": ["hat", "shoe"]},
    "style": {"type": "tags", "classes": ["red", "old"]},
    "price": {"type": "number", "unit": "EUR"},
    "things": {"type": "boxes", "classes": ["nut"]},
    "look": {"type": "embedding"},
}


def record(**answers: Any) -> Record:
    return Record("here", EncodedImage("a", b""), answers, split="test")


def row(kind: str, tags: list[str], price: float, boxes: int) -> dict[str, Any]:
    thing = {"box": [0, 0, 5, 5], "label": "nut", "confidence": 0.9, "attributes": {}}
    chances = {"hat": 0.9, "shoe": 0.1} if kind == "hat" else {"hat": 0.1, "shoe": 0.9}
    return {
        "unfamiliar": 0.25,
        "answers": {
            "kind": {"value": kind, "confidence": 0.9, "probabilities": chances},
            "style": {"values": tags, "probabilities": {"red": 0.8, "old": 0.4}},
            "price": {"value": price, "low": price - 1, "high": price + 1, "unit": "EUR"},
            "things": {"boxes": [thing] * boxes},
            "look": {"vector": [1.0, 0.0]},
        },
    }


@pytest.fixture
def made() -> dict[str, Words | Numbers]:
    tasks = build_tasks(TASKS, "here")
    for name, answers in (("kind", ["hat", "shoe"]), ("price", [1.0, 9.0])):
        tasks[name].fit_target(answers)
    tags = TagAnnotations(frozenset({"red"}))
    tasks["style"].fit_target([tags, TagAnnotations(frozenset({"old"}))])
    boxes = BoxAnnotations((Box(0, 0, 5, 5, "nut"),))
    tasks["things"].fit_target([boxes])
    rows = [row("hat", ["red"], 5.0, 1), row("shoe", [], 7.0, 0), row("hat", ["red", "old"], 2.0, 2)]
    records = [
        record(kind="hat", style=tags, price=5.0, things=boxes),
        record(kind="hat", price=4.0),
        record(),
    ]
    return {one.title: one for one in columns(tasks, rows, records)}


def words(one: Words | Numbers) -> list[str | None]:
    assert isinstance(one, Words)
    return [None if code == UNKNOWN else one.values[code] for code in one.codes.tolist()]


def numbers(one: Words | Numbers) -> list[float | None]:
    assert isinstance(one, Numbers)
    return [None if math.isnan(value) else value for value in one.values.tolist()]


def test_answers_truths_and_mistakes(made: dict[str, Words | Numbers]) -> None:
    assert words(made["kind: answer"]) == ["hat", "shoe", "hat"]
    assert words(made["kind: truth"]) == ["hat", "hat", None]
    assert words(made["kind: mistake"]) == ["right", "wrong", None]
    assert words(made["style: answer"]) == ["red", "none", "red, old"]
    assert words(made["style: truth"]) == ["red", None, None]
    assert numbers(made["price: answer"]) == [5, 7, 2]
    assert numbers(made["price: mistake"]) == [0, 3, None]
    price = made["price: answer"]
    assert isinstance(price, Numbers) and price.unit == "EUR"
    assert numbers(made["things: answer"]) == [1, 0, 2]
    assert numbers(made["things: truth"]) == [1, None, None]
    assert numbers(made["unfamiliar"]) == [0.25] * 3
    assert words(made["split"]) == ["test"] * 3


def test_nothing_is_shown_of_what_nobody_knows(made: dict[str, Words | Numbers]) -> None:
    assert not [title for title in made if title.startswith("look")]
    tasks = build_tasks({"kind": TASKS["kind"]}, "here")
    rows = [{"answers": {"kind": row("hat", [], 1, 0)["answers"]["kind"]}}] * 2
    assert [one.title for one in columns(tasks, rows, None)] == ["kind: answer"]


def test_rare_words_are_other() -> None:
    values: list[str | float | None] = [None]
    for number in range(WORDS + 6):
        values += [f"word {number}"] * (WORDS + 7 - number)
    made = column("x", values)
    assert isinstance(made, Words) and len(made.values) == WORDS and made.values[-1] == "other"
    assert made.codes[0] == UNKNOWN
    assert (made.codes == WORDS - 1).sum() == sum(
        WORDS + 7 - number for number in range(WORDS - 1, WORDS + 6)
    )
    assert np.array_equal(made.codes[1:3], [0, 0])
