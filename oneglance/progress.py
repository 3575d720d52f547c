"""What is shown while something takes its time. The base class is silent; ``screens/`` draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Progress = Callable[[int, int, str], None]
"""(done, total, what): see ``Screen.progress``."""


class Screen:
    """Nothing is shown."""

    def say(self, text: str) -> None:
        """A line for people."""

    def ask(self, question: str) -> bool:
        """Whether to go on; yes where nobody is there to answer."""
        return True

    def progress(self, done: int, total: int, what: str) -> None:
        """``done`` of ``total`` pieces of ``what`` are done."""

    def begin(self, folder: Path) -> bool:
        """A training begins in this run folder. Whether somebody looks on who wants to see answers to a few
        validation pictures after each epoch: these are then kept in the folder.
        """
        return False

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        """Training has done 1-based ``step`` of ``steps`` of ``epoch``, on ``pictures`` pictures."""

    def epoch(self, row: Mapping[str, Any], epochs: int, brief: Mapping[str, str]) -> None:
        """An epoch is finished: its row of the history, and each task's primary metric in words."""

    def close(self) -> None:
        """Nothing more will be shown."""
