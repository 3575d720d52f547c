"""What all pages share: their templates, and numbers as a person reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2

from oneglance.evaluation.reports.svg_plots import short
from oneglance.storage.atomic_files import write_text

LONGEST = 120  # characters of a name or an answer
MULTIPLE = 9.0  # a growth above which a multiple is easier to read than per cent


def environment() -> jinja2.Environment:
    """The templates of ``page/``. Names and values of the data are escaped; what is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("oneglance.evaluation.reports", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"figure": figure, "percent": percent}
    return environment


def write_html(path: Path, page: str) -> None:
    """Write a page; the file is replaced at once.

    Raises:
        RunError: it cannot be written.
    """
    # A file name that is not UTF-8 cannot be written as it is; the page shows a mark in its place.
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))


def figure(value: Any, like: float | None = None) -> str:
    """A number with as many digits as a person reads, or as ``like`` has; other values as they are."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else short(str(value), LONGEST)
    size = abs(value if like is None else like)
    if size != 0 and (size < 0.0005 or size >= 1e9):
        return f"{value:.2g}"
    return f"{value:,.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"


def measured(value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """A value and half of its interval, ``("31.2", "± 4.1")``: as many digits as the interval lets stand, two
    of its own, and at most three behind the point where the value is not tiny itself.
    """
    if value is None or low is None or high is None or math.isnan(low + high + value):
        return figure(value), ""
    half = (high - low) / 2
    if not half or 0 < abs(value) < 0.0005 or abs(value) >= 1e9:
        return figure(value), f"± {figure(half, like=value)}"
    digits = min(3, max(0, 1 - math.floor(math.log10(half))))
    return f"{value:,.{digits}f}", f"± {half:,.{digits}f}"


def signed(value: float | None, like: float | None = None) -> str:
    """With its sign, and a minus that is one."""
    if value is None:
        return "–"
    return ("−" if value < 0 else "+") + figure(abs(value), like=like)


def percent(value: float | None, decimals: int = 0) -> str:
    """A share as a signed number of per cent; what has grown tenfold or more as a multiple."""
    if value is None:
        return "–"
    if value >= MULTIPLE:
        return f"× {1 + value:,.0f}"
    return f"{'−' if value < 0 else '+'}{abs(100 * value):.{decimals}f} %"
