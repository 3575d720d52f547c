"""Which predicted boxes are right, and how good all of them are: the rules of COCO (Lin et al. 2014).

Why no library: boxes are matched once and the scores then take any weights of the pictures, so that a
bootstrap is cheap; faster-coco-eval keeps its matches to itself, pycocotools makes them one picture and class
at a time in Python. pycocotools is what the tests compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from oneglance.detection.box_ops import coverage, iou

OVERLAPS = np.linspace(0.5, 0.95, 10)  # IoU from which a box is right
RECALLS = np.linspace(0, 1, 101)  # where precision is read off
USUAL_THRESHOLD = 0.3  # confidence, where nothing better can be fitted
FEWEST_TRUTHS = 5  # with fewer, a threshold would be chance

Threshold = float | np.ndarray
"""A confidence, or one for each class."""


class Predicted(NamedTuple):
    """The predicted boxes of one picture."""

    boxes: np.ndarray  # float [k, 4]: x0 y0 x1 y1, finite
    scores: np.ndarray  # float [k]
    classes: np.ndarray  # int [k], from 0 on


class Truth(NamedTuple):
    """The boxes people drew in one picture."""

    boxes: np.ndarray  # float [m, 4]: x0 y0 x1 y1, finite
    classes: np.ndarray  # int [m]; -1: of no class that is scored or, with ``ignore``, of any class
    ignore: np.ndarray  # bool [m]: a region where what is found is neither right nor wrong (COCO's crowds)


class Matched(NamedTuple):
    """All n predicted boxes that count, by class and then by falling score, and what became of each."""

    picture: np.ndarray  # int64 [n]
    number: np.ndarray  # int64 [n]: which of the boxes found in its picture
    label: np.ndarray  # int64 [n]: its class
    score: np.ndarray  # float64 [n]
    truth: np.ndarray  # int64 [10, n]: which true box of its picture it matches at each of OVERLAPS, or -1
    ignored: np.ndarray  # bool [10, n]: matches none, but lies in a region to ignore
    truths: np.ndarray  # int64 [pictures, classes]: how many there are to find
    hit: np.ndarray  # int64 [h]: which of the n are right, overlap by overlap
    begin: (
        np.ndarray
    )  # int64 [10, classes + 1]: where each overlap and class begins in ``hit``; the last: ends


class ClassScores(NamedTuple):
    """For each of OVERLAPS and each class: float64 [10, classes]; NaN where there is nothing to find."""

    precision: np.ndarray  # mean over 101 recalls of the highest precision at that recall or above
    recall: np.ndarray  # share found


def match(
    predicted: Sequence[Predicted], truths: Sequence[Truth], labelled: np.ndarray, most: int = 100
) -> Matched:
    """Match the predicted boxes of each picture with the true ones of their class.

    From the highest-scoring on, a box takes the free true box that it overlaps most, if by at least the IoU
    in question. One that gets none is ignored if that share of its own area lies in one region to ignore.

    Args:
        predicted: one per picture.
        truths: one per picture.
        labelled: bool [pictures, classes]: whether annotators looked for that class in that picture; where
            not, neither predicted nor true boxes of it count.
        most: how many boxes count per picture and class, the highest-scoring first.
    """
    there = _flat([(each.boxes, each.classes, each.ignore) for each in truths])
    regions = there.take(there.extra > 0)
    true = there.take((there.label >= 0) & (there.extra == 0))
    true = true.take(labelled[true.picture, true.label])
    counts = np.zeros(labelled.shape, dtype=np.int64)
    np.add.at(counts, (true.picture, true.label), 1)

    here = _flat([(each.boxes, each.classes, each.scores) for each in predicted])
    here = here.take(labelled[here.picture, here.label])
    here = here.take(np.lexsort((-here.extra, here.label, here.picture)))
    rank = _rank(here)
    here, rank = here.take(rank < most), rank[rank < most]

    chosen = _greedy(rank, _near(here, true, iou), len(true.label))
    truth = np.append(true.number, -1)[chosen]  # -1 takes the last
    inside = _near(here, regions, coverage)
    covered = np.zeros(len(rank))
    np.maximum.at(covered, inside.predicted, inside.overlap)
    ignored = (truth < 0) & (covered >= OVERLAPS[:, None])

    order = np.lexsort((rank, here.picture, -here.extra, here.label))
    picture, number, _, label, score = here.take(order)
    truth, ignored = truth[:, order], ignored[:, order]
    which, hit = np.nonzero(truth >= 0)
    curve = which * labelled.shape[1] + label[hit]
    starts = np.arange(len(OVERLAPS))[:, None] * labelled.shape[1] + np.arange(labelled.shape[1] + 1)
    begin = np.searchsorted(curve, starts)
    return Matched(picture, number, label, score, truth, ignored, counts, hit, begin)


def pairs(matched: Matched) -> np.ndarray:
    """Who matches whom at an IoU of one half, by falling score: int64 [k, 3].

    Each row is a picture, the place of a box among those found in it and that of its partner among the true.
    """
    rows = np.flatnonzero(matched.truth[0] >= 0)
    rows = rows[np.argsort(-matched.score[rows], kind="stable")]
    return np.stack([matched.picture[rows], matched.number[rows], matched.truth[0, rows]], axis=1)


def average_precision(matched: Matched, weights: np.ndarray) -> dict[str, float]:
    """COCO's ap, ap50, ap75 and ar100; NaN where there is nothing to find. See ``class_scores``."""
    precision, recall = class_scores(matched, weights)
    columns = {"ap": precision, "ap50": precision[0], "ap75": precision[5], "ar100": recall}
    counts = matched.truths.T @ weights > 0
    return {
        name: float(values[..., counts].mean()) if counts.any() else float("nan")
        for name, values in columns.items()
    }


