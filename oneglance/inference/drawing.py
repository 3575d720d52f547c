"""Answers drawn on pictures: boxes with captions, and lines of text on a strip below.

It knows nothing of tasks: who calls it says which boxes and which words.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from oneglance.atomic_files import make_folder, replacing

Mark = tuple[Sequence[float], str, int]
"""A box [x0, y0, x1, y1] in pixels of the picture, its caption, and the number of its class, from 0."""

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# M. Okabe and K. Ito, "Color Universal Design" (2008): told apart with any kind of colour vision. Their
# black is left out: it is the rim of every box.
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
LETTERS = 500  # of a text that are looked at
ROWS = 4  # of the strip below that one line may fill

# Pillow's own font knows little more than ASCII. These are looked for only where it lacks a letter:
# fonts of Linux, macOS and Windows, first those that know most alphabets.
FONTS = (
    *("DejaVuSans.ttf", "Arial Unicode.ttf", "segoeui.ttf", "Arial.ttf", "NotoSans-Regular.ttf"),
    *("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "msyh.ttc", "malgun.ttf"),
)


def draw(picture: Image.Image, boxes: Sequence[Mark] = (), lines: Sequence[str] = ()) -> Image.Image:
    """A new RGB picture: ``picture`` with ``boxes`` on it and ``lines`` on a strip below it.

    The longer side of the picture becomes 320 to 1280 pixels; one narrower than 320 or lower than 64 then
    has dark bars beside it. No caption is cut off at an edge; it lies over another only where no place at
    its box is free.

    Args:
        picture: as a person sees it; boxes are in its pixels.
        boxes: the first lie on top. What lies outside the picture is drawn at its edge; a box without an
            area is drawn as a dot or a line; one with a NaN is left out.
        lines: each fills as many rows as it needs, at most 4.
    """
    shown = _resized(picture if picture.mode == "RGB" else picture.convert("RGB"))
    stage = max(shown.width, SMALLEST), max(shown.height, LOWEST)
    start = (stage[0] - shown.width) // 2, (stage[1] - shown.height) // 2
    lettering = Lettering.fit([*lines, *(caption for _, caption, _ in boxes)], max(stage))
    rows = [row for line in lines for row in lettering.wrapped(line, stage[0] - 4 * lettering.pad)]

    strip = len(rows) * lettering.height + 4 * lettering.pad if rows else 0
    sheet = Image.new("RGB", (stage[0], stage[1] + strip), PAPER)
    sheet.paste(shown, start)
    pen = ImageDraw.Draw(sheet)
    line = max(2, max(stage) // 320)
    marks = [mark for mark in boxes if not np.isnan(np.asarray(mark[0], dtype=np.float64)).any()]
    # A box must hold its line on both sides and the black one between them.
    corners = _corners([box for box, _, _ in marks], picture.size, shown.size, 2 * line + 1)
    corners += np.tile(start, 2)
    for place, (_, _, number) in reversed(list(zip(corners.tolist(), marks, strict=True))):
        _outline(pen, place, colour_of(number), line)
    _write_captions(pen, corners, marks, stage, lettering)
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

    Drawing the picture ``name`` again takes the place of the drawing that was there.

    Raises:
        RunError: the place cannot be written or the disk is full.
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
    marks: Sequence[Mark],
    stage: tuple[int, int],
    lettering: Lettering,
) -> None:
    """The first choose their places first, and lie on top where captions meet."""
    taken = np.empty((0, 4), dtype=np.int64)
    written: list[tuple[np.ndarray, str, int]] = []
    for box, (_, caption, number) in zip(corners, marks, strict=True):
        text = lettering.cut(caption, stage[0] - 2 * lettering.pad)
        if text:
            place = _place(box, lettering.size(text), stage, taken, corners)
            taken = np.vstack([taken, place])
            written.append((place, text, number))
    for place, text, number in reversed(written):
        ground = colour_of(number)
        x0, y0, x1, y1 = place.tolist()
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=ground)
        lettering.write(pen, (x0 + lettering.pad, y0), text, _ink(ground))


def _place(
    box: np.ndarray, size: tuple[int, int], stage: tuple[int, int], taken: np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    """int64 [4]: of the places at ``box`` for a strip of ``size``, the one that hides least.

    Hiding counts by its share of what is hidden, so that a strip may lie in a large box but not on a
    small one; to hide another caption is ten times as bad.
    """
    x0, y0, x1, y1 = box.tolist()
    across = x0, x1 - size[0], x1, x0 - size[0]  # at its left edge, at its right, after it, before it
    down = y0 - size[1], y0, y1, y1 - size[1]  # above it, at its upper edge, below it, at its lower
    farther = y0 - 2 * size[1], y1 + size[1]  # beyond a caption that stands above or below it
    starts = np.array([*product(across, down), *product(across, farther)])
    starts = np.clip(starts, 0, np.maximum(np.array(stage) - size, 0))
    places = np.concatenate([starts, starts + size], axis=1)
    cost = 10 * _hidden(places, taken) + _hidden(places, boxes) + 0.01 * np.arange(len(places))
    best: np.ndarray = places[int(cost.argmin())]
    return best


def _hidden(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 [k]: the shares of ``others`` [n, 4] that each of ``places`` [k, 4] covers, added up."""
    low = np.maximum(places[:, None, :2], others[:, :2])
    high = np.minimum(places[:, None, 2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    covered: np.ndarray = (shared / (others[:, 2:] - others[:, :2]).prod(1)).sum(1)
    return covered


def _ink(ground: Colour) -> Colour:
    """Black or white, whichever is easier to read on ``ground``."""
    red, green, blue = ground
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else WHITE


@dataclass(frozen=True)
class Lettering:
    """A font, and how texts fit into a width with it."""

    font: Font
    height: int  # of a row in pixels
    pad: int  # pixels beside a row

    @classmethod
    def fit(cls, texts: Sequence[str], longer: int) -> Lettering:
        """The letters for ``texts`` on a sheet whose longer side has ``longer`` pixels."""
        size = min(max(round(longer / 48), 14), 22)
        font = _font_for("".join(map(_clean, texts)), size)
        return cls(font, int(font.getbbox("Ag")[3]) + 3, size // 4)

    def size(self, row: str) -> tuple[int, int]:
        """Width and height of the strip that ``row`` is written on."""
        return math.ceil(self.font.getlength(row)) + 2 * self.pad, self.height

    def cut(self, text: str, width: int) -> str:
        """As much of ``text`` as fits into ``width``, with … if there is more."""
        return next(self.wrapped(text, width, rows=1), "")

    def wrapped(self, text: str, width: int, rows: int = ROWS) -> Iterator[str]:
        """``text`` as at most ``rows`` rows, broken at spaces where there are any."""
        rest = _spelt(text, self.font)
        for left in reversed(range(rows)):
            fits = self._fitting(rest, width)
            if fits == len(rest):
                if rest:
                    yield rest
                return
            if not left:
                dots = _spelt("…", self.font)
                yield rest[: self._fitting(rest, width - self.font.getlength(dots))].rstrip() + dots
                return
            end = max(rest.rfind(" ", 0, fits + 1), 0) or max(fits, 1)
            yield rest[:end]
            rest = rest[end:].lstrip()

    def write(self, pen: ImageDraw.ImageDraw, at: tuple[int, int], row: str, ink: Colour) -> None:
        """``row``, as ``cut`` or ``wrapped`` gave it, with its upper left corner ``at``."""
        pen.text((at[0], at[1] + 1), row, font=self.font, fill=ink)

    def _fitting(self, text: str, width: float) -> int:
        return bisect_right(range(1, len(text) + 1), width, key=lambda n: self.font.getlength(text[:n]))


def _clean(text: str) -> str:
    """``text`` as one row: fonts stumble at control characters and halves of pairs, so these are spaces."""
    short = text if len(text) <= LETTERS else text[:LETTERS] + "…"
    return " ".join("".join(c if c.isprintable() else " " for c in short).split())


def _spelt(text: str, font: Font) -> str:
    """``text`` as ``font`` can write it: where it lacks ä or –, there stands a or -."""
    clean = _clean(text)
    lacking = _lacking(clean, font)
    spelt = "".join(_plain(c) if c in lacking else c for c in clean)
    if isinstance(font, ImageFont.FreeTypeFont):
        return spelt
    return spelt.encode("latin-1", "replace").decode("latin-1")


def _plain(letter: str) -> str:
    if unicodedata.category(letter) == "Pd":  # a dash of whatever length
        return "-"
    parts = unicodedata.normalize("NFKD", letter)
    return "".join(c for c in parts if not unicodedata.combining(c)) or letter


def _font_for(text: str, size: int) -> Font:
    """The first font that has all letters of ``text``, or else the one that lacks fewest."""
    try:
        best: Font = ImageFont.load_default(size)
    except ImportError:  # a Pillow built without FreeType has one small font, for Latin-1
        return ImageFont.load_default()
    fewest = len(_lacking(text, best))
    for name in FONTS:
        if not fewest:
            break
        face = _face(name)
        if face and (lacking := len(_lacking(text, face))) < fewest:
            best, fewest = face.font_variant(size=size), lacking
    return best


@cache
def _face(name: str) -> ImageFont.FreeTypeFont | None:
    """The font ``name`` of this computer, if it has it."""
    if Path(name).exists():
        return None  # Pillow would take it from the working folder, where anybody may have put it
    try:
        return ImageFont.truetype(name, 16)
    except OSError:
        return None


def _lacking(text: str, font: Font) -> set[str]:
    """The letters of ``text`` for which ``font`` has nothing but the sign for having none."""
    if not isinstance(font, ImageFont.FreeTypeFont):
        return {letter for letter in text if ord(letter) > 255}
    none = bytes(font.getmask("\U0010fffd"))
    return {letter for letter in set(text) if bytes(font.getmask(letter)) == none}
