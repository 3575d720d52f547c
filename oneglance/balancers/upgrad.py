"""upgrad: no step goes against any task."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from oneglance.balancer import Array, Balancer, Step, factor

RIDGE = 1e-4  # of the summed squared norms: keeps the solution unique where gradients depend on each other


class Upgrad(Balancer):
    """The mean of the gradients, each moved the least that keeps it from going against any task (Quinton and
    Rey 2024, arXiv 2406.16232, section 3.1 and proposition 1).

    The paper's own scale: tasks that agree have weights of sum 1, others more.
    """

    needs_gram = True

    def share(self, step: Step) -> Array:
        count = len(step.gram)
        columns = factor(step.gram / np.trace(step.gram) + RIDGE * np.eye(count))
        return np.mean([_projected(columns, row) for row in np.eye(count)], axis=0)


def _projected(columns: Array, weights: Array) -> Array:
    """The shortest mixture whose weights are at least ``weights``: that is the nearest one which goes against
    no task, by duality.
    """
    added = nnls(columns, -columns @ weights, maxiter=100 * len(columns))[0]
    adjusted: Array = weights + added
    return adjusted
