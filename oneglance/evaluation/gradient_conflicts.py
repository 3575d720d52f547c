"""Conflicts between tasks: what the history of a joint training shows of their gradients.

All of it is of the features that the tasks share, measured while training (``training.task_gradients``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

LAST = 3  # the last third of the epochs counts: early gradients are those of an untrained network

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cosines:
    """Cosines between the tasks' gradients, epoch by epoch."""

    names: tuple[str, ...]
    epochs: (
        np.ndarray
    )  # float64 [epochs, tasks, tasks], symmetric; NaN: never seen together, and the diagonal

    def mean(self) -> np.ndarray:
        """[tasks, tasks], each epoch counted once."""
        defined = np.isfinite(self.epochs)
        total, count = np.where(defined, self.epochs, 0).sum(axis=0), defined.sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def spread(self) -> np.ndarray:
        """Standard deviation between epochs, [tasks, tasks]; NaN for fewer than two."""
        defined = np.isfinite(self.epochs)
        apart = np.where(defined, self.epochs - self.mean(), 0)
        count = defined.sum(axis=0)
        return np.where(count > 1, np.sqrt((apart**2).sum(axis=0) / np.maximum(count - 1, 1)), np.nan)

    def worst(self, name: str) -> tuple[str, float] | None:
        """The task whose gradient is most against that of ``name``, and the cosine; None if there is none."""
        row = self.mean()[self.names.index(name)]
        if not (row < 0).any():
            return None
        index = int(np.nanargmin(row))
        return self.names[index], float(row[index])


def cosines(history: History) -> Cosines | None:
    """Those of the last third of the epochs; None where the history has none, as for a single task."""
    recorded = [cosines for row in history if (cosines := _gradients(row, "cosines"))]
    if not recorded:
        return None
    rows = _late(recorded)
    names = tuple(dict.fromkeys(name for row in history for name in _gradients(row, "norms")))
    matrices = np.full((len(rows), len(names), len(names)), np.nan)
    for one, other in combinations(range(len(names)), 2):
        values = [row.get(f"{names[one]} | {names[other]}", math.nan) for row in rows]
        matrices[:, one, other] = matrices[:, other, one] = values
    return Cosines(names, matrices)


def pooled(histories: Sequence[History]) -> Cosines | None:
    """Those of several trainings of the same tasks; None where none of them has any."""
    trainings = [one for history in histories if (one := cosines(history))]
    if not trainings:
        return None
    names = trainings[0].names
    same = [one for one in trainings if one.names == names]  # a task never seen in one training leaves it out
    return Cosines(names, np.concatenate([one.epochs for one in same]))


def shares(history: History, weights: Mapping[str, float], *, of: str) -> list[dict[str, float]]:
    """Each epoch's share of each task in what ``of`` names, times its weight; they sum to 1.

    Args:
        of: ``loss``, relative to the constant baseline's, or ``norms``, of the gradients.
    """
    rows = []
    for row in history:
        gradients = _gradients(row, "norms") if of == "norms" else row.get("loss") or {}
        # A loss may be negative where a density is learned; it then has no share.
        parts = {n: max(v, 0.0) * weights.get(n, 1.0) for n, v in gradients.items() if v is not None}
        total = sum(parts.values())
        rows.append({name: part / total for name, part in parts.items()} if total > 0 else {})
    return rows


def late_share(histories: Sequence[History], weights: Mapping[str, float], name: str) -> float | None:
    """The mean share of the gradient that a task has in the last third of the epochs of each training; None
    where no training measured it.
    """
    late_shares: list[float] = []
    for history in histories:
        rows = [row for row in shares(history, weights, of="norms") if name in row]
        late_shares += [row[name] for row in _late(rows)]
    return sum(late_shares) / len(late_shares) if late_shares else None


def _late(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return rows[-math.ceil(len(rows) / LAST) :] if rows else []


def _gradients(row: Mapping[str, Any], key: str) -> dict[str, float]:
    return (row.get("gradients") or {}).get(key) or {}
