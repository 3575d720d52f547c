"""Two answers about the same picture become one, or contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oneglance.data.parsing.annotations.box_geometry import distinct
from oneglance.data.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import InvalidAnswer

CLOSE = 1.0  # pixels that an edge of the same box may differ: some formats count from 1, others round

QueriedClasses = frozenset[str] | None
"""The classes that an annotator looked for; None: all there are."""

MergeAnswers = Callable[[str, Any, Any], Any]
"""(name of the task, first answer, second answer) -> the answer of both.

Raises:
    InvalidAnswer: they contradict each other. ``what`` is a sentence about the second answer; the caller goes
        on with "in" and the location of the first.
"""


def merge_same(name: str, first: Any, second: Any) -> Any:
    """For answers that hold one value: both must be equal. A ``MergeAnswers``."""
    if first != second:
        raise InvalidAnswer(f"is {quoted(str(second))}, but {quoted(str(first))}")
    return first


def is_queried(label: str, queried: QueriedClasses) -> bool:
    """Whether ``label`` is among the queried classes."""
    return queried is None or label in queried


def either(first: QueriedClasses, second: QueriedClasses) -> QueriedClasses:
    """The classes that at least one of two annotators looked for."""
    return None if first is None or second is None else first | second


def merge_boxes(
    first: BoxAnnotations, second: BoxAnnotations, merge_attribute: MergeAnswers = merge_same
) -> BoxAnnotations:
    """The boxes of both annotations, and the classes that either looked for. A box that both have counts
    once, with the attributes of both.

    A box contradicts an annotation that looked for its class and has no such box. A region to ignore
    contradicts nothing.

    Args:
        merge_attribute: merges two values of one attribute of one box; its first argument is the attribute's
            name.

    Raises:
        InvalidAnswer: see ``MergeAnswers``.
    """
    first, second = (replace(one, boxes=distinct(one.boxes)) for one in (first, second))
    pairs = _match(first.boxes, second.boxes)
    only_second = [box for index, box in enumerate(second.boxes) if index not in pairs]
    paired = set(pairs.values())
    only_first = [box for index, box in enumerate(first.boxes) if index not in paired]
    for unpaired, queried_by_other in ((only_second, first.queried), (only_first, second.queried)):
        for box in unpaired:
            if not box.ignore and is_queried(box.label, queried_by_other):
                raise InvalidAnswer(_difference(box.label, first, second))
    boxes = list(first.boxes)
    for index, same in pairs.items():
        boxes[same] = _merge_box(boxes[same], second.boxes[index], merge_attribute)
    unplaced = _left(first.unplaced, second.queried) | _left(second.unplaced, first.queried)
    return BoxAnnotations((*boxes, *only_second), either(first.queried, second.queried), unplaced)


def _left(unplaced: frozenset[str], queried: QueriedClasses) -> frozenset[str]:
    """The classes of things without a place that whoever looked for ``queried`` did not give one either."""
    return frozenset() if queried is None else unplaced - queried


def _match(first: Sequence[Box], second: Sequence[Box]) -> dict[int, int]:
    """Index in ``second`` -> index in ``first`` of the same box, each used once: the nearest of its class."""
    by_class: dict[str, list[int]] = defaultdict(list)
    for index, box in enumerate(first):
        by_class[box.label].append(index)
    corners = {
        label: np.array([_corners(first[index]) for index in indices], dtype=np.float64)
        for label, indices in by_class.items()
    }
    pairs: dict[int, int] = {}
    for limit in (0.0, CLOSE):  # an equal box is not lost to one that is only near
        for index, box in enumerate(second):
            if index in pairs or box.label not in corners:
                continue
            distances = np.abs(corners[box.label] - _corners(box)).max(axis=1)
            nearest = int(distances.argmin())
            if distances[nearest] <= limit:
                pairs[index] = by_class[box.label][nearest]
                corners[box.label][nearest] = np.inf
    return pairs


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def _merge_box(first: Box, second: Box, merge_attribute: MergeAnswers) -> Box:
    attributes = dict(first.attributes)
    for name, value in second.attributes.items():
        try:
            attributes[name] = merge_attribute(name, attributes[name], value) if name in attributes else value
        except InvalidAnswer as invalid:
            whose = f"has a box of {quoted(first.label)}" if first.label else "has a box"
            raise InvalidAnswer(f"{whose} whose {name} {invalid.what}", invalid.hint) from None
    # Who could tell the thing apart knows more than who could not.
    return replace(first, attributes=attributes, ignore=first.ignore and second.ignore)


def _difference(label: str, first: BoxAnnotations, second: BoxAnnotations) -> str:
    """The sentence of a contradiction: see ``MergeAnswers``."""
    counts = [sum(box.label == label and not box.ignore for box in both.boxes) for both in (first, second)]
    of_class = f" of {quoted(label)}" if label else " without a class"
    if counts[0] == counts[1]:
        return f"has other boxes{of_class} than"
    return f"has {counts[1]} box{'' if counts[1] == 1 else 'es'}{of_class}, but {counts[0]}"
