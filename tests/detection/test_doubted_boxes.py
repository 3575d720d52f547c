"""Boxes that are missing, superfluous, of another class or misplaced, by predictions that are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection.doubted_boxes import (
    MISPLACED,
    MISSING,
    RENAMED,
    SUPERFLUOUS,
    BoxDoubt,
    doubted_boxes,
)


def world(pictures: int = 40, seed: int = 0) -> tuple[list[list[dict[str, Any]]], list[BoxAnnotations]]:
    """Pictures with four boxes each, and predictions of them that are nearly right, with a little noise."""
    draw = np.random.default_rng(seed)
    predictions, answers = [], []
    for _ in range(pictures):
        boxes, found = [], []
        for place in range(4):
            x, y, side = 100 * place + draw.uniform(0, 20), draw.uniform(0, 50), draw.uniform(40, 60)
            label = "cell" if place % 2 else "plate"
            boxes.append(Box(x, y, x + side, y + side, label))
            edges = (np.array([x, y, x + side, y + side]) + draw.normal(0, 1.5, 4)).tolist()
            found.append({"box": edges, "label": label, "confidence": draw.uniform(0.7, 0.99)})
        found.append({"box": [0, 300, 30, 330], "label": "cell", "confidence": draw.uniform(0.02, 0.2)})
        predictions.append(found)
        answers.append(BoxAnnotations(tuple(boxes)))
    return predictions, answers


def first(predictions: Any, answers: Any) -> BoxDoubt:
    return max(doubted_boxes(predictions, answers), key=lambda doubt: doubt.score)


def with_box(answer: BoxAnnotations, index: int, box: Box | None) -> BoxAnnotations:
    boxes = [*answer.boxes]
    boxes[index : index + 1] = [] if box is None else [box]
    return replace(answer, boxes=tuple(boxes))


def test_nothing_is_likely_wrong_where_nothing_is() -> None:
    assert all(doubt.score < 0.5 for doubt in doubted_boxes(*world()))


def test_a_box_that_was_dropped_is_missing() -> None:
    predictions, answers = world()
    gone = answers[7].boxes[1]
    answers[7] = with_box(answers[7], 1, None)
    doubt = first(predictions, answers)
    assert (doubt.picture, doubt.kind, doubt.index) == (7, MISSING, None)
    assert doubt.proposed is not None and doubt.proposed["label"] == "cell"
    assert abs(doubt.proposed["box"][0] - gone.x0) < 10


def test_a_box_around_nothing_is_superfluous() -> None:
    predictions, answers = world()
    answers[3] = replace(answers[3], boxes=(*answers[3].boxes, Box(200, 200, 240, 250, "plate")))
    doubt = first(predictions, answers)
    assert (doubt.picture, doubt.kind, doubt.index, doubt.proposed) == (3, SUPERFLUOUS, 4, None)


def test_a_box_that_is_hard_to_see_is_less_suspicious_than_one_that_was_forgotten() -> None:
    """People forget more than they invent."""
    predictions, answers = world()
    del predictions[10][0]  # the network does not see one plate
    answers[7] = with_box(answers[7], 1, None)
    doubts = sorted(doubted_boxes(predictions, answers), key=lambda doubt: -doubt.score)
    assert [(doubt.kind, doubt.picture) for doubt in doubts[:2]] == [(MISSING, 7), (SUPERFLUOUS, 10)]
    assert doubts[0].score > 2 * doubts[1].score


def test_a_box_of_another_class_keeps_its_place() -> None:
    predictions, answers = world()
    answers[5] = with_box(answers[5], 2, replace(answers[5].boxes[2], label="cell"))
    doubt = first(predictions, answers)
    assert (doubt.picture, doubt.kind, doubt.index) == (5, RENAMED, 2)
    assert doubt.proposed is not None and doubt.proposed["label"] == "plate"


def test_a_box_that_was_moved_is_misplaced() -> None:
    predictions, answers = world()
    box = answers[9].boxes[0]
    answers[9] = with_box(answers[9], 0, replace(box, x0=box.x0 + 15, x1=box.x1 + 15))
    doubt = first(predictions, answers)
    assert (doubt.picture, doubt.kind, doubt.index) == (9, MISPLACED, 0)
    assert 0.3 < doubt.overlap < 0.8


def test_what_nobody_looked_for_is_not_missing() -> None:
    predictions, answers = world()
    answers[7] = replace(with_box(answers[7], 1, None), queried=frozenset({"plate"}))
    assert all(doubt.picture != 7 or doubt.kind != MISSING for doubt in doubted_boxes(predictions, answers))
    answers[7] = replace(
        answers[7], queried=None, boxes=(*answers[7].boxes, Box(90, 0, 190, 120, "", {}, True))
    )
    missing = [doubt for doubt in doubted_boxes(predictions, answers) if doubt.kind == MISSING]
    assert all(doubt.picture != 7 or doubt.score < 0.5 for doubt in missing)


def test_no_pictures_and_no_predictions_are_no_trouble() -> None:
    assert doubted_boxes([], []) == []
    _, answers = world(3)
    assert len(doubted_boxes([[], [], []], answers)) <= 12
    assert doubted_boxes([[]], [BoxAnnotations(())]) == []
