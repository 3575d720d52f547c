"""number: how much."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn import metrics as sk

from oneglance.errors import ConfigError, DataError, InvalidAnswer
from oneglance.task import build_tasks
from oneglance.tasks.number import Number


def number(**table: Any) -> Number:
    built = build_tasks({"price": {"type": "number", **table}})["price"]
    assert isinstance(built, Number)
    return built


def case(count: int = 400, seed: int = 0, **table: Any) -> tuple[Number, np.ndarray, list[float]]:
    """(task, raw, truth): the network knows the truth but for noise of half its spread."""
    random = np.random.default_rng(seed)
    scaled = random.normal(size=count)
    truth = np.exp(3 + scaled) if table.get("log") else 50 + 10 * scaled
    task = number(**table)
    task.fit_target(list(truth))
    return task, (scaled + 0.5 * random.normal(size=count))[:, None], list(truth)


def scored(
    task: Number, raw: np.ndarray, truth: list[float], weights: np.ndarray | None = None
) -> dict[str, float]:
    metric_state = task.metric_state(task.decode(raw), truth)
    return task.metrics(metric_state, np.ones(len(truth)) if weights is None else weights)


# Reading.


@pytest.mark.parametrize(
    ("said", "read"), [("30", 30.0), (" -1.5e3 ", -1500.0), (7, 7.0), ("", None), (math.nan, None)]
)
def test_a_cell_becomes_a_number(said: Any, read: float | None) -> None:
    assert number().read(said) == read


@pytest.mark.parametrize(
    "said", ["about 30", "30 EUR", "3,5", [1], "nan", "inf", -math.inf, 10**400, "1e300"]
)
def test_what_is_no_number_is_a_misfit_with_a_cure(said: Any) -> None:
    with pytest.raises(InvalidAnswer, match='is "') as caught:
        number().read(said)
    assert caught.value.hint.startswith("write a ")


@pytest.mark.parametrize("said", ["0", -3])
def test_a_logarithm_needs_more_than_0(said: Any) -> None:
    assert number().read(said) == float(said)
    with pytest.raises(InvalidAnswer, match="is") as caught:
        number(log=True).read(said)
    assert caught.value.hint == "log = true needs numbers above 0"


# Learning.


def test_a_constant_number_is_told() -> None:
    with pytest.raises(
        DataError, match=r"price: every answer of the training split is 0\.1 — .*remove the task"
    ):
        number().fit_target([0.1] * 7)
    with pytest.raises(DataError, match="no answer"):
        number().fit_target([])


def test_large_numbers_close_together_are_not_constant() -> None:
    task = number()
    task.fit_target([1e9, 1e9 + 1, 1e9 + 2])
    assert [answer["value"] for answer in task.decode(np.zeros((1, 1)))] == [1e9 + 1]


@pytest.mark.parametrize("log", [False, True])
def test_what_is_encoded_decodes_to_itself(log: bool) -> None:
    task, _, truth = case(log=log)
    target = task.encode([*truth, None])
    assert target["labelled"].tolist() == [1.0] * len(truth) + [0.0]
    assert target["value"].dtype == np.float32
    answers = task.decode(target["value"][:-1, None])
    assert [answer["value"] for answer in answers] == pytest.approx(truth, rel=1e-5)


def test_the_loss_is_hubers() -> None:
    task = number(bend=2.0)
    task.fit_target([0.0, 10.0] * 10)  # median 5, spread 5
    target = {name: torch.as_tensor(array) for name, array in task.encode([5.0, 5.0, None]).items()}
    found, labelled = task.loss(torch.tensor([[1.0], [-4.0], [9.0]]), target)
    assert found[:2].tolist() == pytest.approx([0.5, 2 * (4 - 1)])
    assert labelled.tolist() == [1, 1, 0]


def test_the_constant_is_the_median() -> None:
    task = number(log=True)
    task.fit_target([1.0, 10.0, 1000.0])
    assert task.constant_baseline(1)[0]["value"] == pytest.approx(10.0)


# The interval.


@pytest.mark.parametrize("log", [False, True])
def test_the_interval_holds_nine_of_ten_fresh_answers(log: bool) -> None:
    """Each calibration's coverage is Beta(451, 50): between 0.87 and 0.93 nearly always; their mean 0.9."""
    coverage = []
    for seed in range(10):
        task, raw, truth = case(seed=2 * seed, count=500, log=log)
        task.calibrate(raw, list(truth))
        _, fresh, fresh_truth = case(seed=2 * seed + 1, count=2000, log=log)
        coverage.append(scored(task, fresh, fresh_truth)["coverage"])
    assert np.mean(coverage) == pytest.approx(0.9, abs=0.015)


