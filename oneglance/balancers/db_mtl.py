"""db_mtl: log losses, and gradients of the same norm."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step


class DbMtl(Balancer):
    """Dual balancing (Lin et al. 2023, arXiv 2308.12029, algorithm 1): the gradients of the log losses, each
    scaled to the norm of the largest.

    The paper takes the norms of running means of the gradients; from a Gram matrix the running means of the
    norms can be had, which is the same for ``memory`` 0. The mean over the tasks instead of the sum, times
    the geometric mean of the losses, which turns log losses back into losses: a task alone has weight 1.
    """

    needs_gram = True
    memory: float = Field(0.9, ge=0, lt=1)  # share of the running mean that stays in a step, at first
    fading: float = Field(0.5, ge=0, le=10)  # it is divided by the number of steps to this power

    def share(self, step: Step) -> Array:
        counts = self.recall("counts", np.zeros(step.tasks))
        norms = self.recall("norms", np.full(step.tasks, np.nan))
        indices, losses = step.indices, step.losses.clip(min=1e-8)
        new = np.sqrt(step.gram.diagonal()) / losses
        counts[indices] += 1
        stay = self.memory / counts[indices] ** self.fading
        norms[indices] = np.where(np.isnan(norms[indices]), new, stay * norms[indices] + (1 - stay) * new)
        unit = np.exp(np.log(losses).mean())
        return unit * norms[indices].max() / norms[indices] / losses / len(indices)
