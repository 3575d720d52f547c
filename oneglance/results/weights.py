"""What ``weights`` gives back: pretrained weights at hand, and some that can be had."""

from __future__ import annotations

from typing import Any

from oneglance.result import ResultList, Row


class Weights(ResultList[dict[str, Any]]):
    """A row for each set of weights, those at hand first."""

    def headline(self) -> str:
        """How many are at hand."""
        count = sum(bool(row["at_hand"]) for row in self)
        return f"{count} set{'s' if count != 1 else ''} of pretrained weights at hand"

    def rows(self) -> list[Row]:
        """One for each: ``name, at_hand, pixels, parameters, pictures_per_second, licence, good_for``."""
        shown = ("name", "at_hand", "pixels", "parameters", "pictures_per_second", "licence", "good_for")
        return [{key: row[key] for key in shown} for row in self]
