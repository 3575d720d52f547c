"""What teachers cost: seconds per step with two of them, relative to a joint step.

One network learns the five questions of bench/tasks.py. Two networks of the same backbone and canvas teach
it, one three of them, the other two. With kept answers a step should cost at most 1.1 joint steps; with
teachers that are asked in every step at most 1 + 2 / 3, a third for each pass. All take turns on one learner;
the ratios are medians over the rounds.

    python bench/distil.py [--steps 4] [--rounds 5] [--only small]
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

from oneglance.balancers.equal import Equal
from oneglance.config import AugmentTable, BackboneTable, Config, TrainingTable
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.predictor import Predictor
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment
from oneglance.training.augment import Augment
from oneglance.training.data_loader import BatchLoader
from oneglance.training.loop import Learner
from oneglance.training.teaching.live_teachers import LiveTeachers
from oneglance.training.teaching.soft_targets import joined
from oneglance.training.teaching.teachers import Teacher

PARTS = (("kind", "view", "style"), ("price", "weight"))  # what each teacher answers
WANTED = {"kept": 1.1, "asked": 1 + len(PARTS) / 3}


def taught_by(table: BackboneTable, names: tuple[str, ...], device: torch.device) -> Teacher:
    """An untrained network: for speed it makes no difference."""
    tasks, _ = built(list(names))
    config = Config(sources=[{}], tasks={name: FIVE[name] for name in names}, backbone=table)
    network = build_network(table, tasks, Path()).to(device).eval()
    predictor = Predictor(TorchEngine(network, device, "fp32"), tasks, config)
    return Teacher("+".join(names), (), predictor, {name: name for name in names})


def measure(table: BackboneTable, steps: int, rounds: int) -> dict[str, float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = Noise(*table.canvas)
    tasks, answers = built(list(FIVE))
    network = build_network(table, tasks, Path()).to(device)
    learner = Learner(
        network, tasks, Equal(), Augment(AugmentTable(), network.mean, 20), TrainingTable(), device
    )
    plain = {name: task.encode(answers[name]) for name, task in tasks.items()}
    teachers = [taught_by(table, names, device) for names in PARTS]
    kept = dict(plain)
    for teacher in teachers:
        raw = [teacher.predictor.forward(store.pixels[s : s + BATCH]).raw for s in range(0, COUNT, BATCH)]
        for name in teacher.names:
            whole = np.concatenate([one[name] for one in raw])
            kept[name] = joined(plain[name], tasks[name].soft_target(whole, teacher.task(name)))
    streams = {
        name: endless(BatchLoader(store, np.arange(COUNT), targets, BATCH, device))
        for name, targets in (("joint", plain), ("kept", kept), ("asked", plain))
    }
    config = Config(sources=[{}], tasks=FIVE, backbone=table)
    live = LiveTeachers(teachers, tasks, config)
    learner.measure_loss_scales(BatchLoader(store, np.arange(COUNT), plain, BATCH, device).targets)

    def seconds(name: str) -> float:
        learner.live = live if name == "asked" else None
        return timed(partial(our_step, learner, streams[name]), steps)

    for name in streams:
        seconds(name)  # warms up
    turns = [{name: seconds(name) for name in streams} for _ in range(rounds)]
    ratios = {name: [turn[name] / turn["joint"] for turn in turns] for name in WANTED}
    return {
        **{name: round(statistics.median(values), 3) for name, values in ratios.items()},
        **{f"{name}_most": round(max(values), 3) for name, values in ratios.items()},
        **{f"{name}_least": round(min(values), 3) for name, values in ratios.items()},
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--steps", type=int, default=4, help="per turn")
    options.add_argument("--rounds", type=int, default=5, help="turns")
    options.add_argument("--only", default="", help="networks whose name begins so")
    given = options.parse_args()
    keep_freed_memory()
    started = time.time()
    chosen = {name: table for name, table in SETTINGS.items() if name.startswith(given.only)}
    measured = {name: measure(table, given.steps, given.rounds) for name, table in chosen.items()}
    for name, ratios in measured.items():
        print(name)
        for way, wanted in WANTED.items():
            between = f"{ratios[f'{way}_least']:.3f} to {ratios[f'{way}_most']:.3f}"
            print(f"  {way:6} {ratios[way]:.3f} ({between})  wanted: at most {wanted:.2f}")
    print(f"{time.time() - started:.0f} s in all")
    machine = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))["processor"]
    print(json.dumps({"bench": "distil", "wanted": WANTED, **measured, "machine": machine}))


if __name__ == "__main__":
    main()
