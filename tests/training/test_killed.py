"""kill -9 at random moments of a real process, then --resume, until the training is finished."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.toy import hidden_files, results

HERE = Path(__file__).resolve().parent.parent
KILLS, STEPS = 4, 36
SETTINGS = ("training.epochs=12", "training.checkpoint_minutes=1e-9")  # a checkpoint after each step
CHILD = """
import sys
from pathlib import Path
from oneglance.progress import Screen
from support.toy import begin, go_on

class Telling(Screen):
    def step(self, *place):
        print("step", flush=True)

folder = Path(sys.argv[1])
begun = (folder / "config.toml").exists()
(go_on(folder, Telling()) if begun else begin(folder, *sys.argv[2:], screen=Telling())).run()
"""


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), *SETTINGS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])},
    )


def finish(folder: Path) -> int:
    """The steps it took from where the training stood to the end."""
    child = start(folder)
    out, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors
    return out.count("step")


@pytest.mark.slow  # six processes, each of which imports torch
def test_killed_at_random_moments(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    steps = 0
    for _ in range(KILLS):
        child = start(tmp_path / "run")
        assert child.stdout is not None
        for _ in range(draw.randint(2, 6)):
            steps += child.stdout.readline() == "step\n"
        time.sleep(draw.uniform(0, 0.03))  # somewhere in a step or in the writing of a file
        child.kill()
        child.communicate()
        assert not (tmp_path / "run" / "tasks.json").exists(), f"seed {seed}: it was finished already"
    assert steps >= 2 * KILLS, f"seed {seed}: a child did not get to train"
    assert finish(tmp_path / "run") < STEPS, f"seed {seed}: it began anew"
    assert finish(tmp_path / "whole") == STEPS
    assert results(tmp_path / "run") == results(tmp_path / "whole"), f"seed {seed}"
    assert hidden_files(tmp_path / "run") == []
