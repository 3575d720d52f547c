"""cagrad: near the mean gradient, the best for the task it serves worst."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.optimize import brentq

from oneglance.balancer import Array, Balancer, Step
from oneglance.balancers.mgda import min_norm


class Cagrad(Balancer):
    """Conflict-averse gradient descent (Liu et al. 2021, arXiv 2110.14048, algorithm 1): within a ball of
    radius c |g0| around the mean gradient g0, the direction that serves its worst task best.

    It is g0 + c |g0| gw / |gw|, where the mixture gw makes gw·g0 + c |g0| |gw| least. The weights are divided
    by 1 + c, as the authors' code may, so that tasks which agree have weights of sum 1.

    Solved exactly: the wanted mixture is the shortest one of the shifted gradients g + s g0, for the s at
    which c |g0| s = |gw|. That is where the objective, written as the least over r of gw·g0 + c |g0|
    (|gw|² / r + r) / 2, has no slope in r = c |g0| s.
    """

    needs_gram = True
    c: float = Field(
        0.5, ge=0, lt=1
    )  # how far from the mean gradient, as a share of its length; 0: as `equal`

    def share(self, step: Step) -> Array:
        gram = step.gram / step.gram.diagonal().mean()
        count = len(gram)
        mean = np.full(count, 1 / count)
        radius = self.c * _length(gram, mean)
        if radius < 1e-9:
            return mean
        longest = np.sqrt(gram.diagonal().max()) / radius  # no mixture is longer: a shift beyond is too large

        def too_short(shift: float) -> float:
            return _length(gram, _mixture(gram, mean, shift)) - radius * shift

        least = 1e-6 * longest
        shift = least
        if too_short(least) > 0:
            shift = float(brentq(too_short, least, longest, xtol=1e-12, rtol=1e-12))
        # With the root, radius / length is 1 / shift.
        return (mean + _mixture(gram, mean, shift) / shift) / (1 + self.c)


def _length(gram: Array, weights: Array) -> float:
    return float(np.sqrt(np.maximum(weights @ gram @ weights, 0)))


def _mixture(gram: Array, mean: Array, shift: float) -> Array:
    """Weights of the shortest mixture of the gradients, each shifted by so much of the mean one."""
    along = shift * (gram @ mean)
    return min_norm(gram + along[:, None] + along[None] + shift**2 * (mean @ gram @ mean))
