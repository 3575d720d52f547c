"""quick: heads on features that stay as they are: of a pretrained network, else classical ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from oneglance.data.recipe import Key, Seen
from oneglance.data.recipes.auto import Auto

PASSES = 100_000  # of features through the heads, in all: seconds
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
BOX_EPOCHS = 8


class Quick(Auto):
    """Each picture passes through the network once. Boxes read places, whose features are too large to be
    kept: they learn as with auto, in fewer epochs.
    """

    means: ClassVar[str] = "frozen features: about a minute for a thousand pictures"

    def keys(self, seen: Seen) -> Iterator[Key]:
        if "boxes" in seen.types:
            for key in super().keys(seen):
                yield key._replace(value=BOX_EPOCHS) if key.name == "epochs" else key
            return
        if seen.pretrained and not seen.tiny:
            yield from (key for key in super().keys(seen) if key.table == "backbone")
        else:
            yield Key("backbone", "name", "classical", "gradients, textures and colours: nothing is trained")
            yield Key("backbone", "size", seen.fitting(64), "pixels, or [width, height]")
        yield Key("backbone", "freeze", True, "only the heads learn, on features that are computed once")
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, PASSES // max(1, seen.pictures)))
        yield Key("training", "epochs", epochs, "how often each picture is seen")
