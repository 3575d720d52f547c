"""classic: a textbook's recipe, from scratch, with nothing clever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from oneglance.data.recipe import Key, Recipe, Seen

TEXTBOOK = [
    Key("training", "batch", 32),
    Key("training", "epochs", 10),
    Key("training", "optimizer", "sgd"),
    Key("training", "learning_rate", 0.01),
    Key("training", "momentum", 0.9),
    Key("training", "nesterov", False),
    Key("training", "schedule", "constant"),
    Key("training", "weight_decay", 0),
    Key("training", "warmup", 0),
    Key("training", "ema", 0),
    Key("training", "clip", 0),
    Key("augment", "flip", False),
    Key("augment", "shift", 0),
    Key("augment", "scale", [1.0, 1.0]),
    Key("augment", "colour", 0),
    Key("augment", "erase", 0),
    Key("augment", "mixup", 0),
]
HIDDEN: dict[str, dict[str, Any]] = {
    "label": {"hidden": [128], "smoothing": 0},
    "tags": {"hidden": [128]},
    "number": {"hidden": [128]},
}


class Classic(Recipe):
    """Plain SGD at one rate, unchanged pictures, a hidden layer in each head."""

    means: ClassVar[str] = "the plain settings of a textbook, from scratch"

    def keys(self, seen: Seen) -> Iterator[Key]:
        size = 320 if "boxes" in seen.types else seen.fitting(64)
        yield Key("backbone", "name", "small", "learns from nothing; a timm model starts from ImageNet")
        yield Key("backbone", "size", size, "pixels, or [width, height]")
        yield from TEXTBOOK

    def task_keys(self, task_type: str) -> Mapping[str, Any]:
        return HIDDEN.get(task_type, {})
