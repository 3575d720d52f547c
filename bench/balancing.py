"""What a balancing method costs: seconds per step with 5 tasks, relative to ``equal``.

One network learns the five questions of bench/tasks.py; the methods take turns on it, each beside a turn of
``equal``; the ratios are medians over the rounds. A method that needs only the losses should stay below 1.03,
one that needs the gradients below 1.3.

    python bench/balancing.py [--steps 4] [--rounds 5] [--only famo,upgrad]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from loop import BATCH, SETTINGS, endless, our_step, timed
from tasks import COUNT, FIVE, Noise, built

from oneglance.balancer import build_balancer, names
from oneglance.config import AugmentTable, BackboneTable, TrainingTable
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment
from oneglance.training.augment import Augment
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner

WANTED = {False: 1.03, True: 1.3}  # by whether a method needs the gradients


def measure(table: BackboneTable, methods: list[str], steps: int, rounds: int) -> dict[str, float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tasks, answers = built(list(FIVE))
    network = build_network(table, tasks, Path()).to(device)
    balancers = {name: build_balancer(name, {}) for name in ["equal", *methods]}
    augment = Augment(AugmentTable(), network.mean, 20)
    learner = Learner(network, tasks, balancers["equal"], augment, TrainingTable(), device)
    targets = {name: task.encode(answers[name]) for name, task in tasks.items()}
    batches = BatchLoader(Noise(*table.canvas), np.arange(COUNT), targets, BATCH, device)
    learner.measure_loss_scales(batches.targets)
    step = partial(our_step, learner, endless(batches))

    def seconds(name: str) -> float:
        learner.balancer = balancers[name]
        return timed(step, steps)

    for name in balancers:
        seconds(name)  # warms up
    ratios = {}
    for name in methods:
        turns = [(seconds("equal"), seconds(name)) for _ in range(rounds)]
        ratios[name] = round(statistics.median(theirs / equal for equal, theirs in turns), 3)
    return ratios


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--steps", type=int, default=4, help="per turn")
    options.add_argument("--rounds", type=int, default=5, help="turns")
    options.add_argument("--only", default="", help="methods, between commas")
    given = options.parse_args()
    keep_freed_memory()
    methods = given.only.split(",") if given.only else [name for name in names() if name != "equal"]
    wanted = {name: WANTED[build_balancer(name, {}).needs_gram] for name in methods}
    started = time.time()
    found = {name: measure(table, methods, given.steps, given.rounds) for name, table in SETTINGS.items()}
    for name, ratios in found.items():
        print(name)
        for method, ratio in ratios.items():
            print(f"  {method:12} {ratio:.3f}  wanted: at most {wanted[method]}")
    print(f"{time.time() - started:.0f} s in all")
    machine = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))["processor"]
    print(json.dumps({"bench": "balancing", "wanted": wanted, **found, "machine": machine}))


if __name__ == "__main__":
    main()
