"""Several processes that share each batch learn what one learns from whole batches, but for batch norm."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from support.shared_training import CASES

pytestmark = pytest.mark.slow  # three processes that import torch, and all cases in each

close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5, equal_nan=True)
HERE = Path(__file__).resolve().parents[2]


def processes(folder: Path, count: int) -> None:
    """All cases, in ``count`` processes that share them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    common = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "support.shared_training", str(folder)],
            env=common | {"RANK": str(number)},
        )
        for number in range(count)
    ]
    assert [process.wait(timeout=600) for process in started] == [0] * count


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    alone, shared = (tmp_path_factory.mktemp(name) for name in ("alone", "shared"))
    processes(alone, 1)
    processes(shared, 2)
    return alone, shared


def kept(folder: Path, case: str, number: int) -> Any:
    return torch.load(folder / f"{case}-{number}" / "kept.pt", weights_only=True)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(trained: tuple[Path, Path], case: str) -> None:
    one = kept(trained[0], case, 0)
    for number in (0, 1):
        other = kept(trained[1], case, number)
        for key in ("losses", "norms", "noted"):
            close(other[key], one[key])
        for name, weight in one["weights"].items():
            close(other["weights"][name], weight)
        for name, raw in one["raw"].items():
            assert other["raw"][name].shape == raw.shape
            if name != "things":  # equally likely boxes come in any order
                close(other["raw"][name], raw)
    assert len({round(float(each), 4) for each in one["losses"].flatten()}) > len(one["losses"])
