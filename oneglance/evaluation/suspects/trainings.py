"""A training for each fold, each asked about what it has not learned from: for boxes, and with --whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from oneglance.data.dataset import SplitData
from oneglance.data.splitting.split import SplitIndices
from oneglance.evaluation.comparison.variants import chunks, trained, variant
from oneglance.evaluation.suspects.folds import Fold
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Prediction
from oneglance.training.experiment_data import ExperimentData


def answers_of_trainings(
    data: ExperimentData,
    rows: np.ndarray,
    tasks: Sequence[str],
    folds: Sequence[Fold],
    out: Path,
    screen: Screen,
) -> list[Mapping[str, Prediction]]:
    """What networks that have not learned from them say of the pictures: by task, about the upright picture.

    Args:
        data: the pictures of all splits.
        rows: int64 [n], of its data set, that the folds divide; each is readable.
        tasks: that the networks learn.
        out: gets a run folder for each fold. Those that are finished are read; one that was stopped goes on.

    Raises:
        StoppedError: Ctrl-C; the same call goes on.
    """
    config = variant(data.config, 0, data.config.training.epochs, tasks=list(tasks))
    place = {row: (split, number) for split, numbers in _readable(data).items() for number, row in numbers}
    answers: list[Mapping[str, Prediction]] = [{}] * len(rows)
    for number, fold in enumerate(folds):
        parts = {name: _part(data, rows[own], place) for name, own in zip(NAMES, fold, strict=True)}
        names = ["train"] * len(data.dataset.records)
        for name, own in zip(NAMES, fold, strict=True):
            for row in rows[own].tolist():
                names[row] = name
        dataset = replace(data.dataset, splits=SplitIndices.of(names))
        one = replace(data, splits=parts, dataset=dataset, config=config)
        run = trained(one, out / "folds" / f"{'+'.join(tasks)}-{number + 1}", config, screen, tasks)
        for row, own_answers in zip(fold.held_out.tolist(), _ask(one, run, screen), strict=True):
            answers[row] = own_answers
    return answers


NAMES = ("train", "validation", "test")  # what a run folder calls the parts of a fold


def _readable(data: ExperimentData) -> dict[str, list[tuple[int, int]]]:
    """Of each split (number of a picture in it, row of the data set)."""
    start, readable = 0, {}
    for name, split in data.splits.items():
        every = getattr(data.dataset.splits, name)
        readable[name] = list(enumerate(every[split.rows - start].tolist()))
        start += len(every)
    return readable


def _part(data: ExperimentData, rows: np.ndarray, place: Mapping[int, tuple[str, int]]) -> SplitData:
    records, store_rows = [], []
    for row in rows.tolist():
        split, number = place[row]
        records.append(data.splits[split].records[number])
        store_rows.append(int(data.splits[split].rows[number]))
    return SplitData(records, np.array(store_rows, dtype=np.int64))


def _ask(data: ExperimentData, run: RunFolder, screen: Screen) -> list[Mapping[str, Prediction]]:
    predictor = Predictor.open(run, device=data.config.training.device)
    places, answers = data.placements(data.test), list[Mapping[str, Prediction]]()
    for start, canvases in chunks(data.store, data.test):
        raw = predictor.forward(canvases).raw
        answers += predictor.decode(raw, places[start : start + len(canvases)])
        screen.progress(len(answers), len(data.test.rows), f"asking {run.path.name}")
    return answers
