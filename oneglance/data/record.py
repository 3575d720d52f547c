"""One picture and its answers: the values that everything in ``data`` passes on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class ImageRef(ABC):
    """A reference to one picture. Members are small frozen values: they travel to other processes, and two
    references are equal when they name the same picture.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What a person calls it: ``photos/a7.jpg``, ``set.zip/a7.jpg``, ``train.parquet:17``."""

    @property
    def is_remote(self) -> bool:
        """Whether its file lies elsewhere, so that to read it is to wait."""
        return False

    @property
    def random_access(self) -> bool:
        """Whether it can be read without those before it in its file."""
        return True

    @property
    def place(self) -> tuple[str, int, int] | None:
        """Where it lies in a file that holds many: the path, the part of the file, from whose beginning it is
        read where there is no random access, and its position there. None: it is a file of its own.
        """
        return None

    @abstractmethod
    def load(self) -> bytes | np.ndarray:
        """The encoded file, or a uint8 array [h, w] or [h, w, 3] that needs no decoding.

        Raises:
            OSError: it is not there or cannot be read.
        """

    @abstractmethod
    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever the picture may have changed: path, size, modification time, position inside a
        file.
        Cheap: nothing of the picture is read.

        Raises:
            OSError: it is not there.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """One picture and its answers.

    ``answers`` holds raw values by field of the source at first, and typed answers by task after
    ``merging.collect``; a missing name: the picture was not annotated for it.
    """

    location: str  # "labels.csv:17", for every message about it
    image: ImageRef
    answers: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""  # pictures of one group are never separated by the split
    split: str = ""  # "train", "validation", "test", or "" where the source names none
    source: str = ""  # the title of the source


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
    label: str  # its class; "" where it is unknown
    attributes: Mapping[str, Any] = field(default_factory=dict)  # its answers; a missing name: unknown
    ignore: bool = False  # a crowd, or too difficult to count: predictions there are neither right nor wrong


@dataclass(frozen=True, slots=True)
class BoxAnnotations:
    """Every object of the queried classes in one picture; no box: there is none."""

    boxes: tuple[Box, ...]
    # The classes looked for and told in full; None: all of the source. Boxes of others are there all the
    # same, but perhaps not all of them
    queried: frozenset[str] | None = None
    # Classes of things that are there, nobody knows where, "" being any class; none of them is queried
    unplaced: frozenset[str] = frozenset()
