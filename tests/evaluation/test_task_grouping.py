"""Groups of tasks by the cosines between their gradients."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.user import Shell, home, shell, trained  # noqa: F401

from oneglance.evaluation.gradient_conflicts import Cosines
from oneglance.evaluation.task_grouping import best_groupings, partitions, propose, score

BELL = (1, 1, 2, 5, 15, 52, 203, 877)
QUICK = ("--set", "training.epochs=2")


def symmetric(count: int, seed: int, epochs: int = 1) -> np.ndarray:
    draw = np.random.default_rng(seed).uniform(-1, 1, (epochs, count, count))
    result = np.triu(draw, 1)
    result = result + result.transpose(0, 2, 1)
    result[:, np.arange(count), np.arange(count)] = np.nan
    return result


def friends(noise: float, epochs: int = 4) -> Cosines:
    """a and b agree, c and d agree, and the pairs are against each other."""
    side = np.array([1, 1, -1, -1])
    values = np.broadcast_to(0.4 * np.outer(side, side), (epochs, 4, 4)) + noise * symmetric(4, 0, epochs)
    return Cosines(("a", "b", "c", "d"), values)


@pytest.mark.parametrize("count", range(8))
def test_every_partition_comes_once(count: int) -> None:
    result = [frozenset(map(frozenset, grouping)) for grouping in partitions(count)]
    assert len(result) == len(set(result)) == BELL[count]
    assert all(sorted(place for group in one for place in group) == list(range(count)) for one in result)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_nothing_scores_better_than_the_best(count: int, seed: int) -> None:
    (cosines,) = symmetric(count, seed)
    best = best_groupings(cosines)
    assert [len(one) for one in best] == list(range(1, count + 1))
    for other in partitions(count):
        assert score(other, cosines) <= score(best[len(other) - 1], cosines) + 1e-12
    assert score(best[-1], cosines) == 0


def test_the_score_is_the_mean_of_what_each_task_meets() -> None:
    cosines = np.array([[np.nan, 0.5, -0.1], [0.5, np.nan, np.nan], [-0.1, np.nan, np.nan]])
    assert score(((0, 1, 2),), cosines) == pytest.approx((0.2 + 0.5 - 0.1) / 3)
    assert score(((0, 1), (2,)), cosines) == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_many_tasks_are_joined_step_by_step() -> None:
    side = np.array([1, -1] * 6)
    cosines = 0.5 * np.outer(side, side).astype(float)
    np.fill_diagonal(cosines, np.nan)
    best = best_groupings(cosines)
    assert [len(one) for one in best] == list(range(1, 13))
    assert {frozenset(group) for group in best[1]} == {frozenset(range(0, 12, 2)), frozenset(range(1, 12, 2))}


def test_those_who_disturb_each_other_are_parted() -> None:
    result = propose(friends(noise=0.01))
    assert result["proposed"] == [["a", "b"], ["c", "d"]]
    assert result["cosines"]["a | b"] == pytest.approx(0.4, abs=0.01)
    assert any("2 networks" in note for note in result["notes"])
    assert any("Royer" in note for note in result["notes"])


def test_noise_parts_nobody() -> None:
    result = propose(Cosines(("a", "b", "c", "d"), 0.1 * symmetric(4, 3, epochs=4) + 0.02))
    assert result["proposed"] == [["a", "b", "c", "d"]]
    assert any("noise" in note for note in result["notes"])


def test_one_epoch_parts_nobody() -> None:
    result = propose(friends(noise=0, epochs=1))
    assert result["proposed"] == [["a", "b", "c", "d"]]
    assert result["groupings"][1]["gain"] > 0 and result["groupings"][1]["error"] is None


def test_a_finished_run_is_read_not_trained_again(home: Path, shell: Shell) -> None:
    response = shell("group", "oneglance.toml", "--json")
    assert response.code == 0, response
    result = json.loads(response.out)
    assert Path(result["run"]).name == "a" and not (home / "group").exists()
    assert set(result["tasks"]) == {"digit", "background", "shapes", "covered"}
    assert len(result["cosines"]) == 6
    table = shell("group", home / "runs" / "a").out
    assert "digit + background + shapes + covered" in table and "Royer" in table


def test_without_a_run_a_short_training_is_made_once(home: Path, shell: Shell) -> None:
    shutil.rmtree(home / "runs")
    first = shell("group", "oneglance.toml", "--out", "short", *QUICK, "--json")
    assert first.code == 0, first
    written = (home / "short" / "history.jsonl").read_bytes()
    again = shell("group", "oneglance.toml", "--out", "short", *QUICK, "--json")
    assert again.out == first.out
    assert (home / "short" / "history.jsonl").read_bytes() == written


def test_a_frozen_backbone_has_nothing_to_group(home: Path, shell: Shell) -> None:
    assert "freeze" in shell("group", "oneglance.toml", "--set", "backbone.freeze=true").refused()


def test_a_run_without_cosines_is_told(home: Path, shell: Shell) -> None:
    (home / "runs" / "a" / "history.jsonl").write_text("")
    assert "holds no cosines" in shell("group", "runs/a").refused()
