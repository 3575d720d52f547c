"""A network that learns: how it takes a step, whole, by task or in parts, and how far it has come.

Longer than 400 lines because the ways to take a step stand side by side.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneglance.balancer import Balancer, gram_matrix
from oneglance.batch_transform import Mix
from oneglance.config import TrainingTable
from oneglance.errors import DivergedError
from oneglance.network import Network
from oneglance.nn.checkpoints import fill
from oneglance.nn.device import precise
from oneglance.nn.repeated_rows import Rows
from oneglance.task import Task
from oneglance.training.augment import Augment
from oneglance.training.data_loader import Batch, BatchLoader, Targets
from oneglance.training.distributed.ranks import ALONE, Ranks
from oneglance.training.optimizer import (
    build_optimizer,
    learning_rate_factor,
    learning_rate_share,
    set_learning_rates,
)
from oneglance.training.picture_losses import PictureLosses
from oneglance.training.resources.parts import Parts
from oneglance.training.task_gradients import EVERY, GradientMonitor, SharedFeatures, mixed
from oneglance.training.teaching.live_teachers import LiveTeachers
from oneglance.training.teaching.shared_features import feature_loss, seen_alone
from oneglance.training.teaching.soft_targets import loss_of, split, summed_losses, transformed

SCALE_ROWS = 4096  # pictures by which the loss of the constant baseline is measured
DIVERGED_HINT = "lower training.learning_rate, or set training.precision to fp32"


@dataclass
class Position:
    """How far a training has come; plain values."""

    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the next one
    updates: int = 0  # steps in all
    seconds: float = 0.0  # spent in the epoch that is under way
    epochs: int = 0  # that the training is to have
    changed: int = 0  # the step in which it became longer or shorter; 0: it never did
    share: float = 1.0  # of the top learning rate just before that


def labelled_mean(loss: Tensor, labelled: Tensor) -> Tensor:
    """Mean over what was annotated; zero when this batch holds no such answer."""
    return (loss * labelled).sum() / labelled.sum().clamp(min=1e-12)


def _chunks(target: Mapping[str, Rows]) -> Iterator[dict[str, Tensor]]:
    """At most ``UNIT_ROWS`` rows of a target, evenly spread, a few at a time."""
    count = len(next(iter(target.values())))
    rows = torch.arange(0, count, -(-count // SCALE_ROWS))
    for chosen in rows.split(64):  # type: ignore[no-untyped-call]
        yield {key: value[chosen.to(value.device)] for key, value in target.items()}


class Learner:
    """A network that learns: weights, their average, the optimizer, and how far it has come.

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
        self.forward: Any = network if augment is not None else network.answer_vectors
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.average.projectors.clear()  # no finished network has them
        self.optimizer = build_optimizer(network, table)
        self.position = Position(epochs=table.epochs)
        self.loss_scales = torch.ones(len(tasks), device=device)
        self.weights = torch.tensor([task.weight for task in tasks.values()], device=device)
        self.monitor = GradientMonitor(len(tasks), device)
        self.sums = torch.zeros(2, len(tasks), device=device)  # of losses, and of batches with a label
        self.live: LiveTeachers | None = None  # who is asked in every step
        self.picture_losses: PictureLosses | None = None  # where somebody wants to know them
        self._places: Tensor | None = None  # int64: the pictures of the step under way, as losses have them
        self.parts = 1  # in which the pictures of a batch pass through the backbone
        self.ranks: Ranks = ALONE  # the processes that share each batch

    # The state.

    def state(self) -> dict[str, Any]:
        """Tensors and plain values: all that resume() needs. The next step changes them in place. The keys
        stay those of version 0.1.0, so that a training it began can go on.
        """
        noted = {} if self.picture_losses is None else {"picture_losses": self.picture_losses.values}
        return noted | {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balancer": self.balancer.state(),
            "watch": self.monitor.sums,
            "place": vars(self.position),
            "sums": self.sums,
            "precision": self.precision,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Continue from what state() gave.

        Raises:
            ValueError: it is that of another network. So may be whatever torch raises.
        """
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, kept in self.optimizer.state.items():
            for tensor in kept.values():
                if isinstance(tensor, Tensor) and tensor.numel() > 1 and tensor.shape != parameter.shape:
                    raise ValueError("the optimizer's state is that of other weights")
        if state["precision"] not in ("fp32", "bf16"):
            raise ValueError("there is no such precision")
        for name, own in (("watch", self.monitor.sums), ("sums", self.sums)):
            if state[name].shape != own.shape:
                raise ValueError(f"{name} has another shape")
        self.balancer.restore(state["balancer"])
        self.monitor.sums = state["watch"].to(self.device)
        self.position = Position(**state["place"])
        self.set_length(self.table)
        self.sums = state["sums"].to(self.device)
        if self.picture_losses is not None and "picture_losses" in state:  # earlier versions kept none
            self.picture_losses.values.copy_(state["picture_losses"])
        self.precision = state["precision"]

    def go_on_from(self, tensors: dict[str, Tensor], epochs: int, steps: int, *, location: str) -> None:
        """Learn on from weights that ``epochs`` of ``steps`` ended in: they are also the average, and the
        learning rate climbs from zero. Projectors start anew.

        Raises:
            WeightsError: they are those of another network.
        """
        fill(self.average, tensors, location=location)
        self.network.load_state_dict(self.average.state_dict(), strict=False)
        done = epochs * steps
        self.position = Position(epochs, updates=done, epochs=self.table.epochs, changed=done, share=0.0)

    def set_length(self, table: TrainingTable) -> None:
        """From here on it is as long as ``table`` says; it remembers its learning rate till now."""
        self.table, position, epochs = table, self.position, table.epochs
        if self.augment is not None:
            self.augment = Augment(self.augment.table, self.augment.grey, epochs)
        if position.updates and position.epochs not in (0, epochs):
            position.changed, position.share = position.updates, learning_rate_share(self.optimizer)
        position.epochs = epochs

    # Losses.

    def measure_loss_scales(
        self, targets: Mapping[str, Mapping[str, Rows]], *, unanswered: bool = False
    ) -> None:
        """Each loss is taken relative to that of the constant baseline, so that all start near 1.

        Args:
            unanswered: only those of tasks in ``targets`` to which nobody gave an answer.
        """
        for index, (name, task) in enumerate(self.tasks.items()):
            if unanswered and name not in targets:
                continue
            raw = torch.as_tensor(task.constant_raw()).to(self.device)
            sums = np.zeros((2, 2))
            for chunk in _chunks(targets[name]):
                rows = len(next(iter(chunk.values())))
                sums += summed_losses(task, raw.expand(rows, *raw.shape[1:]), chunk)
            total, count = sums[0] if sums[0, 1] else sums[1]
            if unanswered and sums[0, 1]:
                continue
            # A task that needs no answers has a loss that is relative already.
            self.loss_scales[index] = max(total / count, 1e-6) if count else 1.0

    def losses(self, raw: Mapping[str, Tensor], targets: Targets, mix: Mix | None) -> tuple[Tensor, Tensor]:
        """(losses [tasks] relative to the constant baseline, present [tasks]). A task without weight learns
        nothing, so its loss is not computed: for the balancer it stays that of the constant baseline.
        Of several processes each gives its own pictures, and gets the losses of the whole batch.

        Where the features of teachers are learned, one more row: the mean over the teachers.
        """
        raw, targets, mix = self.ranks.joined(raw, targets, mix, self._view_count)
        losses, present = [], []
        for index, (name, task) in enumerate(self.tasks.items()):
            if not task.weight:
                losses.append(self.loss_scales[index])
                present.append(torch.ones((), dtype=torch.bool, device=self.device))
                continue
            loss, labelled = loss_of(
                task,
                raw[name],
                targets[name],
                mix,
                task.teacher_weight if self.table.teacher_weight is None else self.table.teacher_weight,
                seen_mixed=self.live is not None,
            )
            if self.picture_losses is not None and self._places is not None and mix is None:
                self.picture_losses.note(index, self._places, loss, labelled)
            losses.append(labelled_mean(loss, labelled))
            present.append(labelled.sum() > 0)
        relative, known = torch.stack(losses) / self.loss_scales, torch.stack(present)
        taught = [key for key in self.network.projectors if key in targets]  # not in a mere trial
        if not taught:
            return relative, known
        mix = None if self.live is not None else mix
        each = [labelled_mean(*feature_loss(raw[key], targets[key], mix)) for key in taught]
        return torch.cat([relative, torch.stack(each).mean()[None]]), torch.cat([known, known.new_ones(1)])

    # A step.

    def update(self, batch: Batch, steps_in_all: int) -> Tensor:
        """One step on one batch; returns its losses, NaN where the batch holds no label.

        Raises:
            DivergedError: a loss is NaN or infinite; the weights are those before the step.
        """
        position, table = self.position, self.table
        drawn = int(np.random.SeedSequence([table.seed, position.epoch, position.step]).generate_state(1)[0])
        torch.manual_seed(self.ranks.seed(drawn))  # dropout
        changed, share = position.changed, position.share
        factor = learning_rate_factor(position.updates, steps_in_all, table, changed, share)
        set_learning_rates(self.optimizer, factor)
        pictures, targets, mix = batch.pictures, batch.targets, None
        if self.augment is not None:
            calm = position.updates >= steps_in_all * (1 - self.augment.table.rest)
            pictures, targets, mix = self._augmented(self.augment, pictures, targets, drawn, calm)
        self._places = self._joined_places(batch)
        losses, present = (row[: len(self.tasks)] for row in self.backward(pictures, targets, mix, drawn))
        self._places = None
        self.ranks.sum_gradients(self.network)
        if not bool(torch.isfinite(losses.sum())):
            self._diverged(losses)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), table.clip or math.inf)
        if not bool(torch.isfinite(norm)):
            self._diverged(losses)
        self.optimizer.step()
        self._update_average()
        counted = present & (self.weights > 0)
        self.sums += torch.stack([losses * counted, counted.to(losses.dtype)])
        position.step += 1
        position.updates += 1
        return torch.where(counted, losses, torch.nan)

    def _joined_places(self, batch: Batch) -> Tensor | None:
        """Those of the whole batch, where somebody wants to know its losses."""
        if self.picture_losses is None or batch.places is None:
            return None
        places = self.ranks.gathered({"places": batch.places})["places"]
        return torch.from_numpy(places).to(self.device, non_blocking=True)

    def _augmented(
        self, augment: Augment, pictures: Tensor, targets: Targets, seed: int, calm: bool
    ) -> tuple[Tensor, Targets, Mix | None]:
        generator = torch.Generator().manual_seed(self.ranks.seed(seed))
        mixing = generator if self.ranks.count == 1 else torch.Generator().manual_seed(seed)
        pictures, targets = self._views(pictures, targets)
        queried = [task.queried_mask(split(targets[name])[0]) for name, task in self.tasks.items()]
        together = torch.cat(queried, dim=1)
        pictures, view, mix = augment(pictures, generator, together, rest=calm, mixing=mixing)
        features = {key: targets[key] for key in self.network.projectors if key in targets}
        targets = {name: transformed(task, targets[name], view) for name, task in self.tasks.items()}
        targets |= {key: seen_alone(target, view) for key, target in features.items()}
        if self.live is not None:
            targets = self.live.taught(pictures, targets, view)
        return pictures, targets, mix

    @property
    def _view_count(self) -> int:
        return max(task.views for task in self.tasks.values()) if self.augment is not None else 1

    def _views(self, pictures: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Every picture as often as the task that wants to see it most."""
        views = self._view_count
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
        """Forward and backward; the gradients replace the old ones. Returns ``losses(…)``, detached."""
        self.network.train()
        self.optimizer.zero_grad()
        if self.parts > 1 and self.augment is not None:
            return self._backward_in_parts(pictures, targets, mix, seed)
        if self._needs_task_gradients():
            return self._backward_by_task(pictures, targets, mix, seed)
        with precise(self.precision, self.device):
            raw = self.forward(pictures)
        losses, present = self.losses(raw, targets, mix)
        (self._weights(losses, present, seed) * losses).sum().backward()  # type: ignore[no-untyped-call]
        return losses.detach(), present

    def _needs_task_gradients(self) -> bool:
        """Whether this step takes each task's gradient where the backbone ends, if that learns at all."""
        if len(self.tasks) == 1 or self.augment is None or self.network.frozen:
            return False
        if not any(weight.requires_grad for weight in self.network.backbone.parameters()):
            return False  # it has nothing to learn, as `classical`
        return self.balancer.needs_gram or self.position.updates % EVERY == 0

    def _backward_by_task(
        self, pictures: Tensor, targets: Targets, mix: Mix | None, seed: int
    ) -> tuple[Tensor, Tensor]:
        """The backbone learns a mixture of the tasks' gradients; each head learns its own task's loss."""
        with precise(self.precision, self.device):
            shared = SharedFeatures(self.network.features(pictures))
            raw = self.network.answer(shared.cut)
        losses, present = self.losses(raw, targets, mix)
        gradients = shared.gradients(losses, present)
        gram = self.ranks.sum_(gram_matrix(shared.at_last_map(self._of_tasks(gradients))))
        weights = self._backward_heads(losses, present, gram, seed)
        shared.backward(mixed(gradients, weights))
        return losses.detach(), present

    def _backward_heads(self, losses: Tensor, present: Tensor, gram: Tensor, seed: int) -> Tensor:
        """Each head learns its own task's loss; the weights of the tasks' gradients for the backbone."""
        self.monitor.add(gram)
        weights = self._weights(losses, present, seed, gram if self.balancer.needs_gram else None)
        own = weights
        if self.balancer.needs_gram:  # the weights are those of gradients, and may be negative
            known = present[: len(self.tasks)]
            own = self._beside_features(self.weights * known / known.sum().clamp(min=1), losses)
        (own * losses).sum().backward()  # type: ignore[no-untyped-call]
        return weights

    def _backward_in_parts(
        self, pictures: Tensor, targets: Targets, mix: Mix | None, seed: int
    ) -> tuple[Tensor, Tensor]:
        """The same as without parts, but for batch norm; see ``Parts``."""
        count = max(1, min(self.parts, len(pictures) // 2))  # batch norm asks for two pictures
        parts = Parts(self.network, pictures, count, seed, self.precision, self.device)
        shared = SharedFeatures(parts.features())
        with precise(self.precision, self.device):
            raw = self.network.answer(shared.cut)
        losses, present = self.losses(raw, targets, mix)
        if self._needs_task_gradients():
            gradients = shared.gradients(losses, present)
            gram = self.ranks.sum_(parts.gram(self._of_tasks(gradients)))
            weights = self._backward_heads(losses, present, gram, seed)
            parts.backward(mixed(gradients, weights))
            return losses.detach(), present
        (self._weights(losses, present, seed) * losses).sum().backward()  # type: ignore[no-untyped-call]
        parts.backward([torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in shared.leaves])
        return losses.detach(), present

    def _weights(self, losses: Tensor, present: Tensor, seed: int, gram: Tensor | None = None) -> Tensor:
        """The weight of each of ``losses``: a balancer knows of the tasks alone."""
        count = len(self.tasks)
        step = losses[:count].detach(), present[:count], gram
        own = self.balancer.weights(*step, epoch=self.position.epoch, seed=seed) * self.weights
        return self._beside_features(own, losses)

    def _beside_features(self, weights: Tensor, losses: Tensor) -> Tensor:
        """Weights of tasks, with that of teachers' features where ``losses`` has such a row."""
        count = len(losses) - len(weights)
        return torch.cat([weights, weights.new_full((count,), self.table.teacher_features)])

    def _of_tasks(self, gradients: list[Tensor]) -> list[Tensor]:
        return [each[: len(self.tasks)] for each in gradients]

    @torch.no_grad()
    def _update_average(self) -> None:
        """The average follows the weights and the batch norms' statistics; quicker while both are young."""
        done = self.position.updates
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
            f"{what} in epoch {self.position.epoch + 1}, step {self.position.step + 1}", hint=DIVERGED_HINT
        )

    # Answers.

    @torch.inference_mode()
    def validate(self, loader: BatchLoader) -> dict[str, np.ndarray]:
        """Raw outputs of the averaged network, in order.

        Raises:
            DivergedError: they are NaN or infinite.
        """
        forward = self.average if self.augment is not None else self.average.answer_vectors
        if len(loader.rows) >= self.ranks.count:
            raw = self.ranks.gathered(raw_outputs(forward, loader, self.precision, self.ranks.share))
        else:
            raw = raw_outputs(forward, loader, self.precision)
        bad = [name for name, values in raw.items() if not np.isfinite(values).all()]
        if bad:
            what = f"the answers to {', '.join(bad)} became NaN or infinite"
            raise DivergedError(f"{what} after epoch {self.position.epoch}", hint=DIVERGED_HINT)
        return raw


@torch.inference_mode()
def raw_outputs(
    forward: Any,
    loader: BatchLoader,
    precision: str,
    share: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> dict[str, np.ndarray]:
    """What ``forward`` makes of every picture of ``loader``, or of ``share`` of its places, in order, as
    float32 arrays by name.
    """
    chunks: dict[str, list[np.ndarray]] = {}
    for batch in loader.in_order(share):
        with precise(precision, loader.device):
            raw = forward(batch.pictures)
        for name, value in raw.items():
            chunks.setdefault(name, []).append(value.float().cpu().numpy())
    return {name: np.concatenate(values) for name, values in chunks.items()}
