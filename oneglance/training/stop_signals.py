"""Ctrl-C and SIGTERM, heard between two steps of a training.

Once: it stops, and can be gone on with. Ctrl-C twice: it is finished now, with the best epoch so far. Three
times: this process ends at once.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Stop:
    """Whether somebody wants the training to stop."""

    requested: bool = False
    by_hand: bool = False  # Ctrl-C, by somebody who may press it again
    finish: bool = False  # it was pressed again: what was learned so far is to be a finished run

    def wait_for_second(self) -> bool:
        """Whether the training is to be finished: somebody at a terminal gets a moment to say so."""
        until = time.monotonic() + SECOND_WITHIN
        while not self.finish and time.monotonic() < until:
            time.sleep(0.05)
        return self.finish

    @property
    def may_be_pressed_again(self) -> bool:
        return self.by_hand and not self.finish and sys.stdin is not None and sys.stdin.isatty()


SECOND_WITHIN = 3.0  # seconds after the first


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within the block a first signal and a second Ctrl-C are noted; the next one interrupts at once."""
    stop = Stop()

    def note(number: int, frame: Any) -> None:
        if not stop.requested:
            stop.requested, stop.by_hand = True, number == signal.SIGINT
        elif stop.by_hand and number == signal.SIGINT and not stop.finish:
            stop.finish = True
        else:
            raise KeyboardInterrupt

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
