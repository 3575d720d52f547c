"""tags: any number of several classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from sys import intern
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import Field, PrivateAttr

from oneglance.data.cell import Cells, as_list, as_text
from oneglance.data.quoting import quoted_list
from oneglance.data.writer import in_a_cell
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.metrics.prediction_sets import PredictionSets, refuse_few, sets_of_tags
from oneglance.metrics.suspicion import Suspicion
from oneglance.report_items import Detail, ExplainedAnswer
from oneglance.storage.task_state import Form, require_added, require_declared
from oneglance.task import MetricState, Prediction, Target, Task, Words
from oneglance.tasks.tags import scores, teaching
from oneglance.tasks.tags.annotations import (
    TagAnnotations,
    from_columns,
    merged,
    present_counts,
    shares_of,
)
from oneglance.tasks.tags.calibration import TagCalibration
from oneglance.tasks.tags.state import LearnedTags
from oneglance.tasks.tags.suspicions import suspicions
from oneglance.vector_task import ClassNames, VectorTask, columns_of, refuse_added

__all__ = ["TagAnnotations", "Tags"]

if TYPE_CHECKING:
    from torch import Tensor

    from oneglance.data.images.letterbox import Placement


class Tags(VectorTask):
    """Any number of several classes, such as the defects of a board.

    In the data: one cell with a ``separator``, a list, also one that a cell holds as JSON or Python writes it
    (``['striped', 'long']``), or one yes/no column per tag (``from`` names them
    all; an empty cell of one is unknown for that tag alone).
    """

    separator: str = Field("|", min_length=1)  # between the tags of a cell
    # Words that mean "looked and found nothing", such as `["none"]`; a list that is empty says so by itself,
    # an empty cell means that nobody looked
    none: Words = []
    # The tags allowed; another one in the data is a problem; default: those of the training split, sorted
    classes: ClassNames = []
    # `"balanced"`: yes and no of each tag count the same in training; probabilities are those of the data all
    # the same
    class_weights: Literal["none", "balanced"] = "none"
    # Share of a picture's tags that the `set` of an answer is promised to hold, on average over pictures with
    # any, where the validation split has enough answers: see
    # [Can I trust it?](../guides/trust.md#sets-of-answers-with-a-promise); 0: no sets
    coverage: float = Field(0.9, ge=0, lt=1)

    # Tags that a finished task learns besides, in a branch of their own: see `oneglance extend`
    added: ClassNames = []

    _classes: list[str] = PrivateAttr(default_factory=list)  # the added ones last
    _shares: list[float] = PrivateAttr(default_factory=list)
    _calibration: TagCalibration = PrivateAttr(TagCalibration())
    _sets: PredictionSets | None = PrivateAttr(None)

    learned: ClassVar[Form] = LearnedTags
    raw_unit: ClassVar[float] = 1.0  # a logit
    primary_metric: ClassVar[str] = "map"
    meaning: ClassVar[Mapping[str, str]] = scores.MEANING
    debiased_metrics: ClassVar[frozenset[str]] = frozenset({"ece"})

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> TagAnnotations | None:
        if isinstance(raw_value, dict):
            return from_columns(
                {t: as_text(c).lower() for t, c in raw_value.items() if not self.is_unknown(c)}
            )
        if isinstance(raw_value, Cells):
            raw_value = self._words_of(raw_value)
            if raw_value is None:
                return None
        if not isinstance(raw_value, list | tuple | set):
            if self.is_unknown(raw_value):
                return None
            text = as_text(raw_value)
            raw_value = self._parts(text)
        labelled = [intern(self.word(word)) for word in raw_value if not self.is_unknown(word)]
        if raw_value and not labelled:
            return None
        words = set(labelled) - set(self.none)
        if self.classes and (odd := sorted(words - set(self.classes) - set(self.added))):
            raise InvalidAnswer(
                f'has the tag "{odd[0]}"', f"it is not among `classes`.{nearest(odd[0], self.classes)}"
            )
        queried_tags = None if queried is None else frozenset(map(self.word, queried)) | words
        return TagAnnotations(frozenset(words), queried_tags)

    def _words_of(self, cells: Cells) -> list[str] | None:
        """The words of all cells; None where each is unknown."""
        texts = [as_text(cell) for cell in cells if not self.is_unknown(cell)]
        if cells and not texts:
            return None
        return [word for text in texts for word in self._parts(text) if word is not None]

    def _parts(self, text: str) -> Sequence[str | None]:
        """The words of a cell of text; None is a gap in a list."""
        listed = as_list(text)
        return listed if listed is not None else [] if text in self.none else text.split(self.separator)

    def to_cells(self, raw_value: Any) -> dict[str, str]:
        tags = raw_value if isinstance(raw_value, list) else [raw_value]
        if len(self.fields) > 1:  # a column per tag
            if odd := sorted(set(map(str, tags)) - set(self.fields)):
                raise InvalidAnswer(f'has no column "{odd[0]}"')
            return {field: "yes" if field in tags else "no" for field in self.fields}
        answer = self.read(raw_value)
        if answer is None:
            raise InvalidAnswer("is a word that means unknown", "leave the task out")
        for text in (in_a_cell(raw_value), self.separator.join(map(in_a_cell, tags)), *self.none):
            if self.read(text) == answer:
                return {self.fields[0]: text}
        hint = "name a word for no tag at all: none = […]"
        raise InvalidAnswer("cannot be written in a cell of a table", hint)

    def stratify_labels(self, answer: TagAnnotations) -> Iterable[str]:
        return sorted(answer.present)

    def merge(self, first: TagAnnotations, second: TagAnnotations) -> TagAnnotations:
        return merged(first, second)

    def fit_target(self, answers: Sequence[TagAnnotations]) -> None:
        if not answers:
            raise DataError("the training split has no answer", location=self.name)
        counts = present_counts(answers)
        columns = [] if isinstance(self.from_, str) else list(dict.fromkeys(self.from_))
        self._classes = list(self.classes) or columns or sorted(counts)
        if not self._classes:
            raise DataError(
                "the training split has no tag at all", location=self.name, hint="check the separator"
            )
        self._shares = shares_of(self._classes, answers)
        self._calibration = TagCalibration.usual(self._usual_offsets)

    @property
    def width(self) -> int:
        return len(self._classes)

    @property
    def added_classes(self) -> Sequence[str]:
        return self.added

    @property
    def added_width(self) -> int:
        return len(self.added)

    def grow(self, before: Task, answers: Sequence[TagAnnotations]) -> None:
        theirs = cast(Tags, before)
        counts = present_counts(answers)
        refuse_added(self.name, self.added, theirs._classes, counts)
        self._classes = [*theirs._classes, *self.added]
        self._shares = [*theirs._shares, *shares_of(self.added, answers)]
        new = TagCalibration.usual(self._usual_offsets[-len(self.added) :])
        self._calibration = theirs._calibration.followed_by(new)

    def encode(self, answers: Sequence[TagAnnotations | None]) -> Target:
        # Run folders of earlier versions may hold a tag "1.0", which is read as "1" now.
        index = {as_text(name): number for number, name in enumerate(self._classes)}
        present = np.zeros((len(answers), self.width), dtype=np.float32)
        labelled = np.zeros_like(present)
        for row, answer in enumerate(answers):
            if answer is None:
                continue
            present[row, [index[tag] for tag in answer.present if tag in index]] = 1
            queried = (
                slice(None) if answer.queried is None else [index[t] for t in answer.queried if t in index]
            )
            labelled[row, queried] = 1
        return {"present": present, "labelled": labelled}

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        import torch.nn.functional as F

        present = target["present"]
        loss = F.binary_cross_entropy_with_logits(raw.float(), present, reduction="none")
        if self.class_weights == "balanced":
            share = loss.new_tensor(self._shares)
            loss = loss * (present / (2 * share) + (1 - present) / (2 * (1 - share)))
        return loss, target["labelled"]

    def refuse_teacher(self, teacher: Task) -> None:
        super().refuse_teacher(teacher)
        theirs = [as_text(name) for name in cast(Tags, teacher)._classes]
        if self._classes and not set(theirs) & set(map(as_text, self._classes)):
            raise ConfigError(
                f"has the tags {quoted_list(theirs)} there and {quoted_list(self._classes)} here",
                hint="a teacher needs one of them: read them as the same with `join`",
            )

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        theirs = cast(Tags, teacher)
        return teaching.soft_target(theirs.chances(raw), columns_of(self._classes, theirs._classes))

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        logits = raw.float() + raw.new_tensor(self._usual_offsets).float()
        return teaching.divergence(logits, soft), soft["trust"]

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> TagAnnotations:
        chances = prediction["probabilities"].items()
        return TagAnnotations(frozenset(tag for tag, chance in chances if random.random() < chance))

    @property
    def _logits(self) -> np.ndarray:
        """Of the shares, float64 [tags]."""
        shares = np.array(self._shares, dtype=np.float64)
        return np.asarray(np.log(shares / (1 - shares)))

    @property
    def _usual_offsets(self) -> np.ndarray:
        """What leads from raw output to that of the data, float64 [tags], by Bayes' rule: whoever learned
        with as many yes as no answers as if half of all pictures had the tag (Elkan 2001, The Foundations of
        Cost-Sensitive Learning, theorem 2).
        """
        return self._logits if self.class_weights == "balanced" else np.zeros(self.width)

    def constant_raw(self) -> np.ndarray:
        return np.asarray((self._logits - self._usual_offsets)[None], dtype=np.float32)

    def chances(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 [n, tags]."""
        return self._calibration.chances(raw)

    def constant_baseline(self, count: int) -> list[Prediction]:
        # Calibration mends the network's confidence; the shares of the tags need no mending.
        return self._predictions(np.array([self._shares], dtype=np.float64)) * count

    def calibrate(self, raw: np.ndarray, answers: Sequence[TagAnnotations | None]) -> None:
        """See ``TagCalibration.fitted``. Where tags were added, what it knew stays as it was."""
        target, learned = self.encode(answers), len(self.added) or self.width
        present, labelled = target["present"].astype(np.float64), target["labelled"] > 0
        fitted = self._calibration.last(learned).fitted(
            raw[:, -learned:],
            present[:, -learned:],
            labelled[:, -learned:],
            self._shares[-learned:],
            self._usual_offsets[-learned:],
        )
        self._calibration = self._calibration.first(self.width - learned).followed_by(fitted)

    def fit_sets(
        self, raw: np.ndarray, answers: Sequence[TagAnnotations | None], groups: Sequence[str]
    ) -> None:
        """See ``sets_of_tags``."""
        present = self.encode(answers)["present"] > 0
        self._sets = None
        if self.coverage and present.any():
            self._sets = sets_of_tags(self.chances(raw), present, groups, self.coverage)

    def refuse_few_answers(
        self,
        training: Sequence[TagAnnotations | None],
        validation: Sequence[TagAnnotations | None],
        groups: Sequence[str],
    ) -> None:
        if self.coverage and "coverage" in self.model_fields_set:
            shown = [row for row, answer in enumerate(validation) if answer is not None and answer.present]
            refuse_few(self.name, shown, groups, self.coverage)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        chances = self.chances(raw)
        predictions = self._predictions(chances)
        if self._sets is None:
            return predictions
        return self._sets.joined(predictions, chances, self._classes)

    def _predictions(self, chances: np.ndarray) -> list[Prediction]:
        applies, tags = chances >= np.array(self._calibration.thresholds), self._classes
        return [
            {
                "values": [tag for tag, yes in zip(tags, chosen, strict=True) if yes],
                "probabilities": dict(zip(tags, row, strict=True)),
            }
            for chosen, row in zip(applies.tolist(), chances.tolist(), strict=True)
        ]

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """Each tag that it says, by its raw output."""
        prediction = self.decode(raw)[0]
        return [
            ExplainedAnswer(
                f"{tag} ({prediction['probabilities'][tag]:.0%})",
                partial(column_of, column=column),
                np.eye(self.width)[column],
            )
            for column, tag in enumerate(self._classes)
            if tag in prediction["values"]
        ]

    def metric_state(
        self, predictions: Sequence[Prediction], answers: Sequence[TagAnnotations]
    ) -> MetricState:
        return scores.metric_state(predictions, self.encode(answers), self._classes)

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        return scores.metrics(metric_state, weights)

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return scores.sample_errors(metric_state)

    def calibration(self, metric_state: MetricState) -> dict[str, dict[str, float]]:
        if self.added or not metric_state["labelled"].any():  # two temperatures, one fitted to other pictures
            return {}
        after = np.clip(metric_state["chances"], 1e-15, 1 - 1e-15)
        before = TagCalibration.usual(self._usual_offsets).chances(self._calibration.raw(after))
        return {
            "before": scores.calibration_figures(before, metric_state),
            "after": scores.calibration_figures(after, metric_state),
        }

    def details(self, metric_state: MetricState) -> list[Detail]:
        thresholds = self._calibration.thresholds
        return scores.details(metric_state, self._classes, thresholds, self.calibration(metric_state))

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray:
        """Of the tag that is nearest to as likely as not."""
        chances = [np.array(list(one["probabilities"].values())) for one in predictions]
        return np.array([1 - np.abs(2 * own - 1).min() for own in chances], dtype=np.float64)

    def suspicions(
        self, predictions: Sequence[Prediction], answers: Sequence[TagAnnotations], *, every: bool = False
    ) -> list[Suspicion]:
        return suspicions(predictions, answers, text=self.format, cells=self._known_cells, every=every)

    def _known_cells(self, answer: TagAnnotations) -> dict[str, str] | None:
        """None where only some tags were looked for and one cell would say that all were."""
        cells = self.correction(self.raw_value(answer))
        if answer.queried is None or cells is None:
            return cells
        known = {field: cell for field, cell in cells.items() if field in answer.queried}
        return known if len(self.fields) > 1 else None

    def raw_value(self, answer: TagAnnotations) -> list[str]:
        return sorted(answer.present)

    def format(self, answer: TagAnnotations) -> str:
        return ", ".join(sorted(answer.present)) or "none"

    def format_prediction(self, prediction: Prediction) -> str:
        return ", ".join(prediction["values"]) or "none"

    def state(self) -> dict[str, Any]:
        calibration = self._calibration
        temperature = calibration.temperatures or (1.0,)
        added = {"added_temperature": temperature[-1]} if self.added else {}
        return {
            "classes": self._classes,
            "shares": self._shares,
            "temperature": temperature[0],
            "offsets": list(calibration.offsets),
            "thresholds": list(calibration.thresholds),
            **added,
            **({"sets": self._sets.state()} if self._sets else {}),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        require_declared(state["classes"], [*self.classes, *self.added] if self.classes else [])
        require_added(state["classes"], self.added)
        self._classes, self._shares = state["classes"], state["shares"]
        temperatures = [state["temperature"]] * (self.width - len(self.added))
        temperatures += [state.get("added_temperature", 1.0)] * len(self.added)
        offsets = state["offsets"] or [0.0] * self.width
        self._calibration = TagCalibration(tuple(temperatures), tuple(offsets), tuple(state["thresholds"]))
        self._sets = PredictionSets.restored(state.get("sets"))


def column_of(rows: np.ndarray, column: int) -> np.ndarray:
    """float64 [n] of [n, k]."""
    return np.asarray(rows[:, column], dtype=np.float64)
