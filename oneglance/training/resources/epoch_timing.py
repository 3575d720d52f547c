"""What an epoch takes here, from real steps of a copy of the network: nothing of the training changes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from oneglance.storage.training_length import EpochTime
from oneglance.training.data_loader import Batch, BatchLoader
from oneglance.training.learner import Learner
from oneglance.training.task_gradients import EVERY
from oneglance.training.validation import Validation

LEAST = 4  # steps that are timed, however long they take
WRITTEN = 1.5  # of the time that a checkpoint takes, for all that an epoch writes
SHARE, LONGEST = 0.03, 10.0  # of the time that the training is to take, and seconds, that timing may take


@dataclass(frozen=True)
class Check:
    """What comes after the steps of an epoch."""

    validation: Validation
    resamples: np.ndarray  # see ``checkpoint_selection.resamples``
    save: Callable[[], None]  # writes a checkpoint


def time_of_epoch(
    learner: Learner, training: BatchLoader, validation: BatchLoader, check: Check, minutes: float
) -> EpochTime:
    """What a step takes and what follows those of an epoch: the answers to the validation split, their
    scores, and a checkpoint.

    Args:
        minutes: that the training is to take.
    """
    began = time.perf_counter()
    check.save()
    saving, device = WRITTEN * (time.perf_counter() - began), learner.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trial, longest = copy.deepcopy(learner), min(LONGEST, SHARE * 60 * minutes)
        step = _seconds_of_step(trial, training, longest)
        rest = _seconds_of_check(trial, validation, check, longest) + saving
        return EpochTime(len(training), step, rest)


def _seconds_of_step(trial: Learner, training: BatchLoader, longest: float) -> float:
    """The mean over ``EVERY`` steps, of which one measures the tasks' gradients. The very first step, in
    which memory is taken, counts where there is no other of its kind.
    """
    plain, measuring, first = list[float](), list[float](), 0.0
    trial.position.updates = 0
    began = last = time.perf_counter()
    for number, batch in enumerate(_batches(trial, training)):
        trial.update(batch, len(training) * trial.table.epochs)
        now = time.perf_counter()
        if number == 0:
            first = now - last
        else:
            (measuring if number % EVERY == 0 else plain).append(now - last)
        last = now
        if number == EVERY or (number >= LEAST and now - began > longest):
            break
    return (median(plain) * (EVERY - 1) + (measuring or [first])[0]) / EVERY


def _batches(trial: Learner, training: BatchLoader) -> Iterator[Batch]:
    """Those of the first epochs, without end."""
    epoch = 0
    while True:
        yield from training.shuffled(trial.table.seed, epoch)
        epoch += 1


def _seconds_of_check(trial: Learner, loader: BatchLoader, check: Check, longest: float) -> float:
    """All pictures of the validation split and their scores, or in a large one the first pictures alone."""
    few = BatchLoader(loader.store, loader.rows[: loader.size], {}, loader.size, loader.device)
    trial.validate(few)
    began = time.perf_counter()
    trial.validate(few)
    whole = (time.perf_counter() - began) * len(loader.rows) / len(few.rows)
    if whole > longest:
        return whole
    began = time.perf_counter()
    raw = trial.validate(loader)
    for scores in check.validation.scores(raw, check.resamples):
        check.validation.skill(scores)
    return time.perf_counter() - began
