"""What more questions cost: an epoch and a prediction with 5 tasks, relative to 1.

The same pictures and backbone; the tasks are two labels, tags and two numbers. Networks with 1 and 5 tasks
take turns in one process; the ratios are medians over the turns.

    python bench/tasks.py [--steps 8] [--rounds 6]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loop import BATCH, SETTINGS, endless, our_step, timed

from oneglance.balancers.equal import Equal
from oneglance.config import AugmentTable, BackboneTable, TrainingTable
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.predictor import Predictor
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment
from oneglance.task import Task, build_tasks
from oneglance.training.augment import Augment
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner

COUNT = 512  # pictures, of noise: what they show does not matter here
FIVE = {
    "kind": {"type": "label"},
    "view": {"type": "label"},
    "style": {"type": "tags"},
    "price": {"type": "number"},
    "weight": {"type": "number"},
}


class Noise:
    """A store of pictures in memory."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (COUNT, height, width, 3), dtype=np.uint8)

    def announce(self, batches: Sequence[np.ndarray]) -> None:
        pass

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


def built(names: list[str]) -> tuple[dict[str, Task], dict[str, list[Any]]]:
    tasks = build_tasks({name: FIVE[name] for name in names})
    said = {
        "kind": [f"k{row % 17}" for row in range(COUNT)],
        "view": [f"v{row % 3}" for row in range(COUNT)],
        "style": [f"s{row % 6}|s{row % 5}" for row in range(COUNT)],
        "price": [str(row) for row in range(COUNT)],
        "weight": [str(row % 50) for row in range(COUNT)],
    }
    answers = {name: [task.read(word) for word in said[name]] for name, task in tasks.items()}
    for name, task in tasks.items():
        task.fit_target(answers[name])
    return tasks, answers


def answered(predictor: Predictor, canvases: np.ndarray, placements: list[Placement]) -> object:
    """A batch to its answers."""
    return predictor.decode(predictor.forward(canvases).raw, placements)


def measure(table: BackboneTable, steps: int, rounds: int) -> dict[str, float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = Noise(*table.canvas)
    lying = [Fit(table.size).placement(*table.canvas)] * BATCH
    training, predicting = [], []
    for names in (["kind"], list(FIVE)):
        tasks, answers = built(names)
        network = build_network(table, tasks, Path()).to(device)
        learner = Learner(
            network, tasks, Equal(), Augment(AugmentTable(), network.mean, 20), TrainingTable(), device
        )
        targets = {name: task.encode(answers[name]) for name, task in tasks.items()}
        batches = BatchLoader(store, np.arange(COUNT), targets, BATCH, device)
        learner.measure_loss_scales(batches.targets)
        training.append(partial(our_step, learner, endless(batches)))
        predictor = Predictor(TorchEngine(learner.average, device, "fp32"), tasks, None)  # type: ignore[arg-type]
        predicting.append(partial(answered, predictor, store.pixels[:BATCH], lying))
    ratios = {}
    for what, (one, five) in (("training", training), ("prediction", predicting)):
        turns = [(timed(one, steps), timed(five, steps)) for _ in range(rounds + 1)][1:]
        ratios[f"{what}_5_over_1"] = round(statistics.median(b / a for a, b in turns), 3)
    return ratios


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--steps", type=int, default=8, help="per turn")
    options.add_argument("--rounds", type=int, default=6, help="turns")
    given = options.parse_args()
    keep_freed_memory()
    started = time.time()
    found = {name: measure(table, given.steps, given.rounds) for name, table in SETTINGS.items()}
    for name, ratios in found.items():
        print(name, ratios)
    print(f"{time.time() - started:.0f} s in all")
    machine = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))["processor"]
    print(
        json.dumps(
            {"bench": "tasks", "wanted": {"training": 1.1, "prediction": 1.05}, **found, "machine": machine}
        )
    )


if __name__ == "__main__":
    main()
