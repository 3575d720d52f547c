"""Columns of yes and no beside each other: together they are the tags of a picture, or its class."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

from oneglance.data.cell import YES, as_text
from oneglance.data.inspection.column_profile import Column
from oneglance.data.inspection.column_rules import Guess
from oneglance.data.record import Record

PAIRS = tuple(
    map(frozenset, (("0", "1"), ("-1", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t")))
)
LEAST = 3  # columns: two are two questions
LISTED = 12  # names that a comment holds
NAMES = {"tags": "attributes", "label": "class"}


def yes_no_together(
    guesses: Sequence[Guess], profiles: Mapping[str, Column], records: Sequence[Record]
) -> list[Guess]:
    """The guesses, with one task in the place of at least ``LEAST`` columns beside each other that say yes
    and no in the same words: a label where each row says yes exactly once, else tags.
    """
    together: list[Guess] = []
    taken = {guess.field for guess in guesses}
    for pair, group in groupby(guesses, lambda guess: _pair(guess, profiles)):
        alike = list(group)
        if not pair or len(alike) < LEAST:
            together += alike
            continue
        one = _together(alike, pair, profiles, records, taken)
        taken.add(one.field)
        together.append(one)
    return together


def _pair(guess: Guess, profiles: Mapping[str, Column]) -> frozenset[str]:
    """The words for yes and no of a label; empty for anything else."""
    if guess.type != "label":
        return frozenset()
    words = frozenset(text.lower() for text in profiles[guess.field].counts)
    return words if words in PAIRS else frozenset()


def _together(
    columns: Sequence[Guess],
    pair: frozenset[str],
    profiles: Mapping[str, Column],
    records: Sequence[Record],
    taken: Collection[str],
) -> Guess:
    fields = [column.field for column in columns]
    unknown = list(dict.fromkeys(word for field in fields for word in profiles[field].unknown))
    rows = max(profiles[field].rows for field in fields)
    shown = ", ".join(fields[:LISTED]) + (f" and {len(fields) - LISTED:,} more" if fields[LISTED:] else "")
    reason = f"{len(fields):,} columns of {' and '.join(sorted(pair))} in {rows:,} rows: {shown}"
    if is_label := _is_exclusive(fields, records):
        reason += "; in every row exactly one is yes, which is the class"
    task_type = "label" if is_label else "tags"
    firsts = {field.partition("_")[0] for field in fields if "_" in field}
    stem = firsts.pop() if len(firsts) == 1 and all("_" in field for field in fields) else ""
    name = next(name for name in _names(stem, NAMES[task_type]) if name not in taken)
    settings = {"from": fields, **({"unknown": unknown} if unknown else {})}
    return Guess(name, task_type, settings, reason)


def _names(stem: str, usual: str) -> Iterator[str]:
    if len(stem) > 3 and stem.isidentifier():
        yield stem
    yield usual
    yield from (f"{usual}_{number}" for number in range(2, 20_000))


def _is_exclusive(fields: Sequence[str], records: Sequence[Record]) -> bool:
    """Whether every row that answers any says yes exactly once."""
    return all(
        sum(as_text(record.answers.get(field, "")).lower() in YES for field in fields) == 1
        for record in records
        if any(field in record.answers for field in fields)
    )
