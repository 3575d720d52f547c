"""Answers in columns are encoded once for each distinct one, with the arrays that all of them would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oneglance.data.columns.coded import Coded
from oneglance.task import build_tasks, fit_targets
from oneglance.training.preparation.building import encoded

TASKS: dict[str, dict[str, Any]] = {
    "kind": {"type": "label"},
    "style": {"type": "tags", "separator": "|"},
    "price": {"type": "number", "log": True},
}
CELLS: dict[str, list[str | None]] = {
    "kind": ["hat", None, "cap", "hat", "shoe"],
    "style": ["red|old", "new", None, "old", "red"],
    "price": ["1", "20", "3.5", None, "1"],
}


@pytest.mark.parametrize("name", TASKS)
def test_the_arrays_are_the_same(name: str) -> None:
    task = build_tasks(TASKS)[name]
    answers: list[Any] = [None if cell is None else task.read(cell) for cell in CELLS[name]]
    fit_targets({name: task}, lambda _: answers)
    many = [*answers * 5, None]
    asked: list[int] = []
    encode = type(task).encode

    class Counting(type(task)):  # type: ignore[misc]
        def encode(self, answers: Any) -> Any:
            asked.append(len(answers))
            return encode(self, answers)

    object.__setattr__(task, "__class__", Counting)
    target = {key: np.asarray(array) for key, array in encoded(task, Coded.of(many)).items()}
    expected = encode(task, many)
    assert asked and asked[0] < len(many) / 3
    assert {key: array.dtype for key, array in target.items()} == {k: a.dtype for k, a in expected.items()}
    for key, array in expected.items():
        np.testing.assert_array_equal(target[key], array)
    for key, rows in encoded(task, Coded.missing(3)).items():
        np.testing.assert_array_equal(np.asarray(rows), encode(task, [None] * 3)[key])
