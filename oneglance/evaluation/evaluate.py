"""A finished run on its test split: predictions, scores with intervals, report.json and report.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.data.dataset import Dataset, load_dataset
from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Placement
from oneglance.data.record import ImageRef, Record
from oneglance.errors import ConfigError, RunError
from oneglance.evaluation.bootstrap import score
from oneglance.evaluation.reports.evaluation import Wrong, write_page
from oneglance.inference.explanation.explainer import Heat, heats_of
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.report_items import Detail
from oneglance.storage.atomic_files import finite, make_folder, write_json
from oneglance.storage.combined_folder import CombinedFolder
from oneglance.storage.run_files import READS
from oneglance.storage.run_folder import RunFolder
from oneglance.task import MetricState, Prediction, Task

WORST = 12  # pictures shown per task
SPLITS = ("test", "validation")


def evaluate_run(run: RunFolder, split: str, out: Path, screen: Screen) -> dict[str, Any]:
    """Score a finished run on one split of its data.

    Raises:
        ConfigError: no such split, or it is empty.
        RunError: the run is not finished, or its data have changed since.
    """
    scored = score_run(run, split, screen)
    scored.write(out, run.path.resolve().name)
    screen.close()
    return scored.report


def evaluate_combined(combined: CombinedFolder, split: str, out: Path, screen: Screen) -> dict[str, Any]:
    """Score each network of a combined folder on its own data, as its run would be, in one report.

    Raises:
        ConfigError: no such split, or it is empty.
        RunError: the data of one of them have changed since.
    """
    parts = {one.name: score_run(one.run, split, screen).renamed(one.tasks()) for one in combined.networks}
    reports = {name: part.report for name, part in parts.items()}
    last = list(reports.values())[-1]
    report = {
        **{key: last[key] for key in ("oneglance", "split", "date")},
        "pictures": sum(one["pictures"] for one in reports.values()),
        "unreadable": sum(one["unreadable"] for one in reports.values()),
        "reads": max(one["reads"] for one in reports.values()),
        "tasks": {name: task for one in reports.values() for name, task in one["tasks"].items()},
        "networks": {
            name: {
                **{key: one[key] for key in ("pictures", "unreadable", "reads")},
                "tasks": list(one["tasks"]),
            }
            for name, one in reports.items()
        },
    }
    ScoredRun(
        report,
        {name: items for part in parts.values() for name, items in part.details.items()},
        {name: pictures for part in parts.values() for name, pictures in part.wrong.items()},
        [],  # epochs of several trainings have no order among each other
        max((part.limits for part in parts.values()), key=lambda limits: limits.megapixels),
    ).write(out, combined.path.resolve().name)
    screen.close()
    return report


@dataclass
class ScoredRun:
    """What report.json holds, and what the page shows besides."""

    report: dict[str, Any]
    details: Mapping[str, Sequence[Detail]]
    wrong: Mapping[str, Sequence[Wrong]]
    history: Sequence[Mapping[str, Any]]
    limits: Limits
    weights: Mapping[str, float] = field(default_factory=dict)  # of the tasks' losses
    answers: Mapping[str, int] = field(default_factory=dict)  # training pictures with an answer to each task

    def renamed(self, names: Mapping[str, str]) -> ScoredRun:
        """The same with other names of tasks."""
        return ScoredRun(
            {**self.report, "tasks": {names[name]: task for name, task in self.report["tasks"].items()}},
            {names[name]: items for name, items in self.details.items()},
            {names[name]: pictures for name, pictures in self.wrong.items()},
            self.history,
            self.limits,
        )

    def write(self, out: Path, title: str) -> None:
        """report.json and report.html."""
        make_folder(out)
        write_json(out / "report.json", self.report)
        write_page(
            out / "report.html",
            self.report,
            self.details,
            self.history,
            self.wrong,
            title=title,
            limits=self.limits,
            weights=self.weights,
            answers=self.answers,
        )


def score_run(run: RunFolder, split: str, screen: Screen) -> ScoredRun:
    """See ``evaluate_run``."""
    if split not in SPLITS:
        raise ConfigError(f'"{split}" is no split to score', hint=f"choose {' or '.join(SPLITS)}")
    predictor = Predictor.open(run)
    tasks = predictor.tasks
    dataset = load_dataset(run.config(), list(tasks.values()), screen.progress)
    chosen = records_of(run, split, dataset)
    if not chosen:
        raise ConfigError(f"the {split} split is empty", location="[split]")
    scored = _predict(predictor, chosen, screen)
    details, wrong, figures = {}, {}, {}
    for name in tasks:
        details[name], wrong[name], figures[name] = _details(predictor, name, scored)
    report = {
        "oneglance": version("oneglance"),
        "split": split,
        "pictures": len(scored.records),
        "unreadable": len(chosen) - len(scored.records),
        "reads": count_read(run, split),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tasks": {name: _scores(task, name, scored, figures[name]) for name, task in tasks.items()},
    }
    training = records_of(run, "train", dataset)
    return ScoredRun(
        report,
        details,
        wrong,
        run.history(),
        predictor.limits,
        weights={name: task.weight for name, task in tasks.items()},
        answers={name: sum(r.answers.get(name) is not None for r in training) for name in tasks},
    )


def records_of(run: RunFolder, split: str, dataset: Dataset) -> list[Record]:
    """The pictures that were in this split when the run was trained. Their answers may have been corrected
    since, which would split them in another way.
    """
    trained = run.split()
    if [row[:2] for row in dataset.rows()] != [row[:2] for row in trained]:
        raise RunError(
            "the pictures or groups have changed since this run was trained",
            location=run.address,
            hint="train anew to be sure",
        )
    return [record for record, row in zip(dataset.records, trained, strict=True) if row[2] == split]


@dataclass
class ScoredPictures:
    """The readable pictures of a split, the predictions for them, and how each lay on its canvas."""

    records: list[Record] = field(default_factory=list)
    predictions: list[dict[str, Prediction]] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)

    def of_source(self, source: str) -> ScoredPictures:
        """Only the pictures of one source."""
        rows = [row for row, record in enumerate(self.records) if record.source == source]
        return ScoredPictures(
            [self.records[row] for row in rows],
            [self.predictions[row] for row in rows],
            [self.placements[row] for row in rows],
        )


def _predict(predictor: Predictor, chosen: Sequence[Record], screen: Screen) -> ScoredPictures:
    scored, fit = ScoredPictures(), predictor.fit
    rows = predictor.predict((record.image for record in chosen), complete=True)
    for done, (record, row) in enumerate(zip(chosen, rows, strict=True), 1):
        screen.progress(done, len(chosen), "scoring")
        if "error" in row:
            screen.say(f"{row['image']}  {row['error']} — left out")
        else:
            scored.records.append(record)
            scored.predictions.append(row["answers"])
            scored.placements.append(fit.placement(row["width"], row["height"]))
    return scored


def _scores(task: Task, name: str, scored: ScoredPictures, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of one task in the report with further ``figures``; where pictures come from several sources,
    also of each source.
    """
    scores = {**_score(task, name, scored), **figures}
    sources = list(dict.fromkeys(record.source for record in scored.records))
    parts = {source: scored.of_source(source) for source in sources} if len(sources) > 1 else {}
    by_source = {source: _score(task, name, part) for source, part in parts.items()}
    answered = {source: score["metrics"] for source, score in by_source.items() if score["answered"]}
    return {**scores, "sources": answered} if answered else scores


