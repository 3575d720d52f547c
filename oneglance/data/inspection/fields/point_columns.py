"""Columns of the coordinates of points in the pictures, which no task learns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from oneglance.data.inspection.column_rules import Guess

LEAST, LEAST_NUMBERED = 4, 10  # columns beside each other; more where their names are only numbers
REASON = "seems to be x or y of a point in the picture, which no task learns"
AXIS = re.compile(r"(?i)(?:.*[^a-z])?([xy])(?:[^a-z].*)?")  # nose_x, x1, x_3


def without_points(guesses: Sequence[Guess]) -> list[Guess]:
    """The guesses; numbers beside each other that are called x and y in turn, or 0, 1, 2, are no tasks."""
    kept: list[Guess] = []
    for is_number, group in groupby(guesses, lambda guess: guess.type in ("number", "label")):
        alike = list(group)
        kept += _without_points(alike) if is_number else alike
    return kept


def _without_points(guesses: list[Guess]) -> list[Guess]:
    axes = [match[1].lower() if (match := AXIS.fullmatch(one.field)) else "" for one in guesses]
    named = [bool(axis) for axis in axes]
    numbered = [one.field.isdecimal() for one in guesses]
    if named.count(True) >= LEAST and axes.count("x") == axes.count("y"):
        are_points = named
    elif numbered.count(True) >= LEAST_NUMBERED and numbered.count(True) % 2 == 0:
        are_points = numbered
    else:
        return guesses
    points = [one for one, is_point in zip(guesses, are_points, strict=True) if is_point]
    if 2 * sum(one.type == "number" for one in points) <= len(points):
        return guesses
    return [
        replace(one, type="", settings={}, reason=REASON) if is_point else one
        for one, is_point in zip(guesses, are_points, strict=True)
    ]
