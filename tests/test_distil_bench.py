"""``bench/distil.py --learn`` compares ways to teach on a set of one's own; here on few drawn scenes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.combined import BOXES

from oneglance.data.synthetic import write_scenes

ROOT = Path(__file__).parents[1]


@pytest.mark.slow  # a teacher and three students are trained, in a process of their own
def test_boxes_points_and_features_are_ways_to_teach(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=80, size=48)
    (tmp_path / "boxes.toml").write_text(BOXES, encoding="utf-8")
    arms = ("points", "boxes", "features:0.5")
    words = [sys.executable, str(ROOT / "bench" / "distil.py"), "--learn", str(tmp_path / "boxes.toml")]
    words += ["--pictures", str(tmp_path / "scenes/images"), "--arms", ",".join(arms), "--seeds", "0"]
    words += ["--set", "training.epochs=12", "training.learning_rate=0.01", "--student", "training.epochs=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ONEGLANCE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["arm"] for row in rows] == list(arms)
    assert len({row["tasks"]["things"]["teacher"] for row in rows}) == 1
    assert len({row["tasks"]["things"]["value"] for row in rows}) == 3, "two ways teach the same"
    table = [line for line in done.stdout.splitlines() if line.startswith("boxes ")]
    assert [line.split()[1] for line in table] == list(arms)
