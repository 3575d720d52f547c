"""How much a network loses where pictures are worse than those it learned from: robustness.json and .html."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.data.dataset import load_dataset
from oneglance.data.images.decode import Canvas
from oneglance.data.images.decoding.decode_pool import decode_with
from oneglance.data.record import Record
from oneglance.errors import ConfigError, PictureError
from oneglance.evaluation.bootstrap import draws, interval
from oneglance.evaluation.corruptions.catalogue import FAMILIES, STRENGTHS, corrupted
from oneglance.evaluation.evaluate import SPLITS, records_of
from oneglance.evaluation.kept_arrays import digest, keep, kept
from oneglance.evaluation.reports.robustness import write_page
from oneglance.inference.engine import BATCH
from oneglance.inference.predictor import Predictor
from oneglance.inference.shards.shard import question
from oneglance.progress import Screen
from oneglance.storage.atomic_files import finite, make_folder, remove_files, write_json
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task

KEPT = "robustness"  # the folder of what is scored, until all is
RESAMPLES = 200  # of the pictures, for each of 76 scores of a task

Condition = tuple[str, int]  # a corruption and its strength
Draws = dict[str, np.ndarray]  # task -> its primary metric: float64 [1 + resamples], the first over all


def robustness_of_run(run: RunFolder, split: str, pictures: int, out: Path, screen: Screen) -> dict[str, Any]:
    """Score a finished run on pictures of one split, clean and with every corruption in every strength. What
    is scored is kept in ``out`` until all is: the same call goes on after it was stopped.

    Raises:
        ConfigError: no such split, or it is empty, or nothing in it can be read.
        RunError: the run is not finished, or its data have changed since.
    """
    if split not in SPLITS:
        raise ConfigError(f'"{split}" is no split to score', hint=f"choose {' or '.join(SPLITS)}")
    if pictures < 1:
        raise ConfigError(f"{pictures} pictures cannot be scored", hint="give 1 or more")
    predictor = Predictor.open(run)
    dataset = load_dataset(run.config(), list(predictor.tasks.values()), screen.progress)
    every = records_of(run, split, dataset)
    chosen = [every[row] for row in sample(len(every), pictures)]
    records, canvases = _decoded(predictor, chosen, screen)
    if not records:
        raise ConfigError(f"no picture of the {split} split can be read", location="[split]")
    clean = _scored(predictor, records, canvases)
    worse: dict[str, list[Draws]] = {}
    total = sum(map(len, FAMILIES.values())) * len(STRENGTHS)
    known = [(record.answers, record.group) for record in records]
    key = digest([question(run.path, [], []), pictures_key(canvases, known), RESAMPLES])
    paths = {each: kept_path(out, each) for each in conditions()}
    for (name, strength), path in paths.items():
        scored = kept(path, key)
        if scored is None:
            scored = _scored(predictor, records, list(_changed(predictor, canvases, name, strength)))
            keep(path, key, scored)
        worse.setdefault(name, []).append(scored)
        screen.progress(sum(map(len, worse.values())), total, "scoring corrupted pictures")
    tasks = {
        name: {
            "type": task.type,
            "metric": task.primary_metric,
            "unit": task.metric_unit,
            **entry(
                task,
                clean[name],
                {kind: [one[name] for one in all] for kind, all in worse.items()},
                _score_of(sum(record.answers.get(name) is not None for record in records)),
            ),
        }
        for name, task in predictor.tasks.items()
        if name in clean
    }
    report = {
        "oneglance": version("oneglance"),
        "split": split,
        "pictures": len(records),
        "unreadable": len(chosen) - len(records),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tasks": tasks,
    }
    make_folder(out)
    write_json(out / "robustness.json", report)
    write_page(out / "robustness.html", report, _examples(predictor, canvases[0]), run.path.resolve().name)
    remove_files(paths.values(), out / KEPT)
    screen.close()
    return report


def pictures_key(canvases: Sequence[Canvas], *known: Any) -> str:
    """Names pictures and what is known of them."""
    pixels = hashlib.sha256()
    for canvas in canvases:
        pixels.update(canvas.pixels.tobytes())
    return digest([pixels.hexdigest(), *known])


def kept_path(out: Path, condition: Condition) -> Path:
    """Where the scores of one condition are until all are there."""
    name, strength = condition
    return out / KEPT / f"{name}-{strength}.npz"


def conditions() -> Iterator[Condition]:
    """Every corruption in every strength."""
    for family in FAMILIES.values():
        for name in family:
            for strength in STRENGTHS:
                yield name, strength


def sample(count: int, most: int) -> list[int]:
    """At most so many of ``count`` rows: the same ones each time, in their order."""
    rows: list[int] = np.sort(np.random.default_rng(0).permutation(count)[:most]).tolist()
    return rows


def _decoded(
    predictor: Predictor, chosen: Sequence[Record], screen: Screen
) -> tuple[list[Record], list[Canvas]]:
    records, canvases = [], []
    decoded = decode_with(predictor.decoding, (record.image for record in chosen), predictor.workers)
    for record, canvas in zip(chosen, decoded, strict=True):
        if isinstance(canvas, PictureError):
            screen.say(f"{canvas.location}  {canvas.what} — left out")
        else:
            records.append(record)
            canvases.append(canvas)
    return records, canvases


def _changed(predictor: Predictor, canvases: Sequence[Canvas], name: str, strength: int) -> Iterator[Canvas]:
    for start in range(0, len(canvases), BATCH):
        yield from corrupted(canvases[start : start + BATCH], predictor.fit, name, strength, start)


def _scored(predictor: Predictor, records: Sequence[Record], canvases: Sequence[Canvas]) -> Draws:
    answers: list[Mapping[str, Any]] = []
    for start in range(0, len(canvases), BATCH):
        rows = predictor.rows(canvases[start : start + BATCH], complete=True)
        answers += [row["answers"] for row in rows]
    groups = [record.group for record in records]
    scored = {}
    for name, task in predictor.tasks.items():
        truth = [record.answers.get(name) for record in records]
        metrics = draws(task, [answer[name] for answer in answers], truth, groups, RESAMPLES)
        if metrics:
            scored[name] = metrics[task.primary_metric]
    return scored


def entry(
    task: Task,
    clean: np.ndarray,
    worse: Mapping[str, Sequence[np.ndarray]],
    score: Callable[[np.ndarray], dict[str, Any]],
) -> dict[str, Any]:
    """What is said of one task. All draws are of the same pictures, so that means over conditions are means
    in each.

    Args:
        clean: draws [..., 1 + resamples], the first over all pictures.
        worse: the same for each strength of each corruption.
        score: draws as they stand in JSON.
    """
    every = mean_of(worse, worse)
    errors = [abs(task.best - float(drawn[..., 0].mean())) for drawn in (every, clean)]
    return {
        "clean": score(clean),
        "corrupted": score(every),
        "relative_error": finite(errors[0] / errors[1]) if errors[1] else None,
        "families": {family: score(mean_of(worse, names)) for family, names in FAMILIES.items()},
        "corruptions": {name: [score(one) for one in strengths] for name, strengths in worse.items()},
    }


def mean_of(worse: Mapping[str, Sequence[np.ndarray]], names: Iterable[str]) -> np.ndarray:
    """Draws of the mean over strengths and over the corruptions of these ``names``."""
    drawn: np.ndarray = np.mean([np.mean(worse[name], axis=0) for name in names], axis=0)
    return drawn


def _score_of(count: int) -> Callable[[np.ndarray], dict[str, Any]]:
    def score(drawn: np.ndarray) -> dict[str, Any]:
        low, high = interval(drawn[1:])
        return {"value": finite(float(drawn[0])), "low": low, "high": high, "n": count}

    return score


def _examples(predictor: Predictor, canvas: Canvas) -> dict[str, list[np.ndarray]]:
    """Of one picture, each corruption in the strengths 1, 3 and 5."""
    shown = predictor.fit.shown(canvas.width, canvas.height)
    return {
        name: [corrupted([canvas], predictor.fit, name, strength)[0].pixels[shown] for strength in (1, 3, 5)]
        for family in FAMILIES.values()
        for name in family
    }
