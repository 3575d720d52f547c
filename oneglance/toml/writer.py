"""Values as TOML text: the standard library reads TOML, and writes none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def inline(value: Any) -> str:
    """A value of JSON on one line of TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{inline(str(key))} = {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # inf, -inf and nan are TOML's words too
    # JSON's texts, numbers and truths are TOML's, but for one letter.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def document(tables: Mapping[str, Any]) -> str:
    """A whole file with a ``[section]`` for each table and a ``[[section]]`` for each of a list of tables.
    What lies deeper stands on one line.
    """
    lines: list[str] = []
    for name, value in tables.items():
        if isinstance(value, Mapping):
            parts = [(f"[{_key(name)}]", value)]
            if value and all(isinstance(inner, Mapping) for inner in value.values()):
                parts = [(f"[{_key(name)}.{_key(inner)}]", table) for inner, table in value.items()]
        elif isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
            parts = [(f"[[{_key(name)}]]", table) for table in value]
        else:
            lines.insert(0, f"{_key(name)} = {inline(value)}")  # keys of no section come first
            continue
        for heading, table in parts:
            lines += ["", heading, *(f"{_key(key)} = {inline(inner)}" for key, inner in table.items())]
    return "\n".join(lines).strip("\n") + "\n"


def _key(name: str) -> str:
    """Bare where TOML allows it."""
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else inline(name)
