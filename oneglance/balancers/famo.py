"""famo: all losses shrink at the same pace."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step, softmax

TINY = 1e-8
DECAYS = 0.9, 0.999  # of Adam's two means


class Famo(Balancer):
    """Fast adaptive multitask optimisation (Liu et al. 2023, arXiv 2306.03792, algorithm 1): the logits of
    the weights go up for tasks whose log loss falls slower than that of the others, by Adam, as in the
    authors' code.

    The weights softmax(logits) / L have sum 1, as in the paper. There the fall in a step is measured by a
    second forward pass of the same batch; here by the forward pass of the next batch that has labels of the
    task, which costs nothing. What batches differ by goes into two falls that follow each other, once with
    each sign, so that it does not add up.
    """

    rate: float = Field(0.025, gt=0, le=1)  # learning rate of the weights
    decay: float = Field(0.001, ge=0, le=1)  # pulls the weights to those of `log_sum`

    def share(self, step: Step) -> Array:
        logits = self.recall("logits", np.zeros(step.tasks))
        before = self.recall("log losses", np.full(step.tasks, np.nan))
        losses = step.losses + TINY
        indices = step.indices[~np.isnan(before[step.indices])]
        if len(indices):
            shares = softmax(logits[indices])
            falls = before[indices] - np.log(losses[~np.isnan(before[step.indices])])
            slope = shares * (falls - shares @ falls)
            logits[indices] -= self.rate * self._adam(
                indices, slope + self.decay * logits[indices], step.tasks
            )
        before[step.indices] = np.log(losses)
        weights = softmax(logits[step.indices]) / losses
        return weights / weights.sum()

    def _adam(self, indices: Array, slope: Array, tasks: int) -> Array:
        """Kingma and Ba 2015 (arXiv 1412.6980, algorithm 1); what is kept of an absent task stays."""
        means = self.recall("means", np.zeros((2, tasks)))
        counts = self.recall("counts", np.zeros(tasks))
        counts[indices] += 1
        for kept, value, decay in zip(means, (slope, slope**2), DECAYS, strict=True):
            kept[indices] = decay * kept[indices] + (1 - decay) * value
        first, second = (
            kept[indices] / (1 - decay ** counts[indices]) for kept, decay in zip(means, DECAYS, strict=True)
        )
        return first / (np.sqrt(second) + TINY)
