"""The screen of a terminal: progress bars with rich, plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from oneglance.progress import Screen

LINE_EVERY = 10.0  # seconds between plain lines
SHORT_EPOCHS = 2.0  # seconds between those of epochs: frozen features take hundreds in a minute


class Terminal(Screen):
    """Speaks on standard error, so that standard output stays free for answers."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.live = self.console.is_terminal
        self.bars: Progress | None = None
        self.bar: TaskID | None = None
        self.what = ""
        self.brief = ""
        self.started = self.spoken = time.monotonic()
        self.lined = -SHORT_EPOCHS  # when an epoch had a line
        self.first = 0  # pieces that were done when the clock was started
        self.pictures = 0  # since then

    def say(self, text: str) -> None:
        (self.bars.console if self.bars else self.console).print(Text(text), soft_wrap=True)

    def ask(self, question: str) -> bool:
        if not (self.live and sys.stdin is not None and sys.stdin.isatty()):
            return True
        self.close()
        self.console.print(Text(f"{question} [Y/n] "), end="")
        return sys.stdin.readline().strip().lower() not in ("n", "no")

    def progress(self, done: int, total: int, what: str) -> None:
        if what != self.what:
            self._begin(what, done)
        # Not always pictures: corruptions, baselines, networks.
        rest = self._rest(done - self.first, "/s", done, total)
        self._show(done, total, f"{what}  {done:,}/{total:,}", rest)
        if done >= total:
            self.close()

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        done, total = (epoch - 1) * steps + step, epochs * steps
        if self.what != "training":
            self._begin("training", done)
        else:
            self.pictures += pictures
        rest = self._rest(self.pictures, " pictures/s", done, total)
        self._show(done, total, f"epoch {epoch}/{epochs}", f"{rest}   {self.brief}")

    def epoch(self, row: Mapping[str, Any], epochs: int, brief: Mapping[str, str]) -> None:
        self.brief = "  ".join(f"{name} {value}" for name, value in brief.items())
        if not self.live and (row["epoch"] == epochs or time.monotonic() - self.lined > SHORT_EPOCHS):
            self.say(f"epoch {row['epoch']}/{epochs}  {row['seconds']:.0f} s   {self.brief}")
            self.spoken = self.lined = time.monotonic()

    def close(self) -> None:
        if self.bars is not None:
            self.bars.stop()
        self.bars, self.bar, self.what = None, None, ""

    def _begin(self, what: str, done: int) -> None:
        """``done`` pieces are done already: how long they took was not measured."""
        self.close()
        self.what, self.first, self.pictures = what, done, 0
        self.started = self.spoken = time.monotonic()
        if self.live:
            rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
            # What goes to a file must not be caught and shown above the bar.
            shared = sys.stdout is not None and sys.stdout.isatty()
            self.bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(24),
                TextColumn("{task.fields[rest]}", markup=False, table_column=rest),
                expand=True,
                console=self.console,
                refresh_per_second=4,
                redirect_stdout=shared,
            )
            self.bars.start()
            self.bar = self.bars.add_task(what, rest="")

    def _rest(self, count: int, unit: str, done: int, total: int) -> str:
        """Speed, where it says something, and time left, by what was done since the beginning."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        left = _left(seconds, done - self.first, total - self.first)
        speed = count / seconds
        return f"{speed:,.0f}{unit}  {left}" if speed >= 1 else left

    def _show(self, done: int, total: int, head: str, rest: str) -> None:
        if self.bars is not None and self.bar is not None:
            self.bars.update(self.bar, completed=done, total=total, description=head, rest=rest)
        elif time.monotonic() - self.spoken > LINE_EVERY:
            self.spoken = time.monotonic()
            self.say(f"{head}  {rest}")


def _left(seconds: float, done: int, total: int) -> str:
    if not done:
        return ""
    left = round(seconds / done * (total - done))
    hours, minutes = divmod(left // 60, 60)
    return (f"{hours}:{minutes:02}:{left % 60:02}" if hours else f"{minutes}:{left % 60:02}") + " left"
