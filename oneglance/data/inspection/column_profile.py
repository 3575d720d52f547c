"""A summary of one field of a source over all its rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from oneglance.data import cell
from oneglance.data.number_notation import Notation, is_marked, notation
from oneglance.data.record import Record

UNKNOWN = frozenset(
    {"?", "-", "--", "n/a", "na", "nan", "null", "unknown", "unsure", "not sure", "unclear"}
    | {"#n/a", "#nv", "<na>", "n.a.", "k.a.", "nil", "undefined"}
)  # words that mean "nobody knows", in any case
SAMPLE = 20_000  # distinct texts that are compared with a pattern


@dataclass(frozen=True)
class Column:
    """The values of one field, without empty and unknown ones."""

    field: str
    rows: int  # of the whole source
    values: Sequence[Any]  # text without space around it, numbers, lists; no empty ones
    unknown: tuple[str, ...] = ()  # words that seem to mean "unknown", as written

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def texts(self) -> list[str]:
        return [cell.as_text(value) for value in self.values]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each text occurs."""
        return Counter(self.texts)

    @property
    def distinct(self) -> int:
        return len(self.counts)

    @property
    def often(self) -> float:
        """How many rows share a value, on average."""
        return len(self) / max(1, self.distinct)

    @cached_property
    def words(self) -> list[str]:
        """The words of its name: ``senderID`` and ``sender_id`` are sender, id."""
        return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", self.field)]

    @cached_property
    def numbers(self) -> list[float]:
        """Those values that are finite numbers; True and False are none."""
        return [number for value in self.values if (number := self._number(value)) is not None]

    @property
    def no_numbers(self) -> Iterator[str]:
        """The texts of the others."""
        return (
            text for text, value in zip(self.texts, self.values, strict=True) if self._number(value) is None
        )

    @cached_property
    def notation(self) -> Notation:
        """How its numbers are written, where they are text."""
        return notation(value for value in self.values if isinstance(value, str))

    @cached_property
    def _lenient(self) -> Notation:
        """The same, where a text that may be two numbers is one of them."""
        return replace(self.notation, grouped=True)

    @cached_property
    def unclear(self) -> str:
        """A text that may be two numbers; "" where there is none."""
        return next((text for text in self.counts if self._is_unclear(text)), "")

    def _is_unclear(self, text: str) -> bool:
        return (
            is_marked(text) and self.notation.number(text) is None and self._lenient.number(text) is not None
        )

    def _number(self, value: Any) -> float | None:
        """A finite number, where ``value`` is one or reads as one; one of the two where there are two."""
        number = self._lenient.number(value) if isinstance(value, str) else cell.number(value)
        return number if number is not None and math.isfinite(number) else None

    def share(self, pattern: str) -> float:
        """About the share of rows whose whole text matches a regular expression."""
        match = re.compile(pattern).fullmatch
        sample = list(islice(self.counts.items(), SAMPLE))
        return sum(n for text, n in sample if match(text[:500])) / max(1, sum(n for _, n in sample))

    @property
    def coverage(self) -> str:
        """``531 of 572 rows``"""
        return f"all {self.rows:,} rows" if len(self) == self.rows else f"{len(self):,} of {self.rows:,} rows"


def columns(records: Sequence[Record]) -> list[Column]:
    """Every field of ``records``, in order of first occurrence."""
    fields: dict[str, list[Any]] = {}
    for record in records:
        for field, value in record.answers.items():
            if value is not None and value != "":
                fields.setdefault(field, []).append(value)
    return [_column(field, values, len(records)) for field, values in fields.items()]


def _column(field: str, values: Sequence[Any], rows: int) -> Column:
    stripped = [value.strip() if isinstance(value, str) else value for value in values]
    words = set(UNKNOWN) - ({"-"} if "+" in stripped else set())  # the result of a test
    unknown = {value: None for value in stripped if isinstance(value, str) and value.casefold() in words}
    values_known = [v for v in stripped if not (isinstance(v, str) and (v in unknown or not v)) and v == v]
    return Column(field, rows, values_known, tuple(unknown))
