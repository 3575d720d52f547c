"""Where the marks of a plot lie, as plain numbers that ``page/`` draws as SVG: it follows the page's colours,
light and dark, stays sharp in print, and loads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneglance.report_items import Curve, Matrix

WIDTH, HEIGHT = 400, 280  # of a plot, in its own pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 42  # around the plane
DOTS = 1500  # drawn at most: more would make the page heavy and say no more
LEAST_SPAN = 0.2  # of the axis of y, as a share of its largest value
NUMBERED, LABELLED = 24, 100  # classes up to which a matrix shows its numbers, and is drawn at all


@dataclass(frozen=True)
class Tick:
    at: float  # pixels
    text: str


@dataclass(frozen=True)
class Line:
    name: str
    path: str  # of SVG, from point to point; "" where they are not joined
    dots: str  # of SVG, the points themselves; "" where a line has too many
    small: bool  # the points


@dataclass(frozen=True)
class Plot:
    """A plane with its ticks and lines."""

    title: str
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    diagonal: str = ""  # a path
    note: str = ""


@dataclass(frozen=True)
class Cell:
    x: float
    y: float
    text: str  # its number, where there is room
    strength: float  # 0 to 1, of its colour
    right: bool  # on the diagonal, or not below 0
    caption: str  # in words


@dataclass(frozen=True)
class HeatMap:
    """A matrix with its names; each row's colours are shares of the row."""

    title: str
    rows: str
    columns: str
    names: tuple[str, ...]
    side: float  # of a cell, pixels
    font: float  # of the names, pixels
    left: float  # room for the names
    top: float
    level: bool  # the names above are written level, not upright
    cells: list[Cell]


@dataclass(frozen=True)
class Axis:
    """Values to pixels."""

    low: float
    high: float
    start: float  # pixel of low
    stop: float  # pixel of high
    log: bool = False
    least: float = 0.0  # between two ticks

    def __call__(self, values: np.ndarray) -> np.ndarray:
        low, high = self.low, self.high
        if self.log:
            low, high, values = math.log10(low), math.log10(high), np.log10(values)
        return np.asarray(self.start + (values - low) / (high - low) * (self.stop - self.start))

    def ticks(self) -> list[Tick]:
        values = _log_steps(self.low, self.high) if self.log else _steps(self.low, self.high, self.least)
        pixels = self(np.array(values, dtype=np.float64)).tolist()
        return [
            Tick(round(position, 1), f"{value:.6g}") for position, value in zip(pixels, values, strict=True)
        ]


def plot(
    title: str,
    labels: tuple[str, str],
    series: Sequence[tuple[str, Any, Any]],
    *,
    joined: bool = True,
    diagonal: bool = False,
    log: bool = False,
    include: Sequence[float] = (),
    least_step: float = 0.0,
) -> Plot | None:
    """The plot of ``series`` of (name, x, y); None where nothing can be drawn.

    Args:
        joined: a line through the points.
        diagonal: both axes have the same range, and y = x is drawn.
        log: both axes are logarithmic; what is not above 0 is left out.
        include: values of y that must be seen.
        least_step: between two ticks of x.
    """
    drawn = [(name, *_finite(x, y, above=0.0 if log else -math.inf)) for name, x, y in series]
    clean = [(name, x, y) for name, x, y in drawn if len(x)]
    xs = np.concatenate([x for _, x, _ in clean] or [np.zeros(0)])
    ys = np.concatenate([y for _, _, y in clean] or [np.zeros(0)])
    if not len(xs):
        return None
    ys = np.append(ys, include)
    if diagonal:
        xs = ys = np.concatenate([xs, ys])
    x_axis = Axis(*_range(xs, log), LEFT, WIDTH - RIGHT, log, least_step)
    y_axis = Axis(*_range(ys if log or diagonal else _spread(ys), log), HEIGHT - BOTTOM, TOP, log)
    most = max(len(x) for _, x, _ in clean)
    note = f"{DOTS:,} of {most:,} points, drawn by lot" if most > DOTS else ""
    return Plot(
        title,
        *labels,
        x_axis.ticks(),
        y_axis.ticks(),
        [_line(name, x_axis(x), y_axis(y), joined) for name, x, y in clean],
        _diagonal(x_axis, y_axis) if diagonal else "",
        note,
    )


def curve(detail: Curve) -> Plot | None:
    """The plot of one detail."""
    return plot(
        detail.title,
        (detail.x_label, detail.y_label),
        [("", detail.x, detail.y)],
        joined=detail.line,
        diagonal=detail.diagonal,
        log=detail.log,
        include=() if detail.log or not detail.line else (0.0, 1.0),
    )


def heat_map(matrix: Matrix) -> HeatMap | None:
    """None for more classes than can be distinguished."""
    side = _side(len(matrix.names))
    if not side:
        return None
    return _framed(matrix.title, matrix.rows, matrix.columns, matrix.names, side, _cells(matrix, side))


def signed_map(
    title: str, names: Sequence[str], values: np.ndarray, caption: Callable[[int, int], str]
) -> HeatMap | None:
    """Values [n, n] from -1 to 1 of pairs, NaN left blank: one colour above 0, another below. ``caption``
    describes the cell of a row and a column.
    """
    side = _side(len(names))
    return _framed(title, "", "", names, side, _signed_cells(values, side, caption)) if side else None


