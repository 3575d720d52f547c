"""What people answer, and the targets that are made of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from oneglance.data.merging.merge_answers import merge_same
from oneglance.data.writer import in_a_cell
from oneglance.errors import InvalidAnswer

if TYPE_CHECKING:
    from oneglance.data.images.letterbox import Placement

Target = dict[str, np.ndarray]
"""Encoded answers, by name; the first axis of each array is the picture."""


class Answers(ABC):
    """From raw values of a source to typed answers, and from these to targets."""

    is_spatial: ClassVar[bool] = False  # its answers lie somewhere in the picture, and its head needs maps

    @property
    @abstractmethod
    def name(self) -> str:
        """NAME of [tasks.NAME]."""

    @property
    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """Where its answer stands in a source."""

    @abstractmethod
    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> Any:
        """The typed answer, or None for a word that means unknown.

        Args:
            raw_value: what the source holds: text of a cell, a list, a number; ``{field: raw value}`` where
                the task names several fields.
            queried: the classes that the annotators of this source looked for; None: all.

        Raises:
            InvalidAnswer: it cannot be such an answer; with a hint.
        """

    def to_cells(self, raw_value: Any) -> dict[str, str]:
        """``raw_value``, a word, a number or a list, as the cells of a table hold it: text by field, which
        ``read`` understands in the same way.

        Raises:
            InvalidAnswer: it is no answer of this task, or no cell can say it.
        """
        answer = self.read(raw_value)
        if answer is None:
            raise InvalidAnswer("is a word that means unknown", "leave the task out")
        text = in_a_cell(raw_value)
        if len(self.fields) == 1 and self.read(text) == answer:
            return {self.fields[0]: text}
        raise InvalidAnswer("cannot be written in a cell of a table")

    def correction(self, raw_value: Any) -> dict[str, str] | None:
        """``to_cells``, or None where no cell can say it."""
        try:
            return self.to_cells(raw_value)
        except InvalidAnswer:
            return None

    def raw_value(self, answer: Any) -> Any:
        """A typed answer as ``to_cells`` takes it: a word, a number or a list."""
        return answer

    def stratify_labels(self, answer: Any) -> Iterable[str]:
        """The classes that ``answer`` counts for, where the task has classes."""
        return ()

    def merge(self, first: Any, second: Any) -> Any:
        """One answer of two that sources give for the same picture; called only where they differ.

        Raises:
            InvalidAnswer: they contradict each other; see ``data.merging.merge_answers.MergeAnswers``.
        """
        return merge_same(self.name, first, second)

    def to_canvas(self, answer: Any, placement: Placement) -> Any:
        """An answer about an upright picture as one about its canvas; only what has a position changes."""
        return answer

    @abstractmethod
    def fit_target(self, answers: Sequence[Any]) -> None:
        """Learn classes and scale from the labelled answers of the training split.

        Raises:
            DataError: nothing can be learned from them.
        """

    @abstractmethod
    def encode(self, answers: Sequence[Any | None]) -> Target:
        """Arrays over all of ``answers``, each encoded for itself; None gives an unknown target."""
