"""What ``distil`` gives back: a network and its teachers on the same test pictures, as in distil.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneglance.result import Result, Row, Score, cell


@dataclass(frozen=True)
class DistilledTask:
    """One task: the primary metric of teacher and student on the same ``pictures``. ``difference`` is student
    - teacher with its 95 % interval, pairwise, ``verdict`` whether the student is ``better``, ``worse`` or
    neither, corrected for the number of tasks.
    """

    metric: str
    unit: str
    teacher: Score
    student: Score
    difference: Score
    verdict: str
    taught_by: str
    pictures: str


class Distilled(Result):
    """``distilled.run`` is the new run folder, ``distilled.tasks["kind"].student.value`` its score."""

    @property
    def run(self) -> Path:
        """The folder of the network that learned."""
        return Path(self["run"])

    @property
    def tasks(self) -> dict[str, DistilledTask]:
        """Those that could be scored, by name."""
        return {name: _task(entry) for name, entry in self["tasks"].items()}

    @property
    def cost(self) -> dict[str, dict[str, Any]]:
        """``{"teachers": {"ms_per_picture", "parameters"}, "student": {...}}``, teachers together."""
        return dict(self["cost"])

    @property
    def notes(self) -> list[str]:
        """What a reader has to know to read the numbers right."""
        return list(self["notes"])

    def headline(self) -> str:
        ours, theirs = (self["cost"][name]["ms_per_picture"] for name in ("student", "teachers"))
        return f"{self.run}: {cell(ours)} ms a picture, its teachers together {cell(theirs)} ms"

    def rows(self) -> list[Row]:
        """One for each task: ``task, metric, teacher, student, difference, low, high, verdict, n``."""
        return [
            {
                "task": name,
                "metric": f"{task.metric} {task.unit}".rstrip(),
                "teacher": task.teacher.value,
                "student": task.student.value,
                "difference": task.difference.value,
                "low": task.difference.low,
                "high": task.difference.high,
                "verdict": task.verdict,
                "n": task.student.n,
            }
            for name, task in self.tasks.items()
        ]


def _task(entry: Mapping[str, Any]) -> DistilledTask:
    return DistilledTask(
        entry["metric"],
        entry["unit"],
        Score.of(entry["teacher"]),
        Score.of(entry["student"]),
        Score.of(entry["difference"]),
        entry["verdict"],
        entry["taught_by"],
        entry["pictures"],
    )
