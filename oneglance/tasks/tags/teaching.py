"""How tags are taught by the probabilities of a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from oneglance.task import Target

if TYPE_CHECKING:
    from torch import Tensor

FAINTEST = 1e-6  # nobody is surer than this of a tag


def soft_target(theirs: np.ndarray, column: np.ndarray) -> Target:
    """Probabilities of each tag that both know, which count by how sure they are.

    Args:
        theirs: float [n, tags of the teacher], calibrated.
        column: int [tags of the task], where each is there; -1: it is not.
    """
    ours = np.flatnonzero(column >= 0)
    chances, trust = (np.zeros((len(theirs), len(column)), dtype=np.float32) for _ in range(2))
    answers = theirs[:, column[ours]]
    chances[:, ours], trust[:, ours] = answers, np.abs(2 * answers - 1)
    return {"chances": chances, "trust": trust}


def divergence(logits: Tensor, soft: Mapping[str, Tensor]) -> Tensor:
    """Kullback-Leibler divergence of each tag by itself: [n, tags].

    Args:
        logits: [n, tags], of who learns.
    """
    import torch.nn.functional as F

    theirs = soft["chances"].clamp(min=FAINTEST, max=1 - FAINTEST)
    loss = F.binary_cross_entropy_with_logits(logits, theirs, reduction="none")
    return loss - F.binary_cross_entropy_with_logits(theirs.logit(), theirs, reduction="none")
