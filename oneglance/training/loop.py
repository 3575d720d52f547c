"""The training loop: a generator. Whoever listens shows progress, writes files and decides when to stop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneglance.balancer import Balancer, gram_matrix
from oneglance.batch_transform import Mix
from oneglance.config import TrainingTable
from oneglance.errors import DivergedError
from oneglance.network import Network
from oneglance.nn.device import precise
from oneglance.task import Task
from oneglance.training.augment import Augment
from oneglance.training.data_loader import Batch, Batches, Targets
from oneglance.training.optimizer import build_optimizer, rate_at, set_rate
from oneglance.training.task_gradients import EVERY, Shared, Watch

UNIT_ROWS = 4096  # pictures by which the loss of the constant answer is measured
LEAST = 0.05  # what a task below its constant answer takes from the mean skill, at most
CALMER = "lower training.learning_rate, or set training.precision to fp32"


@dataclass
class Moment:
    """The loop after one step."""

    epoch: int  # from 1
    step: int  # from 1, within the epoch
    steps: int  # of an epoch
    pictures: int  # in this step
    losses: Tensor  # float32 [tasks] of this step, relative to the constant answer; NaN where none is known
    done: Epoch | None = None  # at the end of an epoch


@dataclass
class Epoch:
    """A finished epoch: a row of the history."""

    epoch: int
    loss: dict[str, float | None]  # mean over the epoch, relative to the constant answer
    rate: float  # top learning rate at the end
    seconds: float
    gradients: dict[str, dict[str, float]] = field(default_factory=dict)  # see ``Watch.told``
    raw: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # of the validation part, in order


@dataclass
class Place:
    """Where a training stands; plain values."""

    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the next one
    updates: int = 0  # steps in all
    seconds: float = 0.0  # spent in the epoch that is under way


def labelled_mean(loss: Tensor, known: Tensor) -> Tensor:
    """Mean over what was annotated; zero when this batch holds no such answer."""
    return (loss * known).sum() / known.sum().clamp(min=1e-12)


def _chunks(target: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """At most ``UNIT_ROWS`` rows of a target, evenly spread, a few at a time."""
    count = len(next(iter(target.values())))
    rows = torch.arange(0, count, -(-count // UNIT_ROWS))
    for chosen in rows.split(64):  # type: ignore[no-untyped-call]
        yield {key: value[chosen.to(value.device)] for key, value in target.items()}


class Learner:
    """A network on its way: weights, their average, the optimizer, and the place in the plan.

    Every step draws its randomness from (seed, epoch, step) alone, so a resumed training goes on as if
    nothing had happened.
    """

    def __init__(
        self,
        network: Network,
        tasks: Mapping[str, Task],
        balancer: Balancer,
        augment: Augment | None,
        table: TrainingTable,
        device: torch.device,
        precision: str = "fp32",
    ) -> None:
        self.network, self.tasks, self.balancer, self.augment = network, tasks, balancer, augment
        self.table, self.device, self.precision = table, device, precision
        self.look: Any = network if augment is not None else network.answer_vectors
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.optimizer = build_optimizer(network, table)
        self.place = Place()
        self.units = torch.ones(len(tasks), device=device)
        self.weights = torch.tensor([task.weight for task in tasks.values()], device=device)
        self.watch = Watch(len(tasks), device)
        self.sums = torch.zeros(2, len(tasks), device=device)  # of losses and of batches that knew the task

    # The state.

    def state(self) -> dict[str, Any]:
        """Tensors and plain values: all that resume() needs. The next step changes them in place."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balancer": self.balancer.state(),
            "watch": self.watch.sums,
            "place": vars(self.place),
            "sums": self.sums,
            "precision": self.precision,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue from what state() gave."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.balancer.restore(state["balancer"])
        self.watch.sums = state["watch"].to(self.device)
        self.place = Place(**state["place"])
        self.sums = state["sums"].to(self.device)
        self.precision = state["precision"]

    # Losses.

    def measure_units(self, targets: Targets) -> None:
        """Each loss is told relative to that of the best constant answer, so that all start near 1."""
        for place, (name, task) in enumerate(self.tasks.items()):
            raw = torch.as_tensor(task.constant_raw()).to(self.device)
            total, count = 0.0, 0.0
            for part in _chunks(targets[name]):
                rows = len(next(iter(part.values())))
                with torch.no_grad():
                    loss, known = task.loss(raw.expand(rows, *raw.shape[1:]), part)
                total += float((loss * known).sum())
                count += float(known.sum())
            # A task that needs no answers has a loss that is relative already.
            self.units[place] = max(total / count, 1e-6) if count else 1.0

    def losses(self, raw: Mapping[str, Tensor], targets: Targets, mix: Mix | None) -> tuple[Tensor, Tensor]:
        """(losses [tasks] relative to the constant answer, present [tasks])."""
        found, present = [], []
        for name, task in self.tasks.items():
            if mix is None:
                loss, known = task.loss(raw[name], targets[name])
            else:
                loss, known = task.mixed_loss(raw[name], targets[name], mix)
            found.append(labelled_mean(loss, known))
            present.append(known.sum() > 0)
        return torch.stack(found) / self.units, torch.stack(present)

    # A step.

    def update(self, batch: Batch, steps_in_all: int) -> Tensor:
        """One step on one batch; returns its losses, NaN where the batch knows nothing.

        Raises:
            DivergedError: a loss is NaN or infinite; the weights are those before the step.
        """
        place, table = self.place, self.table
        drawn = int(np.random.SeedSequence([table.seed, place.epoch, place.step]).generate_state(1)[0])
        torch.manual_seed(drawn)  # dropout
        set_rate(self.optimizer, rate_at(place.updates, steps_in_all, table))
        pictures, targets, mix = batch.pictures, batch.targets, None
        if self.augment is not None:
            generator = torch.Generator().manual_seed(drawn)
            rest = place.updates >= steps_in_all * (1 - self.augment.table.rest)
            pictures, targets = self._views(pictures, targets)
            queried = [task.queried_mask(targets[name]) for name, task in self.tasks.items()]
            pictures, view, mix = self.augment(pictures, generator, torch.cat(queried, dim=1), rest=rest)
            targets = {name: task.transform_target(targets[name], view) for name, task in self.tasks.items()}
        losses, present = self.backward(pictures, targets, mix, drawn)
        if not bool(torch.isfinite(losses.sum())):
            self._diverged(losses)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), table.clip or math.inf)
        if not bool(torch.isfinite(norm)):
            self._diverged(losses)
        self.optimizer.step()
        self._follow()
        self.sums += torch.stack([losses * present, present.to(losses.dtype)])
        place.step += 1
        place.updates += 1
        return torch.where(present, losses, torch.nan)

    def _views(self, pictures: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Every picture as often as the task that wants to see it most."""
        views = max(task.views for task in self.tasks.values())
        if views == 1:
            return pictures, targets
        again = {
            name: {key: torch.cat([value] * views) for key, value in target.items()}
            for name, target in targets.items()
        }
        return torch.cat([pictures] * views), again

    def backward(
        self, pictures: Tensor, targets: Targets, mix: Mix | None, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Forward and backward; the gradients replace the old ones. Returns (losses, present), detached."""
        self.network.train()
        self.optimizer.zero_grad()
        if self._looks_at_gradients():
            return self._backward_by_task(pictures, targets, mix, seed)
        with precise(self.precision, self.device):
            raw = self.look(pictures)
        losses, present = self.losses(raw, targets, mix)
        epoch = self.place.epoch
        weights = self.balancer.weights(losses.detach(), present, epoch=epoch, seed=seed) * self.weights
        (weights * losses).sum().backward()  # type: ignore[no-untyped-call]
        return losses.detach(), present

    def _looks_at_gradients(self) -> bool:
        """Whether this step asks for each task's gradient where the backbone ends, if that learns at all."""
        if len(self.tasks) == 1 or self.augment is None or self.network.frozen:
            return False
        return self.balancer.needs_gram or self.place.updates % EVERY == 0

    def _backward_by_task(
        self, pictures: Tensor, targets: Targets, mix: Mix | None, seed: int
    ) -> tuple[Tensor, Tensor]:
        """The backbone learns a mixture of the tasks' gradients; each head learns its own task's loss."""
        with precise(self.precision, self.device):
            shared = Shared(self.network.features(pictures))
            raw = self.network.answer(shared.cut)
        losses, present = self.losses(raw, targets, mix)
        gradients = shared.gradients(losses, present)
        gram = gram_matrix(shared.meeting(gradients))
        self.watch.add(gram)
        told = losses.detach(), present, gram if self.balancer.needs_gram else None
        weights = self.balancer.weights(*told, epoch=self.place.epoch, seed=seed) * self.weights
        own = weights
        if self.balancer.needs_gram:  # the weights are those of gradients, and may be negative
            own = self.weights * present / present.sum().clamp(min=1)
        (own * losses).sum().backward()  # type: ignore[no-untyped-call]
        shared.back(gradients, weights)
        return losses.detach(), present

    @torch.no_grad()
    def _follow(self) -> None:
        """The average follows the weights and the batch norms' statistics; quicker while both are young."""
        done = self.place.updates
        share = 1 - min(self.table.ema, (1 + done) / (10 + done)) if self.table.ema else 1.0
        ours, theirs = self.average.state_dict(), self.network.state_dict()
        pairs = [(ours[k], theirs[k]) for k in ours]
        floats = [(a, b) for a, b in pairs if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], share)
        for a, b in pairs:
            if not a.is_floating_point():
                a.copy_(b)

    def _diverged(self, losses: Tensor) -> None:
        bad = [name for name, loss in zip(self.tasks, losses.tolist(), strict=True) if not np.isfinite(loss)]
        what = (
            f"the loss of {', '.join(bad)} became NaN or infinite" if bad else "the gradients became infinite"
        )
        raise DivergedError(
            f"{what} in epoch {self.place.epoch + 1}, step {self.place.step + 1}", hint=CALMER
        )

    # Looking without learning.

    @torch.inference_mode()
    def validate(self, batches: Batches) -> dict[str, np.ndarray]:
        """Raw outputs of the averaged network, in order.

        Raises:
            DivergedError: they are NaN or infinite.
        """
        look = self.average if self.augment is not None else self.average.answer_vectors
        raw = collect(look, batches, self.precision)
        bad = [name for name, values in raw.items() if not np.isfinite(values).all()]
        if bad:
            what = f"the answers to {', '.join(bad)} became NaN or infinite"
            raise DivergedError(f"{what} after epoch {self.place.epoch}", hint=CALMER)
        return raw


