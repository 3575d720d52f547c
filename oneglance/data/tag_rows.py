"""Tables with a row for each tag of a picture: the rows of a picture become one, with lists."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oneglance.data.cell import Cells, as_text, number
from oneglance.data.record import ImageRef, Record
from oneglance.data.source import Entry
from oneglance.errors import Problem

REPEATED = 0.1  # share of the pictures that have several rows, in a table of tags
DIFFERENT = 0.9  # share of these whose rows all have different tags


@dataclass
class _Picture:
    location: str
    rows: list[Mapping[str, Any]] = field(default_factory=list)


def joined(entries: Iterable[Entry | Problem], single: Collection[str]) -> Iterator[Entry | Problem]:
    """One entry per picture, in the order of their first rows. A field that has several values in the rows of
    any picture is ``Cells`` in all of them.

    Args:
        single: fields that have one value per picture. Where rows differ in one, each value is an entry of
            its own, for the caller to find the contradiction.
    """
    pictures: dict[ImageRef, _Picture] = {}
    for entry in entries:
        if isinstance(entry, Problem):
            yield entry
            continue
        location, image, answers = entry
        pictures.setdefault(image, _Picture(location)).rows.append(answers)
    varying = {name for picture in pictures.values() for name in _varying(picture.rows)} - set(single)
    for image, picture in pictures.items():
        answers = {}
        for name, values in _values(picture.rows).items():
            answers[name] = Cells(values) if name in varying else values[0]
            if name not in varying:
                for other in values[1:]:
                    yield picture.location, image, {name: other}
        yield picture.location, image, answers


def are_tags(records: Sequence[Record]) -> bool:
    """Whether records, as a source reads them, look like one row per tag: pictures come again and again, each
    time with another one of few words, and with nothing else that differs.
    """
    rows: dict[ImageRef, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        rows[record.image].append(record.answers)
    repeated = [answers for answers in rows.values() if len(answers) > 1]
    if len(repeated) < max(2, REPEATED * len(rows)):
        return False
    varying = Counter(name for answers in repeated for name in _varying(answers))
    counted = {name for name in varying if _is_a_key(name, records)}
    return len(varying) > len(counted) and all(_is_a_tag(name, repeated) for name in varying.keys() - counted)


def _is_a_tag(name: str, repeated: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether a field holds few words, no numbers, and hardly the same one twice for a picture."""
    words: Counter[str] = Counter()
    different = 0
    for answers in repeated:
        values = [as_text(one[name]) for one in answers if one.get(name) is not None]
        words.update(values)
        different += len(set(values)) == len(values)
    amounts = sum(number(word) is not None for word in words)
    return (
        different >= DIFFERENT * len(repeated)
        and 2 * len(words) <= words.total()
        and 2 * amounts < len(words)
    )


def _is_a_key(name: str, records: Sequence[Record]) -> bool:
    """Whether a field numbers the rows."""
    values = [as_text(record.answers[name]) for record in records if record.answers.get(name) is not None]
    return len(set(values)) == len(values)


def _varying(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields with several values, or with lists."""
    return [name for name, values in _values(rows).items() if len(values) != 1 or _is_list(name, rows)]


def _is_list(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    return any(isinstance(row.get(name), list) for row in rows)


def _values(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The different values of each field, in order; lists are opened."""
    values: dict[str, dict[str, Any]] = {}
    for row in rows:
        for name, value in row.items():
            own = values.setdefault(name, {})
            for one in value if isinstance(value, list) else [value]:
                own.setdefault(as_text(one), one)
    return {name: list(own.values()) for name, own in values.items()}
