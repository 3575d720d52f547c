"""Values as TOML text: the standard library reads TOML, and writes none."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from oneglance.errors import DataError
from oneglance.toml.tables import is_encodable


def inline(value: Any) -> str:
    """A value of JSON on one line of TOML.

    Raises:
        DataError: it holds text that is no Unicode, such as half of a character.
    """
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        return f"{{ {', '.join(f'{key(str(name))} = {inline(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, str) and not is_encodable(value):
        raise DataError(f"the name {json.dumps(value)} cannot be written as text", hint="rename it")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # inf, -inf and nan are TOML's words too
    # JSON's texts, numbers and truths are TOML's, but for one letter.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A key; bare where TOML allows it."""
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else inline(name)


def lines(table: Mapping[str, Any]) -> Iterator[str]:
    """A line per key of a table; those of a table within are written as ``attributes.colour = ...``."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from (f"{key(name)}.{key(within)} = {inline(inner)}" for within, inner in value.items())
        else:
            yield f"{key(name)} = {inline(value)}"


def document(tables: Mapping[str, Any]) -> str:
    """A whole file with a ``[section]`` for each table and a ``[[section]]`` for each of a list of tables.
    What lies deeper stands on one line.
    """
    written: list[str] = []
    for name, value in tables.items():
        if isinstance(value, Mapping):
            parts = [(f"[{key(name)}]", value)]
            if value and all(isinstance(inner, Mapping) for inner in value.values()):
                parts = [(f"[{key(name)}.{key(inner)}]", table) for inner, table in value.items()]
        elif isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
            parts = [(f"[[{key(name)}]]", table) for table in value]
        else:
            written.insert(0, f"{key(name)} = {inline(value)}")  # keys of no section come first
            continue
        for heading, table in parts:
            written += ["", heading, *(f"{key(within)} = {inline(inner)}" for within, inner in table.items())]
    return "\n".join(written).strip("\n") + "\n"
