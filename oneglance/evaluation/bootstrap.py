"""Metrics with their intervals, by a bootstrap of the pictures.

All networks are scored on the same resamples, so that a difference of two draws is a difference in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from oneglance.storage.atomic_files import finite
from oneglance.task import Prediction, Task

RESAMPLES = 1000  # of the pictures


def score(
    task: Task,
    predictions: Sequence[Prediction],
    answers: Sequence[Any | None],
    groups: Sequence[str],
    constant: Sequence[Prediction] | None = None,
) -> dict[str, Any]:
    """The entry of one task in report.json: ``{"type", "answered", "brief", "unit", "metrics",
    "constant"}``.

    Each metric is ``{"value", "low", "high", "n"}``. What is undefined is None, as is the interval of
    pictures that all belong to one group. Where no picture is answered, the primary metric alone is
    there, with None.

    Args:
        predictions, answers, groups: one each per picture. An answer of None is unknown and does not count;
            a picture without a group, "", is a group of its own.
        constant: the constant baseline, one per picture; default: as it is on the canvas.
    """
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    if not rows:
        nothing = {"value": None, "low": None, "high": None, "n": 0}
        return {
            "type": task.type,
            "answered": 0,
            "brief": "",
            "unit": task.metric_unit,
            "metrics": {task.primary_metric: nothing},
            "constant": {task.primary_metric: None},
        }
    metrics = draws(task, predictions, answers, groups)
    labelled = [answers[row] for row in rows]
    baseline = task.constant_baseline(len(rows)) if constant is None else [constant[row] for row in rows]
    constant_metrics = task.metrics(task.metric_state(baseline, labelled), np.ones(len(rows)))
    primary = float(metrics[task.primary_metric][0])
    return {
        "type": task.type,
        "answered": len(rows),
        "brief": task.brief(primary) if math.isfinite(primary) else "",
        "unit": task.metric_unit,
        "metrics": {name: _entry(drawn, len(rows)) for name, drawn in metrics.items()},
        "constant": {name: finite(constant_metrics.get(name, math.nan)) for name in metrics},
    }


def _entry(drawn: np.ndarray, n: int) -> dict[str, Any]:
    low, high = interval(drawn[1:])
    return {"value": finite(float(drawn[0])), "low": low, "high": high, "n": n}


def draws(
    task: Task,
    predictions: Sequence[Prediction],
    answers: Sequence[Any | None],
    groups: Sequence[str],
    resamples: int | None = None,
) -> dict[str, np.ndarray]:
    """Every metric of one network: float64 [1 + resamples], RESAMPLES of them by default, the first over all
    answered pictures; only that one where they all belong to one group. Empty where no picture is answered.
    """
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    if not rows:
        return {}
    metric_state = task.metric_state([predictions[row] for row in rows], [answers[row] for row in rows])
    weights = [np.ones(len(rows)), *group_weights([groups[row] for row in rows], resamples)]
    values = [task.metrics(metric_state, each) for each in weights]
    return {name: np.array([each[name] for each in values]) for name in values[0]}


def group_weights(groups: Sequence[str], resamples: int | None = None) -> Iterator[np.ndarray]:
    """How often each picture counts in each resample: float64 [pictures], a whole number.

    Groups are drawn with replacement, as many as there are, for pictures of one group are not independent;
    none are drawn where there is only one group, which cannot say how groups differ. The same groups give the
    same resamples.
    """
    own = [(group, "") if group else ("", row) for row, group in enumerate(groups)]
    index = {group: number for number, group in enumerate(dict.fromkeys(own))}
    member = np.array([index[group] for group in own], dtype=np.int64)
    random = np.random.default_rng(0)
    count = RESAMPLES if resamples is None else resamples
    for _ in range(count if len(index) > 1 else 0):
        drawn = random.integers(len(index), size=len(index))
        yield np.bincount(drawn, minlength=len(index))[member].astype(np.float64)


def interval(drawn: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """The 95 % percentile interval of draws [resamples] (Efron and Tibshirani 1993, An Introduction to the
    Bootstrap, chapter 13); None where most of them are undefined, or there are none.
    """
    defined = drawn[np.isfinite(drawn)]
    if not len(defined) or len(defined) < len(drawn) / 2:
        return None, None
    low, high = np.percentile(defined, [2.5, 97.5]).tolist()
    return low, high
