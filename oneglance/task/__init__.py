"""The contract of a task: one question about a picture. One file or folder of ``tasks/`` is one type of
question.

``Task`` is the table of the question and the sum of what is asked of it, a file for each purpose:

- ``answers``: raw values of a source become typed answers, and these become targets;
- ``learning``: a head and its loss;
- ``predictions``: raw output is calibrated and decoded;
- ``presentation``: answers as text, on drawings and in tables;
- ``scoring``: metrics, and answers that they make doubtful;
- ``state``: what the run folder keeps, and what a task with further classes takes over;
- ``teaching``: soft targets of a finished network, for a type that can learn from one.

What is abstract there has to be written for a new type; the rest has a default. Nobody asks a task what type
it is. Torch ends at the raw output: all after it is NumPy, the same for torch, ONNX and HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr

from oneglance.data.cell import as_text, without_invisible
from oneglance.task.answers import Answers, Target
from oneglance.task.learning import Learning
from oneglance.task.predictions import Prediction, Predictions
from oneglance.task.presentation import Presentation
from oneglance.task.scoring import MetricState, Scoring
from oneglance.task.state import Stateful
from oneglance.task.teaching import Teachable
from oneglance.task.words import Joined, Words
from oneglance.toml.tables import Table

__all__ = [
    "KIND",
    "MetricState",
    "Prediction",
    "Target",
    "Task",
    "Words",
    "build_tasks",
    "few_answers",
    "fit_targets",
    "kinds",
    "task_class",
]


class Task(Table, Teachable, Learning, Stateful, Answers, Scoring, Presentation, Predictions):
    """One [tasks.NAME] table. The fields are its keys; a member adds those that only its type needs."""

    # One of the types below, or one of another package: an entry point, or `"package.module:Class"`
    type: str
    # The field that holds the answer; a list for tags with one yes/no column each, and for a label with one
    # for each class; default: the name of the task
    from_: str | list[str] = Field("", alias="from")
    # Words of the data that mean "nobody knows", besides an empty cell: `["?", "n/a"]`
    unknown: Words = []
    # Words of the data that are read as another one: `{ Dog = "dog", dogs = "dog" }`. `"look-alikes"`: words
    # that look the same are the same, whatever their spaces, invisible characters and Unicode form
    joined: Joined | Literal["look-alikes"] = Field({}, alias="join")
    weight: float = Field(1.0, ge=0)  # of this task's loss among the others; 0: it learns nothing
    uses: list[str] = []  # other tasks whose own features this one's head sees beside the shared ones

    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        return self._name

    def word(self, raw_value: Any) -> str:
        """A word of the data, where it counts as another one that other one."""
        text = as_text(raw_value)
        if isinstance(self.joined, str):
            return without_invisible(text)
        return self.joined.get(text, text)

    @property
    def fields(self) -> tuple[str, ...]:
        """Where its answer stands in a source."""
        if isinstance(self.from_, str):
            return (self.from_ or self.name,)
        return tuple(self.from_)

    def standalone(self, hidden: Sequence[int] = ()) -> Self:
        """A copy that uses no other task, and whose head has ``hidden`` layers of these widths if it is one
        of layers.
        """
        return self.model_copy(deep=True, update={"uses": []})

    def join(self, others: Mapping[str, Task], location: str, section: str) -> None:
        """Meet the other tasks of the configuration, once all of ``section`` of the file ``location`` are
        read.

        Raises:
            ConfigError: it names a task that does not fit.
        """


from oneglance.task.building import (  # noqa: E402 - of Task
    KIND,
    build_tasks,
    few_answers,
    fit_targets,
    kinds,
    task_class,
)
