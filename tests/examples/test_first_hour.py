"""The script of the first hour: from drawn pictures to a network that answers over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("ball", "box", "tent")


@pytest.mark.slow  # trains, exports and serves, each in a process of its own
@pytest.mark.skipif(sys.platform == "win32", reason="a script for bash")
def test_the_first_hour_ends_with_answers_over_http(tmp_path: Path) -> None:
    environment = os.environ | {
        "ONEGLANCE_PYTHON": sys.executable,
        "ONEGLANCE_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "PICTURES": "16",
        "OMP_NUM_THREADS": "1",
    }
    small = ["--backbone", "small", "--size", "32", "--set", "training.epochs=1"]
    done = subprocess.run(
        ["bash", str(ROOT / "examples" / "first_hour.sh"), "my first hour", *small],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=230,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    served = done.stdout.partition("5. ")[2]
    names = {line.partition("  ")[0] for line in served.splitlines() if line.endswith(KINDS)}
    assert names >= {f"{kind}{number}.jpg" for kind in KINDS for number in range(2)}
    assert (tmp_path / "my first hour" / "answers.csv").is_file()
    assert (tmp_path / "my first hour" / "runs" / "photos" / "report.html").is_file()
