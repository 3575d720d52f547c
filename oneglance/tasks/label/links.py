"""Links between the raw output of a label and the probabilities of its classes.

All take and give rows: raw output [n, width], probabilities [n, classes].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneglance.vector_task import log_sigmoid, softmax

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-300  # a probability whose logarithm is still a number


class Link(ABC):
    """What raw output means."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers per row of the raw output."""

    @abstractmethod
    def chances(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities, float64 [n, classes], of raw output [n, width]."""

    @abstractmethod
    def log_chances(self, raw: Tensor) -> Tensor:
        """The logarithm of the same, in torch."""

    @abstractmethod
    def raw(self, chances: np.ndarray) -> np.ndarray:
        """Raw output, float64 [n, width], that gives these ``chances``."""

    def constant_raw(self, shares: np.ndarray) -> np.ndarray:
        """Raw output, float64 [1, width], of the shares [classes] of the training split."""
        return self.raw(shares[None])


@dataclass(frozen=True)
class Nominal(Link):
    """Classes without an order: a logit for each."""

    classes: int

    @property
    def width(self) -> int:
        return self.classes

    def chances(self, raw: np.ndarray) -> np.ndarray:
        return softmax(raw)

    def log_chances(self, raw: Tensor) -> Tensor:
        import torch.nn.functional as F

        return F.log_softmax(raw, dim=-1)

    def raw(self, chances: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(chances, TINY))


@dataclass(frozen=True)
class Ordinal(Link):
    """Classes in an order: "more than this?" class by class, P(y > k | y >= k) = sigmoid(raw_k)."""

    classes: int

    @property
    def width(self) -> int:
        return self.classes - 1

    def chances(self, raw: np.ndarray) -> np.ndarray:
        zero = np.zeros((len(raw), 1))
        more = np.concatenate([zero, np.cumsum(log_sigmoid(raw), axis=1)], axis=1)  # log P(y >= k)
        stop = np.concatenate([log_sigmoid(-raw), zero], axis=1)  # log P(y = k | y >= k)
        return np.asarray(np.exp(more + stop))

    def log_chances(self, raw: Tensor) -> Tensor:
        import torch
        import torch.nn.functional as F

        zero = raw.new_zeros(len(raw), 1)
        more = torch.cat([zero, F.logsigmoid(raw).cumsum(dim=-1)], dim=-1)
        return more + torch.cat([F.logsigmoid(-raw), zero], dim=-1)

    def raw(self, chances: np.ndarray) -> np.ndarray:
        return _logits(_more(chances), TINY, 1 - 1e-15)

    def constant_raw(self, shares: np.ndarray) -> np.ndarray:
        return _logits(_more(shares[None]), 1e-6, 1 - 1e-6)


@dataclass(frozen=True)
class Extended(Link):
    """Classes of a finished task, and after them added ones, told by a branch: a logit for "none of these",
    and one for each. P(added) is the branch's; P(known) that of "none of these", times that among the known.
    """

    known: int
    added: int

    @property
    def width(self) -> int:
        return self.known + 1 + self.added

    def chances(self, raw: np.ndarray) -> np.ndarray:
        known, branch = np.split(raw, [self.known], axis=1)
        new = softmax(branch)
        return np.concatenate([softmax(known) * new[:, :1], new[:, 1:]], axis=1)

    def log_chances(self, raw: Tensor) -> Tensor:
        import torch
        import torch.nn.functional as F

        known, branch = raw.split([self.known, 1 + self.added], dim=-1)
        none, new = F.log_softmax(branch, dim=-1).split([1, self.added], dim=-1)
        return torch.cat([F.log_softmax(known, dim=-1) + none, new], dim=-1)

    def raw(self, chances: np.ndarray) -> np.ndarray:
        known, new = np.split(np.maximum(chances, TINY), [self.known], axis=1)
        none = known.sum(axis=1, keepdims=True)
        return np.log(np.concatenate([known / none, none, new], axis=1))


def _more(chances: np.ndarray) -> np.ndarray:
    """P(y > k | y >= k), float64 [n, classes - 1]."""
    at_least = np.maximum(np.cumsum(chances[:, ::-1], axis=1)[:, ::-1], TINY)
    return np.asarray(at_least[:, 1:] / at_least[:, :-1])


def _logits(chances: np.ndarray, least: float, most: float) -> np.ndarray:
    inside = np.clip(chances, least, most)
    return np.asarray(np.log(inside) - np.log1p(-inside))
