"""``train --workers``: processes on this machine, one of which may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from support.doubted import coloured

from oneglance.config import load
from oneglance.data import dataset
from oneglance.data.images import content_hash
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks
from oneglance.training.experiment_data import read_dataset

CONFIG = """
[[sources]]
path = "pictures"
[tasks.folder]
type = "label"
[backbone]
name = "small"
size = 16
options = { width = 4, depth = 2 }
[training]
epochs = 400
batch = 8
device = "cpu"
"""


def oneglance(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "oneglance", "train", *words],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def process_of(parent: int, rank: str) -> psutil.Process:
    family = psutil.Process(parent).children(recursive=True)
    return next(one for one in family if one.environ().get("RANK") == rank)


@pytest.mark.slow  # trainings of several processes, each of which imports torch
@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no signals")
def test_a_process_that_dies_ends_the_others_and_the_training_goes_on_with_another_number(
    tmp_path: Path,
) -> None:
    draw = np.random.default_rng(0)
    for kind in ("dark", "bright"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for number in range(30):
            pixels = draw.integers(0, 100, (16, 16, 3)) + (150 if kind == "bright" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"pictures/{kind}/{number}.png")
    (tmp_path / "oneglance.toml").write_text(CONFIG)
    training = oneglance(tmp_path, "oneglance.toml", "--workers", "2", "--out", "run")
    end = time.monotonic() + 120
    while not (tmp_path / "run/resume.pt").exists() and training.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    process_of(training.pid, "1").send_signal(signal.SIGKILL)
    out, told = training.communicate(timeout=300)
    assert training.returncode == 1, (out, told)
    assert "process 1 of the 2 that train was killed by signal 9" in told
    assert "oneglance train run --resume --workers 2" in told
    assert "Traceback" not in told
    before = (tmp_path / "run/resume.pt").stat().st_mtime_ns
    training = oneglance(tmp_path, "run", "--resume", "--workers", "3")
    while (tmp_path / "run/resume.pt").stat().st_mtime_ns == before and training.poll() is None:
        time.sleep(0.1)
    training.send_signal(signal.SIGINT)
    stopped = training.communicate(timeout=300)[1]
    assert training.returncode == 130 and "nothing is lost" in stopped and "Traceback" not in stopped
    run = RunFolder(tmp_path / "run")
    epochs = len(run.history()) + 2
    again = oneglance(tmp_path, "run", "--resume", "--workers", "5", "--set", f"training.epochs={epochs}")
    refused = again.communicate(timeout=300)[1]
    assert again.returncode == 1 and "5 processes cannot share batches of 8 pictures" in refused
    alone = oneglance(tmp_path, "run", "--resume", "--set", f"training.epochs={epochs}")
    _, told = alone.communicate(timeout=300)
    assert alone.returncode == 0, told
    assert len(run.history()) == epochs and run.finished


def test_a_page_that_would_stay_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "oneglance.toml").write_text(CONFIG)
    asked = oneglance(tmp_path, "oneglance.toml", "--workers", "2", "--watch")
    _, why = asked.communicate(timeout=300)
    assert asked.returncode == 1 and "--watch shows a training of one process" in why


def test_the_pictures_of_a_data_set_are_read_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one process of a machine after the other: the first keeps their digests for all."""
    config = load(coloured(tmp_path, wrong=False), {"cache.folder": str(tmp_path / "cache")})
    order: list[str] = []

    @contextmanager
    def turn() -> Iterator[None]:
        order.append("begins")
        yield
        order.append("ends")

    def noting(*words: Any) -> list[bytes | None]:
        order.append("reads")
        return content_hash.digests(*words)

    monkeypatch.setattr(dataset, "digests", noting)
    read = read_dataset(config, build_tasks(config.tasks), Screen(), turn=turn())
    assert order == ["begins", "reads", "ends"] and len(set(read.contents)) == len(read.records)
