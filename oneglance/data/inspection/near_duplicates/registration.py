"""Whether two pictures are one: laid over each other as well as can be, do they show the same?

A window of the one is moved and scaled until it fits the other, by least squares with a free brightness and
contrast (Lucas and Kanade 1981; Baker and Matthews 2004, "Lucas-Kanade 20 Years On"). Then not their
light and dark areas are compared, which alike scenes share, but their details: what a band of frequencies
holds, divided by its strength around each place, so that one strong outline does not outweigh all else.
Where these agree the two are placed once more, more finely: another thing on the same plate leaves all the
rest as it is, so copies must agree everywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

COARSE = 24  # pixels of a first comparison, which four in five pairs of alike scenes do not pass
PASSED = 0.62  # correlation of details there; of changed copies 0.3 % fall short
SAME = 0.88  # of details on the whole thumbnail; see bench/duplicates.py
DIFFERENT = 0.28  # share of the details around a place, in all but one in 20, by which copies may differ
COVERED = 0.35  # share of the picture that both must show
COARSE_STEPS = ((1.0, 4),)  # blur in pixels, and steps with it
FINE_STEPS = ((1.0, 4),)
FINEST_STEPS = ((1.0, 4), (0.6, 8))
LARGEST_STEP = 0.06  # of a picture's side
SCALES = (0.45, 2.2)
# Blurs, in pixels, between which details lie.
COARSE_BAND, FINE_BAND, FINEST_BAND = (0.5, 2.0), (0.8, 2.5), (0.5, 1.5)
NEIGHBOURHOOD = 3.0  # blur, in pixels, of the strength by which details are divided
NOISE = (0.3, 1.0)  # strength that counts as none: relative to the picture's mean, and in grey values
NOISE_SHARE = 0.05  # the same of both pictures' squares
WHOLLY = 0.97  # of what a blur gathers must be shown by both


class Fitted(NamedTuple):
    """For each pair how well they fit, from -1 to 1, and where: the second picture's x is at
    ``scale_x * x + left`` in the first, in shares of its width; the same downwards.
    """

    same: np.ndarray  # float32 [n]; -1 where the first comparison was not passed
    different: np.ndarray  # float32 [n]: how much is elsewhere in some place of theirs; see ``_different``
    place: np.ndarray  # float32 [n, 4]: scale_x, left, scale_y, top


def fitted(first: np.ndarray, second: np.ndarray, windows: np.ndarray) -> Fitted:
    """Compare pairs of thumbnails.

    Args:
        first: float32 [n, side, side].
        second: the same; mirrored ones are turned already.
        windows: float32 [n, 4]: left, right, top and bottom of the part of ``first`` that is ``second``.
    """
    left, right, top, bottom = windows.T
    place = np.stack([right - left, left, bottom - top, top], axis=1).astype(np.float32)
    same, different = np.full(len(first), -1, np.float32), np.ones(len(first), np.float32)
    small = _reduced(first), _reduced(second)
    place = _placed(*small, place, COARSE_STEPS)
    alike = np.flatnonzero(_correlation(*small, place, COARSE_BAND) > PASSED)
    if len(alike):
        place[alike] = _placed(first[alike], second[alike], place[alike], FINE_STEPS)
        same[alike] = _correlation(first[alike], second[alike], place[alike], FINE_BAND)
    passed = np.flatnonzero(same > SAME)
    if len(passed):
        pair = first[passed], second[passed]
        place[passed] = _placed(*pair, place[passed], FINEST_STEPS)
        different[passed] = _different(*pair, place[passed], FINEST_BAND)
    return Fitted(same, different, place)


def _placed(
    first: np.ndarray, second: np.ndarray, place: np.ndarray, steps: tuple[tuple[float, int], ...]
) -> np.ndarray:
    """A better ``place``: brightness·first + contrast is linearised around it and solved for all six."""
    side = first.shape[1]
    x = (np.arange(side, dtype=np.float32) + 0.5) / side
    place = place.copy()
    for sigma, count in steps:
        blur = _blur(side, sigma)
        moved, still = blur @ first @ blur.T, blur @ second @ blur.T
        down, across = (slope * side for slope in np.gradient(moved, axis=(1, 2)))
        for _ in range(count):
            rows, columns, shown = _sampling(place, side)
            value, slope_x, slope_y = (rows @ each @ columns for each in (moved, across, down))
            slopes = [slope_x * x, slope_x, slope_y * x[:, None], slope_y, value, np.ones_like(value)]
            jacobian = (np.stack(slopes, axis=1) * shown[:, None]).reshape(len(first), 6, -1)
            normal = jacobian @ jacobian.transpose(0, 2, 1)
            diagonal = np.arange(6)
            normal[:, diagonal, diagonal] = normal[:, diagonal, diagonal] * 1.0001 + 1e-3
            target = jacobian @ (still * shown).reshape(len(first), -1, 1)
            solved = np.linalg.solve(normal, target)[:, :, 0]
            gain = np.maximum(np.abs(solved[:, 4:5]), 0.1)
            place += np.clip(solved[:, :4] / gain, -LARGEST_STEP, LARGEST_STEP)
            place[:, ::2] = np.clip(place[:, ::2], *SCALES)
    return place


def _correlation(
    first: np.ndarray, second: np.ndarray, place: np.ndarray, band: tuple[float, float]
) -> np.ndarray:
    """float32 [n]: of what both show between two blurs; -1 where they share too little."""
    side = first.shape[1]
    rows, columns, shown = _sampling(place, side)
    moved = rows @ first @ columns
    moved, still = (_details(each, band) for each in (moved, second))
    count = np.maximum(shown.sum(axis=(1, 2)), 1)
    a, b = (
        (each - ((each * shown).sum(axis=(1, 2)) / count)[:, None, None]) * shown for each in (moved, still)
    )
    same = (a * b).sum(axis=(1, 2)) / np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)) + 1e-3)
    return np.where(count > COVERED * side * side, same, -1).astype(np.float32)


def _different(
    first: np.ndarray, second: np.ndarray, place: np.ndarray, band: tuple[float, float]
) -> np.ndarray:
    """float32 [n]: the share of the details around a place, from 0 to 1 or a little more, that are not those
    of the other picture; 19 in 20 places of what both show have less. 0 where there is nothing inside of it.
    """
    side = first.shape[1]
    rows, columns, shown = _sampling(place, side)
    inward, around = _blur(side, band[1]), _blur(side, NEIGHBOURHOOD)
    inside = (inward @ shown @ inward.T) > WHOLLY
    moved, still = (_between(each, band) * inside for each in (rows @ first @ columns, second))
    gain = (moved * still).sum(axis=(1, 2)) / np.maximum((moved * moved).sum(axis=(1, 2)), 1e-3)
    moved *= gain[:, None, None]
    left, there = (around @ each @ around.T for each in ((still - moved) ** 2, still * still + moved * moved))
    noise = NOISE_SHARE * there.mean(axis=(1, 2), keepdims=True) + NOISE[1] ** 2
    return np.percentile((left / (there + noise)).reshape(len(first), -1), 95, axis=1).astype(np.float32)


def _sampling(place: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices that sample pictures at ``place``, [n, side, side] for rows and for columns, and 1 where it
    lies inside the picture, [n, side, side].
    """
    x = (np.arange(side, dtype=np.float32) + 0.5) / side
    pixels = np.arange(side, dtype=np.float32)
    weights, inside = [], []
    for scale, start in ((place[:, 2:3], place[:, 3:4]), (place[:, 0:1], place[:, 1:2])):
        at = (scale * x + start) * side - 0.5
        weights.append(np.maximum(0, 1 - np.abs(np.clip(at, 0, side - 1)[:, :, None] - pixels)))
        inside.append((at >= -0.5) & (at <= side - 0.5))
    shown = (inside[0][:, :, None] & inside[1][:, None, :]).astype(np.float32)
    return weights[0], weights[1].transpose(0, 2, 1), shown


