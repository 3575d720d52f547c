"""Scores: every metric of a task with its interval, its n and the constant answer on the same pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from oneglance.atomic_files import finite
from oneglance.task import Prediction, Task


def score(
    task: Task,
    predictions: Sequence[Prediction],
    answers: Sequence[Any | None],
    groups: Sequence[str],
    constant: Sequence[Prediction] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The entry of one task in report.json: ``{"type", "answered", "brief", "metrics", "constant"}``.

    Each metric is ``{"value", "low", "high", "n"}``. The interval is the 95 % percentile bootstrap (Efron and
    Tibshirani 1993, chapter 13), resampled by group, for pictures of one group are not independent. What is
    undefined is None, as is the interval of pictures that all belong to one group. Where no picture is
    answered, the deciding metric alone stands there, with None.

    Args:
        predictions, answers, groups: one each per picture. An answer of None is unknown and does not count;
            a picture without a group, "", is a group of its own.
        constant: the answer that never looks, one per picture; default: as it is on the canvas.
    """
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    if not rows:
        nothing = {"value": None, "low": None, "high": None, "n": 0}
        return {
            "type": task.type,
            "answered": 0,
            "brief": "",
            "metrics": {task.primary_metric: nothing},
            "constant": {task.primary_metric: None},
        }
    known = [answers[row] for row in rows]
    metric_state = task.metric_state([predictions[row] for row in rows], known)
    once = np.ones(len(rows))
    found = task.metrics(metric_state, once)
    never = task.constant_baseline(len(rows)) if constant is None else [constant[row] for row in rows]
    floor = task.metrics(task.metric_state(never, known), once)
    draws = [
        list(task.metrics(metric_state, weights).values())
        for weights in group_weights([groups[row] for row in rows], resamples, seed)
    ]
    columns = np.array(draws, dtype=np.float64).reshape(-1, len(found)).T
    return {
        "type": task.type,
        "answered": len(rows),
        "brief": task.brief(found[task.primary_metric]) if math.isfinite(found[task.primary_metric]) else "",
        "metrics": {
            name: {"value": finite(value), **_interval(column), "n": len(rows)}
            for (name, value), column in zip(found.items(), columns, strict=True)
        },
        "constant": {name: finite(value) for name, value in floor.items()},
    }


def group_weights(groups: Sequence[str], resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each picture counts in each resample: float64 [pictures], a whole number.

    Groups are drawn with replacement, as many as there are; none are drawn where there is only one group,
    which cannot say how groups differ. The same groups and seed give the same resamples, so that two networks
    can be compared in pairs.
    """
    own = [(group, "") if group else ("", row) for row, group in enumerate(groups)]
    index = {group: place for place, group in enumerate(dict.fromkeys(own))}
    member = np.array([index[group] for group in own], dtype=np.int64)
    random = np.random.default_rng(seed)
    for _ in range(resamples if len(index) > 1 else 0):
        drawn = random.integers(len(index), size=len(index))
        yield np.bincount(drawn, minlength=len(index))[member].astype(np.float64)


def _interval(draws: np.ndarray) -> dict[str, float | None]:
    """Its 95 % middle; None where most resamples leave the metric undefined."""
    defined = draws[np.isfinite(draws)]
    if not len(draws) or len(defined) < len(draws) / 2:
        return {"low": None, "high": None}
    low, high = np.percentile(defined, [2.5, 97.5]).tolist()
    return {"low": low, "high": high}
