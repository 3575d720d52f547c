"""What happens to a picture in a computer: contrast, elastic distortion, pixels, JPEG."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

from oneglance.evaluation.corruptions.blur import per_side


def contrast(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Nearer to the mean colour."""
    kept = (0.4, 0.3, 0.2, 0.1, 0.05)[strength - 1]
    mean = pictures.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    return (pictures - mean) * kept + mean


def elastic_transform(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Pixels moved by smooth noise. Without the affine part of the published definition: it moves things by
    up to a tenth of the picture, so that boxes would be wrong and not the network.
    """
    most, smooth = ((12, 8), (12, 6), (12.2, 2.44), (17.1, 2.44), (29.3, 2.44))[strength - 1]
    scale = per_side(pictures)
    count, height, width, _ = pictures.shape
    noise = random.uniform(-1, 1, (2, count, height, width))
    reach = max(0.5, smooth * scale)
    down, across = most * scale * ndimage.gaussian_filter(noise, (0, 0, reach, reach), mode="reflect")
    rows, columns = np.arange(height)[:, None] + down, np.arange(width) + across
    result = np.empty_like(pictures)
    for number, picture in enumerate(pictures):
        at = (rows[number], columns[number])
        for channel in range(3):
            result[number, ..., channel] = ndimage.map_coordinates(
                picture[..., channel], at, order=1, mode="reflect"
            )
    return result


def pixelate(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Made smaller by means, and larger again without smoothing."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[strength - 1]
    height, width = pictures.shape[1:3]
    small = (max(1, int(width * share)), max(1, int(height * share)))

    def one(image: Image.Image) -> Image.Image:
        return image.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.NEAREST)

    return _each(pictures, one)


def jpeg_compression(pictures: np.ndarray, strength: int, random: np.random.Generator) -> np.ndarray:
    """Of low quality."""
    quality = (25, 18, 15, 10, 7)[strength - 1]

    def one(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return _each(pictures, one)


def _each(pictures: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    eight = np.round(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
    changed = [np.asarray(change(Image.fromarray(one))) for one in eight]
    return np.stack(changed).astype(np.float32) / 255
