"""How well the nearest others of a picture are like it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

VOTERS = 10
ROWS = 512  # pictures that are compared with all others at once


class Neighbours(NamedTuple):
    """What the others say of each of n pictures; float64 [n]."""

    first: np.ndarray  # 1 where the nearest other is alike
    precision: np.ndarray  # average precision at R, the number of alike others (Musgrave et al. 2020)
    voted: np.ndarray  # 1 where the nearest ``VOTERS`` vote for its key
    counts: np.ndarray  # 1 where there is an alike other at all; else nothing can be right


def neighbours(vectors: np.ndarray, keys: np.ndarray) -> Neighbours:
    """Compare each picture with all others.

    Args:
        vectors: float [n, d] of length 1.
        keys: int [n] from 0 on; equal: alike. Ties of nearness are broken at random, the same each time.
    """
    count = len(keys)
    alike = np.bincount(keys, minlength=1)[keys] - 1 if count else np.zeros(0, dtype=np.int64)
    scores = np.zeros((3, count))
    random = np.random.default_rng(0)
    for start in range(0, count, ROWS):
        rows = np.arange(start, min(start + ROWS, count))
        nearness = vectors[rows] @ vectors.T
        nearness[np.arange(len(rows)), rows] = -np.inf
        shuffled = random.permutation(count)
        depth = int(min(count - 1, max(VOTERS, alike[rows].max(initial=0))))
        order = shuffled[np.argsort(-nearness[:, shuffled], axis=1, kind="stable")[:, :depth]]
        right = keys[order] == keys[rows][:, None]
        if not depth:
            continue
        scores[0, rows] = right[:, 0]
        rank = np.arange(1, depth + 1)
        within = rank <= alike[rows][:, None]
        precision = np.cumsum(right, axis=1) / rank
        scores[1, rows] = (precision * right * within).sum(axis=1) / np.maximum(alike[rows], 1)
        scores[2, rows] = _vote(keys[order[:, :VOTERS]]) == keys[rows]
    return Neighbours(scores[0], scores[1], scores[2], (alike > 0).astype(np.float64))


def _vote(keys: np.ndarray) -> np.ndarray:
    """The most frequent key of each row; of equally frequent ones that of the nearest."""
    often = (keys[:, :, None] == keys[:, None, :]).sum(axis=2)
    return keys[np.arange(len(keys)), often.argmax(axis=1)]
