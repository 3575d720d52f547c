"""A tiny world to train in: pictures in memory, a few questions, a network of a few weights."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.data.dataset import SplitData
from oneglance.data.images.decoding.streamed_order import StreamedOrder
from oneglance.data.record import ImageRef, Record
from oneglance.errors import PictureError, StoppedError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks
from oneglance.tasks.tags import TagAnnotations
from oneglance.training.data_loader import Targets
from oneglance.training.learner import Learner
from oneglance.training.preparation.finished_networks import FinishedNetworks
from oneglance.training.trainer import Trainer

SIZE = 16
TRAINING, VALIDATION = 24, 12  # pictures

CONFIG = """
[[sources]]
path = "toy"

[tasks.kind]
type = "label"
[tasks.weight]
type = "number"
unit = "g"
[tasks.style]
type = "tags"
hidden = [5]
dropout = 0.2
[tasks.verdict]
type = "label"
from = "kind"
uses = ["kind", "style"]

[backbone]
name = "small"
size = 16
options = { width = 4, depth = 2 }

[augment]
erase = 0.3
mixup = 0.4

[training]
epochs = 3
batch = 8
precision = "fp32"
device = "cpu"
learning_rate = 0.01
"""
PLAIN: tuple[str, ...] = ("augment.flip=false", "augment.shift=0", "augment.scale=[1, 1]", "augment.colour=0")
PLAIN += ("augment.erase=0", "augment.mixup=0")  # settings under which a picture enters as it is


@dataclass(frozen=True, slots=True)
class Drawn(ImageRef):
    """A picture that lies in no file."""

    name: str

    def load(self) -> bytes:
        raise AssertionError("the store has it already")

    def stamp(self) -> tuple[Any, ...]:
        raise AssertionError("the store has it already")


class Pixels:
    """A store of pictures that notes which rows it was asked for."""

    order: StreamedOrder | None = None

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.asked = pixels, list[int]()
        self.failures: dict[int, PictureError] = {}

    def announce(self, batches: Sequence[np.ndarray], reading: np.ndarray | None = None) -> None:
        pass

    def gather(self, rows: np.ndarray) -> np.ndarray:
        self.asked += rows.tolist()
        return self.pixels[rows]

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        return np.full((len(rows), 2), SIZE, dtype=np.int32)


def world(count: int = TRAINING + VALIDATION, seed: int = 0) -> tuple[Pixels, list[Record]]:
    """Pictures whose colour tells the answers; each answer is missing here and there."""
    draw = np.random.default_rng(seed)
    colours = draw.integers(30, 226, (count, 1, 1, 3))
    pixels = np.clip(colours + draw.integers(-30, 31, (count, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    records = []
    for row, (red, green, blue) in enumerate(colours[:, 0, 0].tolist()):
        tags = {"red": red > 120, "green": green > 120}
        answers: dict[str, Any] = {
            "kind": "bright" if red + green + blue > 384 else "dark",
            "verdict": "warm" if red > blue else "cold",
            "weight": blue / 10,
            "style": TagAnnotations(frozenset(tag for tag, yes in tags.items() if yes)),
        }
        for place, name in enumerate(list(answers)):
            if (row + place) % 5 == 0:
                del answers[name]
        records.append(Record(f"toy:{row}", Drawn(f"{row}.png"), answers))
    return Pixels(pixels), records


def begin(
    folder: Path,
    *overrides: str,
    text: str = CONFIG,
    screen: Screen | None = None,
    finished: FinishedNetworks | None = None,
) -> Trainer:
    """A new run in ``folder``."""
    config = configuration.parse(text, base=folder.parent, overrides=overrides)
    return trainer(RunFolder.create(folder, config), config, screen, finished)


def go_on(folder: Path, screen: Screen | None = None) -> Trainer:
    """The run in ``folder``, where its last checkpoint left it."""
    run = RunFolder.open(folder)
    found = trainer(run, run.config(), screen)
    found.resume()
    return found


def trainer(
    run: RunFolder,
    config: Config,
    screen: Screen | None = None,
    finished: FinishedNetworks | None = None,
) -> Trainer:
    store, records = world()
    rows = np.arange(len(records))
    training = SplitData(records[:TRAINING], rows[:TRAINING])
    validation = SplitData(records[TRAINING:], rows[TRAINING:])
    tasks = build_tasks(config.tasks)
    return Trainer.build(run, config, tasks, store, training, validation, screen or Screen(), finished)


def targets_of(trainer: Trainer) -> Targets:
    """The targets of the whole training split."""
    loader = trainer.loaders[0]
    return loader.targets_at(np.arange(len(loader.rows)))


def learner(folder: Path, *overrides: str, text: str = CONFIG) -> Learner:
    """The learner of a new run in ``folder`` whose pictures enter as they are."""
    return begin(folder, *PLAIN, *overrides, text=text).learner


class Interrupter(Screen):
    """Sends a signal to this very process in the step of that number, counted from 1 over all epochs."""

    def __init__(self, at: int, number: int = signal.SIGINT) -> None:
        self.left, self.number = at, number

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        self.left -= 1
        if not self.left:
            signal.raise_signal(self.number)


def train(folder: Path, *overrides: str, stops: Sequence[int] = (), text: str = CONFIG) -> Trainer:
    """Train to the end, stopped and taken up again after each of ``stops`` further steps."""
    screens = [*map(Interrupter, stops), Screen()]
    current = begin(folder, *overrides, text=text, screen=screens[0])
    for screen in screens[1:]:
        with pytest.raises(StoppedError):
            current.run()
        current = go_on(folder, screen)
    current.run()
    return current


def results(folder: Path) -> dict[str, Any]:
    """All that a training leaves behind, without what the clock said."""
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"], row["elapsed"]
    kept = folder / "losses.safetensors"
    return {
        "weights": (folder / "weights.safetensors").read_bytes(),
        "tasks": (folder / "tasks.json").read_text(),
        "history": rows,
        "picture losses": kept.read_bytes() if kept.exists() else b"",
    }


def hidden_files(folder: Path) -> list[str]:
    """What an unfinished writing would have left."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]
