"""Long feature vectors in the few directions along which those of the training pictures lie."""

from __future__ import annotations

import numpy as np

# Measured with 2,000 pictures and vectors of 1,280 values: the nearest neighbours in 128 directions tell
# other pictures from one's own as well as in all, in a sixth of the bytes (docs/performance.md).
DIMENSIONS = 128


def in_principal_directions(
    training: np.ndarray, validation: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Both parts in the ``DIMENSIONS`` principal directions of the training part, and these.

    What lies outside of the directions makes a vector shorter there, and so farther from all others: it is
    not scaled back. The directions are the eigenvectors of the second moments, uncentred, as the vectors are
    compared by their angle.

    Args:
        training: float16 [m, d], vectors of length 1.
        validation: float16 [v, d].

    Returns:
        float16 [m, k], float32 [v, k], of which little may lie outside, and float32 [d, k] with orthonormal
        columns; the same parts and None where there are not more than ``DIMENSIONS`` values or training
        vectors.
    """
    if min(training.shape) <= DIMENSIONS:
        return training, validation, None
    rows = training.astype(np.float64)
    _, axes = np.linalg.eigh(rows.T @ rows)  # in rising order of what lies along them
    directions = np.ascontiguousarray(axes[:, -DIMENSIONS:], dtype=np.float32)
    moved = [_unit(part) @ directions for part in (training, validation)]
    return moved[0].astype(np.float16), moved[1], directions


def _unit(rows: np.ndarray) -> np.ndarray:
    """Float32, of length 1 in spite of the rounding to float16; a row of zeros stays."""
    rows = rows.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
