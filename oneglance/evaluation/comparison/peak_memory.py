"""How much memory a piece of work takes at its peak."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import psutil
import torch

from oneglance.nn.allocator import give_back

EVERY = 0.02  # seconds between two looks at the process


@dataclass
class Peak:
    """``mb`` is there once the work is over: 10^6 bytes."""

    mb: float = 0.0


def peak_memory(device: torch.device) -> AbstractContextManager[Peak]:
    """What the work within takes: on an NVIDIA GPU the largest sum of its tensors there, elsewhere the
    resident memory of the process at its largest, Python, libraries and pictures included, looked at 50 times
    a second. What earlier work left is given back first, as far as the system allows.
    """
    give_back()
    if device.type == "cuda":
        return _allocated(device)
    return _resident()


@contextmanager
def _allocated(device: torch.device) -> Iterator[Peak]:
    peak = Peak()
    torch.cuda.init()  # type: ignore[no-untyped-call]  # else there is nothing to reset
    torch.cuda.reset_peak_memory_stats(device)
    try:
        yield peak
    finally:
        peak.mb = torch.cuda.max_memory_allocated(device) / 1e6


@contextmanager
def _resident() -> Iterator[Peak]:
    peak, process, over = Peak(), psutil.Process(), threading.Event()

    def measure() -> None:
        peak.mb = max(peak.mb, process.memory_info().rss / 1e6)

    def watch() -> None:
        while not over.wait(EVERY):
            measure()

    measure()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        measure()
