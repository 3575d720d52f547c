"""The epoch that is kept: the best, or a later one that is as good for all that can be told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.training.checkpoint_selection import RESAMPLES, CheckpointSelection, resamples

NAN = float("nan")


def judged(*epochs: list[float]) -> list[bool]:
    """What is kept of epochs whose skill and its resamples are these; a short list is drawn out."""
    selection = CheckpointSelection()
    kept = []
    for number, skills in enumerate(epochs, 1):
        told = {"kind": {"accuracy": skills[0]}}
        kept.append(selection.judge(number, np.array(skills), told))
        assert not kept[-1] or (selection.epoch, selection.validation) == (number, told)
    json.dumps(vars(selection))
    return kept


def test_a_later_epoch_is_kept_unless_the_best_is_better_by_more_than_the_noise() -> None:
    best = [0.5, 0.6, 0.4, 0.5]
    assert judged(best, [0.45, 0.65, 0.3, 0.4]) == [True, True]  # the difference spreads by 0.07
    assert judged(best, [0.45, 0.56, 0.35, 0.44]) == [True, False]  # by 0.009: always a little worse


def test_the_measure_is_the_best_so_far_and_not_the_last_kept() -> None:
    """Many small steps down would otherwise lead anywhere."""
    best = [0.5, 0.6, 0.4]
    down = [[0.45, 0.5, 0.4], [0.42, 0.42, 0.42], [0.38, 0.38, 0.38]]  # differences spread by 0.05, 0.1, 0.1
    assert judged(best, *down) == [True, True, True, False]
    assert judged(best, [0.6, 0.6, 0.6], down[0]) == [True, True, False]


def test_where_nothing_can_be_scored_the_last_is_kept() -> None:
    nothing = [NAN, NAN, NAN]
    assert judged(nothing, nothing) == [True, True]
    assert judged([0.5, 0.5, 0.5], nothing) == [True, False]
    assert judged(nothing, [0.1, 0.1, 0.1], [0.05, 0.05, 0.05]) == [True, True, False]


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_without_noise_it_is_the_best_and_of_equals_the_last(skills: list[float]) -> None:
    kept = judged(*([skill] * 4 for skill in skills))
    last = len(kept) - kept[::-1].index(True) - 1
    assert last == max(place for place, skill in enumerate(skills) if skill == max(skills))


def test_resamples_tell_the_noise_of_a_mean() -> None:
    x = np.random.default_rng(1).normal(3, 2, 400)
    weights = resamples(400)
    assert weights.shape == (1 + RESAMPLES, 400) and (weights > 0).all() and (weights[0] == 1).all()
    means = weights[1:] @ x / weights[1:].sum(axis=1)
    assert means.std() == pytest.approx(2 / 400**0.5, rel=0.35)  # 32 draws tell a spread to 12.5 %
    assert np.array_equal(weights, resamples(400))


def test_the_luck_of_few_pictures_does_not_choose() -> None:
    """Twenty epochs that are equally good but for luck: the last is kept, where it is not an unlucky one."""
    random, weights = np.random.default_rng(2), resamples(100)
    last = 0
    for _ in range(50):
        right = (random.random((20, 100)) < 0.8).astype(float)
        kept = judged(*(right @ weights.T / weights.sum(axis=1)).tolist())
        last += int(max(np.flatnonzero(kept)) >= 15)
    assert last > 35  # the luckiest one would be among the last five in a quarter of all cases