def class_scores(matched: Matched, weights: np.ndarray) -> ClassScores:
    """Average precision and recall of each class, where each picture counts ``weights`` [pictures] times.

    With whole-number weights these are the figures of COCO's own code for the pictures repeated that often.
    """
    weights = np.asarray(weights, dtype=np.float64)
    each, total = weights[matched.picture], weights @ matched.truths
    classes, hit = len(total), matched.hit
    begins = matched.begin[:, :-1].reshape(-1)
    curve = np.repeat(np.arange(len(begins)), np.diff(matched.begin).reshape(-1))  # an overlap and a class
    number, label = np.divmod(curve, classes)
    # Precision rises only where a box is right; the others are counted and need no step of their own.
    right = _running(each[hit])
    right = right[1:] - right[begins][curve]
    recall = np.divide(right, total[label], out=np.zeros_like(right), where=total[label] > 0)
    among = _seen(matched, each, number, label)
    precision = np.divide(right, among, out=np.zeros_like(right), where=among > 0)
    best = _highest_from_here(precision, curve)
    # How many of the recalls each right box is the first to reach; what none reaches has precision 0.
    reached = np.searchsorted(RECALLS, recall, side="right")
    further = np.diff(reached, prepend=0)
    first = np.diff(curve, prepend=-1) > 0
    further[first] = reached[first]
    shape, count = (len(OVERLAPS), classes), len(begins)
    mean = np.bincount(curve, best * further, minlength=count) / len(RECALLS)
    hits = np.bincount(curve, each[hit], minlength=count).reshape(shape)
    there = total > 0
    share = np.divide(hits, total, out=np.full(shape, np.nan), where=there)
    return ClassScores(np.where(there, mean.reshape(shape), np.nan), share)


def _seen(matched: Matched, each: np.ndarray, number: np.ndarray, label: np.ndarray) -> np.ndarray:
    """What the found boxes of its class weigh that come no later than each right one: float64 [h].

    Args:
        each: float64 [n], the weights of the found boxes.
        number, label: int64 [h], the overlap and the class of each right box.
    """
    row = np.stack(
        [np.searchsorted(matched.label, np.arange(matched.truths.shape[1]))[label], matched.hit + 1]
    )
    seen = _running(each)[row]
    ignored = np.flatnonzero(matched.ignored)  # few, overlap by overlap
    if len(ignored):
        place = np.searchsorted(ignored, number * len(each) + row)
        seen -= _running(each[ignored % len(each)])[place]
    return np.asarray(seen[1] - seen[0])


def _highest_from_here(values: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """The highest value, 0 to 1, of each place and those after it on its curve: float64 [h].

    Args:
        curve: int64 [h], ascending.
    """
    # A running maximum from the end, lifted so that each curve begins above all that came before.
    lift = 2.0 * (curve[-1] - curve) if len(curve) else np.zeros(0)
    return np.asarray(np.maximum.accumulate((values + lift)[::-1])[::-1] - lift)


def best_threshold(matched: Matched) -> float:
    """The confidence, between 0 and 1, from which on boxes have the best F1 at an IoU of one half.

    All classes count as one (micro F1). It lies halfway between two scores. 0.3 where fewer than 5 boxes are
    to be found, or none of them is.
    """
    order = np.argsort(-matched.score, kind="stable")
    order = order[~matched.ignored[0, order]]
    right, score = matched.truth[0, order] >= 0, matched.score[order]
    total = int(matched.truths.sum())
    if total < FEWEST_TRUTHS or not right.any():
        return USUAL_THRESHOLD
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(order) + 1) + total)
    below = np.append(score[1:], 0.0)
    cut = int(np.argmax(np.where(score > below, f1, -1.0)))  # no cut lies between equal scores
    return float(np.clip((score[cut] + below[cut]) / 2, np.nextafter(0, 1), np.nextafter(1, 0)))


