"""Corruptions against the pictures of the public package ``imagecorruptions``, where that is installed.

It needs OpenCV, numba and scikit-image, so it is in no group of dependencies. Two of its functions do not run
with present versions of NumPy and scikit-image: these are skipped.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import Fit
from oneglance.evaluation.corruptions.catalogue import FAMILIES, corrupted

public = pytest.importorskip("imagecorruptions", reason="pip install imagecorruptions opencv-python-headless")

# Frost is drawn and not pasted from photographs, elastic distortion has no affine part: docs/guides/trust.md.
OTHERWISE = {"frost", "elastic_transform"}
NAMES = [name for family in FAMILIES.values() for name in family if name not in OTHERWISE]
EXACT = {"pixelate": 0.0, "jpeg_compression": 0.0, "contrast": 1.0, "brightness": 1.0, "defocus_blur": 2.0}
FIT = Fit(224)


@pytest.fixture(scope="module")
def canvases() -> list[Canvas]:
    """Smooth colours with details, as photographs have."""
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(3):
        coarse, fine = (random.integers(0, 255, (side, side, 3), dtype=np.uint8) for side in (5, 60))
        one, two = (Image.fromarray(each).resize((224, 224), 3) for each in (coarse, fine))
        pictures.append(Canvas(np.asarray(Image.blend(one, two, 0.3)), 224, 224))
    return pictures


@pytest.mark.parametrize("strength", [1, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_pictures_change_as_much_as_theirs(canvases: list[Canvas], name: str, strength: int) -> None:
    np.random.seed(0)  # theirs draws from it
    try:
        theirs = [public.corrupt(one.pixels, corruption_name=name, severity=strength) for one in canvases]
    except (TypeError, AttributeError) as error:
        pytest.skip(f"the package does not run here: {error}")
    before, ours, other = (
        np.stack(each).astype(np.float64)
        for each in (
            [one.pixels for one in canvases],
            [one.pixels for one in corrupted(canvases, FIT, name, strength)],
            theirs,
        )
    )
    assert np.abs(ours - before).mean() == pytest.approx(np.abs(other - before).mean(), rel=0.12, abs=0.3)
    if name in EXACT:
        assert np.abs(ours - other).mean() <= EXACT[name]
