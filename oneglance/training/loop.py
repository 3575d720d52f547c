"""The training loop: a generator. Whoever listens shows progress, writes files and decides when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from torch import Tensor

from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner
from oneglance.training.resources.thread_choice import at_once


@dataclass
class StepResult:
    """The loop after one step."""

    epoch: int  # from 1
    step: int  # from 1, within the epoch
    steps: int  # of an epoch
    pictures: int  # in this step
    losses: Tensor  # float32 [tasks] of this step, relative to the constant baseline; NaN without a label
    done: EpochResult | None = None  # at the end of an epoch


@dataclass
class EpochResult:
    """A finished epoch: a row of the history."""

    epoch: int
    loss: dict[str, float | None]  # mean over the epoch, relative to the constant baseline
    learning_rate: float  # the highest of all groups at the end
    seconds: float
    gradients: dict[str, dict[str, float]] = field(default_factory=dict)  # see ``GradientMonitor.summary``
    raw: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # of the validation split, in order
    picture_losses: np.ndarray | None = field(default=None, repr=False)  # see ``PictureLosses.take``


def train_steps(
    learner: Learner,
    training: BatchLoader,
    validation: BatchLoader,
    until: int | None = None,
    timed: Callable[[Callable[[], Tensor]], Tensor] = at_once,
) -> Iterator[StepResult]:
    """Train from where ``learner`` stands to the last epoch, or until that many are finished; a result after
    every step.

    Args:
        timed: does the work of a step, and gives what it gives; see ``ThreadChoice``.
    """
    table, position = learner.table, learner.position
    steps_in_all, steps = table.epochs * len(training), len(training)
    while position.epoch < (table.epochs if until is None else min(until, table.epochs)):
        began = time.perf_counter() - position.seconds
        for batch in training.shuffled(table.seed, position.epoch, position.step):
            losses = timed(partial(learner.update, batch, steps_in_all))
            position.seconds = time.perf_counter() - began
            if position.step < steps:
                yield StepResult(position.epoch + 1, position.step, steps, len(batch.pictures), losses)
        result = StepResult(position.epoch + 1, steps, steps, len(batch.pictures), losses)
        result.done = _finish_epoch(learner, validation)
        yield result


def _finish_epoch(learner: Learner, validation: BatchLoader) -> EpochResult:
    position = learner.position
    total, count = learner.sums.tolist()
    loss = {n: t / c if c else None for n, t, c in zip(learner.tasks, total, count, strict=True)}
    learning_rate = max(group["lr"] for group in learner.optimizer.param_groups)
    seconds = position.seconds
    position.epoch, position.step, position.seconds = position.epoch + 1, 0, 0.0
    gradients = learner.monitor.summary(list(learner.tasks))
    learner.sums.zero_()
    learner.monitor.sums.zero_()
    learner.ranks.average_statistics(learner.network, learner.average)
    noted = learner.picture_losses.take() if learner.picture_losses is not None else None
    raw = learner.validate(validation)
    return EpochResult(position.epoch, loss, learning_rate, seconds, gradients, raw, noted)
