"""What the losses of a training add to suspicions: answers that are wrong are learned last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from oneglance.data.record import Record
from oneglance.metrics.label_errors import learned_last, with_learning
from oneglance.metrics.suspicion import Suspicion
from oneglance.task import Task
from oneglance.training.picture_losses import KeptLosses

LATE = 0.9  # of all answers, so many were learned earlier: a person is told


def lateness(task: Task, records: Sequence[Record], losses: KeptLosses | None) -> np.ndarray | None:
    """How late the answer to each picture was learned: float64 [n], 0 to 1, see ``learned_last``. None where
    that is not known, or says nothing: a picture's loss does not tell which of its boxes is wrong.
    """
    if losses is None or task.is_spatial:
        return None
    means = losses.mean(task.name)
    own = np.array([means.get(record.image.name, np.nan) for record in records], dtype=np.float64)
    return learned_last(own) if np.isfinite(own).any() else None


def with_lateness(suspicions: Sequence[Suspicion], late: np.ndarray) -> list[Suspicion]:
    """Those of all answers, by how late they were learned too; the likely ones."""
    scores = with_learning(np.array([one.score for one in suspicions]), late[[one.row for one in suspicions]])
    return [
        replace(one, score=score, reason=_reason(one.reason, float(late[one.row])))
        for one, score in zip(suspicions, scores.tolist(), strict=True)
        if score > 0.5
    ]


def _reason(known: str, late: float) -> str:
    return ", ".join(filter(None, (known, "learned late" if late > LATE else "")))
