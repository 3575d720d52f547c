"""The contract of a format that can be written. One file of ``writers/`` is one format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.cell import as_text
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.members import MemberKind, find_member, member_names

VAL = {"train": "train", "validation": "val", "test": "test"}  # how most formats call the splits


@dataclass(frozen=True, slots=True)
class Item:
    """One picture and its answers, as they are to be written."""

    location: str  # for messages
    name: str  # of the picture in the new data set: a path of plain characters, its stem used only once
    image: str  # how the new data set finds it: ``name``, or the whole path of one that is not copied
    size: tuple[int, int] | None  # width and height of the upright picture
    annotations: BoxAnnotations | None  # its boxes; None: it was not annotated with boxes
    fields: Mapping[str, Any]  # all other answers
    split: str  # "train", "validation", "test" or ""

    @property
    def stem(self) -> str:
        """``name`` without its ending."""
        return self.name[: self.name.rfind(".")]


class Writer(ABC):
    """Takes one picture after the other. What the format cannot hold is counted by ``counter``.

    Args:
        out: an empty folder.
        labels: every class of any box and every queried class, sorted.
    """

    needs_pictures: ClassVar[bool] = False  # the paths of the label files follow from those of the pictures

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        self.out, self.labels, self.counter = out, labels, ProblemCounter()
        self._classes = frozenset(labels)

    @abstractmethod
    def image_path(self, name: str, split: str) -> str:
        """The path of a picture in ``out``."""

    @abstractmethod
    def add(self, item: Item) -> None:
        """Write one more."""

    @abstractmethod
    def finish(self) -> None:
        """Write what can only be written after the last one."""

    def unsupported(self, what: str, location: str, effect: str = "it is left out") -> None:
        """Count one more thing that the format cannot hold."""
        self.counter.add(f"cannot say {what}", location, f"{what} cannot be said in this format", effect)

    def without_fields(self, item: Item) -> None:
        """For a format that holds nothing but boxes."""
        for name in item.fields:
            self.unsupported(f"the field {quoted(name)}", item.location)

    def without_queried(self, item: Item) -> None:
        """For a format that cannot hold the queried classes."""
        annotations = item.annotations
        if annotations and annotations.queried is not None and annotations.queried != self._classes:
            effect = "it reads as if all classes had been looked for"
            self.unsupported("that only some classes were looked for", item.location, effect)

    def has_class(self, box: Box, item: Item) -> bool:
        """Whether a box has a class, for a format that has no boxes without."""
        if not box.label:
            self.unsupported("a box without a class", item.location)
        return bool(box.label)


KIND: MemberKind[Writer] = MemberKind(
    Writer,  # type: ignore[type-abstract]
    folder="oneglance.data.writers",
    key="format",
    suffix="Writer",
)


def targets() -> list[str]:
    """The names of the formats that can be written, in alphabetical order."""
    return member_names(KIND)


def writer_class(name: str) -> type[Writer]:
    """``coco`` -> ``writers/coco.py`` -> ``class CocoWriter``.

    Raises:
        ConfigError: no such format.
    """
    return find_member(KIND, name)


def is_plain(value: Any) -> bool:
    """Whether a value is a word, a number or a list of them."""
    return all(isinstance(one, str | int | float) for one in (value if isinstance(value, list) else [value]))


def in_a_cell(value: Any) -> str:
    """A plain value as text; a list as ``a|b``."""
    if isinstance(value, list):
        return "|".join(map(in_a_cell, value))
    return value if isinstance(value, str) else as_text(value)
