"""The keys of a table of oneglance.toml: type, default and meaning, from the fields of its class.

The meaning is the comment beside the field, or just above it; what follows ``; default:`` explains
a default that is worked out.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import tokenize
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Key:
    """One row of a table of keys, in Markdown."""

    name: str
    type: str
    default: str
    meaning: str


def keys(model: type[BaseModel], base: type[BaseModel] = BaseModel) -> list[Key]:
    """The keys of ``model`` that ``base`` has not, in the order of the fields."""
    comments = field_comments(model)
    return [key_of(name, field, comments.get(name, "")) for name, field in own_fields(model, base)]


def own_fields(model: type[BaseModel], base: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if name not in base.model_fields and not field.exclude:
            yield name, field


def key_of(name: str, field: FieldInfo, comment: str) -> Key:
    meaning, worked_out = parted(comment)
    return Key(
        name=field.alias or name,
        type=type_words(field.annotation, field.metadata),
        default=worked_out or default_words(field),
        meaning=sentence(meaning),
    )


def parted(comment: str) -> tuple[str, str]:
    """(meaning, how the default is worked out), either of which may be empty."""
    match = re.search(r"(?:^|; )default: (.+)$", comment)
    return (comment[: match.start()], match[1]) if match else (comment, "")


def sentence(text: str) -> str:
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else text + "."


def default_words(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else f"`{toml(value)}`"


def toml(value: Any) -> str:
    """A value as oneglance.toml writes it."""
    if isinstance(value, Mapping):
        return "{}" if not value else "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# Types.

PLAIN = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    Any: "any",
}


def type_words(kind: Any, limits: Any = ()) -> str:
    """A type in words, such as ``whole number, at least 1``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return type_words(arguments[0], [*arguments[1:], *limits])
    if kind in PLAIN:
        words = PLAIN[kind]
    elif origin is Literal:
        words = one_of([f"`{toml(value)}`" for value in arguments])
    elif origin in (Union, types.UnionType):
        words = one_of([type_words(one) for one in arguments if one is not type(None)])
    elif origin is list:
        words = f"list of {plural(type_words(arguments[0]))}"
    elif origin is tuple:
        words = "[" + ", ".join(type_words(one) for one in arguments) + "]"
    elif origin is dict:
        inner = arguments[1]
        words = (
            "table" if inner is Any or get_origin(inner) is dict else f"table of {plural(type_words(inner))}"
        )
    else:
        raise TypeError(f"no words for the type {kind!r}")
    bounds = limit_words(limits)
    return f"{words}, {bounds}" if bounds else words


def one_of(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def plural(words: str) -> str:
    first, comma, rest = words.partition(",")
    if first in ("whole number", "number", "path"):
        first += "s"
    elif first == "text":
        first = "texts"
    return first + comma + rest


def limit_words(limits: Any) -> str:
    """The bounds of a value: ``at least 0 and below 1``."""
    found: dict[str, Any] = {}
    for limit in limits:
        for name in ("ge", "gt", "le", "lt"):
            if (bound := getattr(limit, name, None)) is not None:
                found[name] = bound
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(f"{words[name]} {bound:,}" for name, bound in found.items())


# Comments.


def field_comments(model: type[BaseModel]) -> dict[str, str]:
    """Field -> its comment, of the class and of those that it inherits from."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if part is not BaseModel and issubclass(part, BaseModel):
            found.update(own_comments(part))
    return found


@cache
def own_comments(model: type[BaseModel]) -> dict[str, str]:
    source = Path(inspect.getfile(model)).read_text(encoding="utf-8")
    lines = comment_lines(source)
    (body,) = [
        node.body
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == model.__name__
    ]
    found = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while lines.get(first - 1, (False, ""))[0]:
                first -= 1
            last = node.end_lineno or node.lineno
            words = [lines[line][1] for line in range(first, last + 1) if line in lines]
            found[node.target.id] = " ".join(words)
    return found


def comment_lines(source: str) -> dict[int, tuple[bool, str]]:
    """Line -> (whether nothing else stands there, the comment without its #)."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = (alone, token.string.lstrip("#").strip())
    return found
