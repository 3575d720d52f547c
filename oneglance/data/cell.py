"""What a cell says, read in one way whatever format it comes from: the text of a table, a value of JSON, the
name of a folder.

A whole number is the same word however it is written: ``1.0`` of a column with gaps, ``1`` of JSON. Nothing
else changes: ``01``, ``1.10`` and ``112_05`` are words of their own.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from oneglance.errors import InvalidAnswer

DIGITS = frozenset("0123456789.")
YES = frozenset({"1", "true", "yes", "y", "t", "x"})
NO = frozenset({"0", "false", "no", "n", "f", "-1"})  # -1 as in CelebA
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+", re.ASCII)
# Zero-width spaces, soft hyphen, word joiner, marks of direction; no joiners of letters, by which words of
# Persian and Hindi change.
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\ufeff\u00ad\u2060\u200e\u200f\u202a\u202b\u202c\u202d\u202e"))
_ITEM = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[-+]?\d+(?:\.\d+)?|None|null|[Tt]rue|[Ff]alse"""
_LIST = re.compile(rf"\[\s*(?:(?:{_ITEM})\s*(?:,\s*(?:{_ITEM})\s*)*(?:,\s*)?)?\]", re.ASCII)
_CODE = re.compile(r"[+-]?0\d.*", re.ASCII)


class Cells(list[Any]):
    """The cells of one field in several rows about one picture, each read as it would be alone."""


def as_text(value: Any) -> str:
    """A cell as a person would write it: without space around it, whole numbers without ``.0``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if text.endswith("0") and (whole := _WHOLE.fullmatch(text)):
        return whole[1] if whole[1] != "-0" else "0"
    return text


def as_list(text: str) -> list[str | None] | None:
    """The texts of a list as JSON or Python writes it, ``["a", "b"]`` or ``['a', 'b']``; None for other text.

    A gap in it, ``None`` or ``null``, is None. What such a list may hold besides, and a list without
    commas, as NumPy prints it, is no list here.
    """
    if text[:1] != "[" or not _LIST.fullmatch(text):
        return None
    items: list[str | None] = []
    for written in re.findall(_ITEM, text, re.ASCII):
        if written in ("None", "null"):
            items.append(None)
        elif written[0] not in "'\"":
            items.append(as_text(written))
        elif (inner := _unescaped(written)) is None:
            return None
        else:
            items.append(inner)
    return items


def _unescaped(written: str) -> str | None:
    """The text between quotation marks; None where it holds an escape that is not understood."""
    if "\\" not in written:
        return written[1:-1]
    if written[0] == '"':
        try:
            return str(json.loads(written))
        except ValueError:
            pass
    inner = re.sub(r"\\(['\"\\])", lambda escaped: "\0" if escaped[1] == "\\" else escaped[1], written[1:-1])
    return None if "\\" in inner else inner.replace("\0", "\\")


def without_invisible(text: str) -> str:
    """``text`` as it looks: in Unicode's composed form (NFC), without characters that show nothing, and with
    one plain space where there is any.
    """
    composed = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    return composed if composed.isascii() and "  " not in composed else " ".join(composed.split())


def number(value: Any) -> float | None:
    """The number that a cell holds, written with a point if at all; it may be infinite where it is too large.
    None for anything else: true and false, and what Python takes for a number besides, which is 1_0, nan, inf
    and digits of other scripts.
    """
    if isinstance(value, str):
        text = value.strip()
        if "_" in text or not text.isascii():
            return None
        try:
            size = float(text)
        except ValueError:
            return None
        return size if math.isfinite(size) or text.lstrip("+-")[0] in DIGITS else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_code(text: str) -> bool:
    """Whether text of digits is no amount: ``007`` has lost its name if it is read as 7."""
    return bool(_CODE.fullmatch(text)) and not text.lstrip("+-").startswith(("0.", "0e", "0E"))


def fields_of_yes(cells: Mapping[str, str]) -> frozenset[str]:
    """The fields whose cell, in small letters, says yes.

    Raises:
        InvalidAnswer: a cell says neither yes nor no.
    """
    for field, cell in cells.items():
        if cell not in YES | NO:
            hint = "write yes or no, or leave the cell empty if unknown"
            raise InvalidAnswer(f'{field} is "{cell}"', hint)
    return frozenset(field for field, cell in cells.items() if cell in YES)
