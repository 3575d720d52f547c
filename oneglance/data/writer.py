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

    What is written never says more than is known: see ``sayable``.

    Args:
        out: an empty folder.
        labels: every class of any box and every queried class, sorted.
    """

    needs_pictures: ClassVar[bool] = False  # the paths of the label files follow from those of the pictures
    says_queried: ClassVar[bool] = False  # which classes were looked for in each picture
    says_unknown: ClassVar[bool] = True  # that nobody looked for boxes in a picture

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

    def leave_out(self, what: str, location: str) -> None:
        """Count one more picture that is not written, since the format cannot hold it."""
        what = f"{what} cannot be said in this format"
        self.counter.add("picture left out", location, what, "it is left out")

    def without_fields(self, item: Item) -> None:
        """For a format that holds nothing but boxes."""
        for name in item.fields:
            self.unsupported(f"the field {quoted(name)}", item.location)

    def refusal(self, box: Box) -> str:
        """What of a box the format cannot hold, in the words of a message; "" where it holds it."""
        return "" if box.label else "a box without a class"

    def sayable(self, annotations: BoxAnnotations | None, location: str) -> BoxAnnotations | None:
        """What the format can say of the boxes of one picture, and no more than is known.

        Without a box that it cannot hold, the picture would read as if there were none: the class of that box
        is unknown there, as where a box cannot be read; every class where it has none. Where a format cannot
        say that some classes are unknown, it must say that all are: None.
        """
        if annotations is None:
            return None
        boxes: list[Box] = []
        lost: set[str] = set()
        for box in annotations.boxes:
            if what := self.refusal(box):
                self.unsupported(what, location, "it is left out, and its class is unknown there")
                lost.add(box.label)
            else:
                boxes.append(box)
        queried = self._classes if annotations.queried is None else annotations.queried
        if annotations.queried is not None and queried != self._classes and not self.says_queried:
            what = "that only some classes were looked for"
            self.unsupported(what, location, "all boxes of such a picture are left out")
        known = frozenset() if "" in lost else queried - lost
        if known != self._classes and not self.says_queried:
            return None
        return BoxAnnotations(tuple(boxes), known, annotations.unplaced | lost)


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
