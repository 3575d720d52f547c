"""equal: every task counts the same."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from oneglance.balancer import Array, Balancer, Step


class Equal(Balancer):
    """Every task counts the same, whatever the size of its loss: the mean over the tasks that a batch knows.

    Hard to beat once each loss is divided by that of the constant answer (Kurin et al. 2022, arXiv
    2201.04122; Xin et al. 2022, arXiv 2209.11379).
    """

    def weights(
        self, losses: Tensor, present: Tensor, gram: Tensor | None = None, *, epoch: int = 0, seed: int = 0
    ) -> Tensor:
        # On the device of the losses: the default method makes no step wait for a copy to the CPU.
        return present.to(losses.dtype) / present.sum().clamp(min=1)

    def share(self, step: Step) -> Array:
        return np.full(len(step.indices), 1 / len(step.indices))
