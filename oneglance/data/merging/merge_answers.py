"""What two sources know together of one picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oneglance.data.parsing.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import InvalidAnswer

CLOSE = 1.0  # pixels that an edge of the same box may differ: some formats count from 1, others round

Classes = frozenset[str] | None
"""Those that somebody looked for; None: all there are."""

Unite = Callable[[str, Any, Any], Any]
"""(name, first answer, answer again) -> the answer of both.

Raises:
    InvalidAnswer: they contradict each other. ``what`` is a sentence about the second that goes on with "in"
        and where the first stands.
"""


def unite_same(name: str, first: Any, again: Any) -> Any:
    """Of answers that hold one thing only: both must be equal. See ``Unite``."""
    if first != again:
        raise InvalidAnswer(f"is {quoted(str(again))}, but {quoted(str(first))}")
    return first


def looked_for(label: str, asked: Classes) -> bool:
    """Whether ``label`` is among ``asked``."""
    return asked is None or label in asked


def either(first: Classes, again: Classes) -> Classes:
    """What at least one of two looked for."""
    return None if first is None or again is None else first | again


def unite_seen(first: BoxAnnotations, again: BoxAnnotations, attribute: Unite = unite_same) -> BoxAnnotations:
    """The boxes that either saw, of the classes that either looked for. A box of both counts once, with the
    attributes of both.

    A box contradicts one who looked for its class and has no such box. A region to ignore contradicts nobody.

    Args:
        attribute: unites two answers about one box, by the attribute's name.

    Raises:
        InvalidAnswer: see ``Unite``.
    """
    pairs = _pairs(first.boxes, again.boxes)
    new = [box for place, box in enumerate(again.boxes) if place not in pairs]
    met = set(pairs.values())
    old = [box for place, box in enumerate(first.boxes) if place not in met]
    for alone, asked in ((new, first.asked), (old, again.asked)):
        for box in alone:
            if not box.ignore and looked_for(box.label, asked):
                raise InvalidAnswer(_difference(box.label, first, again))
    boxes = list(first.boxes)
    for place, same in pairs.items():
        boxes[same] = _united(boxes[same], again.boxes[place], attribute)
    return BoxAnnotations((*boxes, *new), either(first.asked, again.asked))


def _pairs(first: Sequence[Box], again: Sequence[Box]) -> dict[int, int]:
    """Place in ``again`` -> place in ``first`` of the same box, each used once: the nearest of its class."""
    by_class: dict[str, list[int]] = defaultdict(list)
    for place, box in enumerate(first):
        by_class[box.label].append(place)
    corners = {
        label: np.array([_corners(first[place]) for place in places], dtype=np.float64)
        for label, places in by_class.items()
    }
    pairs: dict[int, int] = {}
    for limit in (0.0, CLOSE):  # an equal box is not lost to one that is only near
        for place, box in enumerate(again):
            if place in pairs or box.label not in corners:
                continue
            off = np.abs(corners[box.label] - _corners(box)).max(axis=1)
            nearest = int(off.argmin())
            if off[nearest] <= limit:
                pairs[place] = by_class[box.label][nearest]
                corners[box.label][nearest] = np.inf
    return pairs


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def _united(first: Box, again: Box, attribute: Unite) -> Box:
    said = dict(first.attributes)
    for name, value in again.attributes.items():
        try:
            said[name] = attribute(name, said[name], value) if name in said else value
        except InvalidAnswer as misfit:
            whose = f"has a box of {quoted(first.label)}" if first.label else "has a box"
            raise InvalidAnswer(f"{whose} whose {name} {misfit.what}", misfit.hint) from None
    # Who could tell the thing apart knows more than who could not.
    return replace(first, attributes=said, ignore=first.ignore and again.ignore)


def _difference(label: str, first: BoxAnnotations, again: BoxAnnotations) -> str:
    """See ``Unite``."""
    counts = [sum(box.label == label and not box.ignore for box in seen.boxes) for seen in (first, again)]
    of_class = f" of {quoted(label)}" if label else " without a class"
    if counts[0] == counts[1]:
        return f"has other boxes{of_class} than"
    return f"has {counts[1]} box{'' if counts[1] == 1 else 'es'}{of_class}, but {counts[0]}"
