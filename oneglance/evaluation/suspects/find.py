"""Which answers of a configuration, or of the data of a finished run, are probably wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oneglance.config import Config
from oneglance.data.dataset import Dataset, load_dataset
from oneglance.data.images.content_hash import short
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, SplitIndices, stratify_labels, units_of
from oneglance.errors import DataError
from oneglance.evaluation.evaluate import records_of
from oneglance.evaluation.suspects import frozen
from oneglance.evaluation.suspects.findings import Findings, Judged, Plan
from oneglance.evaluation.suspects.folds import Fold, folds_of, seen_in_one_fold
from oneglance.evaluation.suspects.learned_late import lateness, with_lateness
from oneglance.evaluation.suspects.trainings import answers_of_trainings
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Prediction, Task, build_tasks
from oneglance.training.experiment_data import ExperimentData, read_dataset, with_value_range
from oneglance.training.picture_losses import KeptLosses, read_losses

FEWEST = 4  # pictures, or groups of them, with an answer for each fold


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
        StoppedError: Ctrl-C during a training; the same call goes on.
    """
    tasks = build_tasks(config.tasks, config.file)
    plan.chosen(tasks)
    findings = Findings()
    dataset = read_dataset(config, tasks, screen, contents=True)
    judge_by_folds(config, plan, dataset, SPLITS, out, findings, screen)
    if not findings.judged:
        raise DataError("; ".join(findings.notes), location=config.file)
    if any(not one.task.is_spatial for one in findings.judged):
        screen.say(
            "more is found after a training: name the run, which knows how late it learned each answer"
        )
    return findings


def judge_by_folds(
    config: Config,
    plan: Plan,
    dataset: Dataset,
    splits: Sequence[str],
    out: Path,
    findings: Findings,
    screen: Screen,
) -> None:
    """Add what folds of some splits say: of tasks with places by trainings, of others by heads on frozen
    features, or with ``plan.whole`` by trainings as well.
    """
    config = with_value_range(config, dataset, screen)
    tasks = build_tasks(config.tasks, config.file)
    chosen = plan.chosen(tasks)
    trained = {name: task for name, task in chosen.items() if task.is_spatial or plan.whole}
    others = {name: task for name, task in chosen.items() if name not in trained}
    if others:
        features = frozen.for_features(config)
        fresh = build_tasks(features.tasks, features.file)
        pictures = pictures_of(features, fresh, dataset, splits, out, screen)
        own = {name: fresh[name] for name in others}
        judge_by_heads(own, pictures, plan, features, out, findings, screen)
    if trained:
        judge_by_trainings(trained, config, plan, dataset, splits, out, findings, screen)


def judge_by_trainings(
    tasks: dict[str, Task],
    config: Config,
    plan: Plan,
    dataset: Dataset,
    splits: Sequence[str],
    out: Path,
    findings: Findings,
    screen: Screen,
) -> None:
    """Add what networks say that were trained on the other folds."""
    there = [name for name in splits if len(getattr(dataset.splits, name))]
    every = build_tasks(config.tasks, config.file)
    data = ExperimentData.decode(config, every, dataset, screen, there)
    rows = np.concatenate([getattr(dataset.splits, name) for name in there])
    rows = rows[np.concatenate([data.splits[name].rows for name in there])]
    known = [
        any(dataset.records[row].answers.get(name) is not None for name in tasks) for row in rows.tolist()
    ]
    rows = rows[np.array(known, dtype=bool)]
    records = [dataset.records[row] for row in rows.tolist()]
    units = units_of(records, [dataset.contents[row] for row in rows.tolist()])
    if is_too_few(units, ", ".join(tasks), plan, findings):
        return
    folds = list(folds_of(units, stratify_labels(records, list(tasks.values())), plan.folds))
    try:
        answers = answers_of_trainings(data, rows, list(tasks), folds, out, screen)
    except DataError as error:  # a class or an attribute of which too few are left without one of the folds
        findings.notes.append(f"{error} — without one of {plan.folds} folds; add pictures, or try more folds")
        return
    method = f"{plan.folds} trainings, each of what the others do not hold out"
    for name, task in tasks.items():
        own = [row for row, record in enumerate(records) if record.answers.get(name) is not None]
        task.fit_target([records[row].answers[name] for row in own])
        fold = fold_numbers(folds, len(records))[own]
        predictions = [answers[row][name] for row in own]
        kept = [records[row] for row in own]
        findings.add(judged(task, kept, predictions, fold, method, findings, plan.losses))


