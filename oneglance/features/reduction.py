"""Long feature vectors in few directions, in memory that hardly grows with the number of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from oneglance.evaluation.baselines.clustering import DIRECTIONS, MANY, principal_directions
from oneglance.features.nearest import unit

Blocks = Callable[[], Iterator[np.ndarray]]
"""The vectors of all pictures in order, float32 [m, d] at a time; may be called again."""


def evenly(count: int, most: int) -> np.ndarray:
    """At most ``most`` of so many rows, the same ones each time, in order: int64."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def reduced(blocks: Blocks, count: int, most: int = DIRECTIONS) -> np.ndarray:
    """Vectors brought to length 1, then to their principal directions: float32 [count, k], k at most
    ``most``. The directions are those of at most ``MANY`` of them, evenly drawn.
    """
    chosen = evenly(count, MANY)
    parts, start = [], 0
    for block in blocks():
        inside = chosen[(chosen >= start) & (chosen < start + len(block))] - start
        parts.append(unit(block[inside]))
        start += len(block)
    sample = np.concatenate(parts)
    if not np.ptp(sample, axis=0).any():  # one picture, or several that are all the same
        return np.zeros((count, 1), np.float32)
    directions = principal_directions(sample, most)
    return np.concatenate([directions.transform(unit(block)) for block in blocks()]).astype(np.float32)
