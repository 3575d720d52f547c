"""Differences, their intervals and their verdicts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from oneglance.evaluation import bootstrap, significance
from oneglance.evaluation.bootstrap import score
from oneglance.evaluation.significance import (
    Estimate,
    against,
    beats,
    draws,
    errors,
    estimate,
    holm,
    relative_change,
    summary,
    verdict,
)
from oneglance.task import Task, build_tasks

chances = st.floats(0, 1)


def task(kind: str = "number", **keys: Any) -> Task:
    result = build_tasks({"it": {"type": kind, **keys}})["it"]
    result.fit_target([1.0, 2.0, 4.0] if kind == "number" else ["a", "b"])
    return result


def guesses(values: Any) -> list[dict[str, Any]]:
    return [{"value": value, "low": None, "high": None} for value in values]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 300)


def network(shift: float, noise: float, seed: int, truth: np.ndarray) -> np.ndarray:
    """Draws of a network that is off by ``shift`` on average."""
    drawn = np.random.default_rng(seed).normal(0, noise, len(truth))
    return draws(task(), guesses(truth + shift + drawn), truth.tolist(), [""] * len(truth))


TRUTH = np.random.default_rng(5).normal(0, 1, 200)


# Draws.


def test_the_first_draw_is_the_score_and_unknown_answers_do_not_count() -> None:
    result = draws(task(), guesses([1, 2, 9]), [1.0, 4.0, None], ["", "", ""])
    assert result.shape == (301,) and result[0] == 1.0
    assert set(result.tolist()) <= {0.0, 1.0, 2.0}


def test_draws_are_those_of_the_report() -> None:
    answers: list[float | None] = [*TRUTH[:40].tolist(), None]
    predictions = guesses([*(TRUTH[:40] + 0.3), 7.0])
    groups = [f"g{row % 9}" for row in range(41)]
    result = draws(task(), predictions, answers, groups)
    reported = score(task(), predictions, answers, groups)["metrics"]["mae"]
    assert result[0] == reported["value"]
    assert np.percentile(result[1:], [2.5, 97.5]).tolist() == [reported["low"], reported["high"]]


def test_where_nothing_is_known_there_is_nothing_to_say() -> None:
    result = draws(task(), guesses([1]), [None], [""])
    assert np.isnan(result).all()
    assert estimate(result[None]) == Estimate(None, None, None, None)


def test_pictures_of_one_group_have_no_interval() -> None:
    result = draws(task(), guesses([1, 2]), [2.0, 2.0], ["g", "g"])
    assert estimate(result[None]) == Estimate(0.5, None, None, None)


# Intervals.


def test_one_seed_is_the_bootstrap_of_the_pictures() -> None:
    result = np.random.default_rng(0).normal(3, 1, 1001)[None]
    estimated = estimate(result)
    assert [estimated.low, estimated.high] == np.percentile(result[0, 1:], [2.5, 97.5]).tolist()


@pytest.mark.parametrize("seeds", [2, 5, 20])
def test_seeds_count_as_in_a_t_test(seeds: int) -> None:
    """Where pictures do not vary, the interval is that of Student."""
    values = np.random.default_rng(seeds).normal(2, 1, seeds)
    estimated = estimate(np.repeat(values[:, None], 40_001, axis=1))
    half = stats.t.ppf(0.975, seeds - 1) * values.std(ddof=1) / np.sqrt(seeds)
    assert estimated.value == pytest.approx(values.mean())
    assert estimated.high is not None and estimated.low is not None
    assert (estimated.high - estimated.low) / 2 == pytest.approx(half, rel=0.12)


def test_networks_in_pairs_differ_more_surely_than_alone() -> None:
    """Both err on the same pictures; only the difference is small and sure."""
    hard = np.random.default_rng(3).exponential(1, 200)
    one = draws(task(), guesses(TRUTH + hard), TRUTH.tolist(), [""] * 200)[None]
    other = draws(task(), guesses(TRUTH + hard + 0.1), TRUTH.tolist(), [""] * 200)[None]
    difference, alone = estimate(other - one), estimate(one)
    assert difference.value == pytest.approx(0.1)
    assert difference.low is not None and difference.low > 0.09
    assert alone.high is not None and alone.low is not None and alone.high - alone.low > 0.15


@pytest.mark.parametrize("kind", ["label", "number"])
def test_scores_stay_where_the_metric_lives(kind: str) -> None:
    estimated = Estimate(0.5, -3.0, 7.0, 0.5).score(task(kind), 10, 2)
    assert estimated == {
        "value": 0.5,
        "low": 0.0,
        "high": 1.0 if kind == "label" else 7.0,
        "n": 10,
        "seeds": 2,
    }


@pytest.mark.parametrize(("other_side", "p"), [(0, 2 / 1000), (3, 8 / 1000), (499, 1.0)])
def test_p_counts_the_draws_on_the_other_side_and_the_value_itself(other_side: int, p: float) -> None:
    """No difference is so sure that its p is 0: 999 resamples can show no less than 2 in 1,000."""
    drawn = np.array([1.0, *[-1.0] * other_side, *[1.0] * (999 - other_side)])
    for sign in (1, -1):
        assert estimate(sign * drawn[None]).p == pytest.approx(p, abs=1e-12)


# Holm.


def test_holm_by_hand() -> None:
    result = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None})
    assert result == {"a": pytest.approx(0.03), "c": pytest.approx(0.06), "b": pytest.approx(0.06), "d": None}


@given(st.dictionaries(st.text(max_size=3), chances, min_size=1, max_size=8))
def test_holm_is_between_nothing_and_bonferroni_and_keeps_the_order(p: dict[str, float]) -> None:
    result = {name: value for name, value in holm(dict(p)).items() if value is not None}
    assert set(result) == set(p)
    for name, value in p.items():
        assert value <= result[name] <= min(1.0, value * len(p)) + 1e-12
    ordered = sorted(p, key=lambda name: p[name])
    assert all(result[a] <= result[b] for a, b in pairwise(ordered))


# Verdicts.


@pytest.mark.parametrize(
    ("gain", "p", "says"),
    [
        (0.1, 0.01, "better"),
        (-0.1, 0.01, "worse"),
        (0.1, 0.05, "no difference"),
        (0.0, 0.01, "no difference"),
        (None, None, "no difference"),
        (0.1, None, "no difference"),
    ],
)
def test_verdicts(gain: float | None, p: float | None, says: str) -> None:
    assert verdict(gain, p) == says


@pytest.mark.parametrize(("shift", "says"), [(0.0, "better"), (1.5, "worse")])
def test_the_better_network_is_found(shift: float, says: str) -> None:
    """A smaller distance from the truth is better, though the difference is then below 0."""
    ours = np.stack([network(shift, 0.3, seed, TRUTH) for seed in range(5)])
    theirs = np.stack([network(0.7, 0.3, 10 + seed, TRUTH) for seed in range(5)])
    result = against({"it": task()}, {"it": ours}, {"it": theirs})["it"]
    assert result["verdict"] == says
    assert (result["difference"]["value"] < 0) is (says == "better")
    assert (result["error_change"] < 0) is (says == "better")
    assert result["difference"]["low"] <= result["difference"]["value"] <= result["difference"]["high"]


def test_networks_that_are_the_same_do_not_differ() -> None:
    ours = np.stack([network(0.5, 0.3, seed, TRUTH) for seed in range(3)])
    result = against({"it": task()}, {"it": ours}, {"it": ours.copy()})["it"]
    assert result["verdict"] == "no difference"
    assert result["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


@pytest.mark.slow  # hundreds of comparisons are simulated, and resampled
@pytest.mark.thorough
def test_where_nothing_is_there_a_verdict_is_rare() -> None:
    wrong = 0
    for trial in range(40):
        ours, theirs = (
            np.stack([network(0.5, 1.0, 1000 * trial + 10 * side + seed, TRUTH[:60]) for seed in range(3)])
            for side in (0, 1)
        )
        wrong += against({"it": task()}, {"it": ours}, {"it": theirs})["it"]["verdict"] != "no difference"
    assert wrong <= 4


def test_the_summary_hides_no_loser() -> None:
    def entry(change: float | None, says: str) -> dict[str, Any]:
        return {"error_change": change, "verdict": says}

    result = summary(
        {"a": entry(-0.5, "better"), "b": entry(0.2, "worse"), "c": entry(None, "no difference")}
    )
    assert result == {
        "mean_error_change": pytest.approx(-0.15),
        "worst_task": "b",
        "worst_error_change": 0.2,
        "better": ["a"],
        "worse": ["b"],
    }
    assert summary({})["worst_task"] is None


def test_an_error_is_the_distance_from_perfect() -> None:
    assert errors(task("label"), np.array([0.9])) == pytest.approx(0.1)
    assert errors(task(), np.array([3.0])) == pytest.approx(3.0)
    change = relative_change(np.array([0.1, 0.2]), np.array([0.2, 0.0]))
    assert change[0] == pytest.approx(-0.5) and np.isnan(change[1])


def test_a_balancer_has_to_beat_random_weights_beyond_noise() -> None:
    tasks = {"a": task(), "b": task()}
    near = {n: np.stack([network(0.7, 0.3, 9 * seed, TRUTH) for seed in range(5)]) for n in tasks}
    same = {n: np.stack([network(0.7, 0.3, 50 + seed, TRUTH) for seed in range(5)]) for n in tasks}
    good = {n: np.stack([network(0.2, 0.3, 90 + seed, TRUTH) for seed in range(5)]) for n in tasks}
    change, helps = beats(tasks, good, near)
    assert helps and change.value is not None and change.value < -0.3
    assert not beats(tasks, same, near)[1]
    assert not beats(tasks, near, good)[1]


def test_resamples_are_many_enough_for_twenty_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    smallest = 2 / (bootstrap.RESAMPLES + 1)
    assert 20 * smallest < significance.LEVEL
