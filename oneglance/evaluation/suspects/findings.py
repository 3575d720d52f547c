"""What ``suspects`` is asked for, and what it has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from oneglance.data.record import Record
from oneglance.errors import ConfigError, nearest
from oneglance.metrics.suspicion import Suspicion
from oneglance.task import Task
from oneglance.training.picture_losses import KeptLosses


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    folds: int = 5
    whole: bool = False  # trainings instead of heads on frozen features
    tasks: Sequence[str] = ()  # none: all
    count: int = 200  # of suspects, at most
    losses: KeptLosses | None = None  # of the training of a run, where its training pictures are judged

    def chosen(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        """Those whose answers people gave.

        Raises:
            ConfigError: an impossible number, or no such task.
        """
        if self.folds < 2:
            raise ConfigError(f"{self.folds} folds leave nothing to learn from", hint="give 2 or more")
        if self.count < 1:
            raise ConfigError(f"{self.count} suspects cannot be listed", hint="give 1 or more")
        for name in self.tasks:
            if name not in tasks:
                raise ConfigError(f'there is no task "{name}".{nearest(name, tasks)}')
        own = {name: task for name, task in tasks.items() if task.answered_by == name}
        if odd := [name for name in self.tasks if name not in own]:
            what = f"{odd[0]} learns from the answers to another task, or from none"
            raise ConfigError(what, hint="name that task, whose answers can be wrong")
        return {name: task for name, task in own.items() if not self.tasks or name in self.tasks}


@dataclass
class Judged:
    """The answers to one task that were doubted or not, all by one method."""

    task: Task
    records: Sequence[Record]
    suspicions: Sequence[Suspicion]
    method: str  # in words

    @property
    def likely(self) -> int:
        """How many the network contradicts confidently."""
        return sum(suspicion.likely for suspicion in self.suspicions)


@dataclass
class Findings:
    """All that was judged, and what could not be."""

    judged: list[Judged] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, judged: Judged) -> None:
        """The answers to one more task."""
        self.judged.append(judged)

    def ranked(self) -> list[tuple[Judged, Suspicion]]:
        """The most suspicious first."""
        every = [(one, suspicion) for one in self.judged for suspicion in one.suspicions]
        return sorted(every, key=lambda pair: -pair[1].score)

    def headline(self, count: int) -> str:
        """How many answers are suspicious, of how many."""
        answers = sum(len(one.records) for one in self.judged)
        likely = sum(one.likely for one in self.judged)
        shown = min(count, sum(len(one.suspicions) for one in self.judged))
        what = f"the network contradicts {likely:,} of {answers:,} answers confidently"
        return f"{what}; the {shown:,} most suspicious are listed"


def report(findings: Findings, plan: Plan) -> dict[str, Any]:
    """suspects.json."""
    tasks: dict[str, Any] = {}
    for one in findings.judged:
        entry = tasks.setdefault(
            one.task.name, {"type": one.task.type, "answers": 0, "suspected": 0, "methods": []}
        )
        entry["answers"] += len(one.records)
        entry["suspected"] += one.likely
        entry["methods"].append(f"{len(one.records):,} answers: {one.method}")
    return {
        "oneglance": version("oneglance"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tasks": tasks,
        "notes": findings.notes,
        "suspects": [entry_of(one, suspicion) for one, suspicion in findings.ranked()[: plan.count]],
    }


def entry_of(one: Judged, suspicion: Suspicion) -> dict[str, Any]:
    """One suspect of suspects.json."""
    record = one.records[suspicion.row]
    entry: dict[str, Any] = {
        "image": record.image.name,
        "task": one.task.name,
        "said": suspicion.answer,
        "proposed": suspicion.proposed,
        "score": round(suspicion.score, 4),
        "likely": suspicion.likely,
        "reason": suspicion.reason,
        "location": record.location,
    }
    if suspicion.box is not None:
        entry["box"] = [round(edge, 2) for edge in suspicion.box]
    if suspicion.proposed_box is not None:
        entry["proposed_box"] = [round(edge, 2) for edge in suspicion.proposed_box]
    return entry
