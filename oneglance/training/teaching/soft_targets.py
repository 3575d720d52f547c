"""What teachers say, beside what people say: one target for each task, and one loss.

Keys of a teacher begin with ``SOFT``, so that batches, views and parts carry both in one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from oneglance.batch_transform import Mix, View
from oneglance.task import Task

SOFT = "~"  # no name of an attribute begins with it

Arrays = Mapping[str, Tensor]
Array = TypeVar("Array", Tensor, np.ndarray)
Of = TypeVar("Of")


def split(target: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """What people say, and what a teacher says; the latter is empty where there is none."""
    soft = {key.removeprefix(SOFT): value for key, value in target.items() if key.startswith(SOFT)}
    return {key: value for key, value in target.items() if not key.startswith(SOFT)}, soft


def joined(target: Mapping[str, Of], soft: Mapping[str, Of]) -> dict[str, Of]:
    """The inverse of ``split``."""
    return {**target, **{SOFT + key: value for key, value in soft.items()}}


def less_trusted(soft: Mapping[str, Array], shares: Array) -> dict[str, Array]:
    """What a teacher says of n pictures, where each is trusted by its share, [n] in 0 to 1."""
    trust = soft["trust"]
    return {**soft, "trust": trust * shares.reshape(-1, *[1] * (trust.ndim - 1))}


def transformed(task: Task, target: Arrays, view: View) -> dict[str, Tensor]:
    """The target of the pictures that ``view`` shows."""
    own, soft = split(target)
    moved = task.transform_target(own, view)
    return joined(moved, task.transform_soft_target(soft, view)) if soft else moved


def loss_of(
    task: Task, raw: Tensor, target: Arrays, mix: Mix | None, share: float, *, seen_mixed: bool = False
) -> tuple[Tensor, Tensor]:
    """(loss, weight), element by element, as ``Task.loss`` gives it. Where people answered, their answer
    counts, and the teacher's with up to the ``share`` of it; elsewhere the teacher's counts as far as it is
    trusted.

    Args:
        seen_mixed: the teacher saw the pictures after they were mixed.
    """
    own, soft = split(target)
    loss, labelled = task.loss(raw, own) if mix is None else task.mixed_loss(raw, own, mix)
    if not soft:
        return loss, labelled
    alone = mix is None or seen_mixed
    by_teacher, trust = task.teach(raw, soft) if mix is None or alone else task.mixed_teach(raw, soft, mix)
    known = labelled.clamp(max=1)
    taught = trust * (1 - known + share * known)
    weight = labelled * (1 - share * trust)
    both = weight + taught
    return (weight * loss + taught * by_teacher) / both.clamp(min=1e-12), both


@torch.no_grad()
def summed_losses(task: Task, raw: Tensor, target: Arrays) -> np.ndarray:
    """Sums over the pictures, float64 [2, 2]: of losses and of weights, against people and the teacher."""
    own, soft = split(target)
    sums = np.zeros((2, 2))
    for row, (loss, weight) in enumerate([task.loss(raw, own), *([task.teach(raw, soft)] if soft else [])]):
        sums[row] = float((loss * weight).sum()), float(weight.sum())
    return sums
