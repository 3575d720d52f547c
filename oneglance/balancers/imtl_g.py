"""imtl_g: the step is as long along every task's gradient."""

from __future__ import annotations

import numpy as np

from oneglance.balancer import NO_GRADIENT, Array, Balancer, Step


class ImtlG(Balancer):
    """Impartial multi-task learning, its part for gradients (Liu et al. 2021, "Towards impartial multi-task
    learning", ICLR, gradient balance): the mixture with weights of sum 1 that has the same projection on
    every task's unit gradient.

    Weights may be negative. With gradients that depend on each other linearly the shortest solution is
    taken (Quinton and Rey 2024, arXiv 2406.16232); where the only mixture with equal projections
    is zero, the weights are those of unit gradients.
    """

    needs_gram = True

    def share(self, step: Step) -> Array:
        gram = step.gram / step.gram.diagonal().mean()
        norms = np.sqrt(gram.diagonal())
        weights = np.linalg.pinv(gram, rcond=NO_GRADIENT, hermitian=True) @ norms
        if abs(weights.sum()) <= NO_GRADIENT * np.abs(weights).sum() or not weights.any():
            weights = 1 / norms
        return weights / weights.sum()
