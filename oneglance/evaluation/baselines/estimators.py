"""Ways to answer from rows of numbers, for any task: by its own head and loss, by trees, by neighbours.

None of them knows what type a task is: what scikit-learn gives (splits, neighbours) is turned into answers by
the task's own loss.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeRegressor
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features
from oneglance.balancer import build_balancer
from oneglance.config import TrainingTable
from oneglance.evaluation.baselines.image_features import Rows
from oneglance.network import Network
from oneglance.nn.feature_shape import Shape
from oneglance.task import Prediction, Task
from oneglance.training.checkpoint_selection import CheckpointSelection, resamples
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner, labelled_mean
from oneglance.training.loop import train_steps
from oneglance.training.preparation.feature_cache import FeatureCache
from oneglance.training.validation import task_metrics

STEPS, EPOCHS = 800, 60  # of a head, at most
LARGEST = 256  # features in a batch
RATE = 0.05  # of a head that sees one number; more of them move the output further at every step
ROUNDS, PATIENCE = 120, 12  # trees of a boosting, and how long it may get no better
SHRINKAGE = 0.3  # of each tree's step
NEIGHBOURS = 15
MANY = 20_000  # training pictures that trees and neighbours use, at most
AT_ONCE = 4_000_000  # losses worked out at a time


@dataclass
class TaskAnswers:
    """The answers to one task, aligned with the rows of each split; None where it is not labelled."""

    task: Task  # fitted to the training split
    train: Sequence[Any | None]
    validation: Sequence[Any | None]


Raw = Callable[[np.ndarray], np.ndarray]  # rows [n, d] of any pictures to the task's raw output


@dataclass
class Fitted:
    """A task that was calibrated on the validation split, and its answers to the test split."""

    task: Task
    predictions: list[Prediction]
    skill: float  # on the validation split
    raw: Raw = np.asarray  # what it says of other pictures; of boxes from their canvases


class Given(Backbone):
    """Features that are there already."""

    mean, std, pretrained = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shape = Shape(width)

    def forward(self, pictures: Tensor) -> Features:
        return Features(pictures)

    def stages(self) -> Iterator[nn.Module]:
        return iter(())


def calibrated(
    task_answers: TaskAnswers, task: Task, raw_validation: np.ndarray, raw_test: np.ndarray, *, raw: Raw
) -> Fitted:
    """Calibrate and answer."""
    task = copy.deepcopy(task)
    task.calibrate(raw_validation, task_answers.validation)
    skill = float(_skills(task_answers, task, raw_validation, np.ones((1, len(task_answers.validation))))[0])
    return Fitted(task, task.decode(raw_test), skill, raw)


def _skills(task_answers: TaskAnswers, task: Task, raw: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The skill on the validation split for each row of ``weights`` [k, pictures]; NaN without answers."""
    rows = [row for row, answer in enumerate(task_answers.validation) if answer is not None]
    if not rows:
        return np.full(len(weights), np.nan)
    values = task_metrics(task, task.decode(raw[rows]), task_answers.validation, rows, weights)
    constant = task_metrics(task, task.constant_baseline(len(rows)), task_answers.validation, rows)[0]
    return np.array([task.skill(each[task.primary_metric], constant[task.primary_metric]) for each in values])


# By the task's own head.


