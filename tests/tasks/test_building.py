"""The [tasks] tables become tasks, or one message tells all that is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from oneglance.errors import ConfigError
from oneglance.task import build_tasks

LABEL: dict[str, Any] = {"type": "label"}


def test_each_comes_after_those_it_uses() -> None:
    tables = {
        "verdict": {**LABEL, "uses": ["kind", "style"]},
        "style": {"type": "tags", "uses": ["kind"]},
        "kind": LABEL,
    }
    assert list(build_tasks(tables)) == ["kind", "style", "verdict"]


def test_a_circle_is_told() -> None:
    tables = {"a": {**LABEL, "uses": ["b"]}, "b": {**LABEL, "uses": ["a"]}, "c": LABEL}
    with pytest.raises(ConfigError, match="the tasks a, b use each other in a circle"):
        build_tasks(tables)


def test_everything_wrong_is_told_at_once() -> None:
    tables: dict[str, dict[str, Any]] = {
        "kind": {"type": "lable"},
        "style": {"type": "tags", "seperator": ";"},
        "price": {"type": "number", "uses": ["knd"]},
        "size": {},
    }
    with pytest.raises(ConfigError) as caught:
        build_tasks(tables)
    assert str(caught.value).splitlines() == [
        'oneglance.toml: [tasks.kind] has no type "lable". Did you mean "label"?',
        'oneglance.toml: [tasks.style] has no key "seperator". Did you mean "separator"?',
        'oneglance.toml: [tasks.price] uses "knd", which is no task. Did you mean "kind"?',
        'oneglance.toml: [tasks.size] needs the key "type". Known: boxes, embedding, label, number, tags.',
    ]


@pytest.mark.parametrize(
    ("table", "fields"),
    [({}, ("kind",)), ({"from": "category"}, ("category",)), ({"from": ["red", "big"]}, ("red", "big"))],
)
def test_fields_are_where_the_answer_stands(table: dict[str, Any], fields: tuple[str, ...]) -> None:
    assert build_tasks({"kind": {"type": "tags", **table}})["kind"].fields == fields


@pytest.mark.parametrize("kind", ["label", "number", "tags", "embedding"])
def test_a_standalone_copy_uses_no_other_and_has_the_hidden_layers_asked_for(kind: str) -> None:
    tables: dict[str, Any] = {"a": {"type": "label"}, "b": {"type": kind, "uses": ["a"], "hidden": [5]}}
    tables["b"] |= {"like": "a"} if kind == "embedding" else {}
    task = build_tasks(tables)["b"]
    copies = task.standalone(), task.standalone([7, 3])
    assert [copy.hidden for copy in copies] == [[], [7, 3]]  # type: ignore[attr-defined]
    assert all(copy.uses == [] and copy.name == "b" for copy in copies)
    assert task.uses == ["a"] and task.hidden == [5]  # type: ignore[attr-defined]


def test_what_a_task_says_of_itself() -> None:
    """Nobody asks which type it is."""
    number, label = build_tasks({"a": {"type": "number", "unit": "g"}, "b": {"type": "label"}}).values()
    assert (number.metric_unit, label.metric_unit) == ("g", "")
    boxes = build_tasks({"a": {"type": "boxes", "attributes": {"ripe": {"type": "label"}}}})["a"]
    assert (list(boxes.attribute_names), list(label.attribute_names)) == (["ripe"], [])


def test_joined_words_are_joined_in_one_step() -> None:
    with pytest.raises(
        ConfigError, match='write the last word of each, for "b" is read as another one itself'
    ):
        build_tasks({"kind": {"type": "label", "join": {"a": "b", "b": "c"}}})
    (task,) = build_tasks({"kind": {"type": "label", "join": {"1.0": "one"}}}).values()
    assert task.read("1") == task.read(1.0) == "one"
