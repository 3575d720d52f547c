"""Ctrl-C and SIGTERM, heard between two steps of a training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Stop:
    """Whether somebody wants the training to stop."""

    requested: bool = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within the block a first signal is noted; a second one interrupts at once."""
    stop = Stop()

    def note(number: int, frame: Any) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    before = {}
    for name in (signal.SIGINT, signal.SIGTERM):
        try:
            before[name] = signal.signal(name, note)
        except ValueError:  # not in the main thread: whoever runs us there has other ways to stop
            break
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
