"""What can be said of a difference: intervals over pictures and seeds, and Holm's correction over tasks.

Everything is an array of ``draws``: the deciding metric as it is, then once per resample of the pictures. The
resamples are the same for all networks, so a difference of draws is a difference in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneglance.atomic_files import finite
from oneglance.evaluation.bootstrap import group_weights
from oneglance.task import Prediction, Task

RESAMPLES = 1000
LEVEL = 0.05  # of error that a verdict may have, all tasks together


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds. ``p`` is the two-sided probability of seeing so much where there is nothing."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None

    def score(self, task: Task, n: int, seeds: int) -> dict[str, Any]:
        """As an arm stands in compare.json."""
        # No deciding metric lies below 0 or beyond perfect; Student's t does not know.
        most = task.best or np.inf
        low, high = (None if end is None else float(min(max(end, 0), most)) for end in (self.low, self.high))
        return {"value": self.value, "low": low, "high": high, "n": n, "seeds": seeds}


def draws(
    task: Task,
    predictions: Sequence[Prediction],
    answers: Sequence[Any | None],
    groups: Sequence[str],
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """The deciding metric of one network: float64 [1 + resamples], the first over all answered pictures; only
    that one where all of them belong to one group, and NaN where none is answered.
    """
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    if not rows:
        return np.full(1, np.nan)
    metric_state = task.metric_state([predictions[row] for row in rows], [answers[row] for row in rows])
    weights = [np.ones(len(rows)), *group_weights([groups[row] for row in rows], resamples, seed=0)]
    return np.array([task.metrics(metric_state, weight)[task.primary_metric] for weight in weights])


def estimate(found: np.ndarray) -> Estimate:
    """The mean over seeds of ``found`` [seeds, 1 + resamples], with its 95 % interval.

    Pictures vary by the bootstrap. Seeds vary as Student's t says of their standard deviation, for they are
    few: two seeds leave an interval that is seldom of use. One seed tells nothing of other seeds; its
    interval is that of the pictures alone.
    """
    seeds = len(found)
    mean = found.mean(axis=0)
    value, moved = mean[0], mean[1:]
    if seeds > 1:
        spread = found[:, 0].std(ddof=1) / np.sqrt(seeds)
        moved = moved + spread * np.random.default_rng(1).standard_t(seeds - 1, size=len(moved))
    defined = moved[np.isfinite(moved)]
    if not len(defined) or len(defined) < len(moved) / 2 or not np.isfinite(value):
        return Estimate(finite(float(value)), None, None, None)
    low, high = np.percentile(defined, [2.5, 97.5]).tolist()
    side = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return Estimate(float(value), low, high, min(1.0, 2 * (side + 1) / (len(defined) + 1)))


def errors(task: Task, found: np.ndarray) -> np.ndarray:
    """How far from perfect: draws of any metric as those of one that is better the smaller it is."""
    return np.abs(task.best - found)


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
    known = sorted((value, name) for name, value in p.items() if value is not None)
    corrected: dict[str, float | None] = dict.fromkeys(p)
    highest = 0.0
    for place, (value, name) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - place)))
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
    found = {}
    for name, task in tasks.items():
        difference = estimate(ours[name] - theirs[name])
        before, after = errors(task, theirs[name])[:, 0].mean(), errors(task, ours[name])[:, 0].mean()
        found[name] = {
            "difference": {**vars(difference), "p": corrected[name]},
            "error_change": finite(float(relative_change(after, before))),
            "verdict": verdict(gains[name].value, corrected[name]),
        }
    return found


def summary(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What cannot hide a loser: the mean relative change of the error with each task counted once, the task
    that fared worst, and those with a verdict.
    """
    changes = {
        name: entry["error_change"] for name, entry in found.items() if entry["error_change"] is not None
    }
    worst = max(changes, key=lambda name: changes[name], default=None)
    return {
        "mean_error_change": float(np.mean(list(changes.values()))) if changes else None,
        "worst_task": worst,
        "worst_error_change": None if worst is None else changes[worst],
        "better": [name for name, entry in found.items() if entry["verdict"] == "better"],
        "worse": [name for name, entry in found.items() if entry["verdict"] == "worse"],
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
    known = np.isfinite(whole).sum(axis=0)
    mean = np.divide(np.nansum(whole, axis=0), known, out=np.full(known.shape, np.nan), where=known > 0)
    found = estimate(mean)
    return found, found.high is not None and found.high < 0
