"""What boxes cost beside a label, how much of a step their loss takes, and how fast they are scored.

MobileNetV2 at 320 px. Networks with a label and with a label and boxes take turns in one process; the ratios
are medians over the turns. The loss is measured on 64 pictures with 50 boxes each. Scoring: 5,000 pictures
with 20 boxes each, 25 found, matched and averaged as COCO does.

    python bench/boxes.py [--steps 4] [--rounds 5]
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
from loop import endless, our_step, timed

from oneglance.balancers.equal import Equal
from oneglance.config import AugmentTable, BackboneTable, TrainingTable
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection import coco_matching
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.predictor import Predictor
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment, precise
from oneglance.task import Task, build_tasks
from oneglance.training.augment import Augment
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner

TABLE = BackboneTable(name="mobilenetv2_100", weights="none", size=320)
TASKS = {"kind": {"type": "label"}, "things": {"type": "boxes"}}
COUNT, BATCH = 64, 16


class Noise:
    """A store of pictures in memory."""

    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 320, 320, 3), dtype=np.uint8)

    def announce(self, batches: Sequence[np.ndarray]) -> None:
        pass

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


def drawn(boxes: int) -> list[BoxAnnotations]:
    random = np.random.default_rng(1)
    seen = []
    for _ in range(COUNT):
        corner, side = random.uniform(0, 260, (boxes, 2)), random.uniform(10, 60, (boxes, 2))
        edges = np.concatenate([corner, corner + side], axis=1).tolist()
        seen.append(
            BoxAnnotations(
                tuple(Box(x0, y0, x1, y1, f"c{place % 5}") for place, (x0, y0, x1, y1) in enumerate(edges))
            )
        )
    return seen


def learner_of(
    names: Sequence[str], boxes: int, device: torch.device
) -> tuple[Learner, BatchLoader, dict[str, Task]]:
    tasks = build_tasks({name: TASKS[name] for name in names})
    answers: dict[str, list[Any]] = {"kind": [f"k{row % 17}" for row in range(COUNT)], "things": drawn(boxes)}
    for name, task in tasks.items():
        task.fit_target(answers[name])
    network = build_network(TABLE, tasks, Path()).to(device)
    augment = Augment(AugmentTable(), network.mean, 20)
    learner = Learner(network, tasks, Equal(), augment, TrainingTable(), device)
    targets = {name: task.encode(answers[name]) for name, task in tasks.items()}
    batches = BatchLoader(Noise(), np.arange(COUNT), targets, BATCH, device)
    learner.measure_loss_scales(batches.targets)
    return learner, batches, tasks


def answers(predictor: Predictor, canvases: np.ndarray, placements: list[Placement]) -> object:
    """A batch to its answers."""
    return predictor.decode(predictor.forward(canvases).raw, placements)


def costs(device: torch.device, steps: int, rounds: int) -> dict[str, float]:
    """Training and prediction with a label and boxes over a label alone."""
    training, predicting = [], []
    lying = [Fit(320).placement(320, 320)] * BATCH
    for names in (["kind"], list(TASKS)):
        learner, batches, tasks = learner_of(names, 12, device)
        training.append(partial(our_step, learner, endless(batches)))
        predictor = Predictor(TorchEngine(learner.average, device, "fp32"), tasks, None)  # type: ignore[arg-type]
        predicting.append(partial(answers, predictor, Noise.pixels[:BATCH], lying))
    found = {}
    for what, (one, both) in (("training", training), ("prediction", predicting)):
        turns = [(timed(one, steps), timed(both, steps)) for _ in range(rounds + 1)][1:]
        found[f"{what}_with_boxes_over_without"] = round(statistics.median(b / a for a, b in turns), 3)
    return found


def loss_share(device: torch.device, rounds: int) -> float:
    """Assignment and loss, forward and backward, over the whole step; 64 pictures with 50 boxes each."""
    learner, batches, tasks = learner_of(["things"], 50, device)
    whole = next(batches.in_order()).pictures
    pictures = torch.cat([batch.pictures for batch in batches.in_order()]) if len(whole) < COUNT else whole
    target = batches.targets["things"]
    learner.network.train()
    shares = []
    for _ in range(rounds):
        started = time.perf_counter()
        with precise("fp32", device):
            raw = learner.network(pictures)["things"]
        before = time.perf_counter()
        apart = raw.detach().requires_grad_()
        loss, known = tasks["things"].loss(apart, target)
        (loss * known).sum().backward()  # type: ignore[no-untyped-call]
        own = time.perf_counter() - before
        raw.backward(apart.grad)
        shares.append(own / (time.perf_counter() - started))
    return round(statistics.median(shares), 4)


def scoring() -> float:
    """Seconds to match and average 5,000 pictures with 20 true and 25 found boxes in 10 classes."""
    random = np.random.default_rng(2)
    truths, found = [], []
    for _ in range(5000):
        corner, side = random.uniform(0, 500, (20, 2)), random.uniform(10, 100, (20, 2))
        boxes, classes = np.concatenate([corner, corner + side], axis=1), random.integers(0, 10, 20)
        truths.append(coco_matching.Truth(boxes, classes, np.zeros(20, dtype=bool)))
        more = np.concatenate([boxes + random.normal(0, 4, boxes.shape), boxes[:5] + 50])
        found.append(coco_matching.Predicted(more, random.random(25), np.concatenate([classes, classes[:5]])))
    started = time.perf_counter()
    matched = coco_matching.match(found, truths, np.ones((5000, 10), dtype=bool))
    coco_matching.average_precision(matched, np.ones(5000))
    return round(time.perf_counter() - started, 2)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--steps", type=int, default=4, help="per turn")
    options.add_argument("--rounds", type=int, default=5, help="turns")
    given = options.parse_args()
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found = costs(device, given.steps, given.rounds)
    found["loss_over_step"] = loss_share(device, given.rounds)
    found["seconds_to_score_5000_pictures"] = scoring()
    for name, value in found.items():
        print(f"{name}: {value}")
    wanted = {"training": 1.35, "prediction": 1.2, "loss": 0.1, "seconds": 20}
    machine = environment(device)["processor"]
    print(json.dumps({"bench": "boxes", "wanted": wanted, **found, "machine": machine}))


if __name__ == "__main__":
    main()