def head(task_answers: TaskAnswers, rows: Rows, hidden: Sequence[int] = ()) -> Fitted:
    """The task's own head and loss on these features, at the epoch that training would keep. Without
    ``hidden`` layers it is logistic or ridge regression, with them a multi-layer perceptron. Its raw output
    stays in the range that it has on the training split.
    """
    task = task_answers.task.standalone(hidden)
    parts = (rows.train, task_answers.train), (rows.validation, task_answers.validation)
    learner, (training, validation) = _untrained(task, parts)
    average = learner.average
    kept, chosen, choice = copy.deepcopy(average.state_dict()), np.zeros(0), CheckpointSelection()
    weights = resamples(len(task_answers.validation))
    for step in train_steps(learner, training, validation):
        if step.done is None:
            continue
        now = step.done.raw[task.name]
        if choice.judge(step.epoch, _skills(task_answers, task, now, weights), {}):
            chosen, kept = now, copy.deepcopy(learner.average.state_dict())
    learner.average.load_state_dict(kept)
    # A line goes on for ever: a picture unlike all others would weigh a thousand tons.
    answered = learner.validate(training)[task.name]
    low, high = answered.min(axis=0), answered.max(axis=0)

    def raw(features: np.ndarray) -> np.ndarray:
        unseen = _loader(task, features, [None] * len(features), LARGEST)
        return learner.validate(unseen)[task.name].clip(low, high)

    return calibrated(task_answers, task, chosen.clip(low, high), raw(rows.test), raw=raw)


