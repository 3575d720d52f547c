"""Numbers as people write them in tables: ``3,5``, ``1.234,56``, ``1 234``, ``1'234``.

Which mark is the decimal one is a fact about a whole column and is never decided cell by cell: ``1.234`` is a
little more than one beside ``0.5``, and more than a thousand beside ``2.345,50``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_SPACES = " '\u2019\u00a0\u2009\u202f"  # between thousands, whatever the decimal mark is
_MARKED = re.compile(rf"[^,{_SPACES}]*[,{_SPACES}]|[+-]?[1-9]\d{{0,2}}(?:\.\d{{3}})+\Z", re.ASCII)


def _pattern(decimal: str, other: str) -> re.Pattern[str]:
    grouped = rf"[1-9]\d{{0,2}}([{other}{_SPACES}])\d{{3}}(?:\3\d{{3}})*"
    return re.compile(rf"([+-]?)({grouped}|\d+)?(?:[{decimal}](\d*))?([eE][+-]?\d+)?", re.ASCII)


_PATTERNS = {".": _pattern(".", ","), ",": _pattern(",", ".")}  # by decimal mark


def is_marked(text: str) -> bool:
    """Whether ``text``, if it is a number, may be another one than Python reads. Cheap, for every cell."""
    return _MARKED.match(text) is not None


def _reading(text: str, decimal: str) -> tuple[float, str] | None:
    """The number with this decimal mark, and the mark between its thousands, if any."""
    match = _PATTERNS[decimal].fullmatch(text)
    if match is None:
        return None
    sign, whole, group, fraction, exponent = match.groups(default="")
    if not (whole or fraction) or (group and exponent):
        return None
    digits = whole.replace(group, "") if group else whole
    return float(f"{sign}{digits or 0}.{fraction or 0}{exponent}"), group


@dataclass(frozen=True)
class Notation:
    """How the numbers of one column are written."""

    decimal: str = "."
    grouped: bool = False  # the other mark stands between thousands: a cell says so, or a person
    point: str = ""  # a cell that is a number only with a decimal point
    comma: str = ""  # one that is a number only with a decimal comma
    example: str = ""  # the first cell that is a number, but not as Python reads it
    count: int = 0  # of such cells

    def number(self, text: str) -> float | None:
        """The number that ``text`` is in this column; None where it is none, or may be two."""
        text = text.strip()
        reading = _reading(text, self.decimal)
        if reading is None:
            return None
        value, group = reading
        doubtful = group in {",", "."} and not self.grouped and _reading(text, group) is not None
        return None if doubtful else value

    def refusal(self, text: str) -> tuple[str, str] | None:
        """What is wrong with a cell, and what helps; None where no mark is the reason."""
        text = text.strip()
        with_point, with_comma = _reading(text, "."), _reading(text, ",")
        if with_point is None and with_comma is None:
            return None
        if with_point is not None and with_comma is not None:
            what = f'is "{text}", which may be {with_point[0]:.15g} or {with_comma[0]:.15g}'
            return what, 'say which mark is the decimal one in [[sources]]: decimal = "," or decimal = "."'
        if with_point is None:
            what, other, wanted, key = f'is "{text}", with a decimal comma', self.point, "point", ","
        else:
            what, other, wanted, key = f'is "{text}", with a decimal point', self.comma, "comma", "."
        if other:
            return f'{what}, but another cell is "{other}"', "write the whole column with the same mark"
        return what, f'write a {wanted}, or say decimal = "{key}" in [[sources]] if the column is written so'


def notation(texts: Iterable[str], *, point_suffices: bool = False) -> Notation:
    """How the numbers among ``texts``, all cells of a column, are written.

    Args:
        point_suffices: whether to stop at the first cell that is a number only with a decimal point, where
            none before is one only with a comma.
    """
    point = comma = example = ""
    grouped, count = False, 0
    certain, unclear = Counter[str](), Counter[str]()  # cells by decimal mark; by the mark that may be either
    for text in map(str.strip, texts):
        with_point, with_comma = _reading(text, "."), _reading(text, ",")
        if with_point is None and with_comma is None:
            continue
        group = (with_point or with_comma or (0, ""))[1]
        if with_point is None:
            comma = comma or text
            grouped |= group == "."
            certain[","] += 1
        elif with_comma is None:
            point = point or text
            grouped |= group == ","
            certain["."] += 1
            if point_suffices and not comma:
                break
        elif with_point[0] != with_comma[0]:
            unclear["," if "," in text else "."] += 1
        if with_point is None or group:
            example = example or text
            count += 1
    decimal, other = (",", ".") if comma and not point else (".", ",")
    # One cell alone does not turn a whole column of 1.234 into thousands.
    grouped = grouped and not (point and comma) and certain[decimal] >= unclear[other]
    return Notation(decimal, grouped, point, comma, example, count)
