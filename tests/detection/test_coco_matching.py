"""Matching and its scores: COCO's own code is the oracle."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from oneglance.detection.coco_matching import (
    OVERLAPS,
    Matched,
    Predicted,
    Truth,
    average_precision,
    best_threshold,
    class_scores,
    match,
    pairs,
    per_class,
    sample_errors,
)

CLASSES = 2
DataSet = tuple[list[Predicted], list[Truth], np.ndarray]  # what is found, what is true, what is known


def coco(
    found: list[Predicted], truths: list[Truth], labelled: np.ndarray, repeats: np.ndarray, most: int = 100
) -> tuple[Any, dict[int, tuple[int, int]], dict[int, int]]:
    """COCO's evaluation of the pictures, each repeated so often, and the ids of their boxes."""
    evaluation = COCOeval(iouType="bbox")
    images: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    drawn: list[dict[str, Any]] = []
    places: dict[int, tuple[int, int]] = {}
    names: dict[int, int] = {}
    for picture, often in enumerate(repeats):
        for _ in range(int(often)):
            image = len(images) + 1
            images.append({"id": image})
            boxes, scores, classes = found[picture]
            for place, (box, score, label) in enumerate(zip(boxes, scores, classes, strict=True)):
                if labelled[picture, label]:
                    told.append(annotation(len(told) + 1, image, box, label) | {"score": score})
                    places[len(told)] = picture, place
            boxes, classes, ignore = truths[picture]
            for place, (box, label, crowd) in enumerate(zip(boxes, classes, ignore, strict=True)):
                if labelled[picture, label]:
                    drawn.append(annotation(len(drawn) + 1, image, box, label) | {"iscrowd": int(crowd)})
                    names[len(drawn)] = place
    categories = [{"id": label + 1} for label in range(labelled.shape[1])]
    with contextlib.redirect_stdout(io.StringIO()):
        for side, annotations in (("cocoGt", drawn), ("cocoDt", told)):
            index = COCO()
            index.dataset = {"images": images, "categories": categories, "annotations": annotations}
            index.createIndex()
            setattr(evaluation, side, index)
        evaluation.params.imgIds = [image["id"] for image in images]
        evaluation.params.catIds = [category["id"] for category in categories]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [most]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation, places, names


def annotation(number: int, image: int, box: np.ndarray, label: int) -> dict[str, Any]:
    x0, y0, x1, y1 = map(float, box)
    return {
        "id": number,
        "image_id": image,
        "category_id": int(label) + 1,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "iscrowd": 0,
    }


def coco_scores(evaluation: Any) -> Iterator[np.ndarray]:
    precision, recall = (evaluation.eval[name][..., 0, 0] for name in ("precision", "recall"))
    absent = recall < 0
    return (np.where(absent, np.nan, values) for values in (precision.mean(axis=1), recall))


@st.composite
def data_sets(draw: st.DrawFn, classes: int = CLASSES, distinct: bool = False) -> DataSet:
    """Boxes on a coarse grid, so that many overlap, many equally; some have no area."""
    pictures = draw(st.integers(1, 4))
    side = st.integers(0, 5)
    box = st.tuples(st.integers(0, 2), st.integers(0, 2), side, side, st.integers(0, classes - 1))
    tables = [
        [np.array(draw(st.lists(box, max_size=most)), dtype=np.int64).reshape(-1, 5) for _ in range(pictures)]
        for most in (8, 6)
    ]
    count = sum(map(len, tables[0]))
    score = st.integers(1, 1000 if distinct else 5)
    drawn = np.array(draw(st.lists(score, min_size=count, max_size=count, unique=distinct))) / 1001
    scores = np.split(drawn, np.cumsum([len(table) for table in tables[0]])[:-1])
    ignore = [
        np.array([draw(st.sampled_from([0, 0, 0, 1])) for _ in table], dtype=bool) for table in tables[1]
    ]
    flags = st.lists(st.booleans(), min_size=pictures * classes, max_size=pictures * classes)
    labelled = np.array(draw(flags | st.just([True] * pictures * classes))).reshape(pictures, classes)
    corners = [[np.hstack([t[:, :2], t[:, :2] + t[:, 2:4]]) for t in side] for side in tables]
    found = [Predicted(b, s, t[:, 4]) for b, s, t in zip(corners[0], scores, tables[0], strict=True)]
    truths = [Truth(b, t[:, 4], i) for b, t, i in zip(corners[1], tables[1], ignore, strict=True)]
    return found, truths, labelled


