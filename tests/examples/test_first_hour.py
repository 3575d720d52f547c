"""The script of the first hour: from drawn pictures to a network that answers over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("ball", "box", "tent")


def services(folder: Path) -> list[psutil.Process]:
    """Processes that still run in ``folder``."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(str(folder)):
                left.append(process)
    return left


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
    end = time.monotonic() + 30
    while services(tmp_path) and time.monotonic() < end:  # it answers what is under way, and ends
        time.sleep(0.2)
    assert services(tmp_path) == []
    served = done.stdout.partition("5. ")[2]
    names = {line.partition("  ")[0] for line in served.splitlines() if line.endswith(KINDS)}
    assert names >= {f"{kind}{number}.jpg" for kind in KINDS for number in range(2)}
    assert (tmp_path / "my first hour" / "answers.csv").is_file()
    assert (tmp_path / "my first hour" / "runs" / "photos" / "report.html").is_file()
