"""A world of bright squares: labels, boxes with attributes and embeddings, some of them missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support.toy import Drawn, Pixels

from oneglance import config as configuration
from oneglance.data.dataset import SplitData
from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks
from oneglance.training.trainer import Trainer

SIZE, TRAINING, VALIDATION = 32, 32, 12

CONFIG = """
[[sources]]
path = "squares"

[tasks.kind]
type = "label"
[tasks.things]
type = "boxes"
levels = 2
width = 8
depth = 1
attributes.colour = { type = "label" }
attributes.side = { type = "number" }
[tasks.look]
type = "embedding"
like = "kind"
size = 4
[tasks.own]
type = "embedding"
size = 4
[tasks.verdict]
type = "label"
from = "kind"
uses = ["things", "look"]

[backbone]
name = "small"
size = 32
options = { width = 4, depth = 2 }

[augment]
mosaic = 0.5
mixup = 0.2

[training]
epochs = 2
batch = 8
precision = "fp32"
device = "cpu"
"""


class Squares(Pixels):
    """A store of pictures, each of which came from one twice as large."""

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        return np.full((len(rows), 2), 2 * SIZE, dtype=np.int32)


def squares() -> tuple[Squares, list[Record]]:
    """Every third picture is one that nobody looked at for boxes."""
    random = np.random.default_rng(0)
    pixels = np.full((TRAINING + VALIDATION, SIZE, SIZE, 3), 20, dtype=np.uint8)
    records = []
    for row, canvas in enumerate(pixels):
        x, y, side = random.integers(0, 16, 3)
        side = int(side) // 2 + 6
        red = bool(random.integers(2))
        canvas[y : y + side, x : x + side] = (250, 40, 40) if red else (250, 250, 250)
        x0, y0, x1, y1 = (2.0 * edge for edge in (x, y, x + side, y + side))
        attributes = {"colour": "red" if red else "white", "side": 2.0 * side}
        answers: dict[str, Any] = {"kind": attributes["colour"], "verdict": attributes["colour"]}
        answers["look"] = answers["kind"]
        if row % 3:
            answers["things"] = BoxAnnotations((Box(x0, y0, x1, y1, "square", attributes),))
        records.append(Record(f"squares:{row}", Drawn(f"{row}.png"), answers))
    return Squares(pixels), records


def trainer(folder: Path, *overrides: str, anew: bool = True) -> Trainer:
    config = configuration.parse(CONFIG, base=folder.parent, overrides=overrides)
    run = RunFolder.create(folder, config) if anew else RunFolder.open(folder)
    store, records = squares()
    rows = np.arange(len(records))
    parts = SplitData(records[:TRAINING], rows[:TRAINING]), SplitData(records[TRAINING:], rows[TRAINING:])
    return Trainer.build(run, config, build_tasks(config.tasks), store, *parts, Screen())
