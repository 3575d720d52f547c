"""What the losses of a training add to suspicions: answers that are wrong are learned last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from oneglance.evaluation.suspects.findings import Judged
from oneglance.metrics.label_errors import with_losses
from oneglance.training.picture_losses import KeptLosses


def with_kept_losses(judged: Judged, kept: KeptLosses) -> Judged:
    """The same answers, each suspicion also by how late the run learned that answer. Those of a task with
    places stay as they are: a picture's loss does not say which of its boxes is wrong.
    """
    if judged.task.is_spatial:
        return judged
    means = kept.mean(judged.task.name)
    losses = np.array([means.get(record.image.name, np.nan) for record in judged.records])
    if not np.isfinite(losses).any():
        return judged
    rows = [suspicion.row for suspicion in judged.suspicions]
    scores = with_losses(np.array([suspicion.score for suspicion in judged.suspicions]), rows, losses)
    suspicions = [
        replace(suspicion, score=score)
        for suspicion, score in zip(judged.suspicions, scores.tolist(), strict=True)
    ]
    epochs = len(kept.tasks[judged.task.name])
    method = f"{judged.method}, and how late they were learned in the {epochs} epochs of the run"
    return replace(judged, suspicions=suspicions, method=method)
