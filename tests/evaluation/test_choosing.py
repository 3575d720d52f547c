"""Which pictures to label next, by vectors and doubts that are given."""

from __future__ import annotations

import numpy as np

from oneglance.evaluation.labelling.choosing import typical, typicality, unsure


def groups(each: int, count: int, seed: int = 0) -> np.ndarray:
    """``count`` groups of ``each`` vectors, far from each other."""
    draw = np.random.default_rng(seed)
    centres = 20 * np.eye(count, 8)
    return (centres.repeat(each, axis=0) + draw.normal(0, 0.3, (each * count, 8))).astype(np.float32)


def test_each_group_without_an_answer_gives_its_most_typical_picture() -> None:
    pool = groups(30, 4)
    labelled = pool[:1] + 0.01  # the first group has an answer
    rows, scores = typical(pool, labelled, 3)
    assert sorted((rows // 30).tolist()) == [1, 2, 3]
    assert ((scores > 0) & (scores <= 1)).all()
    for row in rows.tolist():
        group = row // 30 * 30
        assert np.argmax(typicality(pool[group : group + 30])) == row - group


def test_no_picture_is_chosen_twice_however_many_are_asked_for() -> None:
    pool = groups(3, 2)
    rows, _ = typical(pool, pool[:0], 50)
    assert sorted(rows.tolist()) == list(range(6))
    rows, _ = unsure(pool, np.linspace(0, 1, 6), 50)
    assert rows.tolist() == [5, 4, 3, 2, 1, 0]


def test_unsure_pictures_are_spread() -> None:
    """Twenty copies of the most unsure picture do not push all others out."""
    pool = np.concatenate([groups(20, 1), groups(5, 4)])
    doubts = np.concatenate([np.full(20, 0.99), np.full(20, 0.8)])
    rows, scores = unsure(pool, doubts, 4)
    assert len({0 if row < 25 else row // 5 for row in rows.tolist()}) == 4
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)


def test_one_picture_is_a_pool() -> None:
    rows, scores = typical(np.ones((1, 4), np.float32), np.zeros((0, 4), np.float32), 5)
    assert rows.tolist() == [0] and scores.tolist() == [0]
