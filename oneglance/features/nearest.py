"""The pictures that are most alike: exact, block by block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [n, d] brought to length 1, float32; those of length 0 stay."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0).astype(np.float32)


def nearest(query: np.ndarray, blocks: Iterable[np.ndarray], count: int) -> list[tuple[int, float]]:
    """(row, cosine) of the ``count`` vectors with the smallest angle to ``query``, the nearest first, of
    equal ones the first. Every one of them is compared; in memory are a block and the best so far.

    Args:
        query: float [d].
        blocks: float [m, d], the vectors in order.
    """
    wanted = unit(query[None])[0]
    best_rows, best = np.zeros(0, np.int64), np.zeros(0, np.float32)
    start = 0
    for block in blocks:
        cosines = np.clip(unit(block) @ wanted, -1, 1)
        rows = np.concatenate([best_rows, np.arange(start, start + len(block))])
        every = np.concatenate([best, cosines])
        order = np.lexsort((rows, -every))[:count]
        best_rows, best = rows[order], every[order]
        start += len(block)
    return list(zip(best_rows.tolist(), best.tolist(), strict=True))
