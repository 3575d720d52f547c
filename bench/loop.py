"""How much of the bare step rate training through oneglance keeps, and how often that of a plain loop.

Bare: the same network, precision, optimizer and batch, one tensor of pictures already in memory and already
normalised, forward, loss, backward, step; nothing else. Ours: batches gathered from the cache on disk, moved
to the device, augmented (flip, shift, zoom, colour), every task's loss, clipping, averaged weights.
Plain: a loop with PyTorch's default settings, as tutorials have it: a DataLoader that opens, resizes and
flips each file in every epoch, without workers, float32, the usual memory format. All take turns in one
process. Also told: pictures per second of a first epoch, decoding included.

    python bench/loop.py [--steps 12] [--rounds 5] [--tasks 1 5]
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
from torchvision.transforms import v2

from oneglance.backbone import build_backbone
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
BATCH, CLASSES = 64, 10


def measure(
    table: BackboneTable,
    pictures: list[Path],
    folder: Path,
    steps: int,
    rounds: int,
    batch: int = BATCH,
    count: int = 1,
    beside_plain: bool = False,
) -> dict[str, float]:
    """Ratios of step rates, ours over bare and, where it is wanted, over a plain loop, for one network and
    ``count`` labels.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tasks = build_tasks({f"kind_{number}": {"type": "label"} for number in range(count)})
    answers = [str(place % CLASSES) for place in range(len(pictures))]
    for task in tasks.values():
        task.fit_target(answers)
    started = time.perf_counter()
    refs = [FileImage(str(path), path.name) for path in pictures]
    store = open_canvases(refs, Fit(table.size), Limits(), CacheTable(folder=str(folder / "cache")))
    decoding = time.perf_counter() - started

    plan = TrainingTable(batch=batch, epochs=10_000)
    network = build_network(table, tasks, Path()).to(device)
    learner = Learner(network, tasks, Equal(), Augment(AugmentTable(), network.mean, 20), plan, device)
    targets = {name: task.encode(answers) for name, task in tasks.items()}
    batches = BatchLoader(store, np.arange(len(refs)), targets, batch, device)
    learner.measure_loss_scales(batches.targets)
    rates = {}
    others = {"plain": plain_step(table, tasks, pictures, device, batch)} if beside_plain else {}
    for precision in ("fp32", "bf16"):
        learner.precision = precision
        stream = endless(batches)
        compared = {"bare": bare_step(table, tasks, device, precision, batch), **others}
        ways = [partial(our_step, learner, stream), *compared.values()]
        turns = [[timed(way, steps) for way in ways] for _ in range(rounds + 1)]
        ours, *rest = zip(*turns[1:], strict=True)
        for name, theirs in zip(compared, rest, strict=True):
            ratios = [t / o for o, t in zip(ours, theirs, strict=True)]
            rates[f"{precision}_ours_over_{name}"] = statistics.median(ratios)
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
    truth = torch.arange(batch, device=device) % CLASSES

    def step() -> None:
        optimizer.zero_grad()
        with precise(precision, device):
            raw = network.answer(network.backbone(pictures))
        losses = [F.cross_entropy(each.float(), truth) for each in raw.values()]
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def plain_step(
    table: BackboneTable, tasks: dict[str, Task], paths: list[Path], device: torch.device, batch: int
) -> Callable[[], None]:
    """The same backbone, and a linear layer for each label."""
    from recipes import Plain
    from rival import Files

    backbone = build_backbone(table, Path())
    backbone.gives_maps = False
    network = Plain(backbone, tasks).to(device, memory_format=torch.contiguous_format).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    change = v2.Compose(
        [
            v2.Resize(table.canvas[::-1]),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(backbone.mean, backbone.std),
        ]
    )
    classes = [str(number) for number in range(CLASSES)]
    files = Files([(str(path), str(place % CLASSES)) for place, path in enumerate(paths)], classes, change)
    loader = torch.utils.data.DataLoader(files, batch_size=batch, shuffle=True, drop_last=True)

    def rows() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    stream = rows()

    def step() -> None:
        pictures, truth = (each.to(device) for each in next(stream))
        loss = torch.stack([F.cross_entropy(raw, truth) for raw in network(pictures).values()]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
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
    options.add_argument("--tasks", type=int, nargs="+", default=[1], help="labels at once")
    given = options.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_scenes(folder / "scenes", count=1000, seed=0, size=160)
        pictures = sorted((folder / "scenes" / "images").iterdir())
        found = {
            f"{name}, {count} {'label' if count == 1 else 'labels'}": measure(
                table, pictures, folder, given.steps, given.rounds, count=count, beside_plain=True
            )
            for name, table in SETTINGS.items()
            for count in given.tasks
        }
    for name, rates in found.items():
        print(name, rates)
    machine = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    print(
        json.dumps(
            {"bench": "loop", "wanted": {"bare": 0.95, "plain": 2}, **found, "machine": machine["processor"]}
        )
    )


if __name__ == "__main__":
    main()
