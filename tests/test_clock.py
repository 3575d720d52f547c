"""A clock that jumps, as when a laptop wakes up or a machine learns the true time, changes no result."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.user import home, trained  # noqa: F401

import oneglance
from oneglance.progress import Screen

YEAR = 365.0 * 24 * 3600


def worked(home: Path, name: str) -> dict[str, Any]:
    """What training, evaluating and predicting give, without what the clock said."""
    config, run = home / "oneglance.toml", home / "runs" / name
    oneglance.train(
        config, out=run, overrides={"training.epochs": 2, "cache.folder": "cache"}, screen=Screen()
    )
    report = oneglance.evaluate(run, screen=Screen()).to_dict()
    answers = oneglance.predict(run, home / "scenes/images/00000.png", screen=Screen())
    return {
        "weights": (run / "weights.safetensors").read_bytes(),
        "novelty": (run / "novelty.safetensors").read_bytes(),
        "scores": json.dumps(report["tasks"], sort_keys=True),
        "answers": json.dumps(next(iter(answers))["answers"], sort_keys=True),
    }


@pytest.mark.slow  # a training and its answers, twice
def test_the_clock_may_jump_at_any_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steady = worked(home, "steady")
    jumps = itertools.cycle([0.0, YEAR, -YEAR, 3 * YEAR, -20 * YEAR])
    true, asked = time.time, []

    def jumping() -> float:
        asked.append(1)
        return true() + next(jumps)

    # What a killed process left is the only thing whose age is asked.
    (home / "runs/.jumping.1.0123abcd").mkdir()
    monkeypatch.setattr(time, "time", jumping)
    assert worked(home, "jumping") == steady
    assert asked
