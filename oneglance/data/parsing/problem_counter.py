"""Problems that are reported once per kind, with their number and the first location."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from oneglance.data.quoting import plain
from oneglance.errors import Problem

MOST_KINDS = 100  # that are counted; further ones are dropped


class ProblemCounter:
    """Counts problems; those of one kind become one Problem, which never stops a training."""

    def __init__(self) -> None:
        self._first: dict[str, Problem] = {}
        self._count: dict[str, int] = {}

    def add(self, kind: str, location: str, what: str, hint: str = "") -> None:
        """One more of ``kind``; only the first is kept in full."""
        if kind not in self._first:
            if len(self._first) >= MOST_KINDS:
                return
            self._first[kind] = Problem(plain(location, 200), what, hint, kind=kind, fatal=False)
        self._count[kind] = self._count.get(kind, 0) + 1

    def problems(self) -> Iterator[Problem]:
        """One per kind, in the order of their first occurrence."""
        for kind, first in self._first.items():
            count = self._count[kind]
            times = f" ({count:,} times, here first)" if count > 1 else ""
            yield replace(first, what=first.what + times)
