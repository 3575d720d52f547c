"""Whether a file gives the same answers as the run: pictures for both, and by how much they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from oneglance.data.dataset import load_dataset
from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.letterbox import Placement
from oneglance.data.record import Record
from oneglance.errors import OneglanceError
from oneglance.inference.engine import BATCH, Engine, EngineOutput
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.atomic_files import finite
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task

TRIALS = 10  # of each engine where their speed is compared


class Pictures(NamedTuple):
    """Pictures to compare with, ready for the network."""

    canvases: np.ndarray  # uint8 [n, h, w, 3]
    placements: list[Placement]
    records: list[Record]  # none for random pictures


def records_of_splits(run: RunFolder, ours: Predictor, screen: Screen) -> Mapping[str, Sequence[Record]]:
    """The records of each split as it was when the run was trained; none where the data are missing or
    have changed.
    """
    splits: dict[str, list[Record]] = {"train": [], "validation": []}
    try:
        dataset = load_dataset(run.config(), list(ours.tasks.values()), screen.progress)
    except OneglanceError:
        return splits
    rows = run.split()
    if [row[:2] for row in dataset.rows()] == [row[:2] for row in rows]:
        for record, row in zip(dataset.records, rows, strict=True):
            splits.setdefault(row[2], []).append(record)
    return splits


def sampled(ours: Predictor, records: Sequence[Record], count: int) -> Pictures | None:
    """At most ``count`` of the pictures, evenly spread; None where none can be read."""
    chosen = [records[row] for row in np.linspace(0, len(records) - 1, min(count, len(records))).astype(int)]
    refs = [record.image for record in chosen]
    decoded = decode(refs, ours.fit, ours.limits, ours.config.cache.workers)
    pairs = [(c, r) for c, r in zip(decoded, chosen, strict=True) if isinstance(c, Canvas)]
    if not pairs:
        return None
    placements = [ours.fit.placement(canvas.width, canvas.height) for canvas, _ in pairs]
    return Pictures(np.stack([c.pixels for c, _ in pairs]), placements, [record for _, record in pairs])


def random_pictures(ours: Predictor, count: int = 32) -> Pictures:
    """Patches of random colours, where there is no real picture."""
    height, width, _ = ours.fit.shape
    colours = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    down, across = (np.arange(side) * 8 // side for side in (height, width))
    canvases = colours[:, down[:, None], across]
    return Pictures(canvases, [ours.fit.placement(width, height)] * count, [])


def described(pictures: Pictures) -> str:
    """How many there are, and of what kind."""
    count = len(pictures.canvases)
    return f"{count} validation pictures" if pictures.records else f"{count} drawn pictures"


def all_outputs(engine: Engine, canvases: np.ndarray) -> EngineOutput:
    """What an engine makes of all of them, a batch at a time."""
    starts = range(0, len(canvases), BATCH)
    return EngineOutput.joined([engine.forward(canvases[start : start + BATCH]) for start in starts])


def speed_over(engine: Engine, full: Engine, canvases: np.ndarray) -> float:
    """How many times as fast an engine is as another on these pictures, on this machine: both take turns, and
    the best of each counts, for whatever else the machine does only makes them slower.
    """
    best = dict.fromkeys((engine, full), float("inf"))
    for _ in range(TRIALS):
        for each in best:
            began = perf_counter()
            each.forward(canvases)
            best[each] = min(best[each], perf_counter() - began)
    return best[full] / best[engine]


def speed_note(precision: str, speed: float) -> str:
    """What the speed says to whoever exports."""
    text = f"{precision} is {speed:.2g} times as fast as fp32 on this machine"
    return text if speed > 1 else f"{text}: not recommended here but for its size"


def disagreement(ours: np.ndarray, theirs: np.ndarray, unit: float = 0.0) -> float:
    """The largest difference of two raw outputs, relative to the largest number of the first, or to ``unit``
    (``Task.raw_unit``) where that is more.

    Where a picture has many rows, highest-scoring first, two of nearly equal score may change their order,
    and the last may fall out: each of the better half is then compared with the row that is nearest to it.
    """
    scale = max(float(np.abs(ours).max()), unit, 1e-6)
    if ours.ndim == 3:
        pairs = zip(ours[:, : -(-ours.shape[1] // 2)], theirs, strict=True)
        worst = max(nearest_row(rows, others) for rows, others in pairs)
    else:
        worst = float(np.abs(ours - theirs).max())
    return worst / scale if np.isfinite(theirs).all() else float("inf")


def nearest_row(rows: np.ndarray, others: np.ndarray) -> float:
    """How far the row that is worst off is from the nearest of ``others``."""
    return max(float(np.abs(others - row).max(axis=1).min()) for row in rows)


def scores(ours: Predictor, raw: Mapping[str, np.ndarray], pictures: Pictures) -> dict[str, dict[str, Any]]:
    """The primary metric of each task on its labelled pictures: ``{"metric", "n", "run"}``."""
    if not pictures.records:
        return {}
    predictions = ours.decode(raw, pictures.placements)
    values = {}
    for name, task in ours.tasks.items():
        labelled = [
            row for row, record in enumerate(pictures.records) if record.answers.get(name) is not None
        ]
        if labelled:
            answers = [pictures.records[row].answers[name] for row in labelled]
            value = value_of(task, [predictions[row][name] for row in labelled], answers)
            values[name] = {"metric": task.primary_metric, "n": len(labelled), "run": value}
    return values


def value_of(task: Task, predictions: Sequence[Any], answers: Sequence[Any]) -> float | None:
    value = task.metrics(task.metric_state(predictions, answers), np.ones(len(answers)))[task.primary_metric]
    return finite(value)
