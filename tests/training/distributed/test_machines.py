"""Two machines that torchrun connects, here at two addresses of this one, each with a home of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneglance.storage.run_folder import RunFolder

ADDRESSES = ("127.0.0.1", "127.0.0.2")
ROOT = Path(__file__).parents[3]
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
epochs = 2
batch = 8
device = "cpu"
"""


def machine(home: Path, port: int, address: str) -> subprocess.Popen[str]:
    """What is started on each; the command is that of the guide."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    words += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{ADDRESSES[0]}:{port}", "--local-addr", address]
    words += ["-m", "oneglance", "train", "oneglance.toml", "--out", "runs/all"]
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("XDG_CACHE_HOME", None)
    return subprocess.Popen(
        words, cwd=home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a machine has one address of its own")
@pytest.mark.slow  # four processes that import torch, and a training
def test_two_machines_train_together(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    homes = [tmp_path / "head", tmp_path / "other"]
    for kind in ("dark", "bright"):
        (homes[0] / "pictures" / kind).mkdir(parents=True)
        for number in range(20):
            pixels = draw.integers(0, 100, (16, 16, 3)) + (150 if kind == "bright" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(homes[0] / f"pictures/{kind}/{number}.png")
    (homes[0] / "oneglance.toml").write_text(CONFIG)
    shutil.copytree(homes[0], homes[1])
    with socket.socket() as free:
        free.bind((ADDRESSES[0], 0))
        port = free.getsockname()[1]
    started = [machine(home, port, address) for home, address in zip(homes, ADDRESSES, strict=True)]
    told = [process.communicate(timeout=600) for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    finished = [home for home in homes if RunFolder(home / "runs/all").finished]
    assert len(finished) == 1  # which of them is the first, torchrun decides; the other needs no folder
    assert len(RunFolder.open(finished[0] / "runs/all").history()) == 2
