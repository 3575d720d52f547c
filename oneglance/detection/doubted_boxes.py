"""Which annotated boxes are probably wrong, and which are probably missing, by boxes predicted out of sample.

After ObjectLab (Tkachenko, Thyagarajan and Mueller 2023, arXiv 2309.00832), which tells overlooked, swapped
and badly located boxes apart; here superfluous ones too. What ObjectLab takes from fixed thresholds follows
here from how often such predictions, and such annotations, are right in the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneglance.data.record import BoxAnnotations
from oneglance.detection.box_ops import coverage, iou
from oneglance.metrics.label_errors import USUAL_SHARE, outliers

RIGHT = 0.5  # IoU from which a box is at its place
NEAR = 0.1  # IoU from which a box may mean the same thing
LEAST = 0.02  # probability below which a prediction says nothing
# Share of boxes that people draw around nothing, before anything is known: they leave out ten for one that
# they invent. Boxes that a network does not see are mostly hard to see (measured: docs/guides/trust.md).
INVENTED = USUAL_SHARE / 10

MISSING, SUPERFLUOUS, RENAMED, MISPLACED = "missing", "superfluous", "another class", "misplaced"


@dataclass(frozen=True)
class BoxDoubt:
    """One doubted box, or one that is missing."""

    picture: int
    kind: str  # one of the four words above
    score: float  # 0 to 1
    index: int | None  # among the annotated boxes; None: it is missing
    proposed: Mapping[str, Any] | None  # the predicted box; None: there is nothing
    overlap: float = 0.0  # IoU of both


@dataclass(frozen=True)
class _Picture:
    """Annotated boxes that count, and predictions of queried classes outside of regions to ignore."""

    annotations: BoxAnnotations
    indices: list[int]  # of the annotated boxes
    predicted: list[Mapping[str, Any]]
    overlap: np.ndarray  # float64 [annotated, predicted]
    same: np.ndarray  # bool [annotated, predicted]: of one class
    owner: np.ndarray  # int64 [predicted]: the annotated box of its class that it takes at IoU 0.5, or -1


def doubted_boxes(
    predictions: Sequence[Sequence[Mapping[str, Any]]], answers: Sequence[BoxAnnotations]
) -> list[BoxDoubt]:
    """All doubts, in any order.

    Args:
        predictions: of each picture, ``{"box", "label", "confidence"}`` about the upright picture, out of
            sample; also those of little confidence.
        answers: of the same pictures.
    """
    if not answers:
        return []
    pictures = [_picture(boxes, answer) for boxes, answer in zip(predictions, answers, strict=True)]
    chances = _chances(pictures)
    support = [_support(one, chance) for one, chance in zip(pictures, chances, strict=True)]
    unseen = _unseen(pictures, support)
    doubts: list[BoxDoubt] = []
    for number, (one, chance) in enumerate(zip(pictures, chances, strict=True)):
        doubts += _missing(number, one, chance)
        doubts += _about_annotated(number, one, chance, support[number], unseen[number])
    return doubts + list(_misplaced(pictures, chances))


def _picture(boxes: Sequence[Mapping[str, Any]], answer: BoxAnnotations) -> _Picture:
    indices = [index for index, box in enumerate(answer.boxes) if not box.ignore and box.label]
    ignored = _corners([box for box in answer.boxes if box.ignore or not box.label])
    kept = [one for one in boxes if answer.queried is None or one["label"] in answer.queried]
    places = np.array([one["box"] for one in kept], dtype=np.float64).reshape(-1, 4)
    covered = coverage(places, ignored).max(axis=1, initial=0.0) if len(kept) else np.zeros(0)
    kept = [one for one, share in zip(kept, covered.tolist(), strict=True) if share < RIGHT]
    kept.sort(key=lambda one: -one["confidence"])
    places = np.array([one["box"] for one in kept], dtype=np.float64).reshape(-1, 4)
    overlap = iou(_corners([answer.boxes[index] for index in indices]), places)
    labels = [answer.boxes[index].label for index in indices]
    same = np.array([[label == one["label"] for one in kept] for label in labels], dtype=bool)
    same = same.reshape(overlap.shape)
    owner = np.full(len(kept), -1)
    for column in range(len(kept)):  # the surest first; each annotated box is taken once
        free = np.where(same[:, column] & ~np.isin(np.arange(len(indices)), owner), overlap[:, column], 0.0)
        if len(free) and free.max() >= RIGHT:
            owner[column] = int(free.argmax())
    return _Picture(answer, indices, kept, overlap, same, owner)


def _corners(boxes: Sequence[Any]) -> np.ndarray:
    edges = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    return np.array(edges, dtype=np.float64).reshape(-1, 4)


def _chances(pictures: Sequence[_Picture]) -> list[np.ndarray]:
    """Of each prediction, the share of those as confident, of its class, that people have boxed: isotonic
    regression over all pictures.
    """
    from sklearn.isotonic import IsotonicRegression

    labels = np.array([one["label"] for each in pictures for one in each.predicted])
    scores = np.array([one["confidence"] for each in pictures for one in each.predicted], dtype=np.float64)
    right = np.concatenate([each.owner >= 0 for each in pictures])
    chances = np.zeros(len(scores))
    for label in np.unique(labels):
        own = labels == label
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores[own], right[own])
        # Where all are right so far, the next need not be; and among equals the more confident is likelier.
        few = 1 / (right[own].sum() + 2)
        chances[own] = fitted.predict(scores[own]) * (1 - few) * (0.999 + 0.001 * scores[own])
    return np.split(chances, np.cumsum([len(each.predicted) for each in pictures])[:-1])


def _support(one: _Picture, chance: np.ndarray) -> np.ndarray:
    """Of each annotated box the surest prediction of its class at its place: float64 [annotated]."""
    at_place = one.same & (one.overlap >= RIGHT)
    return np.asarray(np.where(at_place, chance, 0.0).max(axis=1, initial=0.0))


def _unseen(pictures: Sequence[_Picture], support: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of each annotated box the share of those of its class that are seen as little, or less."""
    labels = np.array([one.annotations.boxes[index].label for one in pictures for index in one.indices])
    seen = np.concatenate(support)
    shares = np.zeros(len(seen))
    for label in np.unique(labels):
        own = labels == label
        ranked = np.sort(seen[own])
        shares[own] = np.searchsorted(ranked, seen[own], side="right") / len(ranked)
    return np.split(shares, np.cumsum([len(one.indices) for one in pictures])[:-1])


