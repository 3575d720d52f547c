"""Weather: snow, frost, fog and bright light. Frost is drawn here; the paper pastes photographs of it."""

from __future__ import annotations

import numpy as np

from oneglance.evaluation.corruptions.blur import interpolation, moved_along, per_side, zoomed

GREY = np.array([0.299, 0.587, 0.114], np.float32)


def snow(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Flakes that fall, and a whiter picture."""
    mean, deviation, zoom, least, radius, sigma, kept = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[strength - 1]
    scale = per_side(pictures)
    flakes = random.normal(mean, deviation, (*pictures.shape[:3], 1)).astype(np.float32)
    flakes = zoomed(flakes, max(1.0, zoom * scale))
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    flakes = moved_along(flakes, radius * scale, sigma * scale, random.uniform(-135, -45))
    grey = (pictures @ GREY)[..., None]
    whiter = kept * pictures + (1 - kept) * np.maximum(pictures, grey * 1.5 + 0.5)
    return whiter + flakes + flakes[:, ::-1, ::-1]


def frost(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Crystals over the picture: ridges of noise, brighter towards the edges, a little blue."""
    kept, added = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[strength - 1]
    noise = plasma(pictures.shape[:3], 1.6, random)
    ridges = 1 - np.abs(2 * noise - 1)
    height, width = pictures.shape[1:3]
    down, across = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    edges = np.clip(0.35 + 0.5 * np.maximum(np.abs(down), np.abs(across)) ** 2, 0, 1)
    crystals = (ridges**3 * edges)[..., None] * np.array([0.85, 0.92, 1.0], np.float32)
    return (kept * pictures + added * crystals).astype(np.float32)


def fog(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Clouds of plasma noise, with less contrast."""
    thick, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[strength - 1]
    brightest = pictures.max(axis=(1, 2, 3), keepdims=True)
    clouds = thick * plasma(pictures.shape[:3], decay, random)[..., None]
    return ((pictures + clouds) * brightest / (brightest + thick)).astype(np.float32)


def brightness(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """More of the V of HSV: all three values grow in proportion."""
    more = (0.1, 0.2, 0.3, 0.4, 0.5)[strength - 1]
    value = pictures.max(axis=-1, keepdims=True)
    return np.where(value > 0, pictures * np.minimum(value + more, 1) / np.maximum(value, 1e-6), more).astype(
        np.float32
    )


def plasma(shape: tuple[int, ...], decay: float, random: np.random.Generator) -> np.ndarray:
    """Diamond-square noise, float32 [n, h, w] from 0 to 1, as a sum of octaves each ``decay`` times weaker
    than the coarser one before.
    """
    count, height, width = shape
    total = np.zeros(shape, np.float32)
    cells, weight = 2, 1.0
    while cells < 2 * max(height, width):
        coarse = random.uniform(-1, 1, (count, cells + 1, cells + 1)).astype(np.float32)
        down, across = (interpolation(np.linspace(0, cells, side), cells + 1) for side in (height, width))
        total += weight * (down @ coarse @ across.T)
        cells, weight = 2 * cells, weight / decay
    low, high = total.min(axis=(1, 2), keepdims=True), total.max(axis=(1, 2), keepdims=True)
    return (total - low) / np.maximum(high - low, 1e-6)
