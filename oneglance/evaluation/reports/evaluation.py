"""report.html: one page with every score of ``evaluate``. It loads nothing from anywhere and runs no script;
names and values of the data are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.data.images.thumbnail import data_url, thumbnail
from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError, PictureError
from oneglance.evaluation.reports import learning_curves
from oneglance.evaluation.reports.pages import LONGEST, environment, figure, measured, write_html
from oneglance.evaluation.reports.svg_plots import HeatMap, Plot, curve, heat_map, mistakes, short
from oneglance.evaluation.reports.task_interaction import task_interaction
from oneglance.inference.drawing import SMALLEST, Overlay, draw
from oneglance.inference.explanation.grids import on_picture
from oneglance.inference.explanation.heat_drawing import blended
from oneglance.metrics.calibration import OF_CONFIDENCE
from oneglance.report_items import Curve, Detail, Grid, Matrix
from oneglance.task import task_class

SHOWN = 24  # pictures per task
FIT = Fit(192)  # of a thumbnail, pixels: sharp on a screen of twice the density
DRAWN = Fit(SMALLEST)  # of one with boxes on it
OPENED = 2  # tasks whose sections are open at first; of more all are folded, and the page is a few screens
ROWS = 400  # of a table of details


@dataclass(frozen=True)
class Wrong:
    """A picture and an answer that was far from the truth."""

    name: str
    picture: ImageRef
    truth: str
    answer: str
    overlays: Sequence[Sequence[Overlay]] = ()  # what to draw: once of the truth, once of the answer
    heat: tuple[np.ndarray, Placement] | None = None  # what the answer rests on, over the canvas


@dataclass(frozen=True)
class Thumbnail:
    """The same, ready for the page."""

    name: str
    pictures: list[str]  # data URLs: one, or one for the truth and one for the answer; none: unreadable
    boxes: bool  # whether these are drawn
    heated: bool  # whether the second shows what the answer rests on
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
    unit: str = ""


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
    limits: Limits,
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
        limits: of the pictures that are shown.
        weights: of the tasks' losses; default: 1 each.
        answers: how many training pictures have an answer to each task, where that is counted.

    Raises:
        RunError: it cannot be written.
    """
    thumbnails = {
        name: [_thumbnail(one, limits) for one in wrong.get(name, ())[:SHOWN]] for name in report["tasks"]
    }
    write_html(path, page_of(report, details, history, thumbnails, title, weights or {}, answers or {}))


def page_of(
    report: Mapping[str, Any],
    details: Mapping[str, Sequence[Detail]],
    history: Sequence[Mapping[str, Any]],
    thumbnails: Mapping[str, list[Thumbnail]],
    title: str,
    weights: Mapping[str, float],
    answers: Mapping[str, int],
) -> str:
    """The page as HTML. Of a report alone, without the rest, it shows the scores with their intervals."""
    tasks = [
        _part(name, entry, details.get(name, ()), history, thumbnails.get(name, []))
        for name, entry in report["tasks"].items()
    ]
    learning = (learning_curves.skill(history), learning_curves.losses(history))
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            report=report,
            tasks=tasks,
            most_rows=ROWS,
            opened=OPENED,
            learning=[drawn for drawn in learning if drawn],
            interaction=task_interaction(history, weights, answers),
        )
    )


def _part(
    name: str,
    entry: Mapping[str, Any],
    details: Sequence[Detail],
    history: Sequence[Mapping[str, Any]],
    thumbnails: list[Thumbnail],
) -> TaskPart:
    metrics, constant = entry["metrics"], entry["constant"]
    meaning = _meaning(entry["type"])
    matrices = [detail for detail in details if isinstance(detail, Matrix)]
    curves = [curve(detail) for detail in details if isinstance(detail, Curve)]
    return TaskPart(
        name=name,
        type=entry["type"],
        brief=entry.get("brief", ""),
        answered=entry.get("answered", 0),
        rows=[
            _row(
                metric,
                meaning.get(metric, ""),
                score,
                constant.get(metric),
                "" if place else entry.get("unit", ""),
            )
            for place, (metric, score) in enumerate(metrics.items())
        ],
        plots=[
            drawn
            for drawn in (learning_curves.validation(history, name, next(iter(metrics), "")), *curves)
            if drawn
        ],
        maps=[(matrix, heat_map(matrix), mistakes(matrix)) for matrix in matrices],
        grids=[detail for detail in details if isinstance(detail, Grid)],
        wrong=thumbnails,
    )


def _meaning(kind: str) -> Mapping[str, str]:
    """What the metrics of a type of task say; nothing for a type that is not installed here."""
    try:
        return task_class(kind).meaning
    except ConfigError:
        return {}


# Scores.


def _row(metric: str, meaning: str, score: Mapping[str, Any], constant: float | None, unit: str) -> ScoreRow:
    value, low, high = score["value"], score["low"], score["high"]
    sure = low is not None and high is not None
    shown, half = measured(value, low, high)
    if metric.rpartition(".")[2] in OF_CONFIDENCE:  # of a constant answer it says nothing
        constant = None
    return ScoreRow(
        metric=metric,
        meaning=meaning,
        value=shown,
        half=half,
        interval=f"95 % interval {figure(low)} to {figure(high)}" if sure else "",
        constant=figure(constant),
        n=f"{score['n']:,}",
        bar=_bar(value, low, high, constant),
        unit=unit,
    )


def _bar(value: float | None, low: float | None, high: float | None, constant: float | None) -> Bar | None:
    """All on one axis from 0 to 1, or to the largest where that is more."""
    if value is None:
        return None
    low, high = value if low is None else low, value if high is None else high
    numbers = [low, high, *([] if constant is None else [constant])]
    start, end = min(0.0, *numbers), max(1.0, *numbers)
    length = (end - start) * (1.05 if end > 1 else 1.0)

    def position(number: float) -> float:
        return 100 * (number - start) / length

    return Bar(
        position(low), position(high), position(value), None if constant is None else position(constant)
    )


# Pictures.


def _thumbnail(wrong: Wrong, limits: Limits) -> Thumbnail:
    words = [short(text, LONGEST) for text in (wrong.truth, wrong.answer)]
    fit = DRAWN if wrong.overlays else FIT
    try:
        picture, place = thumbnail(wrong.picture, fit, limits)
    except PictureError:
        return Thumbnail(wrong.name, [], False, False, *words)
    pictures = [picture] * max(1, len(wrong.overlays))
    if wrong.heat is not None:
        pictures = [picture, blended(picture, on_picture(*wrong.heat, picture.size))]
    if wrong.overlays:
        scale = np.tile([place.scale_x, place.scale_y], 2)
        pairs = zip(pictures, wrong.overlays, strict=True)
        pictures = [draw(each, _scaled(overlays, scale)) for each, overlays in pairs]
    urls = [data_url(each) for each in pictures]
    return Thumbnail(wrong.name, urls, bool(wrong.overlays), wrong.heat is not None, *words)


def _scaled(overlays: Sequence[Overlay], scale: np.ndarray) -> list[Overlay]:
    return [((np.asarray(box) * scale).tolist(), caption, number) for box, caption, number in overlays]
