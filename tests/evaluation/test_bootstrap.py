"""Every metric with its interval, its n and the constant answer."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from oneglance.evaluation import bootstrap
from oneglance.evaluation.bootstrap import group_weights, interval, score
from oneglance.task import Task, build_tasks


def label(answers: list[str]) -> Task:
    task = build_tasks({"kind": {"type": "label"}})["kind"]
    task.fit_target(answers)
    return task


def answers_right(right: list[bool]) -> tuple[Task, list[dict[str, Any]], list[str]]:
    """A task with classes a and b, predictions that are right as asked, and the truth."""
    truth = ["a" if place % 3 else "b" for place in range(len(right))]
    raw = np.array([[2.0, 0.0] if (t == "a") == r else [0.0, 2.0] for t, r in zip(truth, right, strict=True)])
    task = label(["a", "b", "a"])
    return task, task.decode(raw), truth


def test_an_entry_of_the_report_is_as_agreed() -> None:
    task, predictions, truth = answers_right([True] * 90 + [False] * 10)
    result = score(task, predictions, truth, [""] * 100)
    assert result["type"] == "label"
    assert result["answered"] == 100
    assert result["brief"] == "0.900"
    assert list(result["metrics"]) == ["accuracy", "balanced_accuracy", "f1_macro", "log_loss", "ece"]
    assert result["metrics"]["accuracy"].keys() == {"value", "low", "high", "n"}
    assert result["metrics"]["accuracy"]["value"] == pytest.approx(0.9)
    assert result["constant"].keys() == result["metrics"].keys()
    assert result["constant"]["accuracy"] == pytest.approx(0.66)
    json.dumps(result, allow_nan=False)


def test_the_interval_of_a_share_is_that_of_the_binomial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 2000)
    task, predictions, truth = answers_right([True] * 320 + [False] * 80)
    interval = score(task, predictions, truth, [""] * 400)["metrics"]["accuracy"]
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert interval["low"] == pytest.approx(0.8 - half, abs=0.006)
    assert interval["high"] == pytest.approx(0.8 + half, abs=0.006)


def test_pictures_of_one_group_are_not_independent() -> None:
    """Ten copies of each picture say no more than one: the interval is that of the groups."""
    task, predictions, truth = answers_right([True] * 32 + [False] * 8)
    alone = score(task, predictions, truth, [""] * 40)["metrics"]["accuracy"]
    groups = [f"g{place}" for place in range(40)]
    copied = score(task, predictions * 10, truth * 10, groups * 10)["metrics"]["accuracy"]
    naive = score(task, predictions * 10, truth * 10, [""] * 400)["metrics"]["accuracy"]
    width, grouped, ungrouped = (s["high"] - s["low"] for s in (alone, copied, naive))
    assert grouped == pytest.approx(width)
    assert ungrouped < width / 2


def test_only_answered_pictures_count() -> None:
    task, predictions, truth = answers_right([True, True, False, True])
    result = score(task, predictions, [truth[0], None, truth[2], None], ["", "", "", ""])
    assert result["answered"] == 2
    assert result["metrics"]["accuracy"]["n"] == 2
    assert result["metrics"]["accuracy"]["value"] == 0.5


def test_no_answered_picture_gives_no_number() -> None:
    task, predictions, _ = answers_right([True, True])
    result = score(task, predictions, [None, None], ["", ""])
    assert result["answered"] == 0
    assert result["metrics"] == {"accuracy": {"value": None, "low": None, "high": None, "n": 0}}
    assert result["constant"] == {"accuracy": None}


@pytest.mark.parametrize("groups", [["one"] * 4, ["", "", "", ""][:1]])
def test_one_group_alone_has_no_interval(groups: list[str]) -> None:
    task, predictions, truth = answers_right([True, False, True, True][: len(groups)])
    accuracy = score(task, predictions, truth, groups)["metrics"]["accuracy"]
    assert accuracy["value"] is not None
    assert accuracy["low"] is None and accuracy["high"] is None


def test_what_is_undefined_is_none() -> None:
    task = build_tasks({"price": {"type": "number"}})["price"]
    task.fit_target([1.0, 2.0, 3.0])
    result = score(task, task.decode(np.arange(3.0)[:, None]), [2.0, 2.0, 2.0], ["", "", ""])
    assert result["metrics"]["r2"] == {"value": None, "low": None, "high": None, "n": 3}
    assert result["metrics"]["coverage"]["value"] is None
    assert result["metrics"]["mae"]["value"] > 0
    json.dumps(result, allow_nan=False)


@pytest.mark.slow  # hundreds of test splits are simulated, and resampled
@pytest.mark.thorough
def test_an_interval_holds_the_truth_nineteen_times_of_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 samples of groups of pictures, about 95 intervals hold the accuracy of the whole world."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 200)
    random = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        chance = np.repeat(random.choice([0.5, 0.9], size=60), 3)  # groups are easy or hard; 0.7 in the world
        task, predictions, truth = answers_right((random.random(180) < chance).tolist())
        groups = [f"g{place // 3}" for place in range(180)]
        result = score(task, predictions, truth, groups)["metrics"]["accuracy"]
        held += result["low"] <= 0.7 <= result["high"]
    assert 89 <= held <= 100


def test_resamples_draw_whole_groups_and_are_repeatable() -> None:
    groups = ["a", "", "b", "a", ""]
    weights = np.array(list(group_weights(groups)))
    assert weights.shape == (1000, 5)
    assert (weights[:, 0] == weights[:, 3]).all()  # one group
    assert (weights[:, 1] != weights[:, 4]).any()  # two pictures without a group
    drawn = weights[:, [0, 1, 2, 4]]  # one of each group
    assert (drawn.sum(axis=1) == 4).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(4), abs=0.15)
    assert (np.array(list(group_weights(groups))) == weights).all()


def test_an_interval_needs_most_of_its_draws() -> None:
    drawn = np.arange(1001.0)
    assert interval(drawn) == (25.0, 975.0)
    assert interval(np.append(drawn, np.full(900, np.nan))) == (25.0, 975.0)
    assert interval(np.append(drawn, np.full(1100, np.nan))) == (None, None)
    assert interval(np.zeros(0)) == (None, None)


def test_a_thousand_resamples_of_ten_thousand_pictures_are_quick() -> None:
    random = np.random.default_rng(0)
    names = [f"c{place}" for place in range(10)]
    truth = [names[place] for place in random.integers(10, size=10_000)]
    task = label(truth)
    predictions = task.decode(random.normal(size=(10_000, 10)))
    start = time.process_time()
    score(task, predictions, truth, [""] * 10_000)
    assert time.process_time() - start < 5  # half a second on a free machine
