"""What every type of task promises, asked of every file of tasks/: a newcomer adds an example."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from oneglance.data.record import Box, BoxAnnotations
from oneglance.task import kinds
from oneglance.tasks.tags import TagAnnotations
from oneglance.testing.promises import sentence
from oneglance.testing.tasks import TaskExample, checks_of, new


def bell(count: int) -> tuple[float, ...]:
    """Evenly spaced quantiles of a normal distribution: its mean is its median."""
    quantiles = torch.linspace(0.01, 0.99, count, dtype=torch.float64)
    return tuple((torch.special.ndtri(quantiles) * 3 + 10).tolist())


def box(*corners: float, label: str = "apple", **attributes: Any) -> Box:
    x0, y0, x1, y1 = corners
    return Box(x0, y0, x1, y1, label, attributes)


BASKETS = (
    BoxAnnotations((box(2, 2, 14, 18, ripe="yes", mass=20.0), box(16, 4, 30, 20, label="pear"))),
    BoxAnnotations(()),
    BoxAnnotations((box(8, 1, 28, 22, ripe="no", mass=35.0),), frozenset({"apple"})),
    BoxAnnotations((box(1, 1, 31, 23, label="pear", ripe="yes", mass=50.0), box(3, 3, 4, 4))),
)
THINGS = {"type": "boxes", "levels": 2, "width": 8, "depth": 1, "bins": 8}
RIPE = {"ripe": {"type": "label", "smoothing": 0.0}, "mass": {"type": "number"}}
KIND = {"kind": {"type": "label"}}
LETTERS = tuple("abcdefghijklm")
EXAMPLES = {
    "label": TaskExample({"type": "label", "smoothing": 0.0}, ("cat", "dog", "emu"), (0.6, 0.3, 0.1)),
    "label, many classes": TaskExample({"type": "label", "smoothing": 0.0}, LETTERS),
    "label, ordinal": TaskExample(
        {"type": "label", "ordinal": True, "smoothing": 0.0}, (1, 2.0, "3", "10"), (0.1, 0.5, 0.2, 0.2)
    ),
    "label, hidden": TaskExample(
        {"type": "label", "smoothing": 0.0, "hidden": [7]}, ("yes", "no"), (0.7, 0.3)
    ),
    "number": TaskExample({"type": "number", "unit": "g"}, bell(101)),
    "number, log": TaskExample({"type": "number", "log": True}, tuple(math.exp(x) for x in bell(51))),
    "tags": TaskExample({"type": "tags"}, ("red", "red|big", "big", "", []), (0.3, 0.2, 0.2, 0.1, 0.2)),
    "tags, columns": TaskExample(
        {"type": "tags", "from": ["red", "big"]},
        ({"red": "yes", "big": "no"}, {"red": 0, "big": 1.0}, {"red": "", "big": True}, {"red": "n"}),
        unknown=("", None, {"red": "", "big": "?"}),
    ),
    "boxes": TaskExample(THINGS, BASKETS, unknown=(), per_image=False),
    "boxes, attributes": TaskExample({**THINGS, "attributes": RIPE}, BASKETS, unknown=(), per_image=False),
    "embedding": TaskExample(
        {"type": "embedding", "like": "kind", "size": 6},
        LETTERS[:3],
        others=KIND,
        per_image=False,
        compares_images=True,
    ),
    "embedding, proxy": TaskExample(
        {"type": "embedding", "like": "kind", "size": 6, "method": "proxy"},
        LETTERS[:3],
        others=KIND,
        per_image=False,
        compares_images=True,
    ),
}

PROMISES = [(name, check) for name, example in EXAMPLES.items() for check in checks_of(example)]


def test_no_type_is_lost() -> None:
    assert set(kinds()) >= {"label", "tags", "number", "boxes", "embedding"}


def test_every_type_has_an_example() -> None:
    assert {example.table["type"] for example in EXAMPLES.values()} == set(kinds())


@pytest.mark.parametrize(
    ("name", "check"), PROMISES, ids=[f"{sentence(check)}-{name}" for name, check in PROMISES]
)
def test_it_keeps_the_contract(name: str, check: Callable[[TaskExample], None]) -> None:
    check(EXAMPLES[name])


def test_read_gives_typed_answers() -> None:
    read = {
        name: new(example).read(example.raw_values[1])
        for name, example in EXAMPLES.items()
        if not example.others
    }
    assert read["label"] == "dog"
    assert read["label, ordinal"] == "2"
    assert read["number"] == pytest.approx(bell(101)[1])
    assert read["tags"] == TagAnnotations(frozenset({"red", "big"}))
    assert read["tags, columns"] == TagAnnotations(frozenset({"big"}), frozenset({"red", "big"}))
    assert read["boxes"] == BASKETS[1]
