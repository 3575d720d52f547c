"""What a task has learned: kept in the run folder, and taken over by a task that learns further classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from oneglance.errors import DataError
from oneglance.storage.task_state import Form, PlainState
from oneglance.task.answers import Answers

if TYPE_CHECKING:
    from oneglance.task import Task


class Stateful(Answers):
    """State as JSON values, and added classes."""

    learned: ClassVar[Form] = PlainState  # the form of state(), by which restore() is guarded

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that was learned and calibrated, as JSON values."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """The mirror of state(). ``state`` has the form of ``learned``.

        Raises:
            InvalidState: it does not fit the table of this task.
        """

    @property
    def added_classes(self) -> Sequence[str]:
        """Classes that it has beside those of the finished task that was extended by them."""
        return ()

    def grow(self, before: Task, answers: Sequence[Any]) -> None:
        """Take over what ``before`` has learned, and learn the ``added_classes`` from labelled answers of the
        training split.

        Raises:
            DataError: they cannot be learned from these.
        """
        raise DataError("its type cannot learn further classes", location=self.name)
