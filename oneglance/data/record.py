"""A picture, where it lies, and what people said of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class ImageRef(ABC):
    """Where one picture lies. Members are small frozen values: they travel to other processes, and two
    refs are equal when they name the same picture.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What a person calls it: ``photos/a7.jpg``, ``set.zip/a7.jpg``, ``train.parquet:17``."""

    @abstractmethod
    def load(self) -> bytes | np.ndarray:
        """The encoded file, or a uint8 array [h, w] or [h, w, 3] that needs no decoding.

        Raises:
            OSError: it is not there or cannot be read.
        """

    @abstractmethod
    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever the picture may have changed: path, size, modification time, place inside.
        Cheap: nothing of the picture is read.

        Raises:
            OSError: it is not there.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """One picture and what people said of it.

    ``answers`` holds what was said, by field of the source at first and by task after ``gather``;
    a missing name: nobody looked.
    """

    location: str  # "labels.csv:17", for every message about it
    image: ImageRef
    answers: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""  # pictures of one group never part at the split
    split: str = ""  # "train", "validation", "test", or "" where the source does not say
    source: str = ""  # which source said so


SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}  # words that folders and split columns use, in lower case


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in a picture and where it is, in pixels of the upright picture."""

    x0: float  # left edge; 0 is the left edge of the first pixel
    y0: float  # upper edge
    x1: float  # right edge, outside the last pixel
    y1: float
    label: str  # its class; "" where nobody said
    attributes: Mapping[str, Any] = field(
        default_factory=dict
    )  # what was said of it; a missing name: nobody looked
    ignore: bool = False  # a crowd, or too difficult to count: neither found nor missed there


@dataclass(frozen=True, slots=True)
class BoxAnnotations:
    """Everything of some classes that somebody saw in one picture; no box: looked and found nothing."""

    boxes: tuple[Box, ...]
    queried: frozenset[str] | None = None  # the classes looked for; None: all that the source knows
