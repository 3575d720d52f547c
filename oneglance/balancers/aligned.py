"""aligned: the gradients are turned until they no longer disturb each other."""

from __future__ import annotations

import numpy as np

from oneglance.balancer import NO_GRADIENT, Array, Balancer, Step


class Aligned(Balancer):
    """Aligned-MTL (Senushkin et al. 2023, arXiv 2305.19000, algorithm 1): the mean of the nearest orthogonal
    gradients, each as long as the smallest singular value of the matrix of gradients.

    The paper's own scale: the weights sum to less than 1 where tasks conflict or differ in size, and the step
    is then short. A weight may be negative.
    """

    needs_gram = True

    def share(self, step: Step) -> Array:
        values, vectors = np.linalg.eigh(step.gram)
        spanned = values > values.max() * NO_GRADIENT
        values, vectors = values[spanned], vectors[:, spanned]
        turned = vectors * np.sqrt(values.min() / values) @ vectors.T
        return turned.mean(axis=1)
