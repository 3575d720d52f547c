"""fast: tiny pictures to a good score in the fewest seconds, by Muon in large batches; figures in
docs/results.md (CIFAR-10 and Fashion-MNIST).

The settings are those of the fastest trainings known for such pictures (Jordan 2024, arXiv 2404.00498, with
Muon): a rate that falls in a straight line, no warm-up, changes that keep every pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from oneglance.data.recipe import Key, Seen
from oneglance.data.recipes.quick import Quick

EPOCHS = 12
FEWEST_STEPS = 40  # of an epoch: large batches are for many pictures
SMALLEST_BATCH, LARGEST_BATCH = 50, 1000


class Fast(Quick):
    """Tiny pictures alone have recipes of their own for speed; others are learned as with quick."""

    means: ClassVar[str] = "tiny pictures in the fewest seconds; others as quick"

    def keys(self, seen: Seen) -> Iterator[Key]:
        if not seen.tiny or "boxes" in seen.types:
            yield from super().keys(seen)
            return
        yield Key("backbone", "name", "small", "learns from nothing, which is enough for tiny pictures")
        yield Key("backbone", "size", seen.fitting(64), "pixels, or [width, height]")
        yield Key("augment", "shift", 0.0625, "two pixels of 32")
        yield Key("augment", "scale", [1.0, 1.0], "pictures as small as these lose too much by it")
        yield Key("augment", "colour", 0.0)
        yield Key("augment", "border", "reflection")
        yield Key("training", "epochs", EPOCHS, "how often each picture is seen")
        batch = seen.pictures // FEWEST_STEPS // 50 * 50
        yield Key("training", "batch", min(LARGEST_BATCH, max(SMALLEST_BATCH, batch)))
        yield Key("training", "optimizer", "muon", "learns most from each step")
        yield Key("training", "learning_rate", 0.24, "a step turns each layer by a quarter of its size")
        yield Key("training", "momentum", 0.6)
        yield Key("training", "schedule", "linear")
        yield Key("training", "warmup", 0)
        yield Key("training", "weight_decay", 0)
        yield Key("training", "clip", 0)
        yield Key("training", "ema", 0.9)
