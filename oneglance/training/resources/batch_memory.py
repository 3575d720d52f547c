"""What a batch takes in memory, and in how many parts it fits into what is free.

Two and then four pictures go through a copy of the network, and what torch keeps of them for backward is
counted; it grows with the pictures in a straight line. Nothing is filled to see whether it bursts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from oneglance.backbone import Features
from oneglance.errors import ConfigError
from oneglance.network import Network
from oneglance.nn.device import precise
from oneglance.parallel.free_memory import free_memory
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner
from oneglance.training.resources.parts import distinct

TRIED = 2, 4  # pictures
PICTURE_COPIES = 10  # of a batch in float32, while pictures are changed: moved, put together, coloured
STATES = 3  # tensors of the size of the weights that the first step adds: gradients, two averages
PASSING = 0.35  # of what is kept for backward, what is there for a moment only, and what the allocator loses
SPARE = 0.1  # of what is free, left to others
GB = 1e9


@dataclass(frozen=True)
class BatchMemory:
    """Bytes that a training step takes beyond what the process holds before it."""

    fixed: float
    backbone: float  # for each picture that passes the backbone at once
    heads: float  # for each picture of the batch, whatever passes the backbone at once
    features: float  # for each picture of the batch, where it comes in parts

    def of(self, batch: int, parts: int) -> float:
        """Of a batch in so many parts."""
        together = -(-batch // parts)
        features = batch * self.features if parts > 1 else 0.0
        return self.fixed + together * self.backbone + batch * self.heads + features

    def parts(self, batch: int, free: float) -> int | None:
        """The fewest parts, a power of 2, with which a batch fits; None: there are none. At least two
        pictures pass at once, for batch norm.
        """
        parts = 1
        while self.of(batch, parts) > free:
            if batch < 4 * parts:
                return None
            parts *= 2
        return parts


def measured(network: Network, picture: Tensor, learned: int, precision: str) -> BatchMemory:
    """What a step takes, from a few copies of one picture.

    Args:
        picture: [1, 3, h, w], of the type that the network gets.
        learned: tasks that keep a gradient of their own at the features.
        precision: ``fp32`` or ``bf16``.
    """
    trial = copy.deepcopy(network).train()
    kept: list[tuple[float, float, float]] = []
    for count in TRIED:
        pictures = picture.expand(count, *picture.shape[1:]).clone(memory_format=torch.channels_last)
        with precise(precision, pictures.device):
            with kept_for_backward() as backbone:
                features = trial.features(pictures)
            cut = _cut(features)
            with kept_for_backward() as heads:
                raw = trial.answer(cut)
        output = sum(value.numel() * 4 for value in raw.values())
        shared = sum(one.numel() * one.element_size() for one in distinct(features))
        kept.append((sum(backbone.values()), sum(heads.values()) + 3 * output, shared))
        del features, cut, raw
    few, more = kept
    body, head, of_features = (
        max(0.0, (b - a) / (TRIED[1] - TRIED[0])) for a, b in zip(few, more, strict=True)
    )
    weights = sum(one.numel() * one.element_size() for one in network.parameters())
    pixels = 4 * picture[0].numel()
    return BatchMemory(
        fixed=STATES * weights,
        backbone=body * (1 + PASSING),
        heads=head * (1 + PASSING) + PICTURE_COPIES * pixels,
        features=of_features * (2 + learned),
    )


def free(device: torch.device) -> float:
    """Bytes that a training may take there."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (1 - SPARE) * (torch.cuda.mem_get_info(device)[0] + unused)
    return (1 - SPARE) * free_memory()


def fit_memory(
    learner: Learner, training: BatchLoader, validation: BatchLoader, say: Callable[[str], None]
) -> None:
    """Where a batch takes more memory than is free, its pictures are to pass through the backbone in parts,
    and as few at once in validation.

    Args:
        say: gets a sentence for the user if so.

    Raises:
        ConfigError: not even a few pictures at a time fit.
    """
    if learner.augment is None:  # features that are computed already
        return
    batch = training.largest * max(task.views for task in learner.tasks.values())
    picture = next(training.in_order()).pictures[:1].float()
    need, there = measured(learner.network, picture, len(learner.tasks), "fp32"), free(learner.device)
    parts = need.parts(batch, there)
    if parts is None:
        raise refuse(need, batch, there)
    learner.parts = parts
    if parts > 1:
        say(f"batches of {batch} in {parts} parts: {there / GB:.1f} GB are free")
        validation.size = -(-validation.size // parts)


@contextmanager
def clear_memory_errors() -> Iterator[None]:
    """Turn what an allocator raises within the block into a message for the user.

    Raises:
        ConfigError: there was not enough memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not no_memory(error):
            raise
        raise ConfigError(
            "memory does not suffice for a step",
            hint="take fewer pictures in a step, --set training.batch=8, or fewer pixels, or free memory",
        ) from None


def no_memory(error: BaseException) -> bool:
    """Whether an allocator says that there is not enough."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def refuse(need: BatchMemory, batch: int, there: float) -> ConfigError:
    """Says that not even a few pictures at a time fit."""
    least = need.of(batch, max(1, batch // 2))
    fitting = [size for size in (32, 16, 8, 4, 2) if size < batch and need.parts(size, there)]
    hint = "choose fewer pixels with backbone.size, a smaller backbone, or free memory"
    if fitting:
        hint = f"take fewer pictures in a step: --set training.batch={fitting[0]}"
    what = f"[training] batch: {batch} pictures take {least / GB:.1f} GB even a few at a time"
    return ConfigError(f"{what}, and {there / GB:.1f} GB may be taken here", hint=hint)


def _cut(features: Features) -> Features:
    leaves = {id(one): one.detach().requires_grad_() for one in distinct(features)}
    below = None if features.below is None else leaves[id(features.below)]
    return Features(leaves[id(features.vector)], tuple(leaves[id(one)] for one in features.maps), below)


@contextmanager
def kept_for_backward() -> Iterator[dict[int, int]]:
    """By address, the bytes of each tensor that is kept for backward within the block."""
    sizes: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        yield sizes
