"""How messages quote text of the data, which may hold anything."""

from __future__ import annotations

from collections.abc import Iterable

from oneglance.errors import nearest


def plain(text: str, limit: int = 100) -> str:
    """``text`` on one line, without control characters, and not longer than ``limit``."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return short if short.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in short)


def nearest_of(word: str, known: Iterable[str]) -> str:
    """``errors.nearest`` for known words that come from the data."""
    return nearest(word, map(plain, known))


def quoted(text: str, limit: int = 60) -> str:
    """The same between quotation marks."""
    return f'"{plain(text, limit)}"'


def quoted_list(texts: Iterable[str], limit: int = 120) -> str:
    """Several, with commas between them."""
    return plain(", ".join(texts), limit)
