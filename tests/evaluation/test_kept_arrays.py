"""What a stopped command has worked out is read again by the next process, and by no other question."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from oneglance.evaluation.kept_arrays import digest, keep, kept

ASK = """
from oneglance.data.record import Box, BoxAnnotations
from oneglance.evaluation.kept_arrays import digest
from oneglance.tasks.tags import TagAnnotations
words = frozenset({"red", "green", "blue", "round", "flat"})
print(digest([{"tags": TagAnnotations(words)}, BoxAnnotations((Box(0, 0, 1, 1, "red"),), words)]))
"""


def test_a_key_is_the_same_in_every_process() -> None:
    """Sets have another order in each."""
    keys = {
        subprocess.run(
            [sys.executable, "-c", ASK],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(keys) == 1


def test_arrays_are_read_for_their_own_key_alone(tmp_path: Path) -> None:
    path, key = tmp_path / "deep" / "a.npz", digest(["a", 1, {"b", "c"}])
    assert kept(path, key) is None
    keep(path, key, {"values": np.arange(3)})
    read = kept(path, key)
    assert read is not None and read["values"].tolist() == [0, 1, 2]
    assert kept(path, digest(["a", 2, {"b", "c"}])) is None
    path.write_bytes(path.read_bytes()[:40])
    assert kept(path, key) is None