@torch.inference_mode()
def collect(look: Any, batches: Batches, precision: str) -> dict[str, np.ndarray]:
    """The raw outputs of ``look`` for every picture of ``batches``, in order, as float32 arrays."""
    parts: dict[str, list[np.ndarray]] = {}
    for batch in batches.in_order():
        with precise(precision, batches.device):
            raw = look(batch.pictures)
        for name, value in raw.items():
            parts.setdefault(name, []).append(value.float().cpu().numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def learn(learner: Learner, training: Batches, validation: Batches) -> Iterator[Moment]:
    """Train from where ``learner`` stands to the last epoch; a Moment after every step."""
    table, place = learner.table, learner.place
    steps_in_all = table.epochs * len(training)
    while place.epoch < table.epochs:
        clock = time.perf_counter() - place.seconds
        last = len(training)
        for batch in training.shuffled(table.seed, place.epoch, place.step):
            losses = learner.update(batch, steps_in_all)
            place.seconds = time.perf_counter() - clock
            if place.step < last:
                yield Moment(place.epoch + 1, place.step, last, len(batch.pictures), losses)
        moment = Moment(place.epoch + 1, last, last, len(batch.pictures), losses)
        moment.done = _finish(learner, validation)
        yield moment


def _finish(learner: Learner, validation: Batches) -> Epoch:
    place = learner.place
    total, count = learner.sums.tolist()
    loss = {n: t / c if c else None for n, t, c in zip(learner.tasks, total, count, strict=True)}
    rate = max(group["lr"] for group in learner.optimizer.param_groups)
    seconds = place.seconds
    place.epoch, place.step, place.seconds = place.epoch + 1, 0, 0.0
    gradients = learner.watch.told(list(learner.tasks))
    learner.sums.zero_()
    learner.watch.sums.zero_()
    return Epoch(place.epoch, loss, rate, seconds, gradients, learner.validate(validation))


def mean_skill(
    tasks: Mapping[str, Task], primary_metric: Mapping[str, float], constants: Mapping[str, float]
) -> float:
    """Mean over the tasks of the deciding metric, 0 for the constant answer and 1 for perfect; tasks without
    a validation answer do not count. How far a task wanders below its constant must not choose the epoch of
    all others: it loses ``LEAST`` at most.
    """
    skills = [task.skill(primary_metric[name], constants[name]) for name, task in tasks.items()]
    finite = [
        skill if skill > 0 else LEAST * math.tanh(skill / LEAST) for skill in skills if np.isfinite(skill)
    ]
    return float(np.mean(finite)) if finite else float("nan")
