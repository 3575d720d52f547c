"""About how long a training will take and how much memory, from a few pictures that mean nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor

from oneglance.config import Config
from oneglance.network import Network, build_network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import pick_device
from oneglance.nn.threads import use_allowed_processors
from oneglance.task import Task
from oneglance.training.resources.batch_memory import free, measured

PIXELS = 500_000  # that are shown at once; with fewer, threads that wait for each other take most of the time
REPEATS = 4  # the fastest counts
LONGEST = 6.0  # seconds after which there is no other
COPIES = 2  # of each weight that stay beside those of a step: the average, and the best epoch's
PASS = 0.4  # of the time of a training step, for a picture of the validation split
LATER = 100_000_000  # bytes of libraries that are imported after the forecast, by scores and the report


@dataclass(frozen=True)
class Forecast:
    """Seconds of all epochs, and 10^6 bytes of the process at its peak."""

    seconds: float
    mb: float


def forecast(config: Config, tasks: Mapping[str, Task], training: int, validation: int) -> Forecast:
    """What a training takes, pictures decoded already.

    Args:
        tasks: fitted to their answers.
        training: pictures of that split.
        validation: pictures of that split.
    """
    keep_freed_memory()  # as a training does
    use_allowed_processors()
    table, device = config.training, pick_device(config.training.device)
    network = build_network(
        config.backbone, tasks, config.base, load_weights=False, task_stage=table.task_stage
    ).to(device)
    width, height = config.backbone.canvas
    count = max(4, min(config.batch, PIXELS // (width * height)))
    pictures = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8).float().to(device)
    pictures = pictures.to(memory_format=torch.channels_last)
    now = psutil.Process().memory_info().rss
    best, first = float("inf"), time.perf_counter()
    for _ in range(REPEATS):
        began = time.perf_counter()
        if began - first > LONGEST:
            break
        _step(network, pictures, learns=not config.backbone.freeze)
        best = min(best, time.perf_counter() - began)
    # A frozen backbone sees each picture once, and what the heads learn then takes next to no time.
    epochs = 1 if config.backbone.freeze else table.epochs
    seconds = best / count * epochs * (training + PASS * validation)
    weights = sum(one.numel() * one.element_size() for one in network.parameters())
    batch = min(config.batch, max(training, 1)) * max(task.views for task in tasks.values())
    if config.backbone.freeze:  # nothing is kept for a way back: what passes took just now tells
        step = batch / count * max(0, psutil.Process().memory_info().rss - now)
        step += 4 * network.backbone.shape.vector * (training + validation)  # the features that are kept
    else:
        need = measured(network, pictures[:1], len(tasks), "fp32")
        # A batch that does not fit comes in parts.
        step = need.of(batch, need.parts(batch, free(device)) or max(1, batch // 2))
    return Forecast(seconds, (now + COPIES * weights + step + LATER) / 1e6)


def _step(network: Network, pictures: Tensor, *, learns: bool) -> None:
    """Forwards, and backwards if it ``learns``."""
    network.train(learns)
    with torch.set_grad_enabled(learns):
        raw = network(pictures)
        if learns:
            torch.stack([value.float().square().mean() for value in _tensors(raw)]).sum().backward()  # type: ignore[no-untyped-call]
            network.zero_grad(set_to_none=True)


def _tensors(raw: Mapping[str, Tensor]) -> list[Tensor]:
    return [value for value in raw.values() if value.requires_grad]
