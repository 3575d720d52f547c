"""pcgrad: what conflicts with another task is cut off."""

from __future__ import annotations

import numpy as np
import torch

from oneglance.balancer import Array, Balancer, Step, generator


class Pcgrad(Balancer):
    """Projecting conflicting gradients (Yu et al. 2020, arXiv 2001.06782, algorithm 1): from each gradient,
    the part against another task's is taken away, for all other tasks in random order.

    The mean of the results instead of the sum: tasks that agree have weights of sum 1, others more.
    """

    needs_gram = True

    def share(self, step: Step) -> Array:
        draw, gram, count = generator(step.seed), step.gram, len(step.gram)
        mixtures = np.eye(count)
        for own, mixture in enumerate(mixtures):
            for other in torch.randperm(count, generator=draw).tolist():
                if other != own:
                    mixture[other] -= min(gram[other] @ mixture, 0) / gram[other, other]
        return mixtures.mean(axis=0)
