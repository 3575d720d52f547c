"""Small pictures for pages."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from oneglance.data.images.decode import Limits, canvas_of
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.data.record import ImageRef


def thumbnail(ref: ImageRef, fit: Fit, limits: Limits) -> tuple[Image.Image, Placement]:
    """The picture as it lies on a canvas of ``fit``, without what is beside it there, and how it lies.

    Raises:
        PictureError: it cannot be read.
    """
    canvas = canvas_of(ref, fit, limits)
    place = fit.placement(canvas.width, canvas.height)
    bottom = place.top + round(place.scale_y * place.height)
    right = place.left + round(place.scale_x * place.width)
    return Image.fromarray(np.ascontiguousarray(canvas.pixels[place.top : bottom, place.left : right])), place


def data_url(picture: Image.Image) -> str:
    """It as text that a page shows without a file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
