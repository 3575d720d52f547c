"""Noise of a sensor: Gaussian, of few photons, and of dead pixels."""

from __future__ import annotations

import numpy as np


def gaussian_noise(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Independent in each value."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[strength - 1]
    return pictures + random.normal(scale=deviation, size=pictures.shape).astype(np.float32)


def shot_noise(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Few photons: the count of each value is Poisson."""
    photons = (60, 25, 12, 5, 3)[strength - 1]
    return (random.poisson(pictures * photons) / photons).astype(np.float32)


def impulse_noise(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Values that are 0 or 1, half of each."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[strength - 1]
    drawn = random.random(pictures.shape, np.float32)
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 1, pictures)).astype(np.float32)
