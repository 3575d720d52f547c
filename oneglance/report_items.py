"""What the report shows of a task besides its metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Matrix:
    """A detail of the report: counts by row and column, such as a confusion matrix."""

    title: str
    rows: str
    columns: str
    names: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Grid:
    """A detail of the report: a table with a header."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


@dataclass(frozen=True)
class Curve:
    """A detail of the report: points in a plane; ``diagonal``: y = x is what one wishes for."""

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    y: np.ndarray
    diagonal: bool = False
    line: bool = True
    log: bool = False  # both axes; every x and y is above 0


Detail = Matrix | Grid | Curve