def head_at_end(task: Task, answers: Sequence[Any | None], train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The raw output for ``test`` [m, d] of such a head that has learned ``answers`` on ``train`` [n, d] to
    its last epoch: no picture is spent on choosing one. Not calibrated.
    """
    task = task.standalone()
    learner, (training, unseen) = _untrained(task, [(train, answers), (test, [None] * len(test))])
    for _ in train_steps(learner, training, unseen):
        pass
    answered = learner.validate(training)[task.name]
    return learner.validate(unseen)[task.name].clip(answered.min(axis=0), answered.max(axis=0))


def _untrained(
    task: Task, parts: Sequence[tuple[np.ndarray, Sequence[Any | None]]]
) -> tuple[Learner, list[BatchLoader]]:
    """A learner of the task's own head, and a loader of each of ``parts``: features [k, d] and their answers,
    the first those that it learns from.
    """
    (features, answers), *others = parts
    chosen = [row for row, answer in enumerate(answers) if answer is not None]
    if chosen and task.answered_by:
        features, answers = features[chosen], [answers[row] for row in chosen]
    batch, width = min(LARGEST, max(16, len(features) // 8)), features.shape[1]
    loaders = [_loader(task, *part, batch) for part in ((features, answers), *others)]
    cpu = torch.device("cpu")
    torch.manual_seed(0)
    table = TrainingTable(
        epochs=min(EPOCHS, max(4, round(STEPS / len(loaders[0])))),
        learning_rate=RATE / width**0.5,
        ema=0,
        seed=0,
        device="cpu",
    )
    network = Network(Given(width), {task.name: task})
    learner = Learner(network, {task.name: task}, build_balancer("equal", {}), None, table, cpu)
    learner.measure_loss_scales(loaders[0].targets)
    return learner, loaders


def _loader(task: Task, features: np.ndarray, answers: Sequence[Any | None], batch: int) -> BatchLoader:
    rows = np.arange(len(features))
    targets = {task.name: task.encode(answers)}
    return BatchLoader(FeatureCache(rows, features), rows, targets, batch, torch.device("cpu"))


# By trees.


def boosted(task_answers: TaskAnswers, rows: Rows) -> Fitted:
    """Gradient boosting (Friedman 2001, Greedy function approximation, algorithm 1) of the task's own loss:
    regression trees that follow its gradient, each with the length of step that serves best. It ends where
    the validation split gets no better. For tasks whose raw output is a row of numbers.
    """
    task = task_answers.task
    learned = _answered(task_answers.train)
    x, answers = rows.train[learned], [task_answers.train[row] for row in learned.tolist()]
    target, checked = _tensors(task, answers), _tensors(task, task_answers.validation)
    parts = (x, rows.validation)
    raws = [np.repeat(task.constant_raw(), len(part), axis=0).astype(np.float64) for part in parts]
    trees: list[tuple[float, DecisionTreeRegressor]] = []
    best, lowest, waited = 0, _mean_loss(task, raws[1], checked)[0], 0
    for number in range(ROUNDS):
        before, gradient = _mean_loss(task, raws[0], target)
        tree = DecisionTreeRegressor(
            max_depth=5, min_samples_leaf=5, max_features="sqrt", random_state=number
        ).fit(x, -gradient * len(x))
        moves = [tree.predict(part).reshape(len(part), -1) for part in parts]
        tried = {
            step: _mean_loss(task, raws[0] + step * moves[0], target)[0] for step in (0.5, 1, 2, 4, 8, 16)
        }
        step = min(tried, key=lambda step: tried[step])
        if tried[step] >= before:
            break
        raws = [raw + SHRINKAGE * step * move for raw, move in zip(raws, moves, strict=True)]
        trees.append((SHRINKAGE * step, tree))
        now = _mean_loss(task, raws[1], checked)[0]
        waited += 1
        if now < lowest:
            best, lowest, waited = len(trees), now, 0
        if waited >= PATIENCE:
            break

    def raw(features: np.ndarray) -> np.ndarray:
        total = np.repeat(task.constant_raw(), len(features), axis=0).astype(np.float64)
        for length, tree in trees[:best]:
            total += length * tree.predict(features).reshape(total.shape)
        return total.astype(np.float32)

    return calibrated(task_answers, task, raw(rows.validation), raw(rows.test), raw=raw)


def _mean_loss(task: Task, raw: np.ndarray, target: Mapping[str, Tensor]) -> tuple[float, np.ndarray]:
    """(mean loss, its gradient [n, width]) of ``raw`` [n, width]."""
    x = torch.tensor(raw, dtype=torch.float32, requires_grad=True)
    loss = labelled_mean(*task.loss(x, target))
    loss.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    return float(loss.detach()), x.grad.double().numpy()


# By neighbours.


def nearest(task_answers: TaskAnswers, rows: Rows) -> Fitted:
    """The best answer to the nearest labelled training pictures. For tasks whose raw output is a row
    of numbers.
    """
    learned = _answered(task_answers.train)
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(learned))).fit(rows.train[learned])
    answers = [task_answers.train[row] for row in learned.tolist()]

    def raw(features: np.ndarray) -> np.ndarray:
        members = index.kneighbors(features, return_distance=False)
        return best_answers(task_answers.task, answers, members)

    return calibrated(task_answers, task_answers.task, raw(rows.validation), raw(rows.test), raw=raw)


def best_answers(task: Task, answers: Sequence[Any], members: np.ndarray) -> np.ndarray:
    """For each row of ``members`` [m, k], indices into ``answers``, the raw output that has the least loss on
    all of them together: float32 [m, width]. It is drawn a little to the constant baseline.
    """
    target = _tensors(task, answers)
    start = torch.as_tensor(task.constant_raw())
    size = max(1, AT_ONCE // max(1, members.shape[1] * start.shape[1]))
    chunks = [_fit(task, target, start, members[at : at + size]) for at in range(0, len(members), size)]
    return np.concatenate(chunks) if chunks else np.zeros((0, start.shape[1]), dtype=np.float32)


def _fit(task: Task, target: Mapping[str, Tensor], start: Tensor, members: np.ndarray) -> np.ndarray:
    count, each = members.shape
    flat = torch.from_numpy(members.reshape(-1).astype(np.int64))
    theirs = {key: value[flat] for key, value in target.items()}
    raw = start.repeat(count, 1).requires_grad_()
    optimizer = torch.optim.Adam([raw], lr=0.3)
    for step in range(60):
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / 60)
        loss, labelled = task.loss(raw.repeat_interleave(each, dim=0), theirs)
        total = (loss * labelled).sum() / each + 0.01 * ((raw - start) ** 2).sum()
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return np.asarray(raw.detach().numpy())


def _answered(answers: Sequence[Any | None]) -> np.ndarray:
    """int64: what is labelled, evenly thinned where that is much."""
    rows = np.array([row for row, answer in enumerate(answers) if answer is not None], dtype=np.int64)
    return rows[:: -(-len(rows) // MANY)] if len(rows) else rows


def _tensors(task: Task, answers: Sequence[Any | None]) -> dict[str, Tensor]:
    return {key: torch.as_tensor(value) for key, value in task.encode(answers).items()}
