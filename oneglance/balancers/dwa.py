"""dwa: the slower a loss falls, the more it counts."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step, softmax


class Dwa(Balancer):
    """Dynamic weight average (Liu et al. 2019, arXiv 1803.10704, equation 7): the softmax of the ratios of
    the mean losses of the last two epochs, told with sum 1 instead of the number of tasks.

    An epoch's mean is over the batches that knew the task; an epoch without any changes nothing. The ratio is
    1 until a task has two means, so that the first two epochs are as `equal`.
    """

    temperature: float = Field(2.0, gt=0.01)  # larger: more alike

    def share(self, step: Step) -> Array:
        epoch = self.recall("epoch", np.full(1, step.epoch))
        sums = self.recall("sums", np.zeros((2, step.tasks)))  # of this epoch: losses, batches
        means = self.recall("means", np.full((2, step.tasks), np.nan))  # the last epoch's and that before
        if epoch[0] != step.epoch:
            epoch[0] = step.epoch
            seen = sums[1] > 0
            means[1, seen] = means[0, seen]
            means[0, seen] = sums[0, seen] / sums[1, seen]
            sums[:] = 0
        sums[0, step.places] += step.losses
        sums[1, step.places] += 1
        newer, older = means[:, step.places]
        ratios = np.where(older > 0, newer / np.where(older > 0, older, 1), 1)
        return softmax(ratios / self.temperature)