def _odds(share: float, usual: float = USUAL_SHARE) -> float:
    """How likely a mistake of people is where ``share`` of all look like this, and ``usual`` are mistakes."""
    return usual / (usual + max(share, 0.0))


def _missing(number: int, one: _Picture, chance: np.ndarray) -> Iterator[BoxDoubt]:
    """What is predicted where people have boxed nothing of the kind."""
    free = [
        column
        for column in range(len(one.predicted))
        if one.owner[column] < 0
        and chance[column] > LEAST
        and (one.overlap[:, column] < 0.3).all()
        and one.predicted[column]["label"] not in one.annotations.unplaced
    ]
    taken = np.zeros((0, 4))
    for column in free:  # the surest of several around one thing
        place = np.array([one.predicted[column]["box"]], dtype=np.float64)
        if iou(place, taken).max(initial=0.0) < 0.4:
            taken = np.concatenate([taken, place])
            score = _odds(1 - float(chance[column]))
            yield BoxDoubt(number, MISSING, score, None, one.predicted[column])


def _about_annotated(
    number: int, one: _Picture, chance: np.ndarray, support: np.ndarray, unseen: np.ndarray
) -> Iterator[BoxDoubt]:
    """Boxes of which the network sees another class at their place, or nothing at all."""
    for row, index in enumerate(one.indices):
        other = ~one.same[row] & (one.overlap[row] >= RIGHT) & (one.owner < 0) & (chance > LEAST)
        if other.any():
            column = int(np.where(other, chance, -1.0).argmax())
            score = _odds(1 - float(chance[column])) * (1 - float(support[row]))
            if chance[column] > support[row]:
                overlap = float(one.overlap[row, column])
                yield BoxDoubt(number, RENAMED, score, index, one.predicted[column], overlap)
                continue
        near = (one.overlap[row] >= NEAR) & (chance > LEAST) & one.same[row] & (one.owner < 0)
        if support[row] < RIGHT and not near.any():
            yield BoxDoubt(number, SUPERFLUOUS, _odds(float(unseen[row]), INVENTED), index, None)


def _misplaced(pictures: Sequence[_Picture], chances: Sequence[np.ndarray]) -> Iterator[BoxDoubt]:
    """Boxes whose partner among the predictions overlaps them less than is usual for boxes of that size."""
    partners = []
    for number, (one, chance) in enumerate(zip(pictures, chances, strict=True)):
        for row, index in enumerate(one.indices):
            mine = one.same[row] & (one.overlap[row] >= NEAR) & ((one.owner < 0) | (one.owner == row))
            if mine.any():
                column = int(np.where(mine, chance * one.overlap[row] ** 0.5, -1.0).argmax())
                box = one.annotations.boxes[index]
                size = max(box.x1 - box.x0, 1e-6) * max(box.y1 - box.y0, 1e-6)
                partners.append((number, index, column, one.overlap[row, column], size, chance[column]))
    if not partners:
        return
    overlaps, sizes, sure = (np.array([one[k] for one in partners], dtype=np.float64) for k in (3, 4, 5))
    doubts = outliers(np.log(np.maximum(1 - overlaps, 0.01)), np.log(sizes)) * sure
    usual = float(np.median(overlaps))
    for (number, index, column, overlap, _, _), score in zip(partners, doubts.tolist(), strict=True):
        if overlap < usual and score > USUAL_SHARE:
            partner = pictures[number].predicted[column]
            yield BoxDoubt(number, MISPLACED, score, index, partner, float(overlap))
