"""How a label is taught by the probabilities of a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from oneglance.task import Target

if TYPE_CHECKING:
    from torch import Tensor

SOFTNESS = 2.0  # the temperature at which a teacher is learned from: other classes count as well
FAINTEST = 1e-6  # probability of a teacher below which classes are all alike
FEW_ANSWERS = 50  # of people, by which a teacher is not judged
NEVER = -1e9  # the logit of a class that a teacher does not know


def soft_target(theirs: np.ndarray, column: np.ndarray) -> Target:
    """Probabilities of the classes that both know. A teacher counts by how sure it is, and by how likely it
    is that the class is one of these.

    Args:
        theirs: float [n, classes of the teacher], calibrated.
        column: int [classes of the task], where each is there; -1: it is not.
    """
    ours = np.flatnonzero(column >= 0)
    chances = np.zeros((len(theirs), len(column)))
    chances[:, ours] = theirs[:, column[ours]]
    inside = chances.sum(axis=1)
    chances /= np.maximum(inside, 1e-12)[:, None]
    asked = np.zeros_like(chances)
    asked[:, ours] = 1
    sure = (chances.max(axis=1, initial=0) - 1 / len(ours)) / (1 - 1 / len(ours))
    return {
        "chances": chances.astype(np.float32),
        "asked": asked.astype(np.float32),
        "trust": np.clip(inside * sure, 0, 1).astype(np.float32),
    }


def divergence(logs: Tensor, soft: Mapping[str, Tensor]) -> Tensor:
    """Kullback-Leibler divergence of both at the temperature ``SOFTNESS``, times its square so that the
    gradient keeps its size (Hinton et al. 2015, arXiv 1503.02531, section 2): [n].

    Args:
        logs: [n, classes], log probabilities of who learns.
    """
    unasked = soft["asked"] == 0
    theirs = (soft["chances"].clamp(min=FAINTEST).log() / SOFTNESS).masked_fill(unasked, NEVER)
    ours = (logs / SOFTNESS).masked_fill(unasked, NEVER)
    theirs, ours = theirs.log_softmax(dim=1), ours.log_softmax(dim=1)
    terms = (theirs.exp() * (theirs - ours)).masked_fill(unasked, 0)
    return SOFTNESS**2 * terms.sum(dim=1)


def disagreement(soft: Target, truth: np.ndarray) -> str:
    """A teacher that is right less often than by chance calls other things by these names.

    Args:
        truth: int [n], the classes that people gave; -1: none.
    """
    both = (truth >= 0) & (soft["trust"] > 0)
    count, width = int(both.sum()), soft["chances"].shape[1]
    answers, right = soft["chances"][both].argmax(axis=1), truth[both]
    shares = [np.bincount(one, minlength=width) / max(count, 1) for one in (answers, right)]
    chance, agreed = float(shares[0] @ shares[1]), float((answers == right).mean()) if count else 1.0
    if count < FEW_ANSWERS or agreed >= 0.5 * chance:
        return ""
    return f"it agrees with them in {agreed:.0%} of {count:,} pictures, where {chance:.0%} would be chance"
