"""Tasks whose raw output is a row of numbers: label, tags, number.

They work on rows [n, width] and do not care whether a row is a picture or a box: an attribute of a box is an
ordinary task of a box.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, Field

from oneglance.data.cell import as_text
from oneglance.errors import DataError
from oneglance.task import Task, Words

if TYPE_CHECKING:
    from torch import nn

    from oneglance.nn.feature_shape import Shape


def _distinct(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f'"{twice[0]}" is named twice')
    return names


ClassNames = Annotated[Words, AfterValidator(_distinct)]
"""The ``classes`` of a task, each named once."""


class VectorTask(Task):
    """A task with an output of fixed ``width`` per row."""

    hidden: list[int] = []  # widths of the hidden layers of its head; none: a linear head
    dropout: float = Field(0.0, ge=0, lt=1)  # before each linear layer of the head

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers per row of the raw output; known after fit_target()."""

    @property
    def added_width(self) -> int:
        """Of these the last ones, which tell of classes that were added to a finished task."""
        return 0

    def head(self, shape: Shape) -> nn.Module:
        from oneglance.nn.mlp import MLP

        def mlp(bias: np.ndarray, added: MLP | None = None) -> MLP:
            # The network starts as the constant baseline: no step is wasted on finding it.
            return MLP(shape.vector, self.hidden, len(bias), dropout=self.dropout, bias=bias, added=added)

        known, branch = np.split(self.constant_raw()[0], [self.width - self.added_width])
        return mlp(known, mlp(branch) if len(branch) else None)

    def standalone(self, hidden: Sequence[int] = ()) -> Self:
        return super().standalone().model_copy(update={"hidden": list(hidden)})

    def is_unknown(self, raw_value: Any) -> bool:
        """Whether a cell is empty or holds one of the declared ``unknown`` words."""
        if raw_value is None or (isinstance(raw_value, float) and np.isnan(raw_value)):
            return True
        text = as_text(raw_value)
        return not text or text in self.unknown


def refuse_added(name: str, added: Sequence[str], known: Sequence[str], counts: Mapping[str, int]) -> None:
    """
    Args:
        counts: of the classes in the training split.

    Raises:
        DataError: the finished task knows one of the ``added`` classes, or no training picture shows it.
    """
    if twice := [one for one in added if one in known]:
        raise DataError(f'has the class "{twice[0]}" already', location=name, hint="take it out of `added`")
    if unseen := [one for one in added if not counts[one]]:
        what = f'no training picture has the added class "{unseen[0]}"'
        raise DataError(what, location=name, hint="add pictures of it, or take it out of `added`")


def columns_of(theirs: Sequence[str], ours: Sequence[str]) -> np.ndarray:
    """int64 [theirs]: the number of each class of a teacher among ``ours``, -1 where it is none of them."""
    index = {as_text(name): number for number, name in enumerate(ours)}
    return np.array([index.get(as_text(name), -1) for name in theirs], dtype=np.int64)


def labelled_rows(raw: np.ndarray, answers: Sequence[Any | None]) -> tuple[np.ndarray, list[Any]]:
    """Only the rows whose answer is known."""
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    return np.asarray(raw, dtype=np.float64)[rows], [answers[row] for row in rows]


def softmax(x: np.ndarray) -> np.ndarray:
    """Along the last axis, without overflow."""
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    """log(1 / (1 + exp(-x))), without overflow."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(log_sigmoid(x))


def fit_temperature(loss: Any) -> float:
    """The temperature T in [0.05, 20] that minimises ``loss(T)``, a mean negative log likelihood of raw / T
    on the validation split (Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2).
    """
    from scipy.optimize import minimize_scalar

    minimum = minimize_scalar(
        lambda log_t: loss(np.exp(log_t)), bounds=(np.log(0.05), np.log(20)), method="bounded"
    )
    return float(np.exp(minimum.x))
