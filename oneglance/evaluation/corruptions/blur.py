"""Blur: out of focus, through frosted glass, moved, zoomed."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

REFERENCE = 224  # pixels of a side for which the parameters were published


def per_side(pictures: np.ndarray) -> float:
    """By what the published lengths are multiplied."""
    return max(pictures.shape[1:3]) / REFERENCE


def blurred(pictures: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian across and down."""
    blurred: np.ndarray = ndimage.gaussian_filter(pictures, (0, sigma, sigma, 0))
    return blurred


def defocus_blur(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """A disk, its edge softened."""
    published, soft = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[strength - 1]
    radius = published * per_side(pictures)
    reach = math.ceil(radius) + 1
    offsets = np.arange(-reach, reach + 1)
    apart = np.hypot(offsets[:, None], offsets)
    disk = ndimage.gaussian_filter(np.clip(radius + 0.5 - apart, 0, 1), soft)
    return convolved(pictures, disk / disk.sum())


def glass_blur(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Pixels change places with near ones, between two blurs. All pixels move at once here."""
    sigma, farthest, rounds = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[strength - 1]
    scale = per_side(pictures)
    reach = max(0.6, farthest * scale)
    moved = blurred(pictures, sigma * scale)
    count, height, width, _ = pictures.shape
    rows, columns, number = np.arange(height)[:, None], np.arange(width), np.arange(count)[:, None, None]
    for _ in range(rounds):
        down, across = np.rint(random.uniform(-reach, reach, (2, count, height, width))).astype(np.int64)
        moved = moved[number, np.clip(rows + down, 0, height - 1), np.clip(columns + across, 0, width - 1)]
    return blurred(moved, sigma * scale)


def motion_blur(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Along one line, from -45 to 45 degrees, one angle for the batch."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[strength - 1]
    scale = per_side(pictures)
    return moved_along(pictures, radius * scale, sigma * scale, random.uniform(-45, 45))


def zoom_blur(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """The mean of the picture and of its middle at growing zooms."""
    largest, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[strength - 1]
    zooms = np.arange(1, largest, step)
    total = sum((zoomed(pictures, float(zoom)) for zoom in zooms), np.zeros_like(pictures))
    return (pictures + total) / (len(zooms) + 1)


def zoomed(pictures: np.ndarray, zoom: float) -> np.ndarray:
    """The middle of each picture, float32 [n, h, w, c], as large as the whole; between pixels linearly."""
    down, across = (
        interpolation((np.arange(side) - (side - 1) / 2) / zoom + (side - 1) / 2, side)
        for side in pictures.shape[1:3]
    )
    larger: np.ndarray = down @ pictures.transpose(0, 3, 1, 2) @ across.T
    return larger.transpose(0, 2, 3, 1)


def interpolation(at: np.ndarray, side: int) -> np.ndarray:
    """float32 [n, side]: the share of each pixel of a line in what lies at n places between them."""
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(side))).astype(np.float32)


def moved_along(pictures: np.ndarray, radius: float, sigma: float, degrees: float) -> np.ndarray:
    """A Gaussian along a line to one side, as ImageMagick's motion blur."""
    steps = np.arange(2 * max(1, round(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * max(sigma, 0.1) ** 2))
    across, down = steps * math.cos(math.radians(degrees)), steps * math.sin(math.radians(degrees))
    reach = len(steps)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for x, y, weight in zip(across, down, weights, strict=True):
        left, top = math.floor(x), math.floor(y)
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = abs(1 - dx - (x - left)) * abs(1 - dy - (y - top))
            kernel[reach + top + dy, reach + left + dx] += weight * share
    return convolved(pictures, kernel / kernel.sum())


def convolved(pictures: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """With an odd kernel [k, k], by Fourier transform; beyond its edge a picture is mirrored."""
    from scipy.signal import fftconvolve

    reach = min(kernel.shape[0] // 2, *(side - 1 for side in pictures.shape[1:3]))
    middle = kernel.shape[0] // 2
    kernel = kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    kernel = (kernel / kernel.sum()).astype(np.float32)
    wide = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    result: np.ndarray = fftconvolve(wide, kernel[None, :, :, None], mode="valid", axes=(1, 2))
    return result.astype(np.float32)
