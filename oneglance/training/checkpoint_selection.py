"""Which epoch's weights are kept.

The epoch with the best scores is partly the luckiest one, the more so the fewer validation pictures there
are: with several tasks, the noise of the one that has the fewest answers would choose for all. So the best
epoch gives way to a later one that has learned longer, unless it is better by more than the noise of the
difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

RESAMPLES = 32  # of the validation split, by which the noise is measured

Scores = dict[str, dict[str, float | None]]  # by task and metric; plain values


def resamples(pictures: int, count: int = RESAMPLES) -> np.ndarray:
    """Weights of the pictures: float64 [1 + count, pictures], first all 1, then those of a Bayesian bootstrap
    (Rubin 1981, The Bayesian Bootstrap), in which each picture counts, so that nothing gets undefined. The
    same ones at every call: epochs are compared on equal terms.
    """
    drawn = np.random.default_rng(0).standard_exponential((count, pictures))
    return np.concatenate([np.ones((1, pictures)), drawn])


@dataclass
class CheckpointSelection:
    """What is kept so far; plain values."""

    epoch: int = 0  # whose weights are kept; 0: none
    validation: Scores = field(default_factory=dict)  # of that epoch
    best: int = 0  # the epoch of the highest skill
    skills: list[float] = field(default_factory=list)  # of that epoch, for each of the resamples

    def judge(
        self, epoch: int, skills: np.ndarray, validation: Mapping[str, Mapping[str, float | None]]
    ) -> bool:
        """Whether the weights of a new epoch are to be kept instead.

        Args:
            skills: float64 [1 + RESAMPLES]; NaN where nothing can be scored.
        """
        best = np.array(self.skills or [np.nan])
        if not np.isfinite(best[0]) or skills[0] > best[0]:
            self.best, self.skills = epoch, skills.tolist()
        elif not best[0] - skills[0] <= np.std(best[1:] - skills[1:]):
            return False
        self.epoch, self.validation = epoch, {name: dict(metrics) for name, metrics in validation.items()}
        return True
