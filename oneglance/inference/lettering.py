"""Text on drawings: one font, and how texts fit into a width with it."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

# The font that comes along, so that drawings are the same on every machine: Pillow's own has little more than
# ASCII, while this one has the Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian and Georgian alphabets.
FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
LETTERS = 500  # of a text that are read
ROWS = 4  # of the strip below a picture that one line may fill


@dataclass(frozen=True)
class Lettering:
    """The font in a size."""

    font: ImageFont.FreeTypeFont
    height: int  # of a row in pixels
    pad: int  # pixels beside a row

    @classmethod
    def fit(cls, longer: int) -> Lettering:
        """The letters for a sheet whose longer side has ``longer`` pixels."""
        size = min(max(round(longer / 48), 14), 22)
        font = _font(size)
        return cls(font, int(font.getbbox("Ag")[3]) + 3, size // 4)

    def size(self, row: str) -> tuple[int, int]:
        """Width and height of the strip that ``row`` is written on."""
        return math.ceil(self.font.getlength(row)) + 2 * self.pad, self.height

    def cut(self, text: str, width: int) -> str:
        """As much of ``text`` as fits into ``width``, with … if there is more."""
        return next(self.wrapped(text, width, rows=1), "")

    def wrapped(self, text: str, width: int, rows: int = ROWS) -> Iterator[str]:
        """``text`` as at most ``rows`` rows, broken at spaces where there are any."""
        rest = in_one_row(text)
        for left in reversed(range(rows)):
            fits = self._fitting(rest, width)
            if fits == len(rest):
                if rest:
                    yield rest
                return
            if not left:
                yield rest[: self._fitting(rest, width - self.font.getlength("…"))].rstrip() + "…"
                return
            end = max(rest.rfind(" ", 0, fits + 1), 0) or max(fits, 1)
            yield rest[:end]
            rest = rest[end:].lstrip()

    def write(
        self, pen: ImageDraw.ImageDraw, at: tuple[int, int], row: str, ink: tuple[int, int, int]
    ) -> None:
        """``row``, as ``cut`` or ``wrapped`` gave it, with its upper left corner ``at``."""
        pen.text((at[0], at[1] + 1), row, font=self.font, fill=ink)

    def _fitting(self, text: str, width: float) -> int:
        return bisect_right(range(1, len(text) + 1), width, key=lambda n: self.font.getlength(text[:n]))


def in_one_row(text: str) -> str:
    """``text`` as it is written: fonts stumble at control characters and halves of pairs, so these are
    spaces, and letters and accents that Unicode keeps apart are joined.
    """
    short = text if len(text) <= LETTERS else text[:LETTERS] + "…"
    joined = unicodedata.normalize("NFC", short)
    return " ".join("".join(c if c.isprintable() else " " for c in joined).split())


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), size)