def per_class(matched: Matched, threshold: Threshold) -> list[tuple[int, float, float, float, float]]:
    """For each class: how many boxes there are to find, AP, AP50, precision and recall.

    The last two are those of boxes of confidence ``threshold`` or more, at an IoU of one half. NaN where
    there is nothing to find; precision where nothing was predicted.
    """
    scores = class_scores(matched, np.ones(len(matched.truths)))
    right, wrong = _outcome(matched, threshold)
    classes = matched.truths.shape[1]
    correct, total = np.bincount(matched.label[right], minlength=classes), matched.truths.sum(axis=0)
    among = correct + np.bincount(matched.label[wrong], minlength=classes)
    precision, recall = (np.where(of > 0, correct / np.maximum(of, 1), np.nan) for of in (among, total))
    columns = (total, scores.precision.mean(axis=0), scores.precision[0], precision, recall)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def sample_errors(matched: Matched, threshold: Threshold) -> np.ndarray:
    """1 - F1 of each picture at an IoU of one half: float64 [pictures], 0 to 1.

    Boxes of confidence ``threshold`` or more count. 0 where nothing is to be found and nothing was.
    """
    right, wrong = _outcome(matched, threshold)
    pictures = len(matched.truths)
    correct, total = np.bincount(matched.picture[right], minlength=pictures), matched.truths.sum(axis=1)
    sizes = total + correct + np.bincount(matched.picture[wrong], minlength=pictures)
    return 1 - np.where(sizes > 0, 2 * correct / np.maximum(sizes, 1), 1.0)


def _outcome(matched: Matched, threshold: Threshold) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes of confidence ``threshold`` or more are right and which wrong at IoU 0.5: two bool [n]."""
    of_class = np.broadcast_to(threshold, matched.truths.shape[1])
    sure, right = matched.score >= of_class[matched.label], matched.truth[0] >= 0
    return sure & right, sure & ~right & ~matched.ignored[0]


def _running(values: np.ndarray) -> np.ndarray:
    """The sum of what comes before each place: float64, one longer than ``values``."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


class _Flat(NamedTuple):
    """The boxes of all pictures, one after the other."""

    picture: np.ndarray  # int64 [n]
    number: np.ndarray  # int64 [n]: which box of its picture
    box: np.ndarray  # float64 [n, 4]
    label: np.ndarray  # int64 [n]
    extra: np.ndarray  # float64 [n]: the score of a found box; for a true one, 1 if it is to be ignored

    def take(self, which: np.ndarray) -> _Flat:
        return _Flat(*(column[which] for column in self))


def _flat(pictures: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> _Flat:
    count = np.array([len(labels) for _, labels, _ in pictures], dtype=np.int64)
    nothing = (np.zeros((0, 4)), np.zeros(0, dtype=np.int64), np.zeros(0))
    box, label, extra = (np.concatenate(column) for column in zip(nothing, *pictures, strict=True))
    picture = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(label)) - (np.cumsum(count) - count)[picture]
    return _Flat(picture, number, box, label, extra)


def _rank(boxes: _Flat) -> np.ndarray:
    """The place of each box among those of its picture and class, which lie together: int64 [n], from 0."""
    row = np.arange(len(boxes.label))
    new = (np.diff(boxes.picture, prepend=-1) != 0) | (np.diff(boxes.label, prepend=-1) != 0)
    return row - np.maximum.accumulate(np.where(new, row, 0))


class _Near(NamedTuple):
    """Boxes that overlap by at least the least of OVERLAPS, by ``predicted`` and then by ``other``."""

    predicted: np.ndarray  # int64 [p]: rows
    other: np.ndarray  # int64 [p]
    overlap: np.ndarray  # float64 [p]


def _near(here: _Flat, there: _Flat, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> _Near:
    """Found and other boxes of one picture and class that are near by ``measure``; both lie by picture."""
    parts = [(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))]
    for picture in np.unique(there.picture):
        first, last = np.searchsorted(here.picture, [picture, picture + 1])
        start, end = np.searchsorted(there.picture, [picture, picture + 1])
        overlap = measure(here.box[first:last], there.box[start:end])
        one, other = here.label[first:last, None], there.label[start:end]
        predicted, number = np.nonzero((overlap >= OVERLAPS[0]) & ((one == other) | (other < 0)))
        parts.append((predicted + first, number + start, overlap[predicted, number]))
    return _Near(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _greedy(rank: np.ndarray, near: _Near, truths: int) -> np.ndarray:
    """Which true box each found one takes at each of OVERLAPS: int64 [10, n], -1 for none.

    Round after round, the next highest-scoring box of every picture and class chooses: no two of them want
    the same.
    """
    chosen = np.full((len(rank), len(OVERLAPS)), -1)
    taken = np.zeros((truths, len(OVERLAPS)), dtype=bool)
    turn = rank[near.predicted]
    order = np.argsort(turn, kind="stable")
    for now in np.split(order, np.flatnonzero(np.diff(turn[order])) + 1):
        row, wish, by = near.predicted[now], near.other[now], near.overlap[now, None]
        free = np.where((by >= OVERLAPS) & ~taken[wish], by, -1.0)
        start = np.flatnonzero(np.diff(row, prepend=-1))
        best = np.repeat(np.maximum.reduceat(free, start), np.diff(start, append=len(row)), axis=0)
        # Of equal overlaps the last wins, as in COCO's code.
        wins = np.where((free == best) & (free > 0), np.arange(len(row))[:, None], -1)
        final = np.maximum.reduceat(wins, start)
        pair, at = final[final >= 0], np.nonzero(final >= 0)[1]
        chosen[row[pair], at] = wish[pair]
        taken[wish[pair], at] = True
    return np.ascontiguousarray(chosen.T)
