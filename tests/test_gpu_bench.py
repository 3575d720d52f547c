"""``bench/gpu.py`` waits for a GPU; here all its parts run in tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow  # two trainings, a service, and the processes that decode
def test_every_part_runs(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "bench" / "gpu.py"), "--small", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == json.loads((tmp_path / "gpu.json").read_text())
    parts = {name: part for name, part in said.items() if isinstance(part, dict) and name != "machine"}
    assert set(parts) == {"cifar_one_task", "train", "cifar_three_tasks", "predict", "serve", "syncs"}
    assert [part["failed"] for part in parts.values() if "failed" in part] == []
    assert parts["cifar_one_task"]["best"] >= 0 and parts["serve"]["8"]["rate"] > 0
