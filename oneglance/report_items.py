"""What is shown of a task besides its metrics: details of the report, and answers that can be explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

STEP = 1e-3  # of the raw output, by which a slope is measured


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

Support = Callable[[np.ndarray], np.ndarray]
"""From raw outputs [n, ...] to how strongly each says one certain answer: float64 [n]."""


@dataclass(frozen=True)
class ExplainedAnswer:
    """One answer to one picture, of which one may ask what in the picture it rests on."""

    words: str  # as a person reads it, such as ``shirt (93%)``
    support: Support
    # Of the support by the raw output: float64, of the shape of one picture's. None where it says nothing of
    # what matters, as at a maximum; then only changed pictures can tell.
    slope: np.ndarray | None
    either_way: bool = False  # what speaks against it counts as well, as where an answer is more or less
    box: Sequence[float] | None = None  # where it lies on the canvas: x0, y0, x1, y1

    @classmethod
    def joined(cls, answers: Sequence[ExplainedAnswer]) -> Self | None:
        """All of several as one: what any of them rests on. None where no slope says anything."""
        slopes = [answer.slope for answer in answers if answer.slope is not None]
        if not slopes:
            return None
        several = list(answers)
        return cls(
            ", ".join(answer.words for answer in several),
            lambda rows: np.sum([answer.support(rows) for answer in several], axis=0),
            np.sum(slopes, axis=0),
            any(answer.either_way for answer in several),
        )

    @classmethod
    def measured(cls, words: str, support: Support, raw: np.ndarray, *, either_way: bool = False) -> Self:
        """With the slope of ``support`` at ``raw``, the output [1, width] for one picture."""
        row = np.asarray(raw, dtype=np.float64)[0]
        steps = STEP * np.eye(len(row))
        slope = (support(row + steps) - support(row - steps)) / (2 * STEP)
        return cls(words, support, slope, either_way)
