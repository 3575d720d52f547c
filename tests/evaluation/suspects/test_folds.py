"""Folds: each picture is held out once, with its group, and classes are spread."""

from __future__ import annotations

import numpy as np
import pytest

from oneglance.evaluation.suspects.folds import assigned, folds_of, seen_in_one_fold


@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_picture_is_held_out_once_and_never_with_its_group_elsewhere(count: int) -> None:
    draw = np.random.default_rng(count)
    units = np.unique(draw.integers(40, size=200), return_inverse=True)[1]
    classes = [(f"c{one}",) for one in draw.integers(4, size=200).tolist()]
    folds = list(folds_of(units, classes, count))
    assert sorted(np.concatenate([fold.held_out for fold in folds]).tolist()) == list(range(200))
    for fold in folds:
        parts = [set(units[part].tolist()) for part in fold]
        assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
        assert sum(map(len, fold)) == 200


def test_rare_classes_are_spread() -> None:
    classes = [("rare",)] * 5 + [("usual",)] * 95
    fold = assigned(np.arange(100), classes, 5, 0)
    assert sorted(fold[:5].tolist()) == [0, 1, 2, 3, 4]
    assert np.bincount(fold).tolist() == [20] * 5


def test_a_class_of_one_group_is_told() -> None:
    fold = np.array([0, 0, 1, 1])
    assert seen_in_one_fold(fold, [("a",), ("a", "b"), ("b",), ("c",)]) == {"a", "c"}
