"""Corruptions: as published where a number tells it, worse with each strength; nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import PADDING, Fit
from oneglance.evaluation.corruptions.blur import interpolation, zoomed
from oneglance.evaluation.corruptions.catalogue import FAMILIES, STRENGTHS, corrupted
from oneglance.evaluation.corruptions.weather import plasma

NAMES = [name for family in FAMILIES.values() for name in family]
FIT = Fit((96, 64))


@pytest.fixture(scope="module")
def canvases() -> list[Canvas]:
    """Four pictures with details: taller than their canvas, so that it has padding left and right."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (4, 8, 6, 3), dtype=np.uint8)
    pictures = [Image.fromarray(one).resize((60, 80), Image.Resampling.BICUBIC) for one in coarse]
    return [Canvas(FIT.canvas(picture), *picture.size) for picture in pictures]


def test_there_are_fifteen_in_four_families() -> None:
    assert [len(family) for family in FAMILIES.values()] == [3, 4, 4, 4]


@pytest.mark.parametrize("name", NAMES)
def test_a_stronger_one_changes_more(canvases: list[Canvas], name: str) -> None:
    shown = FIT.shown(60, 80)
    clean = np.stack([canvas.pixels[shown] for canvas in canvases]).astype(np.float64)
    changes = []
    for strength in (1, 5):
        worse = np.stack([one.pixels[shown] for one in corrupted(canvases, FIT, name, strength)])
        changes.append(np.abs(worse - clean).mean())
    assert 0 < changes[0] < changes[1]


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_size_stay(canvases: list[Canvas], name: str) -> None:
    worse = corrupted(canvases, FIT, name, 3)
    _, columns = FIT.shown(60, 80)
    for canvas in worse:
        assert canvas.pixels.shape == FIT.shape and (canvas.width, canvas.height) == (60, 80)
        assert (canvas.pixels[:, : columns.start] == PADDING).all()
        assert (canvas.pixels[:, columns.stop :] == PADDING).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_pictures_get_the_same_noise(canvases: list[Canvas], name: str) -> None:
    one, again = (corrupted(canvases, FIT, name, 2) for _ in range(2))
    assert all((a.pixels == b.pixels).all() for a, b in zip(one, again, strict=True))


def grey(value: float) -> np.ndarray:
    return np.full((2, 224, 224, 3), value, np.float32)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_noise_has_the_published_strength(strength: int) -> None:
    random = np.random.default_rng(0)
    noise = FAMILIES["noise"]
    gaussian = noise["gaussian_noise"](grey(0.5), strength, random)
    assert gaussian.std() == pytest.approx((0.08, 0.12, 0.18, 0.26, 0.38)[strength - 1], rel=0.01)
    photons = (60, 25, 12, 5, 3)[strength - 1]
    assert noise["shot_noise"](grey(0.5), strength, random).var() == pytest.approx(0.5 / photons, rel=0.02)
    changed = noise["impulse_noise"](grey(0.5), strength, random)
    assert (changed != 0.5).mean() == pytest.approx((0.03, 0.06, 0.09, 0.17, 0.27)[strength - 1], rel=0.02)


def test_light_is_changed_as_published() -> None:
    random = np.random.default_rng(0)
    picture = grey(0.4)
    picture[:, :112] = 0.2
    assert FAMILIES["weather"]["brightness"](picture, 2, random).max() == pytest.approx(0.6)
    flat = FAMILIES["digital"]["contrast"](picture, 3, random)
    assert np.ptp(flat) == pytest.approx(0.2 * 0.2, rel=1e-4)
    assert flat.mean(dtype=np.float64) == pytest.approx(0.3, rel=1e-4)


def test_blur_keeps_the_light_and_spreads_a_point_as_far_as_published() -> None:
    random = np.random.default_rng(0)
    point = np.zeros((1, 224, 224, 3), np.float32)
    point[:, 112, 112] = 1
    disk = FAMILIES["blur"]["defocus_blur"](point, 5, random)[0, ..., 0]
    assert disk.sum() == pytest.approx(1, rel=1e-3)
    assert (disk > disk.max() / 2).sum() == pytest.approx(np.pi * 10.25**2, rel=0.1)  # a radius of 10 pixels


@pytest.mark.parametrize(("height", "width"), [(40, 57), (1, 8)])
def test_what_lies_between_pixels_is_as_in_scipy(height: int, width: int) -> None:
    random = np.random.default_rng(0)
    pictures = random.random((2, height, width, 3)).astype(np.float32)
    for zoom in (1.0, 1.07, 1.31):
        starts = [(side - 1) / 2 * (1 - 1 / zoom) for side in (height, width)]
        scales, shift = (1, 1 / zoom, 1 / zoom, 1), (0, *starts, 0)
        expected = ndimage.affine_transform(pictures, scales, shift, order=1, mode="nearest")
        np.testing.assert_allclose(zoomed(pictures, zoom), expected, atol=1e-6)
    noise = plasma((3, height, width), 2.0, np.random.default_rng(1))
    assert noise.dtype == np.float32 and noise.shape == (3, height, width)
    assert (noise.min(axis=(1, 2)) == 0).all() and (noise.max(axis=(1, 2)) == 1).all()
    coarse = random.random((1, 5, 5)).astype(np.float32)
    lines = [interpolation(np.linspace(0, 4, side), 5) for side in (40, 57)]
    expected = ndimage.zoom(coarse, (1, 8, 57 / 5), order=1)
    np.testing.assert_allclose(lines[0] @ coarse @ lines[1].T, expected, atol=1e-6)
