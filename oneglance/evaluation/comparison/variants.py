"""The trainings of a comparison: which there are, and each of them as an ordinary run folder."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.config import BackboneTable, Config
from oneglance.data.dataset import SplitData
from oneglance.errors import DivergedError, RunError, StoppedError
from oneglance.evaluation.comparison.peak_memory import peak_memory
from oneglance.evaluation.evaluate import count_read
from oneglance.inference.engine import BATCH
from oneglance.inference.predictor import Predictor
from oneglance.network import kinds_of_stage
from oneglance.nn.device import pick_device
from oneglance.progress import Screen
from oneglance.storage.atomic_files import write_json
from oneglance.storage.fingerprint import Fingerprint
from oneglance.storage.run_files import ENVIRONMENT, MEMORY
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.training_lock import training_lock
from oneglance.task import Prediction, Task, build_tasks
from oneglance.toml.overrides import Changes
from oneglance.training.data_loader import PictureStore
from oneglance.training.experiment_data import ExperimentData
from oneglance.training.teaching.teachers import teachers_of
from oneglance.training.trainer import Trainer

AGAINST = {  # the fair ways to compare: which arm with which
    "equal_steps": ("joint", "single"),
    "equal_time": ("joint_long", "single"),
    "equal_time_parted": ("parted", "single"),
    "equal_size": ("joint", "single_same_size"),
    "guided_steps": ("guided", "single"),
    "guided_control": ("guided", "born_again"),
}
NETWORKS = (
    "joint",
    "joint_long",
    "guided",
    "parted",
    "single",
    "born_again",
    "single_same_size",
)  # those that are trained
Draws = dict[str, np.ndarray]  # [seeds, 1 + resamples] by task
TIMED = 5  # forward passes, of which the fastest counts


# Which trainings.


def variant(
    config: Config,
    seed: int,
    epochs: int,
    tasks: Sequence[str] = (),
    balancer: str = "",
    backbone: BackboneTable | None = None,
    teachers: Sequence[Path] = (),
) -> Config:
    """``config`` with another seed (counted from its own) and length, for some of its tasks alone, with
    another balancer, with the name and options of another backbone, or with teachers.
    """
    changes = Changes({"training.seed": config.training.seed + seed, "training.epochs": epochs})
    if config.training.minutes is not None:
        changes["training.minutes"] = None  # all have the same number of epochs
    if tasks:
        tables = without_others(config, tasks)
        changes["tasks"] = tables
        if config.training.task_stage:
            task_stage = kinds_of_stage(config.training.task_stage).items()
            kept = {name: kind for name, kind in task_stage if name in tasks and len(tasks) > 1}
            changes["training.task_stage"] = kept
        if (sources := speaking_of(config.sources, tables)) != config.sources:
            changes["sources"] = sources
        if config.training.teachers and not teachers:
            changes["training.teachers"] = teachers_of(config, tables)
    if balancer:
        changes |= {"training.balancer": balancer, "training.balancer_options": {}}
    if backbone:
        changes |= {"backbone.name": backbone.name, "backbone.options": backbone.options}
        if config.training.from_:
            changes["training.from"] = ""  # which has no weights for this one
    if teachers:
        # Relative, so that a comparison may move together with its configuration.
        base = config.base.resolve()
        changes["training.teachers"] = [
            Path(os.path.relpath(one.resolve(), base)).as_posix() for one in teachers
        ]
    return config.with_changes(changes)


def without_others(config: Config, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The tables of a network for some tasks: they use no others. A task whose answers one of them is about
    has to be declared beside it, but with weight 0 it learns nothing.
    """
    built = build_tasks(config.tasks, config.file)
    tables = {
        name: {**config.tasks[name], "uses": [used for used in built[name].uses if used in names]}
        for name in names
    }
    for name in names:
        asked = built[name].answered_by
        if asked and asked not in tables:
            tables[asked] = {**config.tasks[asked], "uses": [], "weight": 0}
    return tables


def speaking_of(sources: Sequence[Mapping[str, Any]], tasks: Container[str]) -> list[dict[str, Any]]:
    """The tables of ``sources`` without what they say of tasks other than ``tasks``."""
    return [{key: _only(value, tasks, key) for key, value in source.items()} for source in sources]


def _only(value: Any, tasks: Container[str], key: str) -> Any:
    if key not in ("annotates", "columns"):
        return value
    if isinstance(value, Mapping):
        return {name: listed for name, listed in value.items() if name in tasks}
    return [name for name in value if name in tasks]


def answered(split: SplitData, tasks: Sequence[str]) -> SplitData:
    """The pictures with an answer to one of ``tasks``; all of them where they need none."""
    columns = zip(*(split.answers(task) for task in tasks), strict=True)
    rows = [row for row, answers in enumerate(columns) if any(answer is not None for answer in answers)]
    return SplitData([split.records[row] for row in rows], split.rows[rows]) if rows else split


def epochs_alone(experiment: ExperimentData, epochs: int, tasks: Sequence[str]) -> int:
    """As many as give the steps of ``epochs`` of all pictures, on those alone that have an answer."""
    joint = experiment.steps(experiment.train, experiment.tasks)
    alone = experiment.steps(answered(experiment.train, tasks), tasks)
    return max(1, round(epochs * joint / alone))


# One training.


