"""auto: what was best over several sets at a bearable price; figures in docs/results/recipes.md.

Fitting the heads first, keeping the statistics of the batch norms and smaller batches did not help there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from oneglance.config import FEW_EPOCHS, LIGHT, PRETRAINED_DECAY, PRETRAINED_RATE
from oneglance.data.recipe import PRETRAINED, Key, Recipe, Seen

SEEN_IN_ALL = 16_000  # pictures that a training looks at, each as often as it is trained on
FEWEST_EPOCHS, MOST_EPOCHS = 4, 16
SCRATCH_SEEN = 500_000  # the same, of a network that learns from nothing
SCRATCH_FEWEST, SCRATCH_MOST = 10, 20
BOX_SIZE, BOX_EPOCHS = 320, 20  # things are smaller than pictures
BOX_BATCH, SMALL_BATCH = 16, 8  # more at once takes memory; of few pictures, smaller batches are more steps
FEW_WITH_BOXES = 600  # pictures, below which a training in batches of 16 has hardly 500 steps
SMALL_THING = 24  # pixels of the canvas below which most things must be for them not to be made smaller
PIXELS = "pixels, or [width, height]; more shows finer things and takes longer"
OFTEN = "how often each picture is seen"


class Auto(Recipe):
    """Tiny pictures: a small network from scratch. Photographs: a pretrained one, all of it learns."""

    means: ClassVar[str] = "what is usually best, in minutes"
    longer: ClassVar[float] = 1.0  # times the epochs
    sizes: ClassVar[tuple[int, int]] = (128, 224)  # pixels of photographs, without a GPU and with one

    def keys(self, seen: Seen) -> Iterator[Key]:
        if seen.tiny or not seen.pretrained:
            yield from self._from_scratch(seen)
        else:
            yield from self._pretrained(seen)

    def _from_scratch(self, seen: Seen) -> Iterator[Key]:
        why = "learns from nothing, which is enough for tiny pictures"
        if not seen.tiny:
            why = f"learns from nothing; after pip install 'oneglance[train]' take \"{PRETRAINED}\""
        size = BOX_SIZE if "boxes" in seen.types else seen.fitting(64)
        yield Key("backbone", "name", "small", why)
        yield Key("backbone", "size", size, PIXELS)
        yield Key("training", "epochs", self.epochs_from_scratch(seen), OFTEN)
        if "boxes" in seen.types:
            yield Key("training", "batch", BOX_BATCH, "more at once takes more memory")
        elif seen.tiny:
            yield Key("training", "optimizer", "muon", "learns more than adamw from each step, from nothing")
            yield Key("training", "momentum", 0.6)

    def _pretrained(self, seen: Seen) -> Iterator[Key]:
        boxes = "boxes" in seen.types
        yield Key("backbone", "name", PRETRAINED, "starts from ImageNet; its weights are installed")
        yield Key("backbone", "size", BOX_SIZE if boxes else seen.fitting(self.sizes[seen.gpu]), PIXELS)
        epochs = self.epochs(seen)
        if boxes:
            if seen.thing is not None and seen.thing * BOX_SIZE < SMALL_THING:
                yield Key(
                    "augment", "mosaic", 0, "things are small here, and four pictures in one halve them"
                )
            yield Key("training", "epochs", max(round(BOX_EPOCHS * self.longer), epochs), OFTEN)
            if seen.pictures < FEW_WITH_BOXES:
                yield Key("training", "batch", SMALL_BATCH, "of few pictures, smaller steps are more steps")
            else:
                yield Key("training", "batch", BOX_BATCH, "more at once takes more memory")
            return
        if epochs <= FEW_EPOCHS:
            why = "little change: in few epochs more would only disturb"
            yield Key("augment", "scale", list(LIGHT.scale), why)
            yield Key("augment", "shift", LIGHT.shift)
            yield Key("augment", "colour", LIGHT.colour)
        yield Key("training", "epochs", epochs, f"{OFTEN}; of few pictures, each comes more often")
        yield Key("training", "learning_rate", PRETRAINED_RATE)
        yield Key(
            "training", "backbone_learning_rate_scale", 1.0, "the backbone learns as quickly as the heads"
        )
        yield Key("training", "weight_decay", PRETRAINED_DECAY)

    def epochs_from_scratch(self, seen: Seen) -> int:
        wanted = SCRATCH_SEEN / max(1, seen.pictures)
        return round(self.longer * min(SCRATCH_MOST, max(SCRATCH_FEWEST, wanted)))

    def epochs(self, seen: Seen) -> int:
        """So many that about ``SEEN_IN_ALL`` pictures are seen, within bounds."""
        wanted = SEEN_IN_ALL / max(1, seen.pictures)
        return round(self.longer * min(MOST_EPOCHS, max(FEWEST_EPOCHS, wanted)))
