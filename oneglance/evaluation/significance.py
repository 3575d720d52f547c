"""Differences: intervals over pictures and seeds, and Holm's correction over tasks.

Everything is an array of ``draws``: the primary metric as it is, then once per resample of the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneglance.evaluation import bootstrap
from oneglance.storage.atomic_files import finite
from oneglance.task import Prediction, Task

LEVEL = 0.05  # of error that a verdict may have, all tasks together


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds. ``p`` is the two-sided probability of seeing so much where there is nothing."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None

    def score(self, task: Task, n: int, seeds: int) -> dict[str, Any]:
        """As a variant stands in compare.json."""
        # No primary metric lies below 0 or beyond perfect, though Student's t has no such bounds.
        most = task.best or np.inf
        low, high = (None if end is None else float(min(max(end, 0), most)) for end in (self.low, self.high))
        return {"value": self.value, "low": low, "high": high, "n": n, "seeds": seeds}


def draws(
    task: Task,
    predictions: Sequence[Prediction],
    answers: Sequence[Any | None],
    groups: Sequence[str],
    resamples: int | None = None,
) -> np.ndarray:
    """The primary metric of one network: float64 [1 + resamples], see ``bootstrap.draws``; [1] and NaN where
    no picture is answered.
    """
    drawn = bootstrap.draws(task, predictions, answers, groups, resamples)
    return drawn.get(task.primary_metric, np.full(1, np.nan))


def estimate(drawn: np.ndarray) -> Estimate:
    """The mean over seeds of ``drawn`` [seeds, 1 + resamples], with its 95 % interval.

    Pictures vary by the bootstrap. Seeds vary as Student's t says of their standard deviation, for they are
    few: two seeds leave an interval that is seldom of use. One seed tells nothing of other seeds; its
    interval is that of the pictures alone.
    """
    seeds = len(drawn)
    mean = drawn.mean(axis=0)
    value, moved = mean[0], mean[1:]
    if seeds > 1:
        spread = drawn[:, 0].std(ddof=1) / np.sqrt(seeds)
        moved = moved + spread * np.random.default_rng(1).standard_t(seeds - 1, size=len(moved))
    low, high = bootstrap.interval(moved)
    if low is None or not np.isfinite(value):
        return Estimate(finite(float(value)), None, None, None)
    defined = moved[np.isfinite(moved)]
    side = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    # Never 0: as many resamples as there are can show no less (Davison and Hinkley 1997, section 4.2.3).
    return Estimate(float(value), low, high, min(1.0, 2 * (side + 1) / (len(defined) + 1)))


def errors(task: Task, drawn: np.ndarray) -> np.ndarray:
    """How far from perfect: draws of any metric as those of one that is better the smaller it is."""
    return np.abs(task.best - drawn)


def relative_change(errors: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The change of the error as a share of ``before``, draw by draw: -0.1 is a tenth fewer. NaN where there
    was no error before.
    """
    nothing = np.full(np.broadcast(errors, before).shape, np.nan)
    return np.divide(errors - before, before, out=nothing, where=before > 0)


def holm(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """Probabilities corrected for how many there are (Holm 1979, A simple sequentially rejective multiple
    test procedure); None stays None and does not count.
    """
    ordered = sorted((value, name) for name, value in p.items() if value is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p)
    highest = 0.0
    for rank, (value, name) in enumerate(ordered):
        highest = max(highest, min(1.0, value * (len(ordered) - rank)))
        corrected[name] = highest
    return corrected


def verdict(gain: float | None, p: float | None) -> str:
    """``better``, ``worse`` or ``no difference``.

    Args:
        gain: how much smaller the error is.
        p: corrected.
    """
    if gain is None or p is None or p >= LEVEL or gain == 0:
        return "no difference"
    return "better" if gain > 0 else "worse"


def against(
    tasks: Mapping[str, Task], ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Per task the difference ours - theirs ``{"value", "low", "high", "p"}``, the relative change of the
    error and the verdict, corrected over the tasks.

    Args:
        ours, theirs: draws [seeds, 1 + resamples] by task.
    """
    gains = {
        name: estimate(errors(task, theirs[name]) - errors(task, ours[name])) for name, task in tasks.items()
    }
    corrected = holm({name: gain.p for name, gain in gains.items()})
    comparisons = {}
    for name, task in tasks.items():
        difference = estimate(ours[name] - theirs[name])
        before, after = errors(task, theirs[name])[:, 0].mean(), errors(task, ours[name])[:, 0].mean()
        comparisons[name] = {
            "difference": {**vars(difference), "p": corrected[name]},
            "error_change": finite(float(relative_change(after, before))),
            "verdict": verdict(gains[name].value, corrected[name]),
        }
    return comparisons


def summary(comparisons: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The mean relative change of the error with each task counted once, the
    task that fared worst, and those with a verdict.
    """
    changes = {
        name: entry["error_change"]
        for name, entry in comparisons.items()
        if entry["error_change"] is not None
    }
    worst = max(changes, key=lambda name: changes[name], default=None)
    return {
        "mean_error_change": float(np.mean(list(changes.values()))) if changes else None,
        "worst_task": worst,
        "worst_error_change": None if worst is None else changes[worst],
        "better": [name for name, entry in comparisons.items() if entry["verdict"] == "better"],
        "worse": [name for name, entry in comparisons.items() if entry["verdict"] == "worse"],
    }


def beats(
    tasks: Mapping[str, Task], ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> tuple[Estimate, bool]:
    """The mean over tasks of the relative change of the error, and whether it lies below 0 beyond noise."""
    changes = [
        relative_change(errors(task, ours[name]), errors(task, theirs[name]).mean(axis=0, keepdims=True))
        for name, task in tasks.items()
        if ours[name].shape[1] > 1  # there is something to resample
    ]
    if not changes:
        return Estimate(None, None, None, None), False
    whole = np.stack(changes)
    defined = np.isfinite(whole).sum(axis=0)
    mean = np.divide(np.nansum(whole, axis=0), defined, out=np.full(defined.shape, np.nan), where=defined > 0)
    change = estimate(mean)
    return change, change.high is not None and change.high < 0