def _side(count: int) -> float:
    """Of a cell of a matrix, pixels; 0 where it cannot be drawn."""
    if not 0 < count <= LABELLED:
        return 0.0
    return 56 if count <= 6 else 44 if count <= 12 else 34 if count <= NUMBERED else max(8, 760 / count)


def _framed(
    title: str, rows: str, columns: str, names: Sequence[str], side: float, cells: Iterable[Cell]
) -> HeatMap:
    font = min(12, max(7.0, side * 0.9))
    longest = 0.6 * font * max(len(short(name)) for name in names)
    level = longest < side - 4
    return HeatMap(
        title,
        rows,
        columns,
        tuple(short(name) for name in names),
        round(side, 1),
        font,
        round(14 + longest, 1),
        round(24 + (font if level else longest), 1),  # the names of the axes stand above
        level,
        list(cells),
    )


def mistakes(matrix: Matrix, most: int = 10) -> list[tuple[str, str, int, float]]:
    """(row, column, count, share of the row) of the largest cells off the diagonal."""
    values = np.asarray(matrix.values)
    apart = np.where(np.eye(len(values), dtype=bool), 0, values)
    totals = values.sum(axis=1)
    pairs = []
    for flat in np.argsort(-apart, axis=None, kind="stable")[:most].tolist():
        row, column = divmod(flat, len(values))
        if apart[row, column] > 0:
            share = float(apart[row, column] / totals[row])
            pairs.append((matrix.names[row], matrix.names[column], int(apart[row, column]), share))
    return pairs


def short(name: str, longest: int = 18) -> str:
    """A name that fits, such as beside a matrix."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _cells(matrix: Matrix, side: float) -> Any:
    values = np.asarray(matrix.values)
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    numbered = len(values) <= NUMBERED
    for row, column in zip(*(position.tolist() for position in np.nonzero(values)), strict=True):
        count, share = int(values[row, column]), float(shares[row, column])
        yield Cell(
            round(column * side, 1),
            round(row * side, 1),
            f"{count:,}" if numbered and count < 10_000 else f"{count / 1000:.0f}k" if numbered else "",
            round(share**0.6, 2),  # small shares are still seen
            row == column,
            f"{matrix.rows} {short(matrix.names[row], 60)}, {matrix.columns} "
            f"{short(matrix.names[column], 60)}: {count:,} ({share:.1%})",
        )


def _signed_cells(values: np.ndarray, side: float, caption: Callable[[int, int], str]) -> Iterator[Cell]:
    for row, column in zip(*(position.tolist() for position in np.nonzero(np.isfinite(values))), strict=True):
        value = float(values[row, column])
        yield Cell(
            round(column * side, 1),
            round(row * side, 1),
            f"{value:+.2f}".replace("-", "−") if len(values) <= NUMBERED else "",
            round(min(1.0, abs(value)) ** 0.6, 2),
            value >= 0,
            caption(row, column),
        )


def _finite(x: Any, y: Any, above: float) -> tuple[np.ndarray, np.ndarray]:
    """The points that can be drawn; None counts as NaN."""
    x, y = (np.array(values, dtype=np.float64) for values in (x, y))
    drawn = np.isfinite(x) & np.isfinite(y) & (x > above) & (y > above)
    return x[drawn], y[drawn]


def _spread(values: np.ndarray) -> np.ndarray:
    """The ends of ``values``, moved apart to ``LEAST_SPAN`` of the largest of them: noise shall look small.
    What is between 0 and 1 stays there, and what is not below 0.
    """
    low, high = float(values.min()), float(values.max())
    missing = LEAST_SPAN * max(abs(low), abs(high)) - (high - low)
    if missing <= 0:
        return values
    bottom = 0.0 if low >= 0 else -math.inf
    top = 1.0 if low >= 0 and high <= 1 else math.inf
    wider = min(low, max(low - missing / 2, bottom)), max(high, min(high + missing / 2, top))
    missing -= wider[1] - wider[0] - (high - low)  # what an end did not give, the other does
    return np.array([max(wider[0] - missing, bottom), min(wider[1] + missing, top)])


def _range(values: np.ndarray, log: bool, room: float = 0.03) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if log:
        factor = (high / low) ** room if high > low else 2.0
        return low / factor, high * factor
    margin = (high - low) * room if high > low else max(abs(high), 1.0) / 2
    # 0 and 1 are natural ends: no share lies outside.
    return low if low == 0 else low - margin, high if high == 1 else high + margin


def _steps(low: float, high: float, least: float) -> list[float]:
    """Three to seven round numbers between low and high."""
    rough = max((high - low) / 7, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [position * step for position in range(first, last + 1)]


def _log_steps(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 of each where few would be seen; of many, each few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if math.log10(high / low) < 3 else (1,)
    ticks = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]
    return ticks[:: 1 + len(ticks) // 8] or [low, high]


def _line(name: str, x: np.ndarray, y: np.ndarray, joined: bool) -> Line:
    crowded = len(x) > (40 if joined else 300)
    if len(x) > DOTS:
        kept = np.sort(np.random.default_rng(0).choice(len(x), DOTS, replace=False))
        x, y = x[kept], y[kept]
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    path = "M" + "L".join(points) if joined and points else ""
    dots = "" if joined and crowded else "".join(f"M{point}h0" for point in points)
    return Line(name, path, dots, crowded)


def _diagonal(x_axis: Axis, y_axis: Axis) -> str:
    ends = np.array([x_axis.low, x_axis.high])
    (x0, x1), (y0, y1) = x_axis(ends).tolist(), y_axis(ends).tolist()
    return f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"
