"""Tables of TOML as typed values, and what is wrong with one in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from oneglance.errors import ConfigError, nearest


class Table(BaseModel):
    """A table of oneglance.toml: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}  # keys of earlier versions, and what they are called now


def read_table(model: type[BaseModel], table: Mapping[str, Any], *, location: str, section: str = "") -> Any:
    """Validate one table into ``model``; every wrong key of it, up to a bound, is named
    at once.

    Raises:
        ConfigError: with a plain message naming the section, the key, and the nearest known key.
    """
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        details_of: dict[tuple[str, ...], list[Any]] = {}
        for detail in error.errors():
            details_of.setdefault(_key(model, detail["loc"]), []).append(detail)
        wrong = islice(details_of.items(), MOST_LINES)
        lines = [_explain(model, table, key, details, section) for key, details in wrong]
        if len(details_of) > MOST_LINES:
            lines.append(f"and {len(details_of) - MOST_LINES:,} more keys are wrong")
        raise ConfigError(
            "\n".join([lines[0], *(f"{location}: {line}" for line in lines[1:])]), location=location
        ) from None


def _key(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, ...]:
    """The part of ``path`` that names a key; what follows lies inside the key's value."""
    tables: Any = model
    for depth, part in enumerate(path, 1):
        tables = _table_of(tables, str(part))
        if tables is None:
            return tuple(map(str, path[:depth]))
    return tuple(map(str, path))


def _table_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of the table that is the value of ``key``, if it is one."""
    kind = getattr(model.model_fields.get(key), "annotation", None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


MOST_LINES = 100  # of one message
LARGEST = 1e100  # of any number: its square is still finite
DEEPEST = 20  # lists and tables inside each other
LONGEST_VALUE = 60  # characters that a message shows

WANTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_parsing": "a number such as 0.5",
    "float_type": "a number such as 0.5",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_from_float": "a whole number such as 5",
    "int_parsing": "a whole number such as 5",
    "int_parsing_size": "a smaller number",
    "int_type": "a whole number such as 5",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "list_type": "a list in [ ]",
    "missing": "one more",
    "model_type": "a table",
    "path_type": "text between quotation marks",
    "string_too_long": "at most {max_length} character",
    "string_too_short": "at least {min_length} character",
    "string_type": "text between quotation marks",
    "too_long": "at most {max_length}",
    "too_short": "at least {min_length}",
    "tuple_type": "a list in [ ]",
}  # pydantic's word for what is wrong -> what to write instead


def _explain(
    model: type[BaseModel], table: Any, path: Sequence[str], details: Sequence[Any], section: str
) -> str:
    """What is wrong with one key. A key that may be one thing or another has a detail for each; those that
    lie deepest belong to what the user meant.
    """
    *tables, key = path or [""]
    inside = ".".join(part for part in [section, *tables] if part)
    inside = f"[{inside}] " if inside else ""
    first = details[0]
    if first["type"] == "extra_forbidden":
        if now := renamed_keys(model, tables).get(key):
            return f'{inside}has no key "{key}": it is called "{now}" now'
        if within := [
            f"{name}.{key}" for name in known_keys(model, tables) if key in known_keys(model, [*tables, name])
        ]:
            return f'{inside}has no key "{key}". Did you mean {" or ".join(map(json.dumps, within))}?'
        return f'{inside}has no key "{key}".{nearest(key, known_keys(model, tables))}'
    if first["type"] == "missing" and len(first["loc"]) == len(path):
        return f'{inside}needs the key "{key}"'
    depth = max(len(detail["loc"]) for detail in details)
    deepest = [detail for detail in details if len(detail["loc"]) == depth]
    wanted = " or ".join(dict.fromkeys(map(_wanted, deepest)))
    written = deepest[0]["input"]
    verb = "is" if written == _value(table, path) else "holds"
    return f"{inside}{key} {verb} {_as_written(written)} — write {wanted}"


def first_wrong(error: ValidationError) -> str:
    """The first value that is wrong, of values that no person wrote: ``classes.3 is 5 instead of text``."""
    detail = error.errors(include_url=False)[0]
    path = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"{path} is unknown"
    if detail["type"] == "missing":
        return f"{path} is missing"
    written = _as_written(detail["input"]) if is_plain(detail["input"]) else "a strange value"
    return f"{path} is {written} instead of {_wanted(detail)}" if path else f"it wants {_wanted(detail)}"


def is_plain(value: Any, deep: int = DEEPEST) -> bool:
    """Whether ``value`` is a value of JSON with numbers that are finite and text that can be written, at most
    ``deep`` levels of it.
    """
    if isinstance(value, Mapping | list):
        parts: list[Any] = [*value, *value.values()] if isinstance(value, Mapping) else value
        return deep > 0 and all(is_plain(part, deep - 1) for part in parts)
    if isinstance(value, int | float):
        return abs(value) <= LARGEST  # which NaN is not
    return value is None or (isinstance(value, str) and is_encodable(value))


def is_encodable(text: str) -> bool:
    """Whether it can be written as UTF-8: half of a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def renamed_keys(model: type[BaseModel], path: Iterable[str]) -> Mapping[str, str]:
    """Old keys of the table at ``path`` below ``model``, and what they are called now."""
    inner: type[BaseModel] | None = model
    for part in path:
        inner = _table_of(inner, part) if inner else None
    return getattr(inner, "renamed", {})


def _value(table: Any, path: Sequence[str]) -> Any:
    for part in path:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _wanted(detail: Any) -> str:
    """What to write instead; our own checks say just that."""
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        return context["expected"].replace("'", '"')
    wanted = WANTED.get(detail["type"])
    return wanted.format(**context) if wanted else detail["msg"].removeprefix("Value error, ")


def _as_written(value: Any) -> str:
    """Much as TOML writes it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def known_keys(model: type[BaseModel], path: Iterable[str]) -> list[str]:
    """The keys of the table at ``path`` below ``model``; none where it is no table."""
    for part in path:
        inner = _table_of(model, part)
        if inner is None:
            return []
        model = inner
    hidden = {name for name, field in model.model_fields.items() if field.exclude}
    return [field.alias or name for name, field in model.model_fields.items() if name not in hidden]
