"""What teachers cost, and with --learn what a student learns of one.

Seconds per step with two teachers, relative to a joint step.

One network learns the five questions of bench/tasks.py. Two networks of the same backbone and canvas teach
it, one three of them, the other two. With kept answers a step should cost at most 1.1 joint steps; with
teachers that are asked in every step at most 1 + 2 / 3, a third for each pass. All take turns on one learner;
the ratios are medians over the rounds.

    python bench/distil.py [--steps 4] [--rounds 5] [--only small]

With --learn the network of a configuration is trained once, and for each seed and arm a student is distilled
from it on pictures alone, from weights that are not its teacher's. Both are scored on the same held-back test
pictures. The arms: `answers` are all defaults; in `features:W` the shared features also learn those of the
teacher, with [training] teacher_features = W; `points` are the defaults too, by which boxes learn point by
point, and in `boxes` they learn from the boxes that the teacher finds alone. Differences are from the first
arm on the same seeds, ± half of the 95 % interval of Student's t over the seeds.

    python bench/distil.py --learn examples/clothing.toml --pictures PICTURES --arms answers,features:1
        [--seeds 0,1] [--set backbone.size=96 ...] [--student backbone.name=small ...]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from joint import table
from loop import BATCH, SETTINGS, endless, our_step, timed
from tasks import COUNT, FIVE, Noise, built

import oneglance
from oneglance.balancers.equal import Equal
from oneglance.config import AugmentTable, BackboneTable, Config, TrainingTable
from oneglance.inference.engines.torch import TorchEngine
from oneglance.inference.predictor import Predictor
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment
from oneglance.progress import Screen
from oneglance.training.augment import Augment
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner
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


def boxes_alone() -> AbstractContextManager[object]:
    """Within it nothing is known of single points, as of an .onnx file."""
    return patch.object(Teacher, "prepare", lambda teacher: None)


ARMS = {"answers": nullcontext, "features": nullcontext, "points": nullcontext, "boxes": boxes_alone}


def student(teacher: Path, arm: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """One row of results: the scores of a student and of its teacher."""
    name, _, weight = arm.partition(":")
    if name not in ARMS:
        raise SystemExit(f'there is no arm "{name}": {", ".join(ARMS)}')
    changes = ["training.from=", f"training.seed={seed}", *given.student]
    if name == "features":
        changes.append(f"training.teacher_features={weight or 1}")
    cpu = time.process_time()
    with tempfile.TemporaryDirectory(prefix="distil-") as folder, ARMS[name]():
        out = Path(folder) / "run"
        report = oneglance.distil(
            [teacher], pictures=given.pictures, overrides=changes, out=out, screen=Screen()
        )
    tasks = {
        task: {
            "metric": one.metric,
            "value": one.student.value,
            "teacher": one.teacher.value,
            "n": one.student.n,
        }
        for task, one in report.tasks.items()
    }
    cpu_s = round(time.process_time() - cpu, 1)
    return {"set": given.learn.stem, "arm": arm, "seed": seed, "cpu_s": cpu_s, "tasks": tasks}


def learn(given: argparse.Namespace) -> None:
    """Every arm with every seed, then the table."""
    with tempfile.TemporaryDirectory(prefix="teacher-") as folder:
        teacher, arms = Path(folder) / "teacher", given.arms.split(",")
        if given.learn.is_dir():
            teacher = given.learn
        else:
            oneglance.train(given.learn, out=teacher, overrides=given.set, screen=Screen())
        rows = []
        for seed in map(int, given.seeds.split(",")):
            for arm in arms:
                rows.append(student(teacher, arm, seed, given))
                print(json.dumps(rows[-1]), flush=True)
    table(rows, given.learn.stem, arms[0])


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--steps", type=int, default=4, help="per turn")
    options.add_argument("--rounds", type=int, default=5, help="turns")
    options.add_argument("--only", default="", help="networks whose name begins so")
    options.add_argument("--learn", type=Path, help="the teacher: its configuration, or its finished run")
    options.add_argument("--pictures", type=Path, help="from which a student learns")
    options.add_argument("--arms", default="answers,features:1", help="what is compared")
    options.add_argument("--seeds", default="0,1", help="of the students")
    for name in ("--set", "--student"):
        options.add_argument(name, nargs="+", default=[], metavar="KEY=VALUE", help="of teacher or student")
    given = options.parse_args()
    if given.learn:
        learn(given)
        return
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
