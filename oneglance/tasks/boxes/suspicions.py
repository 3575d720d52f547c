"""Annotated boxes that are probably wrong or missing, and what a table of boxes would say instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection.doubted_boxes import RENAMED, BoxDoubt, doubted_boxes
from oneglance.metrics.suspicion import BoxEdit, Suspicion
from oneglance.task import Prediction

Cells = Callable[[Box], dict[str, str] | None]
"""A box as a row of a table of boxes; None where a table cannot say it."""


def suspicions(
    predictions: Sequence[Prediction], answers: Sequence[BoxAnnotations], cells: Cells
) -> list[Suspicion]:
    """See ``doubted_boxes``; attributes are not judged."""
    doubts = doubted_boxes([one["boxes"] for one in predictions], answers)
    return [_suspicion(doubt, answers[doubt.picture], cells) for doubt in doubts]


def _suspicion(doubt: BoxDoubt, answer: BoxAnnotations, cells: Cells) -> Suspicion:
    box = None if doubt.index is None else answer.boxes[doubt.index]
    there, proposed = "nothing here", "nothing here"
    corners: Sequence[float] | None = None if box is None else (box.x0, box.y0, box.x1, box.y1)
    other = doubt.proposed
    if box is not None:
        there = box.label
    if other is not None:
        proposed = f"{other['label']} ({other['confidence']:.0%})"
    return Suspicion(
        doubt.picture,
        there,
        proposed,
        doubt.score,
        doubt.score > 0.5,
        f"{doubt.kind}, overlap {doubt.overlap:.0%}" if doubt.overlap else doubt.kind,
        box=other["box"] if corners is None and other is not None else corners,
        proposed_box=other["box"] if corners is not None and other is not None else None,
        edit=_edit(doubt, box, cells),
    )


def _edit(doubt: BoxDoubt, box: Box | None, cells: Cells) -> BoxEdit | None:
    if doubt.proposed is None:
        return BoxEdit(doubt.index, None)
    x0, y0, x1, y1 = (round(edge, 1) for edge in doubt.proposed["box"])
    other = Box(x0, y0, x1, y1, doubt.proposed["label"])
    if doubt.kind == RENAMED and box is not None:
        other = replace(box, label=doubt.proposed["label"])
    elif box is not None:
        other = replace(other, attributes=box.attributes)
    row = cells(other)
    return None if row is None else BoxEdit(doubt.index, row)
