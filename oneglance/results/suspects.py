"""What ``suspects`` gives back: answers that are probably wrong, as in suspects.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oneglance.result import Result, Row


class Suspects(Result):
    """``suspects["suspects"][0]`` is the most suspicious answer: ``{"image", "task", "said", "proposed",
    "score"}``, with ``box`` where it is about one.
    """

    def __init__(self, values: Mapping[str, Any], path: Path | None = None) -> None:
        """
        Args:
            path: the folder with suspects.json, suspects.csv and suspects.html.
        """
        super().__init__(values)
        self.path = path

    @property
    def notes(self) -> Sequence[str]:
        """What could not be judged, and why."""
        return list(self["notes"])

    def headline(self) -> str:
        answers = sum(task["answers"] for task in self["tasks"].values())
        suspected = sum(task["suspected"] for task in self["tasks"].values())
        shown = f"the {len(self['suspects']):,} most suspicious are listed"
        return f"the network contradicts {suspected:,} of {answers:,} answers confidently; {shown}"

    def rows(self) -> list[Row]:
        """One for each: ``image, task, said, proposed, score, reason, location``."""
        columns = ("image", "task", "said", "proposed", "score", "reason", "location")
        return [{column: one[column] for column in columns} for one in self["suspects"]]
