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
    pixels = np.stack([canvas.pixels for canvas in canvases])
    worse = corruption(pixels.astype(np.float32) / 255, strength, random)
    result = np.round(np.clip(worse, 0, 1) * 255).astype(np.uint8)
    changed = []
    for canvas, picture in zip(canvases, result, strict=True):
        shown = fit.shown(canvas.width, canvas.height)
        whole = canvas.pixels.copy()
        whole[shown] = picture[shown]
        changed.append(Canvas(whole, canvas.width, canvas.height))
    return changed
