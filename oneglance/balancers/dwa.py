"""dwa: the slower a loss falls, the more it counts."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step, softmax


class Dwa(Balancer):
    """Dynamic weight average (Liu et al. 2019, arXiv 1803.10704, equation 7): the softmax of the ratios of
    the mean losses of the last two epochs, with sum 1 instead of the number of tasks.

    An epoch's mean is over the batches with labels of the task; an epoch without any changes nothing. The
    ratio is 1 until a task has two means, so that the first two epochs are as `equal`.
    """

    temperature: float = Field(2.0, gt=0.01)  # larger: more alike

    def share(self, step: Step) -> Array:
        epoch = self.recall("epoch", np.full(1, step.epoch))
        sums = self.recall("sums", np.zeros((2, step.tasks)))  # of this epoch: losses, batches
        means = self.recall("means", np.full((2, step.tasks), np.nan))  # the last epoch's and that before
        if epoch[0] != step.epoch:
            epoch[0] = step.epoch
            observed = sums[1] > 0
            means[1, observed] = means[0, observed]
            means[0, observed] = sums[0, observed] / sums[1, observed]
            sums[:] = 0
        sums[0, step.indices] += step.losses
        sums[1, step.indices] += 1
        newer, older = means[:, step.indices]
        ratios = np.where(older > 0, newer / np.where(older > 0, older, 1), 1)
        return softmax(ratios / self.temperature)
