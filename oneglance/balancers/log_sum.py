"""log_sum: the logarithms of the losses are summed."""

from __future__ import annotations

from pydantic import Field

from oneglance.balancer import Array, Balancer, Step


class LogSum(Balancer):
    """The sum of log losses falls: a loss counts by how much it shrinks in proportion, whatever its size.

    The gradient of log L is that of L divided by L; the weights 1 / L have sum 1. Known as scale
    invariant (Navon et al. 2022, arXiv 2202.01017, baseline SI). Below ``floor`` the logarithm goes on as a
    straight line, else a task that is nearly learned would take all.
    """

    floor: float = Field(0.05, gt=0, le=1)  # a loss below this share of the constant answer's counts as this

    def share(self, step: Step) -> Array:
        inverse = 1 / step.losses.clip(min=self.floor)
        return inverse / inverse.sum()
