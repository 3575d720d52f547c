"""stch: the smooth maximum of the log losses."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step, softmax


class Stch(Balancer):
    """The smooth maximum of the log losses falls: the worse a task is, the more it counts.

    Smooth Tchebycheff scalarisation (Lin et al. 2024, arXiv 2402.19078): mu log sum exp(f / mu) of f = log L,
    where L is relative to the constant answer, which is the scale that the authors take from a warm-up. Its
    gradient weighs a task by softmax(f / mu) / L, in proportion to L^(1 / mu - 1); its weights have sum 1.
    """

    mu: float = Field(
        0.5, ge=0.01, le=1
    )  # 1: as `equal`; 0.5: in proportion to the loss; near 0: the worst only

    def share(self, step: Step) -> Array:
        return softmax((1 / self.mu - 1) * np.log(step.losses.clip(min=1e-20)))
