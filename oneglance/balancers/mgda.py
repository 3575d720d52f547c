"""mgda: the shortest gradient among all mixtures."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from oneglance.balancer import Array, Balancer, Step, factor


class Mgda(Balancer):
    """The mixture of the gradients with weights of sum 1 that is shortest: it hurts no task (Désidéri 2012,
    doi 10.1016/j.crma.2012.03.014; Sener and Koltun 2018, arXiv 1810.04650, equation 3). Solved exactly.
    """

    needs_gram = True

    def share(self, step: Step) -> Array:
        return min_norm(step.gram)


def min_norm(gram: Array) -> Array:
    """Weights [m], not negative and of sum 1, whose mixture of the gradients is shortest.

    Without the sum, |Fw|² + (sum(w) - 1)² is least for a multiple of them: a non-negative least squares
    problem, whose active-set method ends at the exact answer.
    """
    count = len(gram)
    columns = factor(gram / gram.diagonal().mean())
    weights = nnls(
        np.vstack([columns, np.ones(count)]), np.append(np.zeros(count), 1.0), maxiter=100 * count
    )[0]
    return weights / weights.sum()
