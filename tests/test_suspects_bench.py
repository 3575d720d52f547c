"""``bench/suspects.py`` and ``bench/label_next.py``: what they change, and how they score, on tiny data."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from oneglance.data.record import Box, BoxAnnotations
from oneglance.metrics.suspicion import Suspicion
from oneglance.task import build_tasks
from oneglance.tasks.tags import TagAnnotations

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def suspects(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("suspects")


@pytest.fixture
def label_next(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("label_next")


def test_a_changed_answer_is_another_one(suspects: Any) -> None:
    draw = np.random.default_rng(0)
    words, numbers = ["a", "a", "a", "b", "c"], [1.0, 1.0, 2.5]
    assert {suspects.changed("a", words, draw) for _ in range(50)} == {"b", "c"}
    assert {suspects.changed(1.0, numbers, draw) for _ in range(50)} == {2.5}
    both = [TagAnnotations(frozenset({"x"})), TagAnnotations(frozenset({"y"}))]
    for _ in range(20):
        other = suspects.changed(both[0], both, draw).present
        assert len(other ^ {"x"}) == 1, "one tag more or less"


def boxes(count: int = 30) -> list[BoxAnnotations]:
    """Two in each picture, and one that does not count."""
    return [
        BoxAnnotations(
            (
                Box(4, 8, 24, 28, "red"),
                Box(60.0 + row, 60, 100.0 + row, 80, "white"),
                Box(0, 0, 9, 9, "red", ignore=True),
            )
        )
        for row in range(count)
    ]


def test_boxes_are_dropped_moved_and_renamed(suspects: Any) -> None:
    before = boxes()
    after, changes = suspects.changed_boxes(before, 0.2, np.random.default_rng(0))
    assert Counter(one.kind for one in changes) == {"dropped": 4, "moved": 4, "renamed": 4}
    assert sum(a != b for a, b in zip(before, after, strict=True)) == len({one.row for one in changes})
    assert sum(len(one.boxes) for one in after) == 3 * len(before) - 4
    for row, kind, places in changes:
        old = places[0]
        assert old in before[row].boxes and old not in after[row].boxes and not old.ignore
        if kind == "renamed":
            assert places[1].label != old.label and places[1].x0 == old.x0
        if kind == "moved":
            assert abs(places[1].x0 - old.x0) == pytest.approx((old.x1 - old.x0) / 4)
            assert places[1].x1 - places[1].x0 == pytest.approx(old.x1 - old.x0)
            assert places[1].x0 >= 0 and places[1].y0 >= 0 and places[1].label == old.label
        assert (len(places) == 1) is (kind == "dropped")
        assert all(box in after[row].boxes for box in places[1:])
    one_class = [BoxAnnotations(one.boxes[:1]) for one in before]
    assert {one.kind for one in suspects.changed_boxes(one_class, 0.2, np.random.default_rng(0))[1]} == {
        "dropped",
        "moved",
    }


def test_boxes_are_scored_as_scikit_learn_would(suspects: Any) -> None:
    _, changes = suspects.changed_boxes(boxes(), 0.2, np.random.default_rng(0))
    draw = np.random.default_rng(1)
    right = [
        Suspicion(one.row, "", "", float(draw.random()), box=(b.x0, b.y0, b.x1, b.y1))
        for one in changes
        for b in one.places[:1]
    ]
    wrong = [Suspicion(row, "", "", float(draw.random()), box=(200, 200, 220, 220)) for row in range(20)]
    every = [*right, *wrong]
    truth = [True] * len(right) + [False] * len(wrong)
    average, precision = suspects.box_scores(every, changes)
    assert average == pytest.approx(average_precision_score(truth, [one.score for one in every]))
    first = sorted(every, key=lambda one: -one.score)[: len(changes)]
    assert precision == pytest.approx(sum(one in right for one in first) / len(changes))
    assert suspects.box_scores([*right, *right], changes)[0] < 1, "the second time it is a false alarm"
    assert suspects.box_scores(wrong, changes) == (0, 0)


def test_a_replay_learns_and_never_asks_twice(label_next: Any) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(120, 6)).astype(np.float32)
    answers = ["ab"[int(row[0] > 0)] for row in vectors]
    pool, test = (label_next.Part(vectors[own], answers[own]) for own in (slice(80), slice(80, 120)))
    task = build_tasks({"it": {"type": "label"}})["it"]
    task.fit_target(answers)
    start = np.arange(6)
    for choose in (label_next.by_label_next(task), label_next.at_random(draw)):
        asked: list[np.ndarray] = []

        def noted(pool: Any, known: np.ndarray, *rest: Any, choose: Any = choose, asked: Any = asked) -> Any:
            chosen = choose(pool, known, *rest)
            assert not set(chosen.tolist()) & set(known.tolist())
            asked.append(chosen)
            return chosen

        scores = label_next.curve(task, pool, test, start, noted, 15, 2)
        assert [len(set(one.tolist())) for one in asked] == [15, 15]
        assert len(scores) == 3 and scores[-1] > 0.7
