"""Which character separates the cells of a table that is text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence

from oneglance.data.images.references import is_picture
from oneglance.errors import DataError

SEPARATORS = ",;\t|"
SAMPLE_ROWS = 50  # that a separator is tried on
SAMPLE_CHARACTERS = 1_000_000

_EXCEL = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)


def declared(line: str) -> str:
    """The separator in the line ``sep=;`` that Excel writes above a header and hides; "" for another line."""
    written = _EXCEL.fullmatch(line)
    return written[1] if written else ""


def detected(lines: Iterable[str], title: str) -> str:
    """The separator that makes the most even table of the first lines, header included.

    A header counts only with the rows below it: in ``image;size, in cm`` the semicolon is the separator, if
    the rows have one semicolon each.

    Raises:
        DataError: two of them fit equally well.
    """
    sample = _first(lines)
    header = sample[0] if sample else ""
    fits = {one: fit for one in SEPARATORS if one in header and (fit := _fit(sample, one))}
    if not fits:
        return ","
    best = max(fits, key=fits.__getitem__)
    others = [one for one in fits if fits[one] == fits[best] and one != best]
    if others and len(sample) > 1:
        what = f"its cells may be separated by {shown(best)} or by {shown(others[0])}"
        raise DataError(what, location=title, hint=f"say which: delimiter = {shown(best)}")
    return best


def shown(separator: str) -> str:
    """As a message and oneglance.toml write it."""
    return {"\t": '"\\t"', '"': "'\"'", "\\": "'\\'"}.get(separator, f'"{separator}"')


def _first(lines: Iterable[str]) -> list[str]:
    """The first lines, from the header on."""
    sample: list[str] = []
    size = 0
    for line in lines:
        if sample or line.strip():
            sample.append(line)
            size += len(line)
        if len(sample) > SAMPLE_ROWS or size > SAMPLE_CHARACTERS:
            break
    return sample


def _fit(sample: Sequence[str], separator: str) -> tuple[float, float, int] | None:
    """How well a separator fits: the share of rows as wide as the header, of rows with a picture's name in a
    cell of its own, and the width. None if it separates nothing.
    """
    try:
        header, *rows = [row for row in csv.reader(sample, delimiter=separator) if row]
    except (csv.Error, ValueError):
        return None
    width = len(header)
    if width < 2:
        return None
    even = sum(len(row) == width for row in rows) / max(1, len(rows))
    pictures = sum(any(is_picture(cell.strip()) for cell in row) for row in rows) / max(1, len(rows))
    return even, pictures, width
