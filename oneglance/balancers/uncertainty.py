"""uncertainty: a learned variance for every task."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step, softmax


class Uncertainty(Balancer):
    """A task that stays uncertain counts less (Kendall et al. 2018, arXiv 1705.07115, equation 7).

    exp(-s) L / 2 + s / 2 falls in L by the network and in s = log variance, one number per task, here: by
    plain gradient descent from s = 0, so that s follows log L within about 2 / ``rate`` steps. The weights
    exp(-s) / 2 have sum 1. The s of an absent task stays.
    """

    rate: float = Field(0.02, gt=0, le=1)  # learning rate of the variances

    def share(self, step: Step) -> Array:
        variances = self.recall("log variances", np.zeros(step.tasks))
        scales = variances[step.indices]
        # One wild loss must not silence its task for the rest of the training.
        excess = np.minimum(step.losses * np.exp(-scales) - 1, 10)
        variances[step.indices] += self.rate * excess / 2
        return softmax(-scales)
