"""The validation split: what an epoch is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from oneglance.data.dataset import SplitData
from oneglance.storage.atomic_files import finite
from oneglance.task import Task

MOST_LOST = 0.05  # what a task below its constant baseline takes from the mean skill, at most

Scores = dict[str, dict[str, float]]  # by task and metric


@dataclass(eq=False)
class Validation:
    """The validation split with what its scores need."""

    tasks: Mapping[str, Task]
    split: SplitData
    labelled: dict[str, list[int]]  # by task: the pictures with an answer, by their index in the split
    constants: dict[str, float]  # by task: the primary metric of the constant baseline

    @classmethod
    def of(cls, tasks: Mapping[str, Task], split: SplitData) -> Self:
        """``tasks`` have learned their targets."""
        labelled = {
            name: [index for index, answer in enumerate(split.answers(name)) if answer is not None]
            for name in tasks
        }
        constants = {
            name: task_metrics(task, task.constant_baseline(len(rows)), split.answers(name), rows)[0]
            for (name, task), rows in zip(tasks.items(), labelled.values(), strict=True)
        }
        return cls(tasks, split, labelled, primary_metrics(tasks, constants))

    def scores(self, raw: Mapping[str, np.ndarray], weights: np.ndarray) -> list[Scores]:
        """Every metric of every task, for each row of ``weights`` [k, pictures].

        Args:
            raw: of each task float32 [pictures, ...], in the order of the split.
        """
        by_task = {
            name: task_metrics(
                task,
                task.decode(raw[name][self.labelled[name]]),
                self.split.answers(name),
                self.labelled[name],
                weights,
            )
            for name, task in self.tasks.items()
        }
        return [{name: each[row] for name, each in by_task.items()} for row in range(len(weights))]

    def skill(self, scores: Mapping[str, Mapping[str, float]]) -> float:
        """See ``mean_skill``."""
        return mean_skill(self.tasks, primary_metrics(self.tasks, scores), self.constants)


def primary_metrics(tasks: Mapping[str, Task], scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """By task; NaN where nothing was scored."""
    return {name: scores[name].get(task.primary_metric, math.nan) for name, task in tasks.items()}


def mean_skill(
    tasks: Mapping[str, Task], primary_metric: Mapping[str, float], constants: Mapping[str, float]
) -> float:
    """Mean over the tasks of the primary metric, 0 for the constant baseline and 1 for perfect; tasks without
    a validation answer do not count, nor those without weight. How far a task wanders below its constant must
    not choose the epoch of all others: it loses ``MOST_LOST`` at most.
    """
    learned = [name for name, task in tasks.items() if task.weight > 0]
    skills = [tasks[name].skill(primary_metric[name], constants[name]) for name in learned]
    finite = [
        skill if skill > 0 else MOST_LOST * math.tanh(skill / MOST_LOST)
        for skill in skills
        if np.isfinite(skill)
    ]
    return float(np.mean(finite)) if finite else math.nan


def task_metrics(
    task: Task,
    predictions: Sequence[Any],
    answers: Sequence[Any | None],
    rows: Sequence[int],
    weights: np.ndarray | None = None,
) -> list[dict[str, float]]:
    """The metrics of ``predictions`` for the labelled ``rows``, for each row of ``weights`` [k, answers], by
    default once with all 1; none where nothing is labelled.
    """
    weights = np.ones((1, len(answers))) if weights is None else weights
    if not rows:
        return [{} for _ in weights]
    metric_state = task.metric_state(predictions, [answers[row] for row in rows])
    return [task.metrics(metric_state, each) for each in weights[:, rows]]


def finite_metrics(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """As JSON can hold them."""
    return {name: {key: finite(value) for key, value in own.items()} for name, own in scores.items()}
