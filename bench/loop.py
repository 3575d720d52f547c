"""How much of the bare step rate training through oneglance keeps.

Bare: the same network, precision, optimizer and batch, one tensor of pictures already in memory and already
normalised, forward, loss, backward, step; nothing else. Ours: batches gathered from the cache on disk, moved
to the device, augmented (flip, shift, zoom, colour), every task's loss, clipping, averaged weights.
Both take turns in one process. Also told: pictures per second of a first epoch, decoding included.

    python bench/loop.py [--steps 12] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from oneglance.balancers.equal import Equal
from oneglance.config import AugmentTable, BackboneTable, CacheTable, TrainingTable
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decoded_cache import open_canvases
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage
from oneglance.data.synthetic import write_scenes
from oneglance.network import build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import environment, precise
from oneglance.task import Task, build_tasks
from oneglance.training.augment import Augment
from oneglance.training.data_loader import Batch, BatchLoader
from oneglance.training.learner import Learner
from oneglance.training.optimizer import build_optimizer

SETTINGS = {
    "mobilenetv2_100 at 128 px": BackboneTable(name="mobilenetv2_100", weights="none", size=128),
    "small at 32 px": BackboneTable(name="small", size=32),
}
BATCH = 64


def measure(
    table: BackboneTable, pictures: list[Path], folder: Path, steps: int, rounds: int, batch: int = BATCH
) -> dict[str, float]:
    """Ratios of step rates, ours over bare, for one network."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tasks = build_tasks({"kind": {"type": "label"}})
    answers = [str(place % 10) for place in range(len(pictures))]
    tasks["kind"].fit_target(answers)
    started = time.perf_counter()
    refs = [FileImage(str(path), path.name) for path in pictures]
    store = open_canvases(refs, Fit(table.size), Limits(), CacheTable(folder=str(folder / "cache")))
    decoding = time.perf_counter() - started

    plan = TrainingTable(batch=batch, epochs=10_000)
    network = build_network(table, tasks, Path()).to(device)
    learner = Learner(network, tasks, Equal(), Augment(AugmentTable(), network.mean, 20), plan, device)
    batches = BatchLoader(store, np.arange(len(refs)), {"kind": tasks["kind"].encode(answers)}, batch, device)
    learner.measure_loss_scales(batches.targets)
    rates = {}
    for precision in ("fp32", "bf16"):
        learner.precision = precision
        stream = endless(batches)
        bare = bare_step(table, tasks, device, precision, batch)
        turns = [
            (timed(partial(our_step, learner, stream), steps), timed(bare, steps)) for _ in range(rounds + 1)
        ]
        ours, theirs = zip(*turns[1:], strict=True)
        rates[f"{precision}_ours_over_bare"] = statistics.median(
            t / o for o, t in zip(ours, theirs, strict=True)
        )
        rates[f"{precision}_pictures_per_s"] = batch / statistics.median(ours)
    best = max(rates["fp32_pictures_per_s"], rates["bf16_pictures_per_s"])
    rates["first_epoch_over_later"] = 1 / (1 + decoding * best / len(pictures))
    return {name: round(value, 3) for name, value in rates.items()}


def our_step(learner: Learner, stream: Iterator[Batch]) -> None:
    learner.update(next(stream), 10**9)


def endless(batches: BatchLoader) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from batches.shuffled(0, epoch)
        epoch += 1


def bare_step(
    table: BackboneTable, tasks: dict[str, Task], device: torch.device, precision: str, batch: int
) -> Callable[[], None]:
    network = build_network(table, tasks, Path()).to(device).train()
    optimizer = build_optimizer(network, TrainingTable())
    width, height = table.canvas
    pictures = torch.rand(batch, 3, height, width, device=device).contiguous(
        memory_format=torch.channels_last
    )
    truth = torch.arange(batch, device=device) % 10

    def step() -> None:
        optimizer.zero_grad()
        with precise(precision, device):
            raw = network.answer(network.backbone(pictures))
        F.cross_entropy(raw["kind"].float(), truth).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def timed(step: Callable[[], object], steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--steps", type=int, default=12, help="per turn")
    options.add_argument("--rounds", type=int, default=5, help="turns")
    given = options.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_scenes(folder / "scenes", count=1000, seed=0, size=160)
        pictures = sorted((folder / "scenes" / "images").iterdir())
        found = {
            name: measure(table, pictures, folder, given.steps, given.rounds)
            for name, table in SETTINGS.items()
        }
    for name, rates in found.items():
        print(name, rates)
    machine = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    print(json.dumps({"bench": "loop", "wanted": 0.9, **found, "machine": machine["processor"]}))


if __name__ == "__main__":
    main()
