"""The 15 corruptions by family, and how one is applied to canvases."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import Fit
from oneglance.evaluation.corruptions.blur import defocus_blur, glass_blur, motion_blur, zoom_blur
from oneglance.evaluation.corruptions.digital import (
    contrast,
    elastic_transform,
    jpeg_compression,
    pixelate,
)
from oneglance.evaluation.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from oneglance.evaluation.corruptions.weather import brightness, fog, frost, snow

Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]

STRENGTHS = (1, 2, 3, 4, 5)
_IN_FAMILIES: Mapping[str, Sequence[Corruption]] = {
    "noise": (gaussian_noise, shot_noise, impulse_noise),
    "blur": (defocus_blur, glass_blur, motion_blur, zoom_blur),
    "weather": (snow, frost, fog, brightness),
    "digital": (contrast, elastic_transform, pixelate, jpeg_compression),
}
FAMILIES: Mapping[str, Mapping[str, Corruption]] = {
    family: {each.__name__: each for each in members} for family, members in _IN_FAMILIES.items()
}


def corrupted(canvases: Sequence[Canvas], fit: Fit, name: str, strength: int, first: int = 0) -> list[Canvas]:
    """The same pictures made worse; the padding beside them stays as it is.

    Args:
        name: of one of the FAMILIES.
        strength: 1 to 5.
        first: number of the first picture: the same pictures in other batches get other noise.
    """
    corruption = next(family[name] for family in FAMILIES.values() if name in family)
    random = np.random.default_rng([zlib.crc32(name.encode()), strength, first])
    changed = [Canvas(canvas.pixels.copy(), canvas.width, canvas.height) for canvas in canvases]
    for shown, rows in _alike(canvases, fit).items():  # so that padding neither bleeds in nor counts
        part = tuple(slice(*ends) for ends in shown)
        pixels = np.stack([canvases[row].pixels[part] for row in rows])
        worse = corruption(pixels.astype(np.float32) / 255, strength, random)
        for row, picture in zip(rows, np.round(np.clip(worse, 0, 1) * 255).astype(np.uint8), strict=True):
            changed[row].pixels[part] = picture
    return changed


def _alike(canvases: Sequence[Canvas], fit: Fit) -> dict[tuple[tuple[int, int], ...], list[int]]:
    """Rows and columns that show a picture -> the canvases where they do."""
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for row, canvas in enumerate(canvases):
        part = fit.shown(canvas.width, canvas.height)
        alike.setdefault(tuple((each.start, each.stop) for each in part), []).append(row)
    return alike
