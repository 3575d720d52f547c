"""Boxes that are probably mistakes: the same one twice, sizes that no other box of the class has, and a class
that somebody forgot in one part of the pictures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from oneglance.data.quoting import plain, quoted
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.errors import Problem

SAME = 0.95  # share of the area of both together that both cover
MOST = 1000  # boxes of a picture that are compared with each other
ENOUGH = 20  # boxes of a class by which others are judged, and pictures of a folder that are
FACTOR = 8.0  # times the middle length of a side, or a part of it, from which a size is implausible
UNLIKELY = 1e-4  # chance that no picture of a folder has a class by accident
SPREADS = 6.0  # median absolute deviations of the logarithm that it must lie beyond as well


def repeated_boxes(records: Sequence[Record], task: str) -> Iterator[Problem]:
    """Two boxes of one class in one picture that cover the same; a problem for each picture."""
    for record in records:
        boxes = _boxes(record, task)
        if not 1 < len(boxes) <= MOST:
            continue
        edges = np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes])
        sides = np.maximum(
            0,
            np.minimum(edges[:, None, 2:], edges[None, :, 2:])
            - np.maximum(edges[:, None, :2], edges[None, :, :2]),
        )
        common = sides[..., 0] * sides[..., 1]
        area = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
        together = area[:, None] + area - common
        labels = np.array([box.label for box in boxes])
        alike = (common > SAME * together) & (labels[:, None] == labels) & (together > 0)
        first = np.nonzero(np.triu(alike, 1))[0]
        if len(first):
            box = boxes[int(first[0])]
            more = f" and {len(first) - 1:,} more" if len(first) > 1 else ""
            what = f"{task} has the same box of {quoted(box.label)} twice, at {_at(box)}{more}"
            yield Problem(plain(record.location), what, "take one of them out", "repeated_box", fatal=False)


def implausible_boxes(records: Sequence[Record], task: str) -> Iterator[Problem]:
    """Boxes far smaller or larger than those of their class; a problem for each."""
    of_class: dict[str, list[tuple[Record, Box]]] = defaultdict(list)
    for record in records:
        for box in _boxes(record, task):
            of_class[box.label].append((record, box))
    for label, boxes in of_class.items():
        if len(boxes) < ENOUGH:
            continue
        sides = np.log([max(1e-6, (b.x1 - b.x0) * (b.y1 - b.y0)) ** 0.5 for _, b in boxes])
        middle = float(np.median(sides))
        spread = float(np.median(np.abs(sides - middle)))
        limit = max(np.log(FACTOR), SPREADS * spread)
        for row in np.flatnonzero(np.abs(sides - middle) > limit).tolist():
            record, box = boxes[row]
            size = f"{box.x1 - box.x0:.3g}×{box.y1 - box.y0:.3g} pixels"
            usual = f"a side of {np.exp(middle):.3g} in the middle"
            what = f"{task} has a box of {quoted(label)} of {size}, at {_at(box)}; its class has {usual}"
            hint = "look at it: a slip of the hand, or another class"
            yield Problem(plain(record.location), what, hint, "implausible_box", fatal=False)


def forgotten_classes(records: Sequence[Record], task: str) -> Iterator[Problem]:
    """Classes that were looked for and that no picture of a folder has, though pictures of other folders that
    else show the same classes often do: a problem for each.
    """
    shown = [frozenset(box.label for box in _boxes(record, task)) for record in records]
    rows_of: dict[str, list[int]] = defaultdict(list)
    having: dict[str, Counter[str]] = defaultdict(Counter)  # by class and folder
    for row, record in enumerate(records):
        folder = record.image.name.rpartition("/")[0]
        rows_of[folder].append(row)
        for label in shown[row]:
            having[label][folder] += 1
    large = sorted(folder for folder, rows in rows_of.items() if len(rows) >= ENOUGH)
    for label, of_folder in sorted(having.items()):
        without = [folder for folder in large if not of_folder[folder]]
        if not without or of_folder.total() < ENOUGH:
            continue
        beside = [classes - {label} for classes in shown]
        every = Counter(beside)
        common = Counter(rest for rest, classes in zip(beside, shown, strict=True) if label in classes)
        for folder in without:
            own = Counter(beside[row] for row in rows_of[folder])
            rows = [row for row in rows_of[folder] if _is_queried(records[row], task, label)]
            shares = [common[beside[row]] / (every[beside[row]] - own[beside[row]] + 1) for row in rows]
            if not rows or np.log1p(-np.array(shares)).sum() > np.log(UNLIKELY):
                continue
            what = f"{task} has no box of {quoted(label)} in {len(rows):,} pictures of {plain(folder or '.')}"
            what += f"; of others that else show the same, {np.mean(shares):.0%} have one"
            hint = "box it there, or make a source of its own of that folder: what it names, it looked for"
            yield Problem(plain(records[rows[0]].location), what, hint, "forgotten_class", fatal=False)


def _is_queried(record: Record, task: str, label: str) -> bool:
    answer = record.answers.get(task)
    return isinstance(answer, BoxAnnotations) and (answer.queried is None or label in answer.queried)


def _boxes(record: Record, task: str) -> list[Box]:
    answer = record.answers.get(task)
    return [box for box in answer.boxes if not box.ignore] if isinstance(answer, BoxAnnotations) else []


def _at(box: Box) -> str:
    return f"({box.x0:.0f}, {box.y0:.0f})"
