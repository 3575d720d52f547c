"""What ``robustness`` gives back: every score on clean and on corrupted pictures, as in robustness.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneglance.result import Result, Row, Score


@dataclass(frozen=True)
class TaskRobustness:
    """The primary metric of one task: on ``clean`` pictures, the mean over all ``corrupted`` ones, of each
    family, and of each corruption in its strengths 1 to 5. ``relative_error`` is the error on corrupted
    pictures divided by that on clean ones; None where there is no error on clean ones.
    """

    metric: str
    unit: str
    clean: Score
    corrupted: Score
    relative_error: float | None
    families: dict[str, Score]
    corruptions: dict[str, list[Score]]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> TaskRobustness:
        """As it stands in a JSON output."""
        return cls(
            entry["metric"],
            entry["unit"],
            Score.of(entry["clean"]),
            Score.of(entry["corrupted"]),
            entry["relative_error"],
            {name: Score.of(score) for name, score in entry["families"].items()},
            {name: [Score.of(score) for score in scores] for name, scores in entry["corruptions"].items()},
        )


class Robustness(Result):
    """``robustness.tasks["kind"].corrupted.value`` is a number; ``robustness["tasks"]["kind"]`` is the
    same as robustness.json has it.
    """

    def __init__(self, values: Mapping[str, Any], path: Path | None = None) -> None:
        """
        Args:
            path: the folder with robustness.json and robustness.html.
        """
        super().__init__(values)
        self.path = path

    @property
    def tasks(self) -> dict[str, TaskRobustness]:
        """Those with an answer, by name."""
        return {name: TaskRobustness.of(entry) for name, entry in self["tasks"].items()}

    def headline(self) -> str:
        return f"{self['pictures']:,} pictures of the {self['split']} split, clean and in 75 ways worse"

    def rows(self) -> list[Row]:
        """One for each task: ``task, metric, clean, corrupted, low, high``, each family, ``relative_error``
        and ``n``; the interval is that of ``corrupted``.
        """
        return [
            {
                "task": name,
                "metric": task.metric,
                "clean": task.clean.value,
                "corrupted": task.corrupted.value,
                "low": task.corrupted.low,
                "high": task.corrupted.high,
                **{family: score.value for family, score in task.families.items()},
                "relative_error": task.relative_error,
                "n": task.clean.n,
            }
            for name, task in self.tasks.items()
        ]