def of_run(run: RunFolder, plan: Plan, out: Path, screen: Screen) -> Findings:
    """Judge the answers of a run's own data: its validation and test pictures by the network itself, and the
    training pictures, which it has learned from, by folds on features of before its training, since those of
    the run may have seen the answers, and by how late the run learned them.

    Raises:
        ConfigError: an impossible plan.
        DataError: the data cannot be used.
        RunError: the run is not finished, or its data have changed since.
    """
    predictor = Predictor.open(run)
    chosen = plan.chosen(predictor.tasks)
    config, findings, losses = run.config(), Findings(), read_losses(run)
    dataset = load_dataset(config, list(predictor.tasks.values()), screen.progress, contents=True)
    for split in ("validation", "test"):
        records = records_of(run, split, dataset)
        readable, predictions = _answered_by(predictor, records, split, screen)
        for name, task in chosen.items():
            rows = [row for row, record in enumerate(readable) if record.answers.get(name) is not None]
            kept = [readable[row] for row in rows]
            if kept:
                answers = [record.answers[name] for record in kept]
                suspicions = task.suspicions([predictions[row][name] for row in rows], answers)
                findings.add(Judged(task, kept, suspicions, METHODS[split]))
    parts = replace(dataset, splits=SplitIndices.of([row[2] for row in run.split()]))
    judge_by_folds(config, replace(plan, losses=losses), parts, ("train",), out, findings, screen)
    return findings


METHODS = {
    "validation": "validation pictures, the run itself, which was calibrated on them and chosen by them",
    "test": "test pictures, the run itself",
}


def _answered_by(
    predictor: Predictor, records: Sequence[Record], split: str, screen: Screen
) -> tuple[list[Record], list[dict[str, Prediction]]]:
    """The readable ones, and all that the network says of each."""
    readable, predictions = [], []
    rows = predictor.predict((record.image for record in records), complete=True)
    for done, (record, row) in enumerate(zip(records, rows, strict=True), 1):
        screen.progress(done, len(records), f"{split} pictures")
        if "error" in row:
            screen.say(f"{row['image']}  {row['error']} — left out")
        else:
            readable.append(record)
            predictions.append(row["answers"])
    return readable, predictions


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


def judge_by_heads(
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
        numbers = fold_numbers(folds, len(records))
        findings.add(judged(task, records, predictions, numbers, method, findings, plan.losses))


def fold_numbers(folds: Sequence[Fold], count: int) -> np.ndarray:
    """In which fold each picture is held out: int64 [count]."""
    numbers = np.zeros(count, dtype=np.int64)
    for number, fold in enumerate(folds):
        numbers[fold.held_out] = number
    return numbers


def is_too_few(units: np.ndarray, name: str, plan: Plan, findings: Findings) -> bool:
    """Whether there are too few pictures, or groups of them, for the folds; a note says so."""
    count = len(np.unique(units))
    if count >= FEWEST * plan.folds:
        return False
    grouped = "pictures" if count == len(units) else "groups of pictures"
    hint = f"--folds {count // FEWEST}" if count // FEWEST >= 2 else "answer more"
    what = f"{name}: {count} {grouped} with an answer are too few for {plan.folds} folds"
    findings.notes.append(f"{what} — {hint}")
    return True


def usable_folds(
    task: Task, records: Sequence[Record], units: np.ndarray, plan: Plan, findings: Findings
) -> list[Fold] | None:
    """The folds of the pictures with an answer, to all of which the task is fitted; None, and a note, where
    they are too few.
    """
    if is_too_few(units, task.name, plan, findings):
        return None
    units = np.unique(units, return_inverse=True)[1].reshape(-1)
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
    fold: np.ndarray,
    method: str,
    findings: Findings,
    losses: KeptLosses | None = None,
) -> Judged:
    """The suspicions of one task, by the ``losses`` of its training too where they are known. Nobody can
    judge a class that is in no other fold: a note says so.
    """
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
    own, answers = [predictions[row] for row in rows], [one.answers[task.name] for one in kept]
    late = lateness(task, kept, losses)
    if late is None:
        return Judged(task, kept, task.suspicions(own, answers), method)
    suspicions = with_lateness(task.suspicions(own, answers, every=True), late)
    return Judged(task, kept, suspicions, f"{method}, and how late the run learned them")
