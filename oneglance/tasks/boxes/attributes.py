"""What each box is asked besides its class: ordinary tasks of rows, whose raw output follows the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from oneglance.data.quoting import quoted
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.report_items import Detail
from oneglance.task import MetricState, Prediction, Target, build_tasks
from oneglance.vector_task import VectorTask

if TYPE_CHECKING:
    from torch import Tensor

    from oneglance.detection.decoding import Kept


class Attributes(dict[str, VectorTask]):
    """The tasks of each box, by name."""

    @classmethod
    def of_tables(cls, tables: Mapping[str, Mapping[str, Any]], location: str, section: str) -> Attributes:
        """
        Raises:
            ConfigError: one is no task of rows, or uses another.
        """
        attributes = cls()
        for name, task in build_tasks(tables, location, f"{section}.attributes").items():
            if not isinstance(task, VectorTask) or task.uses:
                what = f"[{section}.attributes.{name}] must be a label, tags or a number that uses no other"
                raise ConfigError(what, location=location)
            attributes[name] = task
        return attributes

    # Answers of people.

    def read(self, box: Box) -> dict[str, Any]:
        """The typed answers for a box as a source gives it; the label that it has there is a field, too.

        Raises:
            InvalidAnswer: one cannot be read.
        """
        answers = {}
        fields = {"label": box.label or None, **box.attributes}
        for name, task in self.items():
            values = [fields.get(field) for field in task.fields]
            if any(value is not None for value in values):
                raw_value = values[0] if len(values) == 1 else dict(zip(task.fields, values, strict=True))
                try:
                    answer = task.read(raw_value)
                except InvalidAnswer as error:
                    raise InvalidAnswer(f"has a box whose {name} {error.what}", error.hint) from None
                if answer is not None:
                    answers[name] = answer
        return answers

    def to_cells(self, raw_values: Mapping[str, Any]) -> dict[str, str]:
        """See ``Task.detection_cells``."""
        if odd := sorted(raw_values.keys() - self.keys()):
            what = f"has a box with the unknown attribute {quoted(odd[0])}"
            raise InvalidAnswer(what, nearest(odd[0], self).strip())
        cells: dict[str, str] = {}
        for name, raw_value in raw_values.items():
            try:
                cells |= self[name].to_cells(raw_value)
            except InvalidAnswer as error:
                if raw_value == []:  # no tag at all, and no word for it: the cell stays empty, unknown
                    continue
                raise InvalidAnswer(f"has a box whose {name} {error.what}", error.hint) from None
        return cells

    def raw_values(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self[name].raw_value(answer) for name, answer in answers.items()}

    def fit_target(self, boxes: Sequence[Box], location: str) -> None:
        """
        Raises:
            DataError: one has nothing to learn from.
        """
        for name, task in self.items():
            try:
                task.fit_target([box.attributes[name] for box in boxes if name in box.attributes])
            except DataError as error:
                what = f"{name} of the boxes: {error.what}"
                raise DataError(what, location=location, hint=error.hint) from None

    # Raw output.

    def columns(self, classes: int) -> Iterator[tuple[str, slice]]:
        """The columns of each in the raw output of a detector of so many ``classes``."""
        start = 4 + classes
        for name, task in self.items():
            yield name, slice(start, start + task.width)
            start += task.width

    @property
    def width(self) -> int:
        return sum(task.width for task in self.values())

    def losses(
        self, rows: Tensor, target: Mapping[str, Tensor], box: Tensor, classes: int
    ) -> Iterator[Tensor]:
        """The mean loss of each.

        Args:
            rows: [k, columns], the raw output for some boxes.
            box: int64 [k], the places of these among the n * m of ``target``.
        """
        from oneglance.detection.criterion import attribute_target

        for name, columns in self.columns(classes):
            own = attribute_target(target, name, box)
            term, labelled = self[name].loss(rows[:, columns], own)
            yield (term * labelled).sum() / labelled.sum().clamp(min=1)

    def decode(self, raw: np.ndarray, classes: int) -> list[dict[str, Prediction]]:
        """What is predicted for boxes [n, columns], in their order."""
        own = {name: self[name].decode(raw[:, columns]) for name, columns in self.columns(classes)}
        return [{name: rows[row] for name, rows in own.items()} for row in range(len(raw))]

    def constant_raw(self) -> list[np.ndarray]:
        return [task.constant_raw()[0] for task in self.values()]

    def constant_baseline(self) -> dict[str, Prediction]:
        return {name: task.constant_baseline(1)[0] for name, task in self.items()}

    # From a teacher.

    def refuse_teacher(self, theirs: Attributes) -> None:
        """
        Raises:
            ConfigError: one of the same name cannot teach.
        """
        for name in self.keys() & theirs.keys():
            try:
                self[name].refuse_teacher(theirs[name])
            except ConfigError as error:
                raise ConfigError(f"its attribute {name} {error.what}", hint=error.hint) from None

    def soft_targets(
        self, raw: np.ndarray, kept: Sequence[Kept], theirs: Attributes, classes: int, most: int
    ) -> Target:
        """What a teacher says of the boxes that it sees: arrays [n, most, ...].

        Args:
            raw: [n, points, columns], of the teacher, which has so many ``classes``.
            kept: its boxes in each picture.
        """
        arrays: Target = {}
        for name, columns in theirs.columns(classes):
            if name in self:
                rows = np.concatenate([row[one.point, columns] for row, one in zip(raw, kept, strict=True)])
                slots = [np.arange(len(one.label)) for one in kept]
                picture = np.repeat(np.arange(len(kept)), [len(each) for each in slots])
                for key, value in self[name].soft_target(rows, theirs[name]).items():
                    array = np.zeros((len(kept), most, *value.shape[1:]), dtype=value.dtype)
                    array[picture, np.concatenate(slots)] = value
                    arrays[f"{name}.{key}"] = array
        return arrays

    def taught_losses(
        self, rows: Tensor, soft: Mapping[str, Tensor], box: Tensor, classes: int
    ) -> Iterator[Tensor]:
        """As ``losses``, against what a teacher says, of those of which it says anything."""
        from oneglance.detection.criterion import attribute_target

        for name, columns in self.columns(classes):
            if f"{name}.trust" in soft:
                term, trust = self[name].teach(rows[:, columns], attribute_target(soft, name, box))
                yield (term * trust).sum() / trust.sum().clamp(min=1)

    def drawn_answers(
        self, predictions: Mapping[str, Prediction], random: np.random.Generator
    ) -> dict[str, Any]:
        drawn = {name: self[name].drawn_answer(one, random) for name, one in predictions.items()}
        return {name: answer for name, answer in drawn.items() if answer is not None}

    # Scores: of the boxes that were found, in ``pairs`` of (picture, predicted box, annotated box).

    def metric_state(
        self,
        pairs: Sequence[Sequence[int]],
        predictions: Sequence[Prediction],
        answers: Sequence[BoxAnnotations],
    ) -> MetricState:
        """Of each, by name: the pictures of the boxes, and the metric state of the task; {} without any."""
        states: MetricState = {}
        for name, task in self.items():
            labelled = [
                (picture, predictions[picture]["boxes"][box]["attributes"][name], answer)
                for picture, box, true in pairs
                if (answer := answers[picture].boxes[true].attributes.get(name)) is not None
            ]
            pictures = np.array([picture for picture, _, _ in labelled], dtype=np.int64)
            own: MetricState = {}
            if labelled:
                own = task.metric_state([one for _, one, _ in labelled], [answer for *_, answer in labelled])
            states[name] = (pictures, own)
        return states

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        """``{"mass.mae": ...}``: the same names whatever the weights; NaN where no box counts."""
        metrics: dict[str, float] = {}
        for name, task in self.items():
            pictures, own = metric_state[name]
            values = _metrics(task, own, weights[pictures])
            metrics |= {f"{name}.{metric}": value for metric, value in values.items()}
        return metrics

    def details(self, metric_state: MetricState) -> list[Detail]:
        details: list[Detail] = []
        for name, task in self.items():
            _, own = metric_state[name]
            if own:
                details += [replace(detail, title=f"{name}: {detail.title}") for detail in task.details(own)]
        return details


def _metrics(task: VectorTask, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
    if not metric_state:
        return {task.primary_metric: float("nan")}
    if weights.any():
        return task.metrics(metric_state, weights)
    return dict.fromkeys(task.metrics(metric_state, np.ones(len(weights))), float("nan"))