def _details(pictures: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """What lies between two blurs, everywhere about equally strong, but where there is only noise."""
    side = pictures.shape[1]
    around = _blur(side, NEIGHBOURHOOD)
    details = _between(pictures, band)
    squares = details * details
    noise = NOISE[0] ** 2 * squares.mean(axis=(1, 2), keepdims=True) + NOISE[1] ** 2
    return details / np.sqrt(around @ squares @ around.T + noise)


def _between(pictures: np.ndarray, band: tuple[float, float]) -> np.ndarray:
    """What the first blur leaves and the second takes away."""
    fine, coarse = (_blur(pictures.shape[1], sigma) for sigma in band)
    return fine @ pictures @ fine.T - coarse @ pictures @ coarse.T


@lru_cache(maxsize=16)
def _blur(side: int, sigma: float) -> np.ndarray:
    """float32 [side, side]: a Gaussian along one axis."""
    apart = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-(apart**2) / (2 * sigma**2))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _reduced(thumbnails: np.ndarray) -> np.ndarray:
    """[n, COARSE, COARSE] of thumbnails whose side is a multiple of it."""
    count, side, _ = thumbnails.shape
    step = side // COARSE
    return thumbnails.reshape(count, COARSE, step, COARSE, step).mean(axis=(2, 4))
