"""What the benches take from the package is there: types are not checked in ``bench/``, and little of it runs
in the tests.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
FILES = sorted(BENCH.rglob("*.py"))


def names_taken(file: Path) -> Iterator[tuple[str, str]]:
    """Each module of the package that a file imports from, and the name; "" for the module itself."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "oneglance":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("oneglance"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(BENCH)))
def test_names_are_there(file: Path) -> None:
    for module, name in names_taken(file):
        if not hasattr(importlib.import_module(module), name or "__name__"):
            importlib.import_module(f"{module}.{name}")  # raises where it is neither
