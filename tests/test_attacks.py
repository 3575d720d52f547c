"""A few damaged inputs of every kind of ``bench/attack.py``, which tries thousands of each."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
COUNT = 25
KINDS = sorted(path.stem for path in (BENCH / "attacks").glob("*.py") if path.stem != "__init__")


@pytest.mark.slow  # each kind runs in a process of its own, and some train a network first
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_is_answered_or_refused(kind: str) -> None:
    command = [sys.executable, "attack.py", kind, "--count", str(COUNT), "--seed", "1"]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    row = json.loads(done.stdout.splitlines()[-1])["kinds"][kind]
    assert row["answered"] + row["refused"] == COUNT


def test_a_traceback_a_wrong_answer_and_a_long_attempt_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    frame = importlib.import_module("attack")

    class Raising:
        error: Exception

        def attempt(self, folder: Path, rng: np.random.Generator) -> str:
            raise self.error

    member = Raising()
    row = dict.fromkeys(("answered", "refused", "wrong", "tracebacks", "too_long", "died", "memory"), 0)
    assert not frame.failed({**row, "answered": 3, "refused": 2})
    for error, outcome in ((ValueError("x"), "tracebacks"), (AssertionError("x"), "wrong")):
        member.error = error
        came, text = frame.tried(member, Path(), np.random.default_rng())
        assert came == outcome and "x" in text
        assert frame.failed({**row, came: 1})
    assert (
        frame.failed({**row, "too_long": 1})
        and frame.failed({**row, "died": 1})
        and frame.failed({**row, "memory": 2e9})
    )
