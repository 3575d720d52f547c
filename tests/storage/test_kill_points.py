"""Killed at any operation on files, a command that is given again ends as if nothing had happened.

``bench/kill_points.py`` tries all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent.parent / "bench" / "kill_points.py"


@pytest.mark.slow  # a network is trained and asked again for each place
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("command", "every"),
    [
        ("train", 60),
        ("longer", 50),
        ("evaluate", 8),
        ("export", 8),
        ("corrections", 4),
        ("predict", 14),
        ("compare", 300),
    ],
)
def test_a_command_is_killed_now_and_then(command: str, every: int) -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCH), command, "--every", str(every)],
        env={**os.environ, "PYTHONPATH": str(BENCH.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
