"""Changes to a configuration: as people write them, as a run folder keeps them, and how they are applied."""

from __future__ import annotations

import copy
import datetime
import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from oneglance.errors import ConfigError
from oneglance.toml.writer import inline

Overrides = str | Sequence[str] | Mapping[str, Any]
"""What a user may give: ``"training.epochs=5"``, a list of these, or a mapping such as
``{"training.epochs": 5}`` or ``{"training": {"epochs": 5}}``; None as a value means the default."""


class Changes(dict[str, Any]):
    """The plain form of overrides: a JSON value by dotted key, in the order in which they apply.

    A value replaces what was there, a table as a whole.
    """

    @classmethod
    def of(cls, overrides: Overrides) -> Changes:
        """
        Raises:
            ConfigError: text that is not of the form key.path=value.
        """
        if isinstance(overrides, Changes):
            return overrides
        changes = cls()
        if isinstance(overrides, Mapping):
            for key, value in overrides.items():
                changes._set(str(key), value)
        else:
            for text in [overrides] if isinstance(overrides, str) else overrides:
                changes._replace(*_parsed(text))
        return changes

    def followed_by(self, later: Changes) -> Changes:
        """These, then ``later``."""
        both = Changes(self)
        for key, value in later.items():
            both._replace(key, value)
        return both

    def apply(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of ``tables`` with every change made.

        Raises:
            ConfigError: a key leads through a value that is no table, or past the end of a list.
        """
        changed: dict[str, Any] = copy.deepcopy(dict(tables))
        for key, value in self.items():
            _apply(changed, key, value)
        return changed

    def as_arguments(self) -> list[str]:
        """``key.path=value`` for each, as ``--set`` takes it."""
        return [f"{key}={inline(value)}" for key, value in self.items() if value is not None]

    def _set(self, key: str, value: Any) -> None:
        """Tables of the file are merged key by key; inside them a value replaces the old one."""
        keys = key.split(".")
        is_table = len(keys) == 1 or (len(keys) == 2 and keys[0] in ("tasks", "sources"))
        if is_table and isinstance(value, Mapping):
            for inner, inside in value.items():
                self._set(f"{key}.{inner}", inside)
        else:
            self._replace(key, plain(value))

    def _replace(self, key: str, value: Any) -> None:
        self.pop(key, None)  # the later one comes last
        self[key] = value


def _parsed(text: str) -> tuple[str, Any]:
    """``training.epochs=5``; the value is TOML, or else a plain word."""
    dotted, equals, written = text.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not all(keys):
        raise ConfigError(f'"{text}" is not of the form key.path=value', location="--set")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except (ValueError, RecursionError):
        value = written
    return ".".join(keys), plain(value)


def _apply(tables: dict[str, Any], dotted: str, value: Any) -> None:
    """Change ``tables`` in place. An element of a list is named by its number: ``sources.0.path``."""
    *parents, last = dotted.split(".")
    inner: Any = tables
    for key in parents:
        if isinstance(inner, list):
            if not key.isdigit() or int(key) >= len(inner):
                what = f'"{dotted}" names number {key} of {len(inner)}'
                raise ConfigError(what, location="--set", hint="they are numbered from 0")
            inner = inner[int(key)]
        else:
            inner = inner.setdefault(key, {})
        if not isinstance(inner, dict | list):
            raise ConfigError(f'"{dotted}" goes through "{key}", which is a value', location="--set")
    if isinstance(inner, list):
        raise ConfigError(f'"{dotted}" ends in a list, not at a key', location="--set")
    if value is None:
        inner.pop(last, None)
    else:
        inner[last] = copy.deepcopy(value)


def plain(value: Any) -> Any:
    """The JSON value of a Python value: paths and dates become text, tuples lists. A key whose value is None
    is left out, as TOML has no such value.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    return value
