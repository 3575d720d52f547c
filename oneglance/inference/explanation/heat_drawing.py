"""Heat over a picture, for people: the picture in pale grey, and warm colours where an answer rests."""

from __future__ import annotations

import numpy as np
from PIL import Image

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import upright
from oneglance.data.record import ImageRef
from oneglance.inference.drawing import LARGEST, draw
from oneglance.inference.explanation.explainer import Explanation
from oneglance.inference.explanation.grids import on_picture

# From little to much: it grows lighter as well as warmer, so that it can be read in any kind of colour
# vision.
HEAT = (0.0, 0.35, 0.7, 1.0)
COLOURS = ((60, 15, 110), (180, 30, 100), (240, 110, 40), (255, 235, 90))
OPAQUE = 0.75  # of the greatest heat
UNSEEN = (20, 20, 20, 200)  # over what the network does not see
GREY = (0.299, 0.587, 0.114)  # what each channel adds to brightness, ITU-R BT.601
SKY_BLUE = 4  # of the colours of boxes, the one that is coldest beside the heat
COLOUR_KEPT = 0.3  # share of the picture's own colours


def overlay(heat: np.ndarray) -> Image.Image:
    """Heat [h, w] from 0 to 1, NaN where nothing is seen, as a picture with transparency."""
    level = np.nan_to_num(heat)
    layers = [np.interp(level, HEAT, [colour[channel] for colour in COLOURS]) for channel in range(3)]
    alpha = 255 * OPAQUE * np.clip(1.5 * level, 0, 1)
    pixels = np.stack([*layers, alpha], axis=2).round().astype(np.uint8)
    pixels[np.isnan(heat)] = UNSEEN
    return Image.fromarray(pixels, "RGBA")


def blended(picture: Image.Image, heat: np.ndarray) -> Image.Image:
    """``picture`` under the heat of its own size, in RGB."""
    colours = np.asarray(picture, dtype=np.float64)
    grey = colours @ np.array(GREY)
    pale = COLOUR_KEPT * colours + (1 - COLOUR_KEPT) * grey[:, :, None]
    ground = Image.fromarray(pale.round().astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(ground, overlay(heat)).convert("RGB")


def drawn(
    explanation: Explanation, ref: ImageRef, limits: Limits, *, largest: int = LARGEST, lines: bool = True
) -> Image.Image:
    """The picture with the heat on it, the box that it explains, and the answer on a strip below.

    Raises:
        PictureError: the picture cannot be decoded any more.
        OSError: it cannot be read any more.
    """
    picture = upright(ref, limits, largest)
    placement = explanation.placement
    seen = blended(picture, on_picture(explanation.heat, placement, picture.size))
    boxes = []
    if explanation.box is not None:
        across, down = picture.width / placement.width, picture.height / placement.height
        boxes = [(np.array(explanation.box) * np.tile([across, down], 2), "", SKY_BLUE)]
    texts = [f"{explanation.task}: {explanation.answer}"] if lines else []
    return draw(seen, [(box.tolist(), words, number) for box, words, number in boxes], texts)
