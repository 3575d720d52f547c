"""label: one of several classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import Field, PrivateAttr

from oneglance.data.cell import as_text, fields_of_yes, number
from oneglance.data.columns.coded import coded
from oneglance.data.quoting import quoted_list
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.metrics.prediction_sets import PredictionSets, refuse_few, sets_of_classes
from oneglance.metrics.suspicion import Suspicion
from oneglance.report_items import Detail, ExplainedAnswer
from oneglance.storage.task_state import Form, require_added, require_declared
from oneglance.task import MetricState, Prediction, Target, Task
from oneglance.tasks.label import scores, teaching
from oneglance.tasks.label.links import TINY, Extended, Link, Nominal, Ordinal
from oneglance.tasks.label.state import LearnedLabel
from oneglance.tasks.label.suspicions import suspicions
from oneglance.vector_task import ClassNames, VectorTask, columns_of, fit_temperature, refuse_added

if TYPE_CHECKING:
    from torch import Tensor

    from oneglance.data.images.letterbox import Placement


class Label(VectorTask):
    """One of several classes, such as the kind of a garment.

    In the data: one cell with its name, or one yes/no column for each class (``from`` names them all), of
    which exactly one says yes.

    With ``ordinal`` the classes have an order and the network answers "more than this?" class by class:
    P(y > k | y >= k) = sigmoid(raw_k), the continuation-ratio model that CORN trains (Shi, Cao and Raschka
    2021, arXiv 2111.08851); the loss stays the negative log likelihood of the class.
    """

    # The classes allowed, in their order; another word in the data is then a problem; default: those of the
    # training split, sorted
    classes: ClassNames = []
    # The classes have an order, that of `classes` or of numbers: grades, sizes, stages
    ordinal: bool = False
    smoothing: float = Field(0.1, ge=0, lt=1)  # share of the target spread over all classes
    # `"balanced"`: every class counts the same in sum, however rare. A table: this much each, 1 where unnamed
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = "none"
    # Share of pictures whose right class the `set` of an answer is promised to hold, where the validation
    # split has enough answers: see [Can I trust it?](../guides/trust.md#sets-of-answers-with-a-promise); 0:
    # no sets
    coverage: float = Field(0.9, ge=0, lt=1)
    # Keep that promise for the pictures of each class by itself: larger sets
    coverage_per_class: bool = False

    # Classes that a finished task learns besides, in a branch of its own: see `oneglance extend`
    added: ClassNames = []

    _classes: list[str] = PrivateAttr(default_factory=list)  # the added ones last
    _shares: list[float] = PrivateAttr(default_factory=list)
    _temperature: float = PrivateAttr(1.0)
    _added_temperature: float = PrivateAttr(1.0)
    _sets: PredictionSets | None = PrivateAttr(None)

    learned: ClassVar[Form] = LearnedLabel
    raw_unit: ClassVar[float] = 1.0  # a logit
    primary_metric: ClassVar[str] = "accuracy"
    meaning: ClassVar[Mapping[str, str]] = scores.MEANING
    debiased_metrics: ClassVar[frozenset[str]] = frozenset({"ece"})

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> str | None:
        if isinstance(raw_value, dict) and len(self.fields) > 1:
            raw_value = self._chosen(raw_value)
        if self.is_unknown(raw_value):
            return None
        if isinstance(raw_value, list | tuple | dict | set):
            raise InvalidAnswer("holds several values", "write one class, or make it a task of type tags")
        word = intern(self.word(raw_value))
        if self.classes and word not in self.classes and word not in self.added:
            raise InvalidAnswer(f'is "{word}"', f"it is not among `classes`.{nearest(word, self.classes)}")
        return word

    def _chosen(self, cells: Mapping[str, Any]) -> str | None:
        """The one column that says yes; None where that may be one whose cell is unknown."""
        known = {field: as_text(cell).lower() for field, cell in cells.items() if not self.is_unknown(cell)}
        says = sorted(fields_of_yes(known))
        if len(says) > 1:
            hint = "leave one yes, or make it a task of type tags"
            raise InvalidAnswer(f"says yes in {quoted_list(says)}", hint)
        if not says and len(known) == len(self.fields):
            hint = "empty cells say that nobody knows; a column of its own would be for none of these"
            raise InvalidAnswer(f"says no in all of its {len(known)} columns", hint)
        return says[0] if says else None

    def to_cells(self, raw_value: Any) -> dict[str, str]:
        if len(self.fields) == 1:
            return super().to_cells(raw_value)
        word = self.word(raw_value)
        if all(self.word(field) != word for field in self.fields):
            raise InvalidAnswer(f'has no column "{word}"')
        return {field: "yes" if self.word(field) == word else "no" for field in self.fields}

    def stratify_labels(self, answer: str) -> Iterable[str]:
        return (answer,)

    def fit_target(self, answers: Sequence[str]) -> None:
        if not answers:
            raise DataError("the training split has no answer", location=self.name)
        counts = coded(answers).counter()
        self._classes = list(self.classes) or sorted(counts, key=_in_order)
        if len(self._classes) < 2:
            only = f'only the class "{self._classes[0]}"'
            raise DataError(
                f"the training split has {only}", location=self.name, hint="a label needs two classes"
            )
        if self.ordinal and not self.classes and any(number(name) is None for name in self._classes):
            raise DataError("ordinal needs `classes` in their order", location=f"[tasks.{self.name}]")
        if isinstance(self.class_weights, dict) and (
            odd := sorted(set(self.class_weights) - set(self._classes))
        ):
            raise DataError(
                f'class_weights names "{odd[0]}", which is no class.{nearest(odd[0], self._classes)}',
                location=f"[tasks.{self.name}]",
            )
        # One more than counted: a declared class that is absent here must not get an infinite logit.
        smoothed = np.array([counts[name] + 1.0 for name in self._classes])
        self._shares = list(smoothed / smoothed.sum())

    @property
    def _link(self) -> Link:
        if self.added:
            return Extended(len(self._classes) - len(self.added), len(self.added))
        return Ordinal(len(self._classes)) if self.ordinal else Nominal(len(self._classes))

    @property
    def width(self) -> int:
        return self._link.width

    @property
    def added_classes(self) -> Sequence[str]:
        return self.added

    @property
    def added_width(self) -> int:
        """One logit for each added class, and before them one for "none of these"."""
        return len(self.added) + 1 if self.added else 0

    def grow(self, before: Task, answers: Sequence[str]) -> None:
        theirs = cast(Label, before)
        known, counts = theirs._classes, coded(answers).counter()
        if self.ordinal:
            raise DataError("has an order, in which added classes have no place", location=self.name)
        refuse_added(self.name, self.added, known, counts)
        old = sum(counts[name] for name in known)
        if not old:
            raise DataError(
                "no training picture is of a class that it has already, and new ones are told from these",
                location=self.name,
                hint="name a source with pictures of both",
            )
        smoothed = np.array([old + 1.0, *(counts[name] + 1.0 for name in self.added)])
        rest, *new = (smoothed / smoothed.sum()).tolist()
        self._classes = [*known, *self.added]
        self._shares = [share * rest for share in theirs._shares] + new
        self._temperature, self._added_temperature = theirs._temperature, 1.0

    @property
    def _weights(self) -> np.ndarray:
        """Weight of each class, 1 in the mean over the training split."""
        shares = np.array(self._shares)
        if isinstance(self.class_weights, dict):
            weights = np.array([self.class_weights.get(name, 1.0) for name in self._classes])
        else:
            weights = 1 / shares if self.class_weights == "balanced" else np.ones(len(shares))
        return np.asarray(weights / (weights @ shares))

    def encode(self, answers: Sequence[str | None]) -> Target:
        # Run folders of earlier versions may hold a class "1.0", which is read as "1" now.
        index = {as_text(name): column for column, name in enumerate(self._classes)}
        # A class that training never saw has no target: it cannot be learned, and it scores as wrong.
        return {"class": np.array([-1 if a is None else index.get(a, -1) for a in answers], dtype=np.int64)}

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        import torch

        labelled = target["class"] >= 0
        index = target["class"].clamp(min=0)
        logs = self._link.log_chances(raw.float())
        right = -logs.gather(1, index[:, None])[:, 0]
        loss = (1 - self.smoothing) * right - self.smoothing * logs.mean(dim=1)
        weights = torch.as_tensor(self._weights, dtype=loss.dtype, device=loss.device)[index]
        return loss * weights, labelled.to(loss.dtype)

    def refuse_teacher(self, teacher: Task) -> None:
        super().refuse_teacher(teacher)
        theirs = [as_text(name) for name in cast(Label, teacher)._classes]
        shared = set(theirs) & set(map(as_text, self._classes))
        if self._classes and len(shared) < 2:
            raise ConfigError(
                f"has the classes {quoted_list(theirs)} there and {quoted_list(self._classes)} here",
                hint="a teacher needs two of them: read them as the same with `join`",
            )

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        theirs = cast(Label, teacher)
        return teaching.soft_target(theirs.chances(raw), columns_of(self._classes, theirs._classes))

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return teaching.divergence(self._link.log_chances(raw.float()), soft), soft["trust"]

    def disagreement(self, soft: Target, target: Target) -> str:
        return teaching.disagreement(soft, target["class"])

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> str:
        words, chances = zip(*prediction["probabilities"].items(), strict=True)
        whole = np.array(chances, dtype=np.float64)
        return str(words[int(random.choice(len(words), p=whole / whole.sum()))])

    @property
    def _temperatures(self) -> np.ndarray:
        """By which each number of the raw output is divided."""
        columns = [self.width - self.added_width, self.added_width]
        return np.repeat([self._temperature, self._added_temperature], columns)

    def constant_raw(self) -> np.ndarray:
        return self._link.constant_raw(np.array(self._shares)).astype(np.float32)

    def chances(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 [n, classes]."""
        return self._link.chances(np.asarray(raw, dtype=np.float64) / self._temperatures)

    def constant_baseline(self, count: int) -> list[Prediction]:
        # The temperature mends the network's confidence; the shares of the classes need no mending.
        return self._predictions(self.chances(self.constant_raw() * self._temperatures)) * count

    def calibrate(self, raw: np.ndarray, answers: Sequence[str | None]) -> None:
        index = self.encode(answers)["class"]
        raw, index = np.asarray(raw, dtype=np.float64)[index >= 0], index[index >= 0]
        if len(index) < 10:
            return  # too few to say anything; the network's own confidence stays

        # Where every answer is right, the likeliest temperature is 0: never wrong, for ever. One more picture
        # whose class is anybody's guess keeps it honest (Platt 1999, section 2.2, for more than two classes).
        doubt = 1 / (len(index) + 1)
        link, divisor = self._link, self._temperatures
        first = self.width - self.added_width if self.added else 0  # what it knew stays as it was

        def loss(temperature: float) -> float:
            divisor[first:] = temperature
            logs = np.log(link.chances(raw / divisor) + 1e-12)
            right = logs[np.arange(len(index)), index].mean()
            return float(-(1 - doubt) * right - doubt * logs.mean())

        temperature = fit_temperature(loss)
        if self.added:
            self._added_temperature = temperature
        else:
            self._temperature = temperature

    def fit_sets(self, raw: np.ndarray, answers: Sequence[str | None], groups: Sequence[str]) -> None:
        """See ``sets_of_classes``."""
        rows = _answered(answers)
        truth = self.encode([answers[row] for row in rows])["class"]
        self._sets = None
        if self.coverage and rows:
            own = [groups[row] for row in rows]
            each = self.coverage_per_class
            self._sets = sets_of_classes(self.chances(raw[rows]), truth, own, self.coverage, per_class=each)

    def refuse_few_answers(
        self, training: Sequence[str | None], validation: Sequence[str | None], groups: Sequence[str]
    ) -> None:
        if not self.coverage or not {"coverage", "coverage_per_class"} & self.model_fields_set:
            return
        refuse_few(self.name, _answered(validation), groups, self.coverage)
        learned = self.classes or sorted({answer for answer in training if answer is not None})
        for name in learned if self.coverage_per_class else ():
            rows = [row for row, answer in enumerate(validation) if answer == name]
            refuse_few(self.name, rows, groups, self.coverage, of_class=name)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        chances = self.chances(raw)
        predictions = self._predictions(chances)
        if self._sets is None:
            return predictions
        return self._sets.joined(predictions, chances, self._classes, holds_best=True)

    def _predictions(self, chances: np.ndarray) -> list[Prediction]:
        classes = self._classes  # looked up once: pydantic takes a microsecond for a private attribute
        return [
            {
                "value": classes[best],
                "confidence": row[best],
                "probabilities": dict(zip(classes, row, strict=True)),
            }
            for best, row in zip(chances.argmax(axis=1).tolist(), chances.tolist(), strict=True)
        ]

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """The class, by its log odds against all others."""
        best = int(self.chances(raw)[0].argmax())

        def log_odds(rows: np.ndarray) -> np.ndarray:
            chances = self.chances(rows)
            # Free of cancellation, unlike 1 - chance.
            of_others = np.delete(chances, best, axis=1).sum(axis=1)
            both = np.log(np.maximum([chances[:, best], of_others], TINY))
            return np.asarray(both[0] - both[1])

        return [ExplainedAnswer.measured(self.format_prediction(self.decode(raw)[0]), log_odds, raw)]

    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[str]) -> MetricState:
        return scores.metric_state(predictions, self.encode(answers)["class"], self._classes)

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        return scores.metrics(metric_state, weights)

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return metric_state["loss"]

    def calibration(self, metric_state: MetricState) -> dict[str, dict[str, float]]:
        known = metric_state["truth"] >= 0
        if self.added or not known.any():  # two temperatures, one of which was fitted to other pictures
            return {}
        after, truth = metric_state["chances"][known], metric_state["truth"][known]
        before = self._link.chances(self._temperature * self._link.raw(after))
        return {
            "before": scores.calibration_figures(before, truth),
            "after": scores.calibration_figures(after, truth),
        }

    def details(self, metric_state: MetricState) -> list[Detail]:
        return scores.details(metric_state, self._classes, self.calibration(metric_state))

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray:
        """1 less the margin between the two likeliest classes."""
        two = [sorted(one["probabilities"].values())[-2:] for one in predictions]
        return np.array([1 - (best - second) for second, best in two], dtype=np.float64)

    def suspicions(
        self, predictions: Sequence[Prediction], answers: Sequence[str], *, every: bool = False
    ) -> list[Suspicion]:
        return suspicions(predictions, answers, cells=self.correction, every=every)

    def format(self, answer: str) -> str:
        return answer

    def format_prediction(self, prediction: Prediction) -> str:
        return f"{prediction['value']} ({prediction['confidence']:.0%})"

    def state(self) -> dict[str, Any]:
        added = {"added_temperature": self._added_temperature} if self.added else {}
        sets = {"sets": self._sets.state()} if self._sets else {}
        own = {"classes": self._classes, "shares": self._shares, "temperature": self._temperature}
        return {**own, **added, **sets}

    def restore(self, state: Mapping[str, Any]) -> None:
        require_declared(state["classes"], [*self.classes, *self.added] if self.classes else [])
        require_added(state["classes"], self.added)
        self._added_temperature = state.get("added_temperature", 1.0)
        self._classes, self._shares = state["classes"], state["shares"]
        self._temperature = state["temperature"]
        self._sets = PredictionSets.restored(state.get("sets"))


def _answered(answers: Sequence[str | None]) -> list[int]:
    return [row for row, answer in enumerate(answers) if answer is not None]


def _in_order(word: str) -> tuple[float, str]:
    """Numbers by size, then words by spelling."""
    size = number(word)
    return (float("inf") if size is None else size, word)
