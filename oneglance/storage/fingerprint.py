"""What a run was begun with, in a few bytes for each picture and answer.

A picture counts by its content, an answer by its value, wherever their files lie now and whatever else they
say. Of the configuration all counts but where things lie and how they are cached.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Self

from oneglance.config import Config
from oneglance.data.dataset import Dataset
from oneglance.data.images.content_hash import short

LISTED = 3  # names of each kind that a message holds
BYTES = 4  # of the digest of an answer
# What may change without changing what is learned: places, the cache, and when to write checkpoints.
APART = re.compile(
    r"cache\.(?!shuffle_gigabytes).*|sources\.\d+\.(path|images)|training\.(checkpoint_minutes|tensorboard)"
)

Rows = Sequence[Sequence[str]]  # (picture, group, split) of every record


@dataclass(frozen=True)
class Fingerprint:
    """Digests as hexadecimal text, in the order of split.csv."""

    configuration: Mapping[str, Any]  # JSON value by dotted key
    pictures: Sequence[str]  # "" for one that cannot be read
    answers: Mapping[str, Sequence[str]]  # by task; "" where nobody answered

    @classmethod
    def of(cls, config: Config, dataset: Dataset) -> Self:
        """That of data that have just been read."""
        tasks = sorted({name for record in dataset.records for name in record.answers})
        return cls(
            settings(config),
            ["" if digest is None else short(digest) for digest in dataset.contents],
            {name: [_digest(record.answers.get(name)) for record in dataset.records] for name in tasks},
        )

    def to_dict(self) -> dict[str, Any]:
        """As fingerprint.json holds it; the digests, which may be millions, are not copied."""
        return dict(vars(self))

    def changes(self, now: Fingerprint, rows: Rows) -> list[str]:
        """What is not as it was, in words: a line for each kind, with the first few names.

        Args:
            rows: the pictures, which are the same ones; only those that take part in training count.
        """
        lines = _settings_changed(self.configuration, now.configuration)
        learned = [row for row, (_, _, split) in enumerate(rows) if split != "test"]

        def compared(before: Sequence[str], after: Sequence[str], what: str) -> Iterator[str]:
            names = [rows[row][0] for row in learned if before[row] != after[row]]
            if names:
                yield counted(what, names)

        lines += compared(self.pictures, now.pictures, "changed picture")
        for name in sorted({*self.answers, *now.answers}):
            nothing = [""] * len(rows)
            both = (self.answers.get(name, nothing), now.answers.get(name, nothing))
            lines += compared(*both, f"changed answer to {name}")
        return lines

    def with_settings(self, other: Fingerprint, keys: Set[str]) -> Fingerprint:
        """The same data, with some settings as in ``other``."""
        kept = {key: value for key, value in self.configuration.items() if key not in keys}
        taken = {key: value for key, value in other.configuration.items() if key in keys}
        return dataclasses.replace(self, configuration=kept | taken)

    def fits(self, rows: Rows) -> bool:
        """Whether it is of so many pictures."""
        return all(len(digests) == len(rows) for digests in (self.pictures, *self.answers.values()))


def settings(config: Config) -> dict[str, Any]:
    """Each declared value of a configuration that counts, by its dotted key."""
    return {key: value for key, value in _declared(config).items() if not APART.fullmatch(key)}


def differing(before: Config, now: Config) -> dict[str, Any]:
    """By dotted key the value that ``now`` declares, None where it declares none, of each key whose value is
    another one than ``before``. A default that is written down is the same as one that is not.
    """
    old, new = (dict(_flat(config.model_dump(mode="json", by_alias=True))) for config in (before, now))
    declared = _declared(now)
    keys = sorted({*old, *new})
    return {
        key: declared.get(key) for key in keys if (key in old, old.get(key)) != (key in new, new.get(key))
    }


def settings_changed(before: Config, now: Config, keys: Iterable[str]) -> list[str]:
    """``[training] epochs was 20, is 30`` for each of ``keys``."""
    return [_changed(key, _declared(before), _declared(now)) for key in keys]


def _settings_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    keys = sorted({*before, *now})
    return [
        _changed(key, before, now)
        for key in keys
        if (key in before, before.get(key)) != (key in now, now.get(key))
    ]


def _changed(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    section, _, name = key.rpartition(".")
    return f"[{section}] {name} was {_value(before, key)}, is {_value(now, key)}"


def _declared(config: Config) -> dict[str, Any]:
    return dict(_flat(config.model_dump(mode="json", by_alias=True, exclude_unset=True)))


def row_changes(before: Rows, now: Rows) -> list[str]:
    """The same of the pictures themselves and their groups."""
    old, new = ({row[0]: row[1] for row in rows} for rows in (before, now))
    both = [name for name in old if name in new]
    kinds = {
        "picture that is gone": [name for name in old if name not in new],
        "new picture": [name for name in new if name not in old],
        "picture of another group": [name for name in both if old[name] != new[name]],
    }
    lines = [counted(what, names) for what, names in kinds.items() if names]
    return lines or ["the pictures come in another order"]


def counted(what: str, names: Sequence[str]) -> str:
    """``2 new pictures (a.jpg, b.jpg)``."""
    first, _, rest = what.partition(" that is ")
    noun = first if len(names) == 1 else re.sub(r"(picture|answer)", r"\1s", first)
    verb = f" that {'is' if len(names) == 1 else 'are'} {rest}" if rest else ""
    more = ", …" if len(names) > LISTED else ""
    return f"{len(names):,} {noun}{verb} ({', '.join(names[:LISTED])}{more})"


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its dotted key; empty lists and tables are values."""
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        inside = enumerate(value)
    parts = [pair for name, part in inside for pair in _flat(part, f"{key}.{name}" if key else str(name))]
    yield from parts or [(key, value)]


def _value(configuration: Mapping[str, Any], key: str) -> str:
    return json.dumps(configuration[key], ensure_ascii=False) if key in configuration else "not set"


def _digest(answer: Any) -> str:
    if answer is None:
        return ""
    text = repr(ordered(answer)).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(text, digest_size=BYTES).hexdigest()


def ordered(value: Any) -> Any:
    """The same value as lists of plain values, in an order that no process chooses for itself. Fields that a
    later version adds to a class, and that have their defaults, do not count.
    """
    if value is None or isinstance(value, str | bytes | int | float):
        return value  # first, for nearly all answers are such
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return [[field.name, ordered(part)] for field, part in pairs if not _is_default(field, part)]
    if isinstance(value, Mapping):
        return sorted(([str(key), ordered(part)] for key, part in value.items()), key=repr)
    if isinstance(value, Set):
        return sorted(map(ordered, value), key=repr)
    if isinstance(value, list | tuple):
        return [ordered(part) for part in value]
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text  # an object that says nothing of itself


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return field.default is not dataclasses.MISSING and bool(value == field.default)
