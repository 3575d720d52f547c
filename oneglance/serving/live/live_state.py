"""What the live page shows: a run folder, and how far its training is where it goes on in this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oneglance.errors import OneglanceError, command
from oneglance.evaluation.reports import learning_curves
from oneglance.evaluation.reports.pages import figure
from oneglance.progress import Screen
from oneglance.storage.plain_files import is_file
from oneglance.storage.run_folder import RunFolder, kept_of


class LiveScreen(Screen):
    """Shows what another screen shows, and remembers it for the page."""

    def __init__(self, shown: Screen) -> None:
        self._shown = shown
        self.folder: Path | None = None  # of the run, once the training has begun
        self.over = False  # nothing more will come
        self.doing = "reading the data"
        self.epochs = 0
        self._left: float | None = None  # seconds
        self._first, self._began = 0, 0.0  # steps that were done when the clock was started

    def begin(self, folder: Path) -> bool:
        self.folder, self.doing = folder, "training"
        self._shown.begin(folder)
        return True

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        done, now = (epoch - 1) * steps + step, time.monotonic()
        if not self._began:
            self._first, self._began = done, now
        elif done > self._first:
            self._left = (now - self._began) / (done - self._first) * (epochs * steps - done)
        self.epochs = epochs
        self._shown.step(epoch, epochs, step, steps, pictures)

    def progress(self, done: int, total: int, what: str) -> None:
        self.doing = f"{what} {done:,}/{total:,}"
        self._shown.progress(done, total, what)

    def say(self, text: str) -> None:
        self._shown.say(text)

    def ask(self, question: str) -> bool:
        return self._shown.ask(question)

    def epoch(self, row: Mapping[str, Any], epochs: int, brief: Mapping[str, str]) -> None:
        self._shown.epoch(row, epochs, brief)

    def close(self) -> None:
        self._shown.close()

    def state(self) -> dict[str, Any]:
        """What the page shows now."""
        if self.folder is None:
            return {**EMPTY, "state": "stopped" if self.over else "preparing", "doing": self.doing}
        state = state_of(self.folder, self.epochs)
        if state["state"] == "training":
            state["seconds_left"] = self._left
            if self.over:
                state["state"] = "stopped"
        return state


EMPTY: Mapping[str, Any] = {
    "run": "",
    "state": "preparing",
    "doing": "",
    "epoch": 0,
    "epochs": 0,
    "kept": None,
    "seconds_left": None,
    "plots": [],
    "scores": [],
    "examples": None,
    "report": False,
    "next": "",
}


def state_of(path: Path, epochs: int = 0) -> dict[str, Any]:
    """The same of a run folder, whichever process trains it; JSON values.

    Args:
        epochs: that the training is to have; 0: what its configuration says.
    """
    try:
        run = RunFolder.open(path)
        history, examples = run.history(), run.examples()
        epochs = epochs or run.config().training.epochs
    except OneglanceError as error:  # such as a folder that is being written anew
        return {**EMPTY, "run": path.name, "state": "unreadable", "doing": str(error)}
    left = epochs - len(history)
    seconds = [row["seconds"] for row in history]
    kept = kept_of(history)
    return {
        **EMPTY,
        "run": path.resolve().name,
        "state": "finished" if run.finished else "training",
        "epoch": len(history),
        "epochs": epochs,
        "kept": kept["epoch"] if kept else None,
        "seconds_left": statistics.median(seconds) * left if seconds and left > 0 else None,
        "plots": [asdict(plot) for plot in learning_curves.plots(history)],
        "scores": _scores(history),
        "examples": examples.model_dump() if examples else None,
        "report": is_file(run / "report.html"),
        "next": command("evaluate", path) if run.finished else command("finish", path),
    }


def _scores(history: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The deciding metric of each task after the last epoch."""
    last = (history[-1].get("validation") or {}) if history else {}
    return [
        {"task": task, "metric": metric, "value": figure(value)}
        for task, metrics in last.items()
        for metric, value in list(metrics.items())[:1]
    ]