@settings(max_examples=60, deadline=None)
@given(data=data_sets(), most=st.sampled_from([1, 2, 100]))
def test_scores_are_those_of_coco(data: DataSet, most: int) -> None:
    evaluation, _, _ = coco(*data, np.ones(len(data[0])), most)
    matched = match(*data, most=most)
    for ours, theirs in zip(
        class_scores(matched, np.ones(len(data[0]))), coco_scores(evaluation), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(data=data_sets(distinct=True), weights=st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_weights_are_repeated_pictures(data: DataSet, weights: list[int]) -> None:
    repeats = np.array(weights[: len(data[0])], dtype=np.float64)
    if not repeats.any():
        repeats[0] = 2
    evaluation, _, _ = coco(*data, repeats)
    precision, recall = coco_scores(evaluation)
    ours = average_precision(match(*data), repeats)
    if np.isnan(recall).all():
        assert all(np.isnan(value) for value in ours.values())
    else:
        theirs = [np.nanmean(part) for part in (precision, precision[0], precision[5], recall)]
        assert ours == pytest.approx(
            dict(zip(("ap", "ap50", "ap75", "ar100"), theirs, strict=True)), abs=1e-12
        )


@settings(max_examples=40, deadline=None)
@given(data=data_sets())
def test_each_box_has_the_partner_that_coco_gives_it(data: DataSet) -> None:
    evaluation, places, names = coco(*data, np.ones(len(data[0])))
    crowds = {box["id"] for box in evaluation.cocoGt.dataset["annotations"] if box["iscrowd"]}
    for overlap in range(len(OVERLAPS)):
        expected, ignored = set(), set()
        for result in filter(None, evaluation.evalImgs):
            for box, partner in zip(result["dtIds"], result["dtMatches"][overlap].astype(int), strict=True):
                if partner in crowds:
                    ignored.add(places[box])
                elif partner:
                    expected.add((*places[box], names[partner]))
        matched = match(*data)
        right = matched.truth[overlap] >= 0
        columns = (matched.picture, matched.number, matched.truth[overlap])
        assert set(zip(*(column[right].tolist() for column in columns), strict=True)) == expected
        hidden = (column[matched.ignored[overlap]].tolist() for column in columns[:2])
        assert set(zip(*hidden, strict=True)) == ignored
        if overlap == 0:
            told = pairs(matched)
            assert set(map(tuple, told.tolist())) == expected
            scores = [data[0][picture].scores[place] for picture, place, _ in told]
            assert scores == sorted(scores, reverse=True)


def one_class(
    told: Sequence[tuple[float, float]],
    drawn: Sequence[float],
    ignore: Sequence[float] = (),
    classes: list[int] | None = None,
) -> Matched:
    """Of one picture: squares of side 10 at those places of a line; the found ones with their scores."""

    def squares(places: Sequence[float]) -> np.ndarray:
        return np.array([[x, 0, x + 10, 10] for x in places], dtype=float).reshape(-1, 4)

    drawn = [*drawn, *ignore]
    found = Predicted(squares([x for x, _ in told]), np.array([s for _, s in told]), np.zeros(len(told), int))
    labels = np.zeros(len(drawn), int) if classes is None else np.array(classes)
    truth = Truth(squares(drawn), labels, np.arange(len(drawn)) >= len(drawn) - len(ignore))
    return match([found], [truth], np.ones((1, 1), dtype=bool))


def test_a_region_of_no_class_hides_what_any_class_finds_there() -> None:
    matched = one_class([(51, 0.9), (54, 0.8), (0, 0.7), (80, 0.6)], [0], ignore=[50], classes=[0, -1])
    assert matched.ignored[0].tolist() == [True, True, False, False]
    assert matched.ignored[-1].tolist() == [False] * 4  # of neither does 0.95 lie in the region
    assert per_class(matched, 0.5)[0][2:] == (1.0, 0.5, 1.0)


def test_a_true_box_of_a_class_that_is_not_scored_counts_nowhere() -> None:
    matched = one_class([(0, 0.9), (50, 0.8)], [0, 50], classes=[0, -1])
    assert matched.truths.tolist() == [[1]]
    assert pairs(matched).tolist() == [[0, 0, 0]]
    assert not matched.ignored.any()


def test_no_score_where_nobody_looked() -> None:
    found = [Predicted(np.array([[0, 0, 9, 9]]), np.array([0.9]), np.array([0]))]
    truths = [Truth(np.array([[0, 0, 9, 9]]), np.array([0]), np.array([False]))]
    matched = match(found, truths, np.zeros((1, 1), dtype=bool))
    assert len(matched.score) == 0
    assert all(np.isnan(value) for value in average_precision(matched, np.ones(1)).values())


def test_no_picture_at_all_gives_no_number() -> None:
    matched = match([], [], np.ones((0, 2), dtype=bool))
    assert all(np.isnan(value) for value in average_precision(matched, np.ones(0)).values())
    assert pairs(matched).shape == (0, 3)
    assert best_threshold(matched) == 0.3
    assert sample_errors(matched, 0.5).shape == (0,)


@settings(max_examples=60, deadline=None)
@given(data=data_sets())
def test_no_threshold_beats_the_best(data: DataSet) -> None:
    matched = match(*data)
    best = best_threshold(matched)
    total = matched.truths.sum()

    def micro_f1(threshold: float) -> float:
        told = (matched.score >= threshold) & ~matched.ignored[0]
        return 2 * (matched.truth[0, told] >= 0).sum() / max(told.sum() + total, 1)

    if total < 5:
        assert best == 0.3
    else:
        assert 0 < best < 1
        assert micro_f1(best) == max(map(micro_f1, [best, *matched.score]))
        assert best not in matched.score[~matched.ignored[0]]


def test_the_threshold_lies_halfway_between_two_scores() -> None:
    places = [0, 20, 40, 60, 80]
    told = [(0, 0.9), (20, 0.8), (40, 0.7), (60, 0.6), (105, 0.5), (125, 0.4)]
    assert best_threshold(one_class(told, places)) == pytest.approx(0.55)
    assert best_threshold(one_class(told[:4], places)) == pytest.approx(0.3)
    assert best_threshold(one_class([(x, 1.0) for x in places], places)) == pytest.approx(0.5)


def test_what_is_shown_of_each_class_and_picture() -> None:
    square = np.array([[0, 0, 9, 9]])
    nothing = Truth(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, bool))
    found = [
        Predicted(np.vstack([square, square + 20]), np.array([0.9, 0.8]), np.array([0, 0])),
        Predicted(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)),
        Predicted(square, np.array([0.2]), np.array([1])),
        Predicted(square, np.array([0.7]), np.array([0])),
    ]
    drawn = Truth(square, np.array([0]), np.array([False]))
    matched = match(found, [drawn, drawn, nothing, nothing], np.ones((4, 2), dtype=bool))
    assert sample_errors(matched, 0.5) == pytest.approx([1 / 3, 1, 0, 1])
    assert sample_errors(matched, 0.1)[2] == 1
    rows = per_class(matched, 0.5)
    assert rows[0] == pytest.approx((2, 51 / 101, 51 / 101, 1 / 3, 0.5))
    assert rows[1] == pytest.approx((0, *[np.nan] * 4), nan_ok=True)
