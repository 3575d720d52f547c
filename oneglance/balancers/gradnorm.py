"""gradnorm: all tasks learn at a similar pace."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step

LEAST = 1e-3  # of the mean weight: a weight must not become negative


class Gradnorm(Balancer):
    """Learned weights that bring the norms of the weighted gradients near a common one, larger for tasks that
    are behind (Chen et al. 2018, arXiv 1711.02257, equations 1 and 2, algorithm 1).

    The sum of |w |g| - mean(w |g|) r^alpha| falls by gradient descent in w, where r is the task's loss
    relative to its first one and to the other tasks. Norms count relative to their mean, so that ``rate``
    does not depend on their unit. The weights have sum 1 instead of the number of tasks.
    """

    needs_gram = True
    alpha: float = Field(1.5, ge=0, le=10)  # how strongly a task that is behind is pulled
    rate: float = Field(0.025, gt=0, le=1)  # learning rate of the weights

    def share(self, step: Step) -> Array:
        weights = self.recall("weights", np.ones(step.tasks))
        first = self.recall("first losses", np.full(step.tasks, np.nan))
        indices = step.indices
        first[indices] = np.where(np.isnan(first[indices]), step.losses, first[indices])
        current = weights[indices] / weights[indices].sum()

        norms = np.sqrt(step.gram.diagonal())
        norms = norms / norms.mean()
        behind = step.losses.clip(min=1e-8) / first[indices].clip(min=1e-8)
        weighted = weights[indices] * norms
        target = weighted.mean() * (behind / behind.mean()) ** self.alpha
        moved = weights[indices] - self.rate * np.sign(weighted - target) * norms
        moved = moved.clip(min=LEAST)
        weights[indices] = moved * weights[indices].sum() / moved.sum()
        return current
