"""How far vectors lie from others, in the spread that these have: the distance of Mahalanobis (1936)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

DIRECTIONS = 128  # at most, in which each has a variance of its own; the others share one
# Pictures, at most, that are compared without BLAS: its threads keep turning for a while after such a product
# and take the processors from the next pass, which can then take ten times as long.
FEW = 4
LEAST = 1e-6  # variance, or spread where all are the same
QUIET = 0.001  # of the mean spread, which no value has less of: one that was always 0 may be a little more

FARTHEST = 1e9  # deviations: the square of more is no float32


class Spread(NamedTuple):
    """The mean of vectors, and how they lie around it."""

    mean: np.ndarray  # float32 [m]
    scale: np.ndarray  # float32 [m]: one divided by the standard deviation of each value
    directions: np.ndarray  # float32 [m, k], orthonormal columns, of values so scaled
    weights: np.ndarray  # float32 [k + 1]: one divided by the variance along each, and outside of all

    @classmethod
    def of(cls, vectors: np.ndarray) -> Self:
        """Of float vectors [n, m]. Variances are drawn to their mean as far as so few vectors say little of
        them (Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices).
        """
        rows = vectors.astype(np.float64)
        mean, spread = rows.mean(axis=0), rows.std(axis=0)
        scale = 1 / np.maximum(spread, max(QUIET * spread.mean(), LEAST))
        scaled = (rows - mean) * scale
        count, width = scaled.shape
        second = scaled.T @ scaled / count
        middle = np.trace(second) / width
        away = (second**2).sum() - width * middle**2
        noise = (((scaled**2).sum(axis=1) ** 2).sum() / count - (second**2).sum()) / count
        share = min(1.0, noise / away) if away > 0 else 1.0
        variances, axes = np.linalg.eigh(second)  # in rising order
        variances = np.maximum(share * middle + (1 - share) * variances, LEAST)
        kept = min(DIRECTIONS, width)
        rest = 1 / variances[:-kept].mean() if kept < width else 0.0
        return cls(
            mean.astype(np.float32),
            scale.astype(np.float32),
            np.ascontiguousarray(axes[:, -kept:], dtype=np.float32),
            np.append(1 / variances[-kept:], rest).astype(np.float32),
        )

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Float32 [n], about 1 for vectors like those that are known.

        Args:
            vectors: float [n, m].
        """
        scaled = (np.asarray(vectors, dtype=np.float32) - self.mean) * self.scale
        scaled = np.clip(scaled, -FARTHEST, FARTHEST)
        along = products(scaled, self.directions) ** 2
        outside = np.maximum((scaled**2).sum(axis=1) - along.sum(axis=1), 0)
        squared = along @ self.weights[:-1] + outside * self.weights[-1]
        return np.asarray(np.sqrt(squared / scaled.shape[1]), dtype=np.float32)

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """From arrays by the names of its fields.

        Raises:
            ValueError: they do not fit each other.
        """
        one = cls(**{name: np.asarray(arrays[name], dtype=np.float32) for name in cls._fields})
        width, kept = one.directions.shape
        shapes = [each.shape for each in one]
        whole = shapes == [(width,), (width,), (width, kept), (kept + 1,)] and width > 0 and kept > 0
        if not whole or not all(np.isfinite(each).all() for each in one) or (one.weights < 0).any():
            raise ValueError("no spread of vectors")
        return one


def products(vectors: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Float32 [n, k], of vectors [n, d] and a matrix [d, k]; without one the vectors themselves."""
    if matrix is None:
        return vectors
    if len(vectors) <= FEW:
        return np.stack([np.einsum("dk,d->k", matrix, vector) for vector in vectors])
    return vectors @ matrix
