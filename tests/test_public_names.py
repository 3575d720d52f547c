"""The public names: sorted, there, and explained."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import oneglance

NAMES = getattr(oneglance, "__all__", [])
WORDS = {  # the verbs of the shell
    *("check", "compare", "convert", "demo", "evaluate", "export", "finish", "get", "group", "init"),
    *("predict", "runs", "serve", "train", "tune", "weights"),
}

pytestmark = pytest.mark.skipif(not NAMES, reason="oneglance has no public names yet")


def test_names_are_sorted_and_single() -> None:
    assert list(NAMES) == sorted(set(NAMES))


def test_no_verb_is_lost() -> None:
    assert {*WORDS, "OneglanceError", "Run", "__version__"} - {*NAMES, "__version__"} == set()


def test_contracts_are_public() -> None:
    """Who writes a member of their own needs no other import."""
    assert {"Backbone", "Balancer", "Config", "Source", "Task"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_explained(name: str) -> None:
    thing = getattr(oneglance, name)
    if name != "__version__":
        own = thing.__dict__.get("__doc__") if isinstance(thing, type) else thing.__doc__
        assert (own or "").strip(), f"oneglance.{name} has no docstring"


def test_names_are_offered_for_completion() -> None:
    assert set(NAMES) <= set(dir(oneglance))


@pytest.mark.parametrize("name", sorted(WORDS & set(NAMES)))
def test_verbs_are_typed_functions(name: str) -> None:
    verb = getattr(oneglance, name)
    signature = inspect.signature(verb)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


def test_the_stub_gives_types_to_the_same_names_from_the_same_modules() -> None:
    stub = ast.parse((Path(oneglance.__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    found = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert all(alias.asname == alias.name for node in found for alias in node.names), "not exported"
    typed = {alias.name: node.module for node in found for alias in node.names}
    assert typed == {name: f"oneglance.{module}" for name, module in vars(oneglance)["_MODULE_OF"].items()}


def test_names_that_are_not_there_are_an_error() -> None:
    with pytest.raises(AttributeError, match="'oneglance' has no attribute 'trane'"):
        getattr(oneglance, "trane")  # noqa: B009
