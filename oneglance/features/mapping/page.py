"""The map as one page that holds all it shows."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from oneglance.evaluation.reports.pages import environment, figure
from oneglance.features.mapping.columns import Column, Words
from oneglance.features.mapping.projection import Projection
from oneglance.features.mapping.sprites import Sheets

STEPS = 65_535  # of each direction: places are whole numbers from 0 to this


def map_page(
    report: Mapping[str, Any],
    names: Sequence[str],
    projection: Projection,
    columns: Sequence[Column],
    sheets: Sheets,
    title: str,
) -> str:
    """The page as HTML; it loads nothing, and its script is the only one that may run.

    Args:
        report: what the verb gives back.
        names: of the pictures; they may hold anything.
    """
    folder = common_folder(names)
    steps = np.rint(projection.places * STEPS).astype("<u2")
    data = {
        "folder": folder,
        "names": [name[len(folder) :] for name in names],
        "x": _text(steps[:, 0]),
        "y": _text(steps[:, 1]),
        "columns": [_column(one) for one in columns],
        "side": sheets.side,
        "across": sheets.across,
        "slots": _text(sheets.slots.astype("<i4")),
        "sizes": _text(sheets.sizes),
        "sheets": [base64.b64encode(jpeg).decode() for jpeg in sheets.jpegs],
    }
    # Nothing in a name can end the element, whatever it is.
    text = json.dumps(data, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    pages = environment()
    script = pages.get_template("map.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return pages.get_template("map.html.j2").render(
        title=title,
        report=report,
        data=Markup(text),
        script=Markup(script),
        digest=digest,
        trust=figure(projection.trustworthiness),
    )


def common_folder(names: Sequence[str]) -> str:
    """The longest beginning up to a ``/`` that all of them share."""
    first, last = min(names), max(names)  # what these two share, all share
    same = next(
        (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )
    return first[: first.rfind("/", 0, same) + 1]


def _column(column: Column) -> dict[str, Any]:
    if isinstance(column, Words):
        return {"title": column.title, "values": column.values, "codes": _text(column.codes)}
    return {"title": column.title, "unit": column.unit, "numbers": _text(column.values.astype("<f4"))}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
