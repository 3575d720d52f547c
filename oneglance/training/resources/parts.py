"""A batch whose pictures pass through the backbone a few at a time, with the result of the whole batch.

Gradient caching (Gao et al. 2021, arXiv 2101.06983): the features of all pictures are computed without what
backward needs; heads, losses and the balancer see the whole batch and give the gradient at the features; then
the pictures pass once more, a few at a time, and backward begins with that gradient. So any loss may compare
pictures with each other, and any balancer the tasks. Only batch norm sees the few pictures instead of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from oneglance.backbone import Features
from oneglance.balancer import gram_matrix
from oneglance.network import Network
from oneglance.nn.device import precise
from oneglance.nn.inner_product import inner_product
from oneglance.training.task_gradients import SharedFeatures


class Parts:
    """The pictures of one step, in ``count`` parts whose sizes differ by at most one.

    Args:
        pictures: [n, 3, h, w] as the network takes them.
        seed: dropout in the backbone draws from it and the number of the part alone, so that every pass of a
            part is the same.
    """

    def __init__(
        self, network: Network, pictures: Tensor, count: int, seed: int, precision: str, device: torch.device
    ) -> None:
        self.network, self.pictures, self.seed = network, pictures, seed
        self.precision, self.device = precision, device
        edges = [len(pictures) * part // count for part in range(count + 1)]
        self.slices = [slice(first, end) for first, end in pairwise(edges)]

    def features(self) -> Features:
        """Those of all pictures; backward ends there."""
        with torch.no_grad(), _statistics(self.network.backbone, 0.0):
            parts = [self._pass(number) for number in range(len(self.slices))]
        learns = any(one.requires_grad for one in self.network.backbone.parameters())
        columns = zip(*(distinct(part) for part in parts), strict=True)
        joined = [torch.cat(column).requires_grad_(learns) for column in columns]
        index = {id(tensor): joined[n] for n, tensor in enumerate(distinct(parts[0]))}
        vector, maps, below, _ = parts[0]  # what lies halfway up no training reads
        torch.manual_seed(self.seed)  # dropout in the heads
        return Features(
            index[id(vector)],
            tuple(index[id(each)] for each in maps),
            None if below is None else index[id(below)],
        )

    def backward(self, gradients: list[Tensor]) -> None:
        """Let the backbone learn from the gradients at the features, of each tensor in ``distinct``."""
        if not gradients:
            return
        with _statistics(self.network.backbone, 1 / len(self.slices)):
            for number, rows in enumerate(self.slices):
                pairs = zip(distinct(self._pass(number)), gradients, strict=True)
                learning = [(tensor, each[rows]) for tensor, each in pairs if tensor.requires_grad]
                if learning:
                    torch.autograd.backward(inner_product(*zip(*learning, strict=True)))

    def gram(self, gradients: list[Tensor]) -> Tensor:
        """Inner products of the tasks' gradients [tasks, n, ...] at the features, comparable as
        ``SharedFeatures.at_last_map`` makes them: float32 [tasks, tasks].
        """
        sums = []
        with _statistics(self.network.backbone, 0.0):
            for number, rows in enumerate(self.slices):
                shared = SharedFeatures(self._pass(number))
                sums.append(gram_matrix(shared.at_last_map([each[:, rows] for each in gradients])))
        return torch.stack(sums).sum(0)

    def _pass(self, number: int) -> Features:
        drawn = np.random.SeedSequence([self.seed, number]).generate_state(1)[0]
        torch.manual_seed(int(drawn))
        with precise(self.precision, self.device):
            return self.network.features(self.pictures[self.slices[number]])


def distinct(features: Features) -> list[Tensor]:
    """The tensors of features, each once: what a stage builds on may be one of the maps."""
    tensors = [features.vector, *features.maps]
    tensors += [] if features.below is None else [features.below]
    return list({id(tensor): tensor for tensor in tensors}.values())


@contextmanager
def _statistics(module: nn.Module, share: float) -> Iterator[None]:
    """Within the block batch norms take so little of each pass into their statistics that 1 / ``share``
    passes count like one of the whole batch; with 0 nothing.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.momentum is not None]
    usual = [norm.momentum for norm in norms]
    for norm, momentum in zip(norms, usual, strict=True):
        assert momentum is not None
        norm.momentum = 1 - (1 - momentum) ** share
    try:
        yield
    finally:
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
