"""fairgrad: the gains are shared fairly."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from oneglance.balancer import Array, Balancer, Step

RIDGE = 1e-9  # keeps the weights finite where a mixture of the gradients is zero


class Fairgrad(Balancer):
    """Alpha-fair sharing of the gains (Ban and Ji 2024, arXiv 2402.15638, equation 4): positive weights w
    with G w = w^(-1 / alpha), where G is the Gram matrix.

    alpha 1 is the Nash bargaining solution (Navon et al. 2022, arXiv 2202.01017, claim 3.1); larger: nearer
    to the same gain for all. The paper leaves the scale open: here the norms of the weighted gradients sum
    to the mean norm of the plain ones. (With weights of sum 1, one task with a tiny gradient would make
    every step tiny.)
    """

    needs_gram = True
    alpha: float = Field(
        1.0, ge=0.1, le=10
    )  # 1: Nash's bargain; near 0: the most gain in all; large: the same for all

    def share(self, step: Step) -> Array:
        gram = step.gram / step.gram.diagonal().mean()
        norms = np.sqrt(gram.diagonal())
        weights = fair(gram + RIDGE * np.diag(gram.diagonal()), 1 / self.alpha)
        return weights * norms.mean() / (weights @ norms)


def fair(gram: Array, power: float) -> Array:
    """The w > 0 with ``gram`` w = w^-power, for a positive definite matrix: where the slope of a convex
    function is zero, by Newton's method, never more than nine tenths of the way to a weight of zero.
    """
    weights = gram.diagonal() ** (-1 / (1 + power))  # the answer for gradients at right angles
    for _ in range(200):
        slope = gram @ weights - weights**-power
        move = np.linalg.solve(gram + np.diag(power * weights ** (-power - 1)), -slope)
        share = min(1.0, 0.9 / max((-move / weights).max(), 1e-300))
        while share > 1e-12 and _slope(gram, weights + share * move, power) @ move > 1e-3 * abs(slope @ move):
            share /= 2  # the least point on this line was passed
        weights = weights + share * move
        if np.abs(move / weights).max() < 1e-12:
            break
    return weights


def _slope(gram: Array, weights: Array, power: float) -> Array:
    slope: Array = gram @ weights - weights**-power
    return slope
