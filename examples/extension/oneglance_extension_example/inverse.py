"""inverse: the smaller a task's loss, the more it counts."""

from __future__ import annotations

from pydantic import Field

from oneglance.balancer import Array, Balancer, Step


class Inverse(Balancer):
    """Weights in inverse proportion to the losses, with sum 1: each task adds the same to the total."""

    floor: float = Field(0.05, gt=0)  # added to each loss, so that a task that is learned does not take all

    def share(self, step: Step) -> Array:
        inverse: Array = 1 / (step.losses + self.floor)
        return inverse / inverse.sum()
