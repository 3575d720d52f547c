"""What tasks have learned, as tasks.json and .onnx files keep it: read strictly, in one place for all types.

A run folder or an .onnx file may come from a stranger, or be damaged. Each type of task declares the form of
its state as a pydantic class, ``Task.learned``; what is not of that form is refused before a task sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from oneglance.storage.run_files import OtherForm, Part
from oneglance.toml.tables import LARGEST, first_wrong, is_encodable, is_plain

if TYPE_CHECKING:
    from oneglance.task import Task


class InvalidState(OtherForm):
    """Learned values that no task of this kind can have; the message says which and why."""


def _encodable(name: str) -> str:
    if not is_encodable(name):
        raise ValueError("text that can be written")
    return name


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("names that differ")
    return names


Name = Annotated[str, AfterValidator(_encodable)]
Names = Annotated[list[Name], AfterValidator(_distinct)]
"""The classes of a task, each once."""
Amount = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Share = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]


class LearnedState(Part):
    """The fields of a state. Numbers are finite and no text is taken for one; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


Form = type[LearnedState]


class PlainState(LearnedState):
    """The state of a type that declares no form: any finite JSON values."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _is_plain(self) -> PlainState:
        if not is_plain(self.model_extra):
            raise ValueError("finite numbers, text, lists and tables")
        return self


class LearnedSets(Part):
    """What prediction sets have learned: see ``metrics.prediction_sets``."""

    model_config = ConfigDict(extra="forbid")

    coverage: float = Field(gt=0, lt=1)
    thresholds: list[Probability]


def same_length(names: Sequence[Any], **others: Sequence[Any]) -> None:
    """Raises ValueError where one of ``others`` has not one value for each of ``names``."""
    for key, values in others.items():
        if len(values) != len(names):
            raise ValueError(f"one of `{key}` for each of the {len(names)} classes, not {len(values)}")


def require_declared(classes: Sequence[str], declared: Sequence[str]) -> None:
    """Raises InvalidState where the configuration declares other ``classes`` than were learned."""
    if declared and list(declared) != list(classes):
        raise InvalidState("classes are others than those that the configuration declares")


def require_added(classes: Sequence[str], added: Sequence[str]) -> None:
    """Raises InvalidState where the last ``classes`` are not those that the configuration adds."""
    if added and (list(classes[-len(added) :]) != list(added) or len(classes) <= len(added)):
        raise InvalidState("classes do not end in those that the configuration adds")


def restore(tasks: Mapping[str, Task], states: Any) -> None:
    """Every task gets what it has learned: the mirror of ``{name: task.state()}``.

    Raises:
        InvalidState: a task has no state, or one that is not of its form.
    """
    if not isinstance(states, Mapping):
        raise InvalidState("it is no table with an entry for each task")
    if foreign := sorted(set(states) - set(tasks)):
        raise InvalidState(f'"{foreign[0]}" is no task of the configuration')
    for name, task in tasks.items():
        if name not in states:
            raise InvalidState(f'there is nothing of the task "{name}"')
        try:
            task.restore(type(task).learned.model_validate(states[name]).model_dump())
        except ValidationError as error:
            raise InvalidState(f"{name}: {first_wrong(error)}") from None
        except InvalidState as error:
            raise InvalidState(f"{name}: {error}") from None
        except Exception:  # a type of another package, which may raise anything
            raise InvalidState(f"{name}: its type cannot read what is there") from None
