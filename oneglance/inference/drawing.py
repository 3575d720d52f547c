"""Answers drawn on pictures: boxes with captions, and lines of text on a strip below.

It knows nothing of tasks: the caller gives boxes and words.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from oneglance.inference.lettering import Lettering
from oneglance.storage.atomic_files import make_folder, replacing

Overlay = tuple[Sequence[float], str, int]
"""A box [x0, y0, x1, y1] in pixels of the picture, its caption, and the number of its class, from 0."""

Colour = tuple[int, int, int]

# M. Okabe and K. Ito, "Color Universal Design" (2008): different to any kind of colour vision. Their
# black is left out: it is the outline of every box.
PALETTE: tuple[Colour, ...] = (
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (86, 180, 233),  # sky blue
    (213, 94, 0),  # vermilion
    (240, 228, 66),  # yellow
)
BLACK, WHITE, PAPER = (0, 0, 0), (255, 255, 255), (34, 34, 34)

SMALLEST, LARGEST = 320, 1280  # pixels of the longer side of the picture as it is drawn
LOWEST = 64  # pixels that even a picture of one row is given, for its captions to stand in


def draw(picture: Image.Image, boxes: Sequence[Overlay] = (), lines: Sequence[str] = ()) -> Image.Image:
    """A new RGB picture: ``picture`` with ``boxes`` on it and ``lines`` on a strip below it.

    The longer side of the picture becomes 320 to 1280 pixels; one narrower than 320 or lower than 64 then
    has dark bars beside it. No caption is cut off at an edge; it lies over another only where no position
    at its box is free.

    Args:
        picture: as a person sees it; boxes are in its pixels.
        boxes: the first lie on top. What lies outside the picture is drawn at its edge; a box without an
            area is drawn as a dot or a line; one with a NaN is left out.
        lines: each fills as many rows as it needs, at most 4.
    """
    shown = _resized(picture if picture.mode == "RGB" else picture.convert("RGB"))
    stage = max(shown.width, SMALLEST), max(shown.height, LOWEST)
    start = (stage[0] - shown.width) // 2, (stage[1] - shown.height) // 2
    lettering = Lettering.fit(max(stage))
    rows = [row for line in lines for row in lettering.wrapped(line, stage[0] - 4 * lettering.pad)]

    strip = len(rows) * lettering.height + 4 * lettering.pad if rows else 0
    sheet = Image.new("RGB", (stage[0], stage[1] + strip), PAPER)
    sheet.paste(shown, start)
    pen = ImageDraw.Draw(sheet)
    line = max(2, max(stage) // 320)
    overlays = [each for each in boxes if not np.isnan(np.asarray(each[0], dtype=np.float64)).any()]
    # A box must hold its line on both sides and the black one between them.
    corners = _corners([box for box, _, _ in overlays], picture.size, shown.size, 2 * line + 1)
    corners += np.tile(start, 2)
    for box, (_, _, number) in reversed(list(zip(corners.tolist(), overlays, strict=True))):
        _outline(pen, box, colour_of(number), line)
    _write_captions(pen, corners, overlays, stage, lettering)
    for count, row in enumerate(rows):
        at = (2 * lettering.pad, stage[1] + 2 * lettering.pad + count * lettering.height)
        lettering.write(pen, at, row, WHITE)
    return sheet


def colour_of(number: int) -> Colour:
    """The colour of the class ``number``: of ``PALETTE``, which starts anew after its last."""
    return PALETTE[number % len(PALETTE)]


def write_drawing(
    drawing: Image.Image, folder: Path, name: str, suffix: Literal[".jpg", ".png"] = ".jpg"
) -> Path:
    """Write ``drawing`` whole or not at all into ``folder``, which is made if need be; its path.

    Drawing the picture ``name`` again replaces the drawing that was there.

    Raises:
        RunError: the folder cannot be written or the disk is full.
    """
    path = make_folder(folder) / (drawing_name(name) + suffix)
    with replacing(path) as file:
        # Full colour resolution: the usual halving would smear thin lines.
        how = {"quality": 90, "subsampling": 0} if suffix == ".jpg" else {}
        drawing.save(file, format={".jpg": "JPEG", ".png": "PNG"}[suffix], **how)
    return path


def drawing_name(name: str) -> str:
    """A file name without its suffix for the picture ``name``: its last part, as far as every file system
    takes it, and ten digits of the SHA-256 of all of ``name``, by which a/1.jpg and b/1.png differ.
    """
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    stem = last.rpartition(".")[0] or last
    plain = re.sub(r"[^\w()-]+", "_", unicodedata.normalize("NFC", stem))[:40]
    return f"{plain}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def _resized(picture: Image.Image) -> Image.Image:
    longer = max(picture.size)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    if scale == 1:
        return picture
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _corners(
    boxes: Sequence[Sequence[float]], size: tuple[int, int], shown: tuple[int, int], least: int
) -> np.ndarray:
    """int64 [n, 4]: the boxes in the picture as it is shown, each side of at least ``least`` pixels."""
    ends = np.sort(np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 2), axis=1)
    low, high = np.moveaxis(np.clip(ends, 0, size) * (np.array(shown) / size), 1, 0)
    low = np.maximum(np.minimum(np.floor(low), np.array(shown) - least), 0)
    return np.concatenate([low, np.maximum(np.ceil(high), low + least)], axis=1).astype(np.int64)


def _outline(pen: ImageDraw.ImageDraw, corners: Sequence[int], colour: Colour, line: int) -> None:
    """A line of ``colour`` inside the box, between black ones that keep it apart from any ground."""
    x0, y0, x1, y1 = corners
    for grow in range(-line, 2):
        edge = (x0 - grow, y0 - grow, x1 - 1 + grow, y1 - 1 + grow)
        pen.rectangle(edge, outline=BLACK if grow in (-line, 1) else colour)


def _write_captions(
    pen: ImageDraw.ImageDraw,
    corners: np.ndarray,
    overlays: Sequence[Overlay],
    stage: tuple[int, int],
    lettering: Lettering,
) -> None:
    """The first choose their positions first, and lie on top where captions meet."""
    taken = np.empty((0, 4), dtype=np.int64)
    written: list[tuple[np.ndarray, str, int]] = []
    for box, (_, caption, number) in zip(corners, overlays, strict=True):
        text = lettering.cut(caption, stage[0] - 2 * lettering.pad)
        if text:
            strip = _strip_at(box, lettering.size(text), stage, taken, corners)
            taken = np.vstack([taken, strip])
            written.append((strip, text, number))
    for strip, text, number in reversed(written):
        ground = colour_of(number)
        x0, y0, x1, y1 = strip.tolist()
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=ground)
        lettering.write(pen, (x0 + lettering.pad, y0), text, _ink(ground))


def _strip_at(
    box: np.ndarray, size: tuple[int, int], stage: tuple[int, int], taken: np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    """int64 [4]: of the positions at ``box`` for a strip of ``size``, the one that hides least.

    Hiding counts by its share of what is hidden, so that a strip may lie in a large box but not on a
    small one; to hide another caption is ten times as bad.
    """
    x0, y0, x1, y1 = box.tolist()
    across = x0, x1 - size[0], x1, x0 - size[0]  # at its left edge, at its right, after it, before it
    down = y0 - size[1], y0, y1, y1 - size[1]  # above it, at its upper edge, below it, at its lower
    farther = y0 - 2 * size[1], y1 + size[1]  # beyond a caption that stands above or below it
    starts = np.array([*product(across, down), *product(across, farther)])
    starts = np.clip(starts, 0, np.maximum(np.array(stage) - size, 0))
    strips = np.concatenate([starts, starts + size], axis=1)
    cost = 10 * _hidden(strips, taken) + _hidden(strips, boxes) + 0.01 * np.arange(len(strips))
    best: np.ndarray = strips[int(cost.argmin())]
    return best


def _hidden(strips: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 [k]: the shares of ``others`` [n, 4] that each of ``strips`` [k, 4] covers, added up."""
    low = np.maximum(strips[:, None, :2], others[:, :2])
    high = np.minimum(strips[:, None, 2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    covered: np.ndarray = (shared / (others[:, 2:] - others[:, :2]).prod(1)).sum(1)
    return covered


def _ink(ground: Colour) -> Colour:
    """Black or white, whichever is easier to read on ``ground``."""
    red, green, blue = ground
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else WHITE
