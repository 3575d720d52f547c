"""Which answers of a configuration, or of the data of a finished run, are probably wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.config import Config
from oneglance.data.dataset import Dataset
from oneglance.data.images.content_hash import short
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, stratify_labels, units_of
from oneglance.errors import ConfigError, DataError, nearest
from oneglance.evaluation.suspects import frozen
from oneglance.evaluation.suspects.folds import Fold, folds_of, seen_in_one_fold
from oneglance.metrics.suspicion import Suspicion
from oneglance.progress import Screen
from oneglance.task import Prediction, Task, build_tasks
from oneglance.training.experiment_data import ExperimentData, read_dataset, with_value_range

FEWEST = 4  # pictures, or groups of them, with an answer for each fold


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    folds: int = 5
    whole: bool = False  # trainings instead of heads on frozen features
    tasks: Sequence[str] = ()  # none: all
    count: int = 200  # of suspects, at most

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
        """How many are probably wrong."""
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
        return f"about {likely:,} of {answers:,} answers are probably wrong; the {shown:,} most suspicious"


@dataclass(frozen=True)
class Pictures:
    """Pictures with their answers, their features, and what may not be parted."""

    records: Sequence[Record]
    units: np.ndarray  # int64 [n]: equal numbers stay together
    features: frozen.Features

    def answered(self, name: str) -> np.ndarray:
        """The rows with an answer, int64."""
        return np.flatnonzero([record.answers.get(name) is not None for record in self.records])


def of_config(config: Config, plan: Plan, out: Path, screen: Screen) -> Findings:
    """Judge all answers of a configuration, by folds.

    Raises:
        ConfigError: an impossible plan or configuration.
        DataError: the data cannot be used, or have too few answers for so many folds.
    """
    plan.chosen(build_tasks(config.tasks, config.file))
    config = frozen.for_features(config)
    tasks = build_tasks(config.tasks, config.file)
    dataset = read_dataset(config, tasks, screen)
    pictures = pictures_of(config, tasks, dataset, SPLITS, out, screen)
    findings = Findings()
    judge_by_folds(plan.chosen(tasks), pictures, plan, config, out, findings, screen)
    if not findings.judged:
        raise DataError("; ".join(findings.notes), location=config.file)
    return findings


def pictures_of(
    config: Config,
    tasks: dict[str, Task],
    dataset: Dataset,
    splits: Sequence[str],
    out: Path,
    screen: Screen,
) -> Pictures:
    """The readable pictures of some splits, with their features."""
    there = [name for name in splits if len(getattr(dataset.splits, name))]
    config = with_value_range(config, dataset, screen)
    data = ExperimentData.decode(config, tasks, dataset, screen, there)
    records = [record for name in there for record in data.splits[name].records]
    rows = np.concatenate([data.splits[name].rows for name in there])
    every = np.concatenate([getattr(dataset.splits, name) for name in there])[rows]
    contents = [dataset.contents[row] for row in every.tolist()]
    names = ["" if content is None else short(content) for content in contents]
    features = frozen.features_of(config, data.store, rows, names, out, screen)
    return Pictures(records, units_of(records, contents), features)


def judge_by_folds(
    tasks: Mapping[str, Task],
    pictures: Pictures,
    plan: Plan,
    config: Config,
    out: Path,
    findings: Findings,
    screen: Screen,
) -> None:
    """Add what heads on frozen features say of each task's answers, in which they did not learn."""
    method = f"{plan.folds} folds, heads on the features of {frozen.described(config.backbone)}"
    for name, task in tasks.items():
        rows = pictures.answered(name)
        records = [pictures.records[row] for row in rows.tolist()]
        folds = usable_folds(task, records, pictures.units[rows], plan, findings)
        if folds is None:
            continue
        answers = [record.answers[name] for record in records]
        features = frozen.Features(pictures.features.vectors[rows], pictures.features.key)
        predictions = frozen.out_of_fold(task, answers, features, folds, out, screen)
        findings.add(judged(task, records, predictions, folds, method, findings))


def usable_folds(
    task: Task, records: Sequence[Record], units: np.ndarray, plan: Plan, findings: Findings
) -> list[Fold] | None:
    """The folds of the pictures with an answer, to all of which the task is fitted; None, and a note, where
    they are too few.
    """
    units = np.unique(units, return_inverse=True)[1].reshape(-1)
    count = int(units.max(initial=-1)) + 1
    if count < FEWEST * plan.folds:
        grouped = "pictures" if count == len(records) else "groups of pictures"
        most = count // FEWEST
        hint = f"--folds {most}" if most >= 2 else "answer more"
        findings.notes.append(
            f"{task.name}: {count} {grouped} with an answer are too few for {plan.folds} folds — {hint}"
        )
        return None
    try:
        task.fit_target([record.answers[task.name] for record in records])
    except DataError as error:
        findings.notes.append(str(error))
        return None
    return list(folds_of(units, stratify_labels(records, [task]), plan.folds))


def judged(
    task: Task,
    records: Sequence[Record],
    predictions: Sequence[Prediction],
    folds: Sequence[Fold],
    method: str,
    findings: Findings,
) -> Judged:
    """The suspicions of one task. Nobody can judge a class that is in no other fold: a note says so."""
    fold = np.zeros(len(records), dtype=np.int64)
    for number, one in enumerate(folds):
        fold[one.held_out] = number
    classes = stratify_labels(records, [task])
    lonely = seen_in_one_fold(fold, classes)
    if lonely:
        named = ", ".join(sorted(lonely)[:5]) + (f" and {len(lonely) - 5} more" if len(lonely) > 5 else "")
        what = (
            "all pictures of it are one, or of one group"
            if len(lonely) == 1
            else "all pictures of each are one, or of one group"
        )
        findings.notes.append(
            f"{named}: {what}, so nobody can have learned it and it is not judged — add pictures"
        )
    rows = [row for row, own in enumerate(classes) if not lonely.intersection(own)]
    kept = [records[row] for row in rows]
    suspicions = task.suspicions([predictions[row] for row in rows], [one.answers[task.name] for one in kept])
    return Judged(task, kept, suspicions, method)


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
