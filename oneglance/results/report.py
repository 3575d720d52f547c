"""What ``evaluate`` gives back: every score of a run, as report.json holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oneglance.result import Result, Row, Score


@dataclass(frozen=True)
class TaskReport:
    """The scores of one task. ``metrics`` begins with its primary metric; ``constant`` has those of the
    constant baseline on the same pictures, and ``sources`` those of each source where there are several.
    """

    type: str
    answered: int  # pictures
    brief: str  # the primary metric with its unit, in a few characters
    metrics: dict[str, Score]
    constant: dict[str, float | None]
    sources: dict[str, dict[str, Score]]
    unit: str = ""  # of the primary metric, where it has one


class Report(Result):
    """Scores on one split, with their intervals and the constant baseline.

    ``report.tasks["kind"].metrics["accuracy"].value`` is a number; ``report["tasks"]["kind"]`` is the same as
    report.json has it.
    """

    def __init__(self, values: Mapping[str, Any], path: Path | None = None) -> None:
        """
        Args:
            path: the folder with report.json and report.html.
        """
        super().__init__(values)
        self.path = path

    @property
    def split(self) -> str:
        """``test`` or ``validation``."""
        return str(self["split"])

    @property
    def pictures(self) -> int:
        """Those that were scored."""
        return int(self["pictures"])

    @property
    def unreadable(self) -> int:
        """Pictures of this split that could not be read."""
        return int(self["unreadable"])

    @property
    def reads(self) -> int:
        """How often this split has been scored with this run, this time included."""
        return int(self["reads"])

    @property
    def date(self) -> str:
        """When, in UTC: ``2026-01-31T12:00:00+00:00``."""
        return str(self["date"])

    @cached_property
    def tasks(self) -> dict[str, TaskReport]:
        """By name."""
        return {name: _task(entry) for name, entry in self["tasks"].items()}

    def headline(self) -> str:
        missing = f", {self.unreadable:,} more could not be read" if self.unreadable else ""
        return f"{self.pictures:,} pictures of the {self.split} split{missing}"

    def rows(self) -> list[Row]:
        """One for each metric of each task: ``task, metric, value, low, high, constant, n``."""
        return [
            {
                "task": name,
                "metric": metric,
                "value": score.value,
                "low": score.low,
                "high": score.high,
                "constant": task.constant.get(metric),
                "n": score.n,
            }
            for name, task in self.tasks.items()
            for metric, score in task.metrics.items()
        ]

    def page(self) -> str:
        """report.html, while it is the page of this report; else the scores without curves and pictures."""
        file = self.path / "report.html" if self.path else None
        if file is not None and file.is_file():
            page = file.read_text(encoding="utf-8")
            if self.date in page:
                return page
        from oneglance.evaluation.reports.evaluation import page_of

        title = self.path.resolve().name if self.path else "report"
        return page_of(self.to_dict(), {}, [], {}, title, {}, {})


def _task(entry: Mapping[str, Any]) -> TaskReport:
    return TaskReport(
        entry["type"],
        entry["answered"],
        entry["brief"],
        _scores(entry["metrics"]),
        dict(entry["constant"]),
        {source: _scores(metrics) for source, metrics in entry.get("sources", {}).items()},
        entry.get("unit", ""),
    )


def _scores(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Score]:
    return {name: Score.of(values) for name, values in metrics.items()}
