"""Sets with a promised coverage: the published formulas, and the promise itself on drawn data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance.errors import DataError
from oneglance.metrics.prediction_sets import (
    fewest,
    kept_sets,
    least_chance,
    refuse_few,
    set_columns,
    sets_of_classes,
    sets_of_tags,
)

quick = settings(deadline=None, max_examples=60)


def nobody(count: int) -> list[str]:
    return [""] * count


@pytest.mark.parametrize(("coverage", "count"), [(0.9, 9), (0.95, 19), (0.5, 1), (0.99, 99), (0.8, 4)])
def test_the_fewest_pictures(coverage: float, count: int) -> None:
    """ceil(1 / alpha) - 1, whatever 1 - coverage rounds to."""
    assert fewest(coverage) == count
    chances = np.linspace(0.1, 0.9, count)
    assert least_chance(chances, np.arange(count), nobody(count), coverage) == chances[0]
    assert least_chance(chances[1:], np.arange(count - 1), nobody(count), coverage) is None


@quick
@given(st.lists(st.integers(0, 20), min_size=9, max_size=80), st.sampled_from([0.5, 0.8, 0.9]))
def test_one_answer_each_is_split_conformal_prediction(values: list[int], coverage: float) -> None:
    chances = np.array(values) / 20
    scores = np.sort(1 - chances)  # Angelopoulos and Bates, section 1.1
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    threshold = least_chance(chances, np.arange(len(values)), nobody(len(values)), coverage)
    assert threshold == pytest.approx(1 - scores[rank - 1])


@quick
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.7, 0.9]), st.booleans())
def test_several_answers_are_conformal_risk_control(seed: int, coverage: float, grouped: bool) -> None:
    draw = np.random.default_rng(seed)
    chances, present = draw.integers(0, 12, (40, 4)) / 12, draw.random((40, 4)) < 0.4
    groups = [f"g{number}" for number in draw.integers(0, 15, 40)] if grouped else nobody(40)
    present[:, 0] |= ~present.any(axis=1)
    names = [group or str(row) for row, group in enumerate(groups)]
    ours = least_chance(chances[present], np.nonzero(present)[0], groups, coverage)

    def bound(threshold: float) -> float:  # Angelopoulos et al. 2022, equation 4, of the mean of each group
        missed = (present & (chances < threshold)).sum(axis=1) / present.sum(axis=1)
        means = [missed[[name == each for each in names]].mean() for name in sorted(set(names))]
        return (sum(means) + 1) / (len(means) + 1)

    allowed = [one for one in sorted(set(chances[present])) if bound(one) <= 1 - coverage + 1e-9]
    assert ours == (max(allowed) if allowed else None)


def covered(count: int, coverage: float, sizes: tuple[int, ...], rounds: int = 1500) -> tuple[float, float]:
    """How often a picture of a new group is in the set, and the error of that share. Groups differ: each has
    a level of its own.
    """
    draw, hits = np.random.default_rng(0), []
    for _ in range(rounds):
        size = draw.choice(sizes, count + 1)
        level = np.repeat(draw.normal(size=count + 1), size)
        chances = 1 / (1 + np.exp(-(level + 0.5 * draw.normal(size=len(level)))))
        group = np.repeat(np.arange(count + 1), size)
        old = group < count
        names = [str(number) for number in group[old]] if max(sizes) > 1 else nobody(int(old.sum()))
        threshold = least_chance(chances[old], np.arange(int(old.sum())), names, coverage)
        assert threshold is not None
        hits.append((chances[~old] >= threshold).mean())
    return float(np.mean(hits)), float(np.std(hits) / math.sqrt(rounds))


@pytest.mark.parametrize("sizes", [(1,), (1, 3, 12)])
def test_the_promise_is_kept_on_exchangeable_data(sizes: tuple[int, ...]) -> None:
    """And not by much more: at most by 1 / (n + 1) where nothing ties (Lei et al. 2018, theorem 2)."""
    value, error = covered(19, 0.9, sizes)
    assert value >= 0.9 - 4 * error
    assert value <= 0.9 + 1 / 20 + 4 * error


def test_the_promise_breaks_where_groups_are_taken_for_independent() -> None:
    """So the test above can fail: all pictures of a group are alike here, and one group of 15 lies below."""
    draw, hits = np.random.default_rng(0), []
    for _ in range(1000):
        level = np.repeat(draw.normal(size=16), 20)
        threshold = least_chance(level[:300], np.arange(300), nobody(300), 0.9)
        assert threshold is not None
        hits.append(level[-1] >= threshold)
    assert np.mean(hits) < 0.9


def test_each_class_has_its_own_promise() -> None:
    draw = np.random.default_rng(0)
    truth = np.repeat([0, 1], 500)
    sure = np.where(truth == 0, 3.0, 0.5) + draw.normal(size=1000)
    of_truth = 1 / (1 + np.exp(-sure))
    chances = np.stack(
        [np.where(truth == 0, of_truth, 1 - of_truth), np.where(truth == 1, of_truth, 1 - of_truth)]
    )
    both, each = (
        sets_of_classes(chances.T, truth, nobody(1000), 0.9, per_class=per_class)
        for per_class in (False, True)
    )
    assert both is not None and each is not None

    def shares(sets: object) -> list[float]:
        held = sets.members(chances.T)[np.arange(1000), truth]  # type: ignore[attr-defined]
        return [held[truth == one].mean() for one in (0, 1)]

    assert shares(both)[0] > 0.99 and shares(both)[1] < 0.85
    assert shares(each) == pytest.approx([0.9, 0.9], abs=0.005)


def test_without_enough_pictures_of_a_class_there_are_no_sets_per_class() -> None:
    truth = np.array([0] * 20 + [1] * 8)
    chances = np.eye(2)[truth] * 0.8 + 0.1
    assert sets_of_classes(chances, truth, nobody(28), 0.9, per_class=True) is None
    assert sets_of_classes(chances, truth, nobody(28), 0.9, per_class=False) is not None


def test_a_class_that_no_set_can_hold_counts_as_missed() -> None:
    truth = np.array([0] * 17 + [-1] * 3)
    chances = np.tile([0.9, 0.1], (20, 1))
    assert sets_of_classes(chances, truth, nobody(20), 0.9, per_class=False) is None
    assert sets_of_classes(chances, truth, nobody(20), 0.8, per_class=False) is not None


def test_what_a_prediction_says_is_what_is_scored() -> None:
    chances = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]])
    sets = sets_of_tags(
        np.tile(chances, (10, 1)), np.tile([[1, 1, 0], [1, 0, 0]], (10, 1)) > 0, nobody(20), 0.9
    )
    assert sets is not None
    columns = set_columns(sets.members(chances), chances, "abc", sets.coverage)
    assert columns == [{"set": ["b", "a"], "coverage": 0.9}, {"set": ["a", "b", "c"], "coverage": 0.9}]
    members = kept_sets(columns, "abc")
    assert members is not None and (members == sets.members(chances)).all()
    assert kept_sets([*columns, {}], "abc") is None


def test_too_few_answers_are_named() -> None:
    with pytest.raises(
        DataError, match=r"kind: coverage = 0\.9 needs 9 validation pictures with an answer, not 8"
    ) as few:
        refuse_few("kind", range(8), nobody(8), 0.9)
    assert "at most 0.88" in str(few.value)
    refuse_few("kind", range(9), nobody(9), 0.9)
    with pytest.raises(
        DataError, match='9 validation groups of pictures with an answer of the class "hat", not 3'
    ):
        refuse_few("kind", range(30), [str(row % 3) for row in range(30)], 0.9, of_class="hat")
