"""report.html: one page with everything that ``evaluate`` found. It loads nothing from anywhere and runs no
script; names and values of the data are escaped.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from oneglance.atomic_files import write_text
from oneglance.data.images.decode import Limits, canvas_of
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.evaluation.reports.svg_plots import HeatMap, Plot, curve, heat_map, mistakes, plot, short
from oneglance.evaluation.reports.task_interaction import together
from oneglance.inference.drawing import SMALLEST, Mark, draw
from oneglance.report_items import Curve, Detail, Grid, Matrix
from oneglance.task import kinds, task_class

SHOWN = 24  # pictures per task
FIT = Fit(192)  # of a thumbnail, pixels: sharp on a screen of twice the density
DRAWN = Fit(SMALLEST)  # of one with boxes on it
ROWS = 400  # of a table of details
LONGEST = 120  # of a name or an answer, letters


@dataclass(frozen=True)
class Wrong:
    """A picture and an answer that was far from the truth."""

    name: str
    picture: ImageRef
    truth: str
    answer: str
    marks: Sequence[Sequence[Mark]] = ()  # what to draw on it, once for the truth and once for the answer


@dataclass(frozen=True)
class Thumbnail:
    """The same, ready for the page."""

    name: str
    pictures: list[str]  # data URLs: one, or one with the truth and one with the answer; none: unreadable
    truth: str
    answer: str


@dataclass(frozen=True)
class Bar:
    """An interval on its axis, in per cent of the axis' length."""

    low: float
    high: float
    value: float
    constant: float | None


@dataclass(frozen=True)
class ScoreRow:
    """One metric as a person reads it."""

    metric: str
    meaning: str
    value: str
    half: str  # of the interval
    interval: str
    constant: str
    n: str
    bar: Bar | None


@dataclass(frozen=True)
class TaskPart:
    """What the page shows of one task."""

    name: str
    type: str
    brief: str
    answered: int
    rows: list[ScoreRow]
    plots: list[Plot]
    maps: list[tuple[Matrix, HeatMap | None, list[tuple[str, str, int, float]]]]
    grids: list[Grid]
    wrong: list[Thumbnail]


def write_page(
    path: Path,
    report: Mapping[str, Any],
    details: Mapping[str, Sequence[Detail]],
    history: Sequence[Mapping[str, Any]],
    wrong: Mapping[str, Sequence[Wrong]],
    *,
    title: str,
    data: str = "",
    limits: Limits | None = None,
    weights: Mapping[str, float] | None = None,
    answers: Mapping[str, int] | None = None,
) -> None:
    """Write the page.

    Args:
        path: of the file; it is replaced at once.
        report: what report.json holds.
        details: of each task, as its ``details()`` gives them.
        history: the rows of history.jsonl; may be empty.
        wrong: of each task, the worst answers first; at most 24 are shown.
        title: how the run is called.
        data: what it was trained on, in a few words.
        limits: of pictures; default: those of ``Limits``.
        weights: of the tasks' losses; default: 1 each.
        answers: how many training pictures have an answer to each task, if that is known.

    Raises:
        RunError: the place cannot be written.
    """
    tasks = [
        _part(name, entry, details.get(name, ()), history, wrong.get(name, ()), limits or Limits())
        for name, entry in report["tasks"].items()
    ]
    page = environment().get_template("report.html.j2")
    losses = _curves(history, "loss", "Loss", "relative to the constant answer", include=(0.0,))
    text = page.render(
        title=title,
        data=data,
        report=report,
        tasks=tasks,
        most_rows=ROWS,
        learning=[drawn for drawn in (_skill(history), losses) if drawn],
        together=together(history, weights or {}, answers or {}),
    )
    # A file name that is not UTF-8 cannot be written as it is; the page shows a mark in its place.
    write_text(path, text.encode("utf-8", "replace").decode("utf-8"))


def environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("oneglance.evaluation.reports", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["figure"] = figure
    return environment


def _part(
    name: str,
    entry: Mapping[str, Any],
    details: Sequence[Detail],
    history: Sequence[Mapping[str, Any]],
    wrong: Sequence[Wrong],
    limits: Limits,
) -> TaskPart:
    metrics, constant = entry["metrics"], entry["constant"]
    meaning = task_class(entry["type"]).meaning if entry["type"] in kinds() else {}
    matrices = [detail for detail in details if isinstance(detail, Matrix)]
    curves = [curve(detail) for detail in details if isinstance(detail, Curve)]
    return TaskPart(
        name=name,
        type=entry["type"],
        brief=entry.get("brief", ""),
        answered=entry.get("answered", 0),
        rows=[
            _row(metric, meaning.get(metric, ""), found, constant.get(metric))
            for metric, found in metrics.items()
        ],
        plots=[drawn for drawn in (_validation(history, name, next(iter(metrics), "")), *curves) if drawn],
        maps=[(matrix, heat_map(matrix), mistakes(matrix)) for matrix in matrices],
        grids=[detail for detail in details if isinstance(detail, Grid)],
        wrong=[_thumbnail(one, limits) for one in wrong[:SHOWN]],
    )


# Scores.


def _row(metric: str, meaning: str, found: Mapping[str, Any], constant: float | None) -> ScoreRow:
    value, low, high = found["value"], found["low"], found["high"]
    sure = low is not None and high is not None
    return ScoreRow(
        metric=metric,
        meaning=meaning,
        value=figure(value),
        half=f"± {figure((high - low) / 2, like=value)}" if sure else "",
        interval=f"95 % interval {figure(low)} to {figure(high)}" if sure else "",
        constant=figure(constant),
        n=f"{found['n']:,}",
        bar=_bar(value, low, high, constant),
    )


def _bar(value: float | None, low: float | None, high: float | None, constant: float | None) -> Bar | None:
    """All on one axis from 0 to 1, or to the largest where that is more."""
    if value is None:
        return None
    low, high = value if low is None else low, value if high is None else high
    known = [low, high, *([] if constant is None else [constant])]
    start, end = min(0.0, *known), max(1.0, *known)
    length = (end - start) * (1.05 if end > 1 else 1.0)

    def place(number: float) -> float:
        return 100 * (number - start) / length

    return Bar(place(low), place(high), place(value), None if constant is None else place(constant))


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


# Learning.


def _curves(
    history: Sequence[Mapping[str, Any]], key: str, title: str, label: str, include: Sequence[float]
) -> Plot | None:
    """One line per task of a column of the history."""
    names = list(dict.fromkeys(name for row in history for name in row.get(key) or {}))
    epochs = [row["epoch"] for row in history]
    series = [(name, epochs, [(row.get(key) or {}).get(name) for row in history]) for name in names]
    return plot(title, ("epoch", label), series, include=include, least_step=1)


def _skill(history: Sequence[Mapping[str, Any]]) -> Plot | None:
    series = [("", [row["epoch"] for row in history], [row.get("skill") for row in history])]
    label = "0: the constant answer, 1: perfect"
    return plot("Skill on the validation part", ("epoch", label), series, include=(0.0, 1.0), least_step=1)


def _validation(history: Sequence[Mapping[str, Any]], task: str, metric: str) -> Plot | None:
    found = [((row.get("validation") or {}).get(task) or {}).get(metric) for row in history]
    series = [("", [row["epoch"] for row in history], found)]
    return plot(f"Learning: {metric} on the validation part", ("epoch", metric), series, least_step=1)


# Pictures.


def _thumbnail(wrong: Wrong, limits: Limits) -> Thumbnail:
    words = [short(text, LONGEST) for text in (wrong.truth, wrong.answer)]
    fit = DRAWN if wrong.marks else FIT
    try:
        canvas = canvas_of(wrong.picture, fit, limits)
    except PictureError:
        return Thumbnail(wrong.name, [], *words)
    place = fit.place(canvas.width, canvas.height)
    bottom = place.top + round(place.scale_y * place.height)
    right = place.left + round(place.scale_x * place.width)
    pixels = canvas.pixels[place.top : bottom, place.left : right]  # without the rim
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    scale = np.tile([place.scale_x, place.scale_y], 2)
    drawn = [draw(picture, _scaled(marks, scale)) for marks in wrong.marks]
    return Thumbnail(wrong.name, [_data_url(each) for each in drawn or [picture]], *words)


def _scaled(marks: Sequence[Mark], scale: np.ndarray) -> list[Mark]:
    return [((np.asarray(box) * scale).tolist(), caption, number) for box, caption, number in marks]


def _data_url(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