def trained(
    experiment: ExperimentData,
    path: Path,
    config: Config,
    screen: Screen,
    tasks: Sequence[str] = (),
    until: int | None = None,
) -> RunFolder:
    """The finished run of ``config`` in ``path``: read where it is finished, else begun or gone on with.

    Args:
        tasks: train on the pictures with an answer to one of them alone.
        until: pause after so many epochs; the run is then not finished, and can be gone on with.

    Raises:
        RunError: another run lies there.
        DivergedError: a loss became NaN before anything was learned.
        StoppedError: Ctrl-C; the same command goes on.
    """
    folder = _folder(experiment, path, config)
    if folder.finished:
        return folder
    screen.say(f"training {path.name}: {config.training.epochs} epochs")
    training, validation = experiment.train, experiment.validation
    if tasks:
        training, validation = answered(training, tasks), answered(validation, tasks)
    built = build_tasks(config.tasks, config.file)
    try:
        with training_lock(folder), _peak_noted(folder, config):
            trainer = Trainer.build(folder, config, built, experiment.store, training, validation, screen)
            trainer.resume()
            trainer.run(until)
    except StoppedError as error:
        raise StoppedError(
            error.what, location=path.name, hint="the same command goes on from here"
        ) from None
    except DivergedError as error:
        if not folder.finished:
            raise
        screen.say(f"{path.name}: {error}")
    finally:
        screen.close()
    return folder


@contextmanager
def _peak_noted(run: RunFolder, config: Config) -> Iterator[None]:
    """In a file beside the weights, as a run that is finished is not trained again."""
    before = peak_mb(run) or 0.0  # of the same training, up to where it was stopped
    try:
        with peak_memory(pick_device(config.training.device)) as peak:
            yield
    finally:
        write_json(run / "memory.json", {"peak_mb": round(max(before, peak.mb), 1)})


def peak_mb(run: RunFolder) -> float | None:
    """Memory at the peak of its training, see ``memory.peak_memory``; None where nobody looked."""
    if not (run / "memory.json").exists():
        return None
    return run.read_json("memory.json", MEMORY).get("peak_mb")


def _folder(experiment: ExperimentData, path: Path, config: Config) -> RunFolder:
    dataset = experiment.dataset
    if not (path / "config.toml").exists():
        return RunFolder.create(path, config, dataset)
    folder = RunFolder.open(path)
    then, kept = folder.config(), folder.fingerprint()
    same = (then.text, then.overrides, folder.split()) == (config.text, config.overrides, dataset.rows())
    changes = kept.changes(Fingerprint.of(config, dataset), dataset.rows()) if same and kept else []
    if not same or changes:
        why = f": {'; '.join(changes)}" if changes else ""
        raise RunError(
            f"was trained with another configuration or other data{why}",
            location=str(path),
            hint="compare anew with another --out",
        )
    return folder


def seconds(run: RunFolder) -> float:
    """That its training took, without validation: as if each epoch had been the median one, for the machine
    may have slept or had other work in one of them.
    """
    took = [row["seconds"] for row in run.history()]
    return float(np.median(took)) * len(took) if took else 0.0


def feature_seconds(run: RunFolder) -> float:
    """That passes of all pictures took before the first epoch: one through a frozen backbone, and one through
    each teacher.
    """
    if not (run / "environment.json").exists():
        return 0.0
    kept = run.read_json("environment.json", ENVIRONMENT)
    return kept.feature_seconds + kept.teacher_seconds


# What a run answers.


@dataclass
class TestAnswers:
    """What one network says of the test split."""

    tasks: dict[str, Task]  # with what they learned
    predictions: dict[str, list[Prediction]]
    seconds: float  # of training
    peak_mb: float | None  # of memory while training
    parameters: int
    ms: float  # per picture


def ask(experiment: ExperimentData, run: RunFolder, screen: Screen) -> TestAnswers:
    """The answers to the test split; the run counts that it was read."""
    predictor = Predictor.open(run, device=experiment.config.training.device)
    predictions: dict[str, list[Prediction]] = {name: [] for name in predictor.tasks}
    places = experiment.placements(experiment.test)
    for start, canvases in chunks(experiment.store, experiment.test):
        raw = predictor.forward(canvases).raw
        answers = predictor.decode(raw, places[start : start + len(canvases)])
        for name, ours in predictions.items():
            ours += [answer[name] for answer in answers]
        screen.progress(start + len(canvases), len(experiment.test.rows), f"scoring {run.path.name}")
    count_read(run, "test")
    parameters = sum(parameter.numel() for parameter in predictor.network.parameters())
    first = next(chunks(experiment.store, experiment.test))[1]
    ms = ms_per_picture(predictor, first)
    spent = seconds(run) + feature_seconds(run)
    return TestAnswers(dict(predictor.tasks), predictions, spent, peak_mb(run), parameters, ms)


def chunks(store: PictureStore, split: SplitData) -> Iterator[tuple[int, np.ndarray]]:
    """(index of the first, uint8 canvases [k, h, w, 3]) of a split, a few at a time."""
    for start in range(0, len(split.rows), BATCH):
        yield start, store.gather(split.rows[start : start + BATCH])


def ms_per_picture(predictor: Predictor, canvases: np.ndarray, passes: int = TIMED) -> float:
    """Milliseconds per picture, decoded and in batches; the fastest of so many passes."""
    fastest = float("inf")
    for _ in range(passes):
        began = time.perf_counter()
        predictor.forward(canvases)
        fastest = min(fastest, time.perf_counter() - began)
    return 1000 * fastest / len(canvases)


# What all of a kind come to.


@dataclass
class Variant:
    """Trainings of one kind: for each seed the results of its network, or of one network per task."""

    draws: Draws = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # per seed
    peak_mb: list[float | None] = field(default_factory=list)  # of each training
    parameters: int = 0
    ms: list[float] = field(default_factory=list)  # per seed
