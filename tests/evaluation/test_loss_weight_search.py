"""Weights of the tasks by successive halving."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.user import CONFIG, Shell, home, shell, trained  # noqa: F401

from oneglance import config as configuration
from oneglance.errors import ConfigError
from oneglance.evaluation import loss_weight_search
from oneglance.evaluation.loss_weight_search import LEAST, affordable, cost, drawn, rungs
from oneglance.storage.run_folder import RunFolder, kept_of

QUICK = ("--set", "training.epochs=3", "--set", "backbone.options={width=4, depth=1}")


@given(st.integers(2, 81), st.integers(1, 200))
def test_fewer_go_further(candidates: int, epochs: int) -> None:
    result = rungs(candidates, epochs)
    counts, until = zip(*result, strict=True)
    assert counts[0] == candidates and counts[-1] == 1 and until[-1] == epochs
    assert list(counts) == sorted(counts, reverse=True) and list(until) == sorted(until)
    assert epochs + epochs <= cost(candidates, epochs) <= epochs * (1 + candidates)


def test_the_rungs_are_those_of_the_method() -> None:
    assert rungs(9, 18) == [(9, 2), (3, 6), (1, 18)]
    assert cost(9, 18) == 18 + 9 * 2 + 3 * 4 + 1 * 12


@settings(max_examples=50)
@given(st.floats(1, 1e5), st.floats(0.01, 10), st.integers(1, 50), st.integers(1, 5))
def test_a_budget_is_kept(budget: float, one: float, epochs: int, seeds: int) -> None:
    try:
        count = affordable(budget, one, epochs, seeds)
    except ConfigError:
        assert cost(2, epochs) * seeds * one > budget
    else:
        assert cost(count, epochs) * seeds * one <= budget


def test_drawn_weights_have_a_mean_of_one() -> None:
    declared = configuration.parse(CONFIG, base=Path(), overrides=["tasks.digit.weight=3"])
    first, *others = drawn(declared, 40)
    assert first.weights == {"digit": 3, "background": 1, "shapes": 1, "covered": 1}
    values = np.array([list(one.weights.values()) for one in others])
    assert values.min() >= LEAST
    np.testing.assert_allclose(values.mean(axis=1), 1, atol=0.1)
    assert [one.weights for one in drawn(declared, 40)] == [first.weights, *(one.weights for one in others)]


@pytest.mark.slow  # several trainings
def test_the_best_go_on_and_nothing_is_trained_twice(
    home: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_weight_search, "CANDIDATES", 3)
    response = shell("tune", "oneglance.toml", "--out", "tuned", *QUICK, "--json")
    assert response.code == 0, response
    result: dict[str, Any] = json.loads(response.out)
    assert json.loads((home / "tuned" / "tune.json").read_text(encoding="utf-8")) == result
    assert sorted(one["epochs"] for one in result["candidates"]) == [1, 1, 3, 3]
    finished = {one["name"] for one in result["candidates"] if one["epochs"] == 3}
    for one in result["candidates"]:
        run = RunFolder.open(home / "tuned" / f"{one['name']} 0".replace(" ", "-"))
        assert run.finished == (one["name"] in finished)
        assert len(run.history()) == one["epochs"]
        assert {name: table["weight"] for name, table in run.config().tasks.items()} == one["weights"]
        kept = kept_of(run.history())
        assert kept is not None and one["skill"] == kept["skill"]
    after_one = {
        one["name"]: RunFolder(home / "tuned" / f"{one['name']} 0".replace(" ", "-")).history()[0]["skill"]
        for one in result["candidates"][1:]
    }
    assert max(after_one, key=lambda name: after_one[name]) in finished
    assert result["best"] in finished and bool(result["set"]) == (result["best"] != "as it is")
    before = {path: path.read_bytes() for path in (home / "tuned").rglob("history.jsonl")}
    again = json.loads(shell("tune", "oneglance.toml", "--out", "tuned", *QUICK, "--json").out)
    assert {**again, "date": ""} == {**result, "date": ""}
    assert {path: path.read_bytes() for path in before} == before


def test_what_cannot_be_tuned_is_told(home: Path, shell: Shell) -> None:
    one = 'tasks={digit = {type = "label"}}'
    assert "one task" in shell("tune", "oneglance.toml", "--set", one).refused()
    assert "--seeds" in shell("tune", "oneglance.toml", "--seeds", 0).refused()
    assert "--budget" in shell("tune", "oneglance.toml", "--budget", "soon").refused()
    assert "would take about" in shell("tune", "oneglance.toml", "--budget", "0.001s").refused()


@pytest.mark.parametrize(
    ("ours", "theirs", "kept", "words"),
    [
        ([0.5], [0.4], False, "one seed"),
        ([0.5, 0.52], [0.4, 0.41], False, ""),
        ([0.5, 0.3], [0.4, 0.35], False, "within the noise"),
        ([0.3, 0.3], [0.4, 0.4], True, "keep them"),
        ([-np.inf], [0.4], True, "keep them"),
    ],
)
def test_a_gain_is_told_with_its_noise(
    ours: list[float], theirs: list[float], kept: bool, words: str
) -> None:
    declared = configuration.parse(CONFIG, base=Path())
    own, other = drawn(declared, 1)
    own.skills, other.skills = theirs, ours
    result = loss_weight_search._summary(declared, [own, other], other, len(ours), None)
    assert (result["best"] == "as it is") is kept and (result["set"] == []) is kept
    assert words in " ".join(result["notes"])
    json.dumps(result, allow_nan=False)