def test_the_interval_is_the_exact_order_statistic() -> None:
    task = number()
    task.fit_target([-1.0, 1.0] * 10)  # median 0, spread 1
    task.calibrate(np.zeros((19, 1)), [float(error) for error in range(1, 20)])
    (answer,) = task.decode(np.zeros((1, 1)))
    assert (answer["low"], answer["high"]) == (-18.0, 18.0)  # the 18th of 19: ceil(20 * 0.9)


def test_too_few_validation_answers_give_no_interval() -> None:
    task, raw, truth = case()
    task.calibrate(raw[:20], [*truth[:8], *[None] * 12])
    (answer,) = task.decode(raw[:1])
    assert answer["low"] is None and answer["high"] is None
    assert math.isnan(scored(task, raw, truth)["coverage"])
    assert "[" not in task.format_prediction(answer)
    task.calibrate(raw[:20], [*truth[:9], *[None] * 11])
    assert task.decode(raw[:1])[0]["low"] is not None


def test_an_interval_of_a_logarithm_stays_above_0_and_is_lopsided() -> None:
    task, raw, truth = case(log=True)
    task.calibrate(raw, list(truth))
    for answer in task.decode(raw):
        assert 0 < answer["low"] < answer["value"] < answer["high"]
        assert answer["value"] / answer["low"] == pytest.approx(answer["high"] / answer["value"])


# The range.


@pytest.mark.parametrize("log", [False, True])
def test_no_answer_and_no_interval_leaves_the_range(log: bool) -> None:
    task, raw, truth = case(log=log, low=min(case(log=log)[2]), high=max(case(log=log)[2]))
    task.calibrate(raw, truth)
    lowest, middle, highest = task.decode(np.array([[-50.0], [0.0], [1e30]]))
    assert (lowest["low"], lowest["value"]) == (task.low, task.low) and lowest["high"] > task.low
    assert (highest["value"], highest["high"]) == (task.high, task.high) and highest["low"] < task.high
    assert task.low < middle["low"] < middle["value"] < middle["high"] < task.high
    assert scored(task, raw, truth)["coverage"] >= 0.9


def test_intervals_are_measured_within_the_range() -> None:
    """19 answers far below 0 whose truth is 0 are right once they are held at 0."""
    task = number(low=0)
    task.fit_target([0.0, 2.0] * 10)  # median 1, spread 1
    task.calibrate(np.full((19, 1), -5.0), [0.0] * 19)
    assert task.decode(np.array([[2.0]]))[0] == {"value": 3.0, "low": 3.0, "high": 3.0, "unit": ""}


@pytest.mark.parametrize(("said", "limit"), [("-20", "below low = 0"), (121, "above high = 120")])
def test_a_number_outside_the_range_is_told(said: Any, limit: str) -> None:
    task = number(low=0, high=120)
    assert (task.read("0"), task.read(120)) == (0.0, 120.0)
    with pytest.raises(InvalidAnswer, match=f'is "{said}", {limit}') as caught:
        task.read(said)
    assert caught.value.hint.startswith("correct it, or the key ")


def test_a_range_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="low below high"):
        number(low=3, high=3)
    with pytest.raises(ConfigError, match="high above 0"):
        number(log=True, high=0)


# Metrics.


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_those_of_scikit_learn(weighted: bool) -> None:
    task, raw, truth = case()
    random = np.random.default_rng(1)
    weights = random.integers(0, 4, size=len(truth)) if weighted else np.ones(len(truth), dtype=int)
    found = scored(task, raw, truth, weights.astype(float))
    y = np.repeat(truth, weights)
    answers = np.repeat([answer["value"] for answer in task.decode(raw)], weights)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, answers))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, answers))
    assert found["r2"] == pytest.approx(sk.r2_score(y, answers))
    assert found["spearman"] == pytest.approx(spearmanr(y, answers).statistic)


def test_one_truth_alone_leaves_r2_and_order_undefined() -> None:
    task, raw, _ = case()
    found = scored(task, raw[:3], [7.0, 7.0, 7.0])
    assert math.isnan(found["r2"]) and math.isnan(found["spearman"])
    assert math.isfinite(found["mae"])


def test_words_carry_the_unit() -> None:
    task, raw, truth = case(unit="EUR")
    assert task.brief(3.14159) == "±3.14 EUR"
    assert task.format(31.0) == "31 EUR"
    task.calibrate(raw, list(truth))
    assert "EUR [" in task.format_prediction(task.decode(raw)[0])
    assert task.decode(raw)[0]["unit"] == "EUR"
