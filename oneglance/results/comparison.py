"""What ``compare`` gives back: joint training beside single networks and baselines, as compare.json holds
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from oneglance.evaluation.comparison import wording
from oneglance.result import Result, Row, Score, cell
from oneglance.results.robustness import TaskRobustness


@dataclass(frozen=True)
class Difference:
    """A difference of the primary metric, joint − single, with its 95 % interval. ``p`` and the verdict are
    corrected for the number of tasks.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    error_change: float | None  # of the distance from perfect, as a share: -0.1 is a tenth less
    verdict: str  # "better", "worse" or "no difference"

    def __str__(self) -> str:
        if self.value is None:
            return ""
        return f"{'−' if self.value < 0 else '+'}{cell(abs(self.value))}  {self.verdict}"


@dataclass(frozen=True)
class ComparedTask:
    """One task. ``scores`` are those of its primary metric by variant: ``joint``, ``single``, ``classical``,
    ``constant`` and what else was compared; ``differences`` are by pairing: ``equal_steps``, ``equal_time``
    and the like.
    """

    type: str
    metric: str
    unit: str
    scores: dict[str, Score]
    differences: dict[str, Difference]
    baselines: dict[str, Score]


@dataclass(frozen=True)
class ComparedRobustness:
    """One task on pictures that are made worse. ``scores`` are by ``joint``, ``single``, ``classical`` and
    ``frozen probe``. ``differences`` are joint − single on ``clean`` and on ``corrupted`` pictures, and
    ``lost``: how much more the error of the joint network grows, so that above 0 it is the less robust one.
    """

    scores: dict[str, TaskRobustness]
    differences: dict[str, Difference]


@dataclass(frozen=True)
class Cost:
    """What a variant took; of all single networks together."""

    seconds: float  # of training
    peak_mb: float | None  # of memory
    parameters: int
    ms_per_picture: float


@dataclass(frozen=True)
class Recommendation:
    """What to try for a task that learned worse than alone."""

    task: str
    remedy: str
    command: str
    why: str
    cost: dict[str, Any]
    others: list[dict[str, Any]] = field(default_factory=list)  # further ways: remedy, command, why, cost


class Comparison(Result):
    """Did joint training help? ``comparison.tasks["kind"].differences["equal_time"].verdict`` says it."""

    def __init__(self, values: Mapping[str, Any], path: Path | None = None) -> None:
        """
        Args:
            path: the folder with compare.json and compare.html.
        """
        super().__init__(values)
        self.path = path

    @property
    def pictures(self) -> int:
        """Of the test split."""
        return int(self["pictures"])

    @property
    def unreadable(self) -> int:
        """Pictures of all splits that could not be read."""
        return int(self["unreadable"])

    @property
    def seeds(self) -> int:
        """Trainings of each variant."""
        return int(self["seeds"])

    @property
    def epochs(self) -> int:
        """Of each training of all tasks."""
        return int(self["epochs"])

    @property
    def notes(self) -> list[str]:
        """What a reader has to know to read the numbers right."""
        return list(self["notes"])

    @cached_property
    def tasks(self) -> dict[str, ComparedTask]:
        """By name."""
        return {name: _task(entry, self["summary"]) for name, entry in self["tasks"].items()}

    @cached_property
    def robustness(self) -> dict[str, ComparedRobustness]:
        """By task; empty where it was not asked for."""
        measured = self.get("robustness", {"tasks": {}})
        return {
            name: ComparedRobustness(
                {
                    variant: TaskRobustness.of(
                        {**entry, **{k: self["tasks"][name][k] for k in ("metric", "unit")}}
                    )
                    for variant, entry in variants.items()
                },
                {key: _difference(each[name]) for key, each in measured.get("differences", {}).items()},
            )
            for name, variants in measured["tasks"].items()
        }

    @cached_property
    def cost(self) -> dict[str, Cost]:
        """By variant that was trained."""
        return {name: Cost(**entry) for name, entry in self["cost"].items()}

    @cached_property
    def recommendations(self) -> list[Recommendation]:
        """For each task that learned worse than alone."""
        return [Recommendation(**entry) for entry in self["advice"]]

    def headline(self) -> str:
        seeds = f"{self.seeds} seed{'s' if self.seeds != 1 else ''}"
        return f"{self.pictures:,} pictures of the test split, {seeds}, {self.epochs} epochs"

    def rows(self) -> list[Row]:
        """One for each task and variant or baseline, ``task, metric, variant, value, low, high, n, seeds``,
        and one for each task and difference, which has ``p, error_change, verdict`` instead of ``n`` and
        ``seeds``.
        """
        rows: list[Row] = []
        for name, task in self.tasks.items():
            start = {"task": name, "metric": wording.metric(self["tasks"][name])}
            scores = {**task.scores, **task.baselines}
            rows += [{**start, "variant": variant, **vars(score)} for variant, score in scores.items()]
            rows += [
                {**start, "variant": wording.PAIRINGS[pairing].title, **vars(difference)}
                for pairing, difference in task.differences.items()
            ]
        return rows

    def shown_rows(self) -> list[Row]:
        """A row for each task, a column for each variant and difference."""
        return [
            {
                "task": name,
                "metric": wording.metric(self["tasks"][name]),
                **{variant.replace("_", " "): score.value for variant, score in task.scores.items()},
                **{wording.PAIRINGS[pairing].column: str(one) for pairing, one in task.differences.items()},
            }
            for name, task in self.tasks.items()
        ]

    def page(self) -> str:
        """compare.html."""
        from oneglance.evaluation.reports.comparison import page_of  # imports torch

        return page_of(self.to_dict(), self.path.resolve().name if self.path else "comparison")


def _task(entry: Mapping[str, Any], pairings: Mapping[str, Any]) -> ComparedTask:
    return ComparedTask(
        entry["type"],
        entry["metric"],
        entry["unit"],
        {name: Score.of(entry[name]) for name in wording.VARIANTS if name in entry},
        {name: _difference(wording.difference(entry, name)) for name in pairings},
        {name: Score.of(values) for name, values in entry["baselines"].items()},
    )


def _difference(entry: Mapping[str, Any]) -> Difference:
    return Difference(**entry["difference"], error_change=entry["error_change"], verdict=entry["verdict"])
