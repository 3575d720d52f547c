"""The contract of a balancer: how tasks share the backbone. One file of ``balancers/`` is one method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import PrivateAttr
from torch import Tensor

from oneglance.members import MemberKind, find_member, member_names
from oneglance.toml.tables import Table, read_table

Array = np.ndarray[Any, np.dtype[Any]]

NO_GRADIENT = 1e-6  # a gradient so much shorter than the longest one is none: float32 resolves no more


class Step(NamedTuple):
    """The inputs of a method in one step, of the m tasks that take part in it, in float64."""

    losses: Array  # [m]; each divided by the loss of the constant baseline
    indices: Array  # int64 [m]: which of all tasks they are
    tasks: int  # how many there are in all
    epoch: int  # from 0
    seed: int  # for draws in this step
    gram: Array  # [m, m]: inner products of their gradients; empty for a method that needs none


class Balancer(Table, ABC):
    """A method; its fields are the keys of [training] balancer_options. It knows numbers only.

    Scale: the weights of ``equal`` sum to 1. Other methods keep to that, or say what they do instead, so that
    a learning rate means much the same with each; a task alone always has weight 1.
    """

    needs_gram: ClassVar[bool] = False  # whether weights() wants the Gram matrix of the tasks' gradients

    _memory: dict[str, Array] = PrivateAttr(default_factory=dict)

    @torch.no_grad()
    def weights(
        self, losses: Tensor, present: Tensor, gram: Tensor | None = None, *, epoch: int = 0, seed: int = 0
    ) -> Tensor:
        """The weight of each task in this step: of its loss, or, if ``needs_gram``, of its gradient.

        Args:
            losses: float32 [tasks], detached; each divided by the loss of the constant baseline.
            present: bool [tasks]; False where this batch holds no answer to the task.
            gram: [tasks, tasks], only if ``needs_gram``: inner products of the gradients of ``losses`` at
                the features that all tasks share, as ``gram_matrix`` gives them.
            epoch: finished epochs.
            seed: for what a method draws; another one in every step.

        Returns:
            float32 [tasks], on the device of ``losses``, 0 where not present; a weight of a gradient may be
            negative. All NaN if a loss or gradient is not finite: no step can be made of it.
        """
        if self.needs_gram and gram is None:
            raise ValueError(f"{type(self).__name__} needs the Gram matrix of the gradients")
        weights = np.zeros(len(losses))
        values = losses.cpu().double().numpy()
        inner = np.zeros((0, 0)) if gram is None or not self.needs_gram else gram.cpu().double().numpy()
        indices = present.cpu().numpy().nonzero()[0]
        if not (np.isfinite(values[indices]).all() and np.isfinite(inner).all()):
            weights[:] = np.nan
        elif len(indices):
            weights[indices] = 1 / len(indices)  # it stays so where no task has a gradient
            if self.needs_gram:
                indices = _with_gradient(indices, inner, weights)
                inner = inner[np.ix_(indices, indices)]
            if len(indices):
                weights[indices] = self.share(Step(values[indices], indices, len(values), epoch, seed, inner))
        return torch.from_numpy(weights).float().to(losses.device)

    @abstractmethod
    def share(self, step: Step) -> Array:
        """The weights [m] of the tasks that take part: those present, if ``needs_gram`` those with a gradient
        at the shared features. At least one does.
        """

    # A method with a memory keeps it in arrays by name.

    def recall(self, name: str, start: Array) -> Array:
        """The array kept under ``name``, ``start`` at first. What is written into it is remembered."""
        return self._memory.setdefault(name, start)

    def state(self) -> dict[str, Tensor]:
        """All that restore() needs to go on as if nothing had happened."""
        return {name: torch.from_numpy(kept.copy()) for name, kept in self._memory.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what state() gave."""
        self._memory.clear()
        self._memory.update({name: kept.cpu().numpy().copy() for name, kept in state.items()})


def _with_gradient(indices: Array, gram: Array, weights: Array) -> Array:
    """Those of ``places`` whose gradient is not zero; if there are any, the others have weight 0."""
    squares = gram.diagonal()[indices]
    some: Array = indices[squares > squares.max() * NO_GRADIENT**2]
    if len(some):
        weights[np.setdiff1d(indices, some)] = 0
    return some


def gram_matrix(gradients: Iterable[Tensor]) -> Tensor:
    """Inner products of the tasks' gradients at the shared features.

    Args:
        gradients: for each of the shared tensors [tasks, ...], the gradient of each task's loss there; of any
            floating type.

    Returns:
        float32 [tasks, tasks].
    """
    rows = [gradient.detach().flatten(1).float() for gradient in gradients]
    return torch.stack([row @ row.T for row in rows]).sum(0)


def generator(seed: int) -> torch.Generator:
    """A source of random numbers on the CPU, so that every device draws the same."""
    return torch.Generator().manual_seed(seed)


def softmax(scores: Array) -> Array:
    """Positive numbers [m] of sum 1, in proportion to exp(scores)."""
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


def factor(gram: Array) -> Array:
    """F [m, m] with F'F = ``gram``: its columns are the gradients, in as few dimensions as they span."""
    values, vectors = np.linalg.eigh(gram)
    return np.sqrt(values.clip(min=0))[:, None] * vectors.T


KIND: MemberKind[Balancer] = MemberKind(
    Balancer,  # type: ignore[type-abstract]
    folder="oneglance.balancers",
    key="balancer",
    group="oneglance.balancers",
)


def names() -> list[str]:
    """The names of all methods, in alphabetical order."""
    return member_names(KIND)


def build_balancer(name: str, options: Mapping[str, Any]) -> Balancer:
    """``log_sum`` -> ``balancers/log_sum.py`` -> ``class LogSum``; see ``members``.

    Raises:
        ConfigError: an unknown name or option.
    """
    method = find_member(KIND, name, section="[training]")
    built: Balancer = read_table(
        method, options, location="oneglance.toml", section="training.balancer_options"
    )
    return built
