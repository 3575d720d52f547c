"""What tasks have learned is read strictly, whoever wrote it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from contracts.test_tasks import EXAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.storage.task_state import Form, InvalidState, LearnedState, PlainState, restore
from oneglance.task import Task
from oneglance.testing.tasks import new, trained

STATES = {name: trained(example).task.state() for name, example in EXAMPLES.items()}
RAW = {name: trained(example).raw[:3] for name, example in EXAMPLES.items()}
STRANGE: tuple[Any, ...] = (
    None,
    True,
    "",
    "warm",
    "\ud800",
    0,
    -1,
    0.5,
    1e29,
    -1e308,
    10**400,
    float("nan"),
    float("inf"),
    [],
    [[]],
    [1e9, "a"],
    {},
    {"a": {"b": []}},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside ``value``."""
    if path:
        yield path
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    for key, part in inside:
        yield from places(part, (*path, key))


def changed(state: Mapping[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    state = json.loads(json.dumps(state))
    inner: Any = state
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return state


def answers(task: Task, raw: np.ndarray) -> str:
    return json.dumps([task.visible(one) for one in task.decode(raw)], allow_nan=False)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_type_declares_its_form(name: str) -> None:
    task = new(EXAMPLES[name])
    assert type(task).learned is not PlainState
    restore({name: task}, {name: STATES[name]})
    assert task.state() == STATES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_another_value_anywhere_is_refused_or_gives_finite_answers(name: str) -> None:
    refused = 0
    for path in places(STATES[name]):
        for value in STRANGE:
            task = new(EXAMPLES[name])
            try:
                restore({"t": task}, {"t": changed(STATES[name], path, value)})
                answers(task, RAW[name])
            except InvalidState as error:
                assert str(error).startswith("t: ") and "pydantic" not in str(error)
                refused += 1
            except ValueError as error:  # other numbers of classes than the network has
                assert "columns" in str(error) or "argument" in str(error) or "broadcast" in str(error)
    assert refused > len(STRANGE)


@pytest.mark.parametrize(
    ("name", "path", "value", "why"),
    [
        (
            "label",
            ("temperature",),
            float("nan"),
            "temperature is a strange value instead of a finite number",
        ),
        ("label", ("temperature",), "warm", 'temperature is "warm" instead of a number such as 0.5'),
        ("label", ("temperature",), 1e29, "temperature is 1e+29 instead of a number of at most 1000"),
        ("label", ("classes",), "cat", 'classes is "cat" instead of a list in [ ]'),
        ("label", ("classes", 1), 5, "classes.1 is 5 instead of text between quotation marks"),
        ("label", ("classes", 1), "cat", 'classes is ["cat", "cat", "emu"] instead of names that differ'),
        ("label", ("shares",), [0.5, 0.5], "one of `shares` for each of the 3 classes, not 2"),
        ("label", ("extra",), 1, "extra is unknown"),
        ("number", ("spread",), 0, "spread is 0 instead of a number above 0"),
        ("number, log", ("middle",), 1e5, "middle is 100000, which is no logarithm of an answer"),
        ("boxes, attributes", ("attributes", "mass", "reach"), "x", "mass: reach is"),
        ("boxes", ("levels", 0), [6, 6, 8], "levels.0 is [6, 6, 8] instead of at least 4"),
    ],
)
def test_why_it_is_refused(name: str, path: tuple[Any, ...], value: Any, why: str) -> None:
    with pytest.raises(InvalidState) as caught:
        restore({"t": new(EXAMPLES[name])}, {"t": changed(STATES[name], path, value)})
    assert why in str(caught.value)


@pytest.mark.parametrize("states", [None, [], 3, {}, {"t": None}, {"t": {}}, {"other": {}}])
def test_what_is_no_table_of_states(states: Any) -> None:
    with pytest.raises(InvalidState):
        restore({"t": new(EXAMPLES["label"])}, states)
    with pytest.raises(InvalidState, match='"u" is no task of the configuration'):
        restore({"t": new(EXAMPLES["label"])}, {"t": STATES["label"], "u": {}})


def test_other_classes_than_the_configuration_declares() -> None:
    example = copy.deepcopy(EXAMPLES["label"])
    example.table["classes"] = ["cat", "dog", "emu"]
    restore({"t": new(example)}, {"t": STATES["label"]})
    example.table["classes"] = ["cat", "dog", "fox"]
    with pytest.raises(InvalidState, match=r"classes are others than those that the configuration declares"):
        restore({"t": new(example)}, {"t": STATES["label"]})


# Types of other packages, which may declare a form or none.


class Trusting(type(new(EXAMPLES["number"]))):  # type: ignore[misc]
    learned: ClassVar[Form] = PlainState

    def restore(self, state: Mapping[str, Any]) -> None:
        self._middle = state["a"]["b"][0]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(json_values)
def test_a_type_that_declares_nothing_gets_finite_values_or_none(value: Any) -> None:
    task = Trusting.model_construct()
    try:
        restore({"t": task}, {"t": value})
    except InvalidState:
        return
    raise AssertionError("nothing here has what it wants")


@pytest.mark.parametrize("value", [float("nan"), 1e200, 10**400, ["\ud800"], {"x": [[float("inf")]]}])
def test_values_that_no_type_may_see(value: Any) -> None:
    task = Trusting.model_construct()
    restore({"t": task}, {"t": {"a": {"b": [5]}}})
    assert task._middle == 5
    with pytest.raises(InvalidState, match=r"(instead of|wants) finite numbers"):
        restore({"t": task}, {"t": {"a": {"b": [5]}, "more": value}})


def test_a_form_of_its_own() -> None:
    class Middle(LearnedState):
        middle: float

    class Own(Trusting):
        learned: ClassVar[Form] = Middle

        def restore(self, state: Mapping[str, Any]) -> None:
            self._middle = state["middle"]

    task = Own.model_construct()
    restore({"t": task}, {"t": {"middle": 3}})
    assert task._middle == 3.0
    with pytest.raises(InvalidState, match='t: middle is "3" instead of a number'):
        restore({"t": task}, {"t": {"middle": "3"}})