def _score(task: Task, name: str, scored: ScoredPictures) -> dict[str, Any]:
    return score(
        task,
        [prediction[name] for prediction in scored.predictions],
        [record.answers.get(name) for record in scored.records],
        [record.group for record in scored.records],
        [task.to_image(task.constant_baseline(1)[0], placement) for placement in scored.placements],
    )


def _details(
    predictor: Predictor, name: str, scored: ScoredPictures
) -> tuple[list[Detail], list[Wrong], dict[str, Any]]:
    """The details of one task, the pictures it got most wrong, and the entry ``calibration`` of the report
    where its type has confidences.
    """
    task = predictor.tasks[name]
    labelled = [row for row, record in enumerate(scored.records) if record.answers.get(name) is not None]
    if not labelled:
        return [], [], {}
    predicted = [scored.predictions[row][name] for row in labelled]
    truth = [scored.records[row].answers[name] for row in labelled]
    metric_state: MetricState = task.metric_state(predicted, truth)
    sample_errors = task.sample_errors(metric_state)
    worst = np.argsort(-sample_errors, kind="stable")[:WORST].tolist()
    worst = [index for index in worst if sample_errors[index] > 0]
    images = [scored.records[labelled[index]].image for index in worst]
    worst_pictures = [
        _wrong(task, image, truth[index], task.visible(predicted[index]), heat)
        for index, image, heat in zip(worst, images, heats_of(predictor, name, images), strict=True)
    ]
    figures = {
        moment: {metric: finite(value) for metric, value in each.items()}
        for moment, each in task.calibration(metric_state).items()
    }
    return task.details(metric_state), worst_pictures, {"calibration": figures} if figures else {}


def _wrong(task: Task, image: ImageRef, truth: Any, predicted: Prediction, heat: Heat | None) -> Wrong:
    overlays = task.overlays(truth), task.predicted_overlays(predicted)
    return Wrong(
        image.name,
        image,
        task.format(truth),
        task.format_prediction(predicted),
        # Without captions: a thumbnail has no room for them.
        tuple([(box, "", number) for box, _, number in each] for each in overlays) if task.is_spatial else (),
        heat,
    )


def count_read(run: RunFolder, split: str) -> int:
    """How often this split has been scored, this time included: one that is read often is no longer new."""
    path = run / "reads.json"
    reads = run.read_json("reads.json", READS) if path.exists() else {}
    reads[split] = reads.get(split, 0) + 1
    write_json(path, reads)
    run.send()
    return reads[split]
