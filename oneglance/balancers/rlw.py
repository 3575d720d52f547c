"""rlw: random weights."""

from __future__ import annotations

import torch

from oneglance.balancer import Array, Balancer, Step, generator, softmax


class Rlw(Balancer):
    """Other random weights in every step, of sum 1: softmax of normal numbers (Lin et al. 2022, arXiv
    2111.10603, section 3.1).

    The control: a method that does not beat it has not shown that it helps.
    """

    def share(self, step: Step) -> Array:
        drawn = torch.randn(step.tasks, generator=generator(step.seed), dtype=torch.float64)
        return softmax(drawn.numpy()[step.indices])
