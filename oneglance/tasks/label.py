"""label: one of several classes.

Longer than 400 lines because the contract of a task asks for as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from oneglance.data.cell import as_text, number
from oneglance.data.quoting import quoted_list
from oneglance.errors import ConfigError, DataError, InvalidAnswer, nearest
from oneglance.metrics.calibration import (
    calibration_grid,
    confidence_figures,
    expected_calibration_error,
    mean_bins,
)
from oneglance.metrics.label_errors import doubted_labels
from oneglance.metrics.prediction_sets import (
    PredictionSets,
    kept_sets,
    refuse_few,
    set_columns,
    sets_of_classes,
)
from oneglance.metrics.suspicion import Suspicion
from oneglance.metrics.weighted import dense_ranks, f1, weighted_mean
from oneglance.report_items import Curve, Detail, ExplainedAnswer, Grid, Matrix
from oneglance.storage.task_state import (
    Form,
    LearnedSets,
    LearnedState,
    Names,
    Share,
    Temperature,
    require_added,
    require_declared,
    same_length,
)
from oneglance.task import MetricState, Prediction, Target, Task
from oneglance.vector_task import (
    ClassNames,
    VectorTask,
    columns_of,
    fit_temperature,
    log_sigmoid,
    refuse_added,
    softmax,
)

if TYPE_CHECKING:
    from torch import Tensor

    from oneglance.data.images.letterbox import Placement

SOFTNESS = 2.0  # the temperature at which a teacher is learned from: other classes count as well
FAINTEST = 1e-6  # probability of a teacher below which classes are all alike
FEW_ANSWERS = 50  # of people, by which a teacher is not judged
NEVER = -1e9  # the logit of a class that a teacher does not know
TINY = 1e-300  # a probability whose logarithm is still a number


class LearnedLabel(LearnedState):
    """What a label has learned."""

    classes: Names = Field(min_length=2)
    shares: list[Share]  # of the training split, smoothed
    temperature: Temperature
    added_temperature: Temperature = 1.0  # of the branch of added classes
    sets: LearnedSets | None = None

    @model_validator(mode="after")
    def _fits(self) -> LearnedLabel:
        same_length(self.classes, shares=self.shares)
        if self.sets:
            same_length(self.classes, thresholds=self.sets.thresholds)
        return self


class Label(VectorTask):
    """One of several classes, such as the kind of a garment.

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
    primary_metric: ClassVar[str] = "accuracy"
    meaning: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of right answers",
        "balanced_accuracy": "the same, each class counting equally",
        "f1_macro": "precision and recall in one, mean over the classes",
        "log_loss": "how surprising the truth was; smaller is better",
        "ece": "how far confidence is from the share right, beyond chance; smaller is better",
        "top5_accuracy": "share with the truth among the five likeliest",
        "coverage": "share with the truth in the set of the answer, made to be `coverage` or more",
        "set_size": "classes in that set, on average; smaller is better",
    }
    debiased_metrics: ClassVar[frozenset[str]] = frozenset({"ece"})

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> str | None:
        if self.is_unknown(raw_value):
            return None
        if isinstance(raw_value, list | tuple | dict | set):
            raise InvalidAnswer("holds several values", "write one class, or make it a task of type tags")
        word = intern(self.word(raw_value))
        if self.classes and word not in self.classes and word not in self.added:
            raise InvalidAnswer(f'is "{word}"', f"it is not among `classes`.{nearest(word, self.classes)}")
        return word

    def stratify_labels(self, answer: str) -> Iterable[str]:
        return (answer,)

    def fit_target(self, answers: Sequence[str]) -> None:
        if not answers:
            raise DataError("the training split has no answer", location=self.name)
        counts = Counter(answers)
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
    def width(self) -> int:
        return len(self._classes) - self.ordinal + bool(self.added)

    @property
    def added_classes(self) -> Sequence[str]:
        return self.added

    @property
    def added_width(self) -> int:
        """One logit for each added class, and before them one for "none of these"."""
        return len(self.added) + 1 if self.added else 0

    def grow(self, before: Task, answers: Sequence[str]) -> None:
        theirs = cast(Label, before)
        known, counts = theirs._classes, Counter(answers)
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

    def log_chances(self, raw: Tensor) -> Tensor:
        """Log probabilities [n, classes] of the raw output [n, width]."""
        import torch
        import torch.nn.functional as F

        if self.added:  # P(added) is the branch's; P(known) that of "none of these", times that among these
            known, branch = raw.split([self.width - self.added_width, self.added_width], dim=-1)
            none, new = F.log_softmax(branch, dim=-1).split([1, len(self.added)], dim=-1)
            return torch.cat([F.log_softmax(known, dim=-1) + none, new], dim=-1)
        if not self.ordinal:
            return F.log_softmax(raw, dim=-1)
        zero = raw.new_zeros(len(raw), 1)
        more = torch.cat([zero, F.logsigmoid(raw).cumsum(dim=-1)], dim=-1)  # log P(y >= k)
        stop = torch.cat([F.logsigmoid(-raw), zero], dim=-1)  # log P(y = k | y >= k)
        return more + stop

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        import torch

        labelled = target["class"] >= 0
        index = target["class"].clamp(min=0)
        logs = self.log_chances(raw.float())
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
        """Calibrated probabilities of the classes that both know. A teacher counts by how sure it is, and by
        how likely it is that the class is one of these.
        """
        theirs = cast(Label, teacher)
        other = columns_of(self._classes, theirs._classes)  # of each class of ours, where it is there
        ours = np.flatnonzero(other >= 0)
        chances = np.zeros((len(raw), len(self._classes)))
        chances[:, ours] = theirs.chances(raw)[:, other[ours]]
        inside = chances.sum(axis=1)
        chances /= np.maximum(inside, 1e-12)[:, None]
        asked = np.zeros_like(chances)
        asked[:, ours] = 1
        sure = (chances.max(axis=1, initial=0) - 1 / len(ours)) / (1 - 1 / len(ours))
        return {
            "chances": chances.astype(np.float32),
            "asked": asked.astype(np.float32),
            "trust": np.clip(inside * sure, 0, 1).astype(np.float32),
        }

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Kullback-Leibler divergence of both at the temperature ``SOFTNESS``, times its square so that the
        gradient keeps its size (Hinton et al. 2015, arXiv 1503.02531, section 2).
        """
        unasked = soft["asked"] == 0
        theirs = (soft["chances"].clamp(min=FAINTEST).log() / SOFTNESS).masked_fill(unasked, NEVER)
        ours = (self.log_chances(raw.float()) / SOFTNESS).masked_fill(unasked, NEVER)
        theirs, ours = theirs.log_softmax(dim=1), ours.log_softmax(dim=1)
        terms = (theirs.exp() * (theirs - ours)).masked_fill(unasked, 0)
        return SOFTNESS**2 * terms.sum(dim=1), soft["trust"]

    def disagreement(self, soft: Target, target: Target) -> str:
        """A teacher that is right less often than by chance calls other things by these names."""
        both = (target["class"] >= 0) & (soft["trust"] > 0)
        count = int(both.sum())
        answers, truth = soft["chances"][both].argmax(axis=1), target["class"][both]
        width = len(self._classes)
        shares = [np.bincount(one, minlength=width) / max(count, 1) for one in (answers, truth)]
        chance, right = float(shares[0] @ shares[1]), float((answers == truth).mean()) if count else 1.0
        if count < FEW_ANSWERS or right >= 0.5 * chance:
            return ""
        return f"it agrees with them in {right:.0%} of {count:,} pictures, where {chance:.0%} would be chance"

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> str:
        words, chances = zip(*prediction["probabilities"].items(), strict=True)
        whole = np.array(chances, dtype=np.float64)
        return str(words[int(random.choice(len(words), p=whole / whole.sum()))])

    @property
    def _temperatures(self) -> np.ndarray:
        """By which each number of the raw output is divided."""
        branch = np.full(self.added_width, self._added_temperature)
        return np.concatenate([np.full(self.width - self.added_width, self._temperature), branch])

    def constant_raw(self) -> np.ndarray:
        shares = np.array(self._shares)
        if self.added:
            known, new = np.split(shares, [-len(self.added)])
            return np.log([*(known / known.sum()), known.sum(), *new])[None].astype(np.float32)
        if not self.ordinal:
            return np.log(shares)[None].astype(np.float32)
        at_least = np.cumsum(shares[::-1])[::-1]
        more = np.clip(at_least[1:] / at_least[:-1], 1e-6, 1 - 1e-6)
        return np.log(more / (1 - more))[None].astype(np.float32)

    def chances(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 [n, classes]."""
        scaled = np.asarray(raw, dtype=np.float64) / self._temperatures
        if self.added:
            known, branch = np.split(scaled, [self.width - self.added_width], axis=1)
            new = softmax(branch)
            return np.concatenate([softmax(known) * new[:, :1], new[:, 1:]], axis=1)
        if not self.ordinal:
            return softmax(scaled)
        zero = np.zeros((len(scaled), 1))
        more = np.concatenate([zero, np.cumsum(log_sigmoid(scaled), axis=1)], axis=1)
        return np.asarray(np.exp(more + np.concatenate([log_sigmoid(-scaled), zero], axis=1)))

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

        def set_temperature(value: float) -> None:
            if self.added:  # what it knew stays as it was
                self._added_temperature = value
            else:
                self._temperature = value

        def loss(temperature: float) -> float:
            set_temperature(temperature)
            logs = np.log(self.chances(raw) + 1e-12)
            right = logs[np.arange(len(index)), index].mean()
            return float(-(1 - doubt) * right - doubt * logs.mean())

        set_temperature(fit_temperature(loss))

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
        members = self._sets.members(chances)
        members[np.arange(len(chances)), chances.argmax(axis=1)] = True  # no answer, no set is empty
        sets = set_columns(members, chances, self._classes, self._sets.coverage)
        return [{**one, **its} for one, its in zip(predictions, sets, strict=True)]

    def _predictions(self, chances: np.ndarray) -> list[Prediction]:
        return [
            {
                "value": self._classes[best],
                "confidence": row[best],
                "probabilities": dict(zip(self._classes, row, strict=True)),
            }
            for best, row in zip(chances.argmax(axis=1).tolist(), chances.tolist(), strict=True)
        ]

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """The class, by its log odds against all others."""
        best = int(self.chances(raw)[0].argmax())

        def log_odds(rows: np.ndarray) -> np.ndarray:
            chances = self.chances(rows)
            of_others = np.delete(chances, best, axis=1).sum(
                axis=1
            )  # free of cancellation, unlike 1 - chance
            both = np.log(np.maximum([chances[:, best], of_others], TINY))
            return np.asarray(both[0] - both[1])

        return [ExplainedAnswer.measured(self.format_prediction(self.decode(raw)[0]), log_odds, raw)]

    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[str]) -> MetricState:
        rows = [[p["probabilities"][name] for name in self._classes] for p in predictions]
        chances = np.array(rows, dtype=np.float64).reshape(len(rows), len(self._classes))
        truth = self.encode(answers)["class"]
        best, confidence = chances.argmax(axis=1), chances.max(axis=1)
        of_truth = np.where(truth < 0, 0.0, chances[np.arange(len(truth)), truth])
        state: MetricState = {
            "truth": truth,
            "best": best,
            "right": (best == truth).astype(np.float64),
            "confidence": confidence,
            "rank": dense_ranks(confidence),
            "loss": -np.log(np.maximum(of_truth, 1e-15)),
            "chances": chances,
        }
        if (members := kept_sets(predictions, self._classes)) is not None:
            state["in_set"] = np.where(truth < 0, False, members[np.arange(len(truth)), truth]).astype(
                np.float64
            )
            state["set_size"] = members.sum(axis=1).astype(np.float64)
        if len(self._classes) > 10:
            top = np.argpartition(chances, -5, axis=1)[:, -5:]
            state["in_top5"] = (top == truth[:, None]).any(axis=1).astype(np.float64)
        return state

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        truth, best, right = metric_state["truth"], metric_state["best"], metric_state["right"]
        count = len(self._classes)
        # An answer of a class that training never saw counts as one more class that is never right.
        labels = np.where(truth < 0, count, truth)
        actual = np.bincount(labels, weights, minlength=count + 1)
        predicted = np.bincount(best, weights, minlength=count + 1)
        hits = np.bincount(best, weights * right, minlength=count + 1)
        present = actual > 0
        # A class of which a resample has drawn nothing is not one that no answer has.
        involved = present | ((predicted > 0) & (np.bincount(labels, minlength=count + 1) == 0))
        metrics: dict[str, float] = {
            "accuracy": weighted_mean(right, weights),
            "balanced_accuracy": float((hits[present] / actual[present]).mean()),
            "f1_macro": float(f1(hits, predicted, actual)[involved].mean()),
            "log_loss": weighted_mean(metric_state["loss"], weights),
            "ece": expected_calibration_error(
                metric_state["confidence"], metric_state["rank"], right, weights
            ),
        }
        if "in_top5" in metric_state:
            metrics["top5_accuracy"] = weighted_mean(metric_state["in_top5"], weights)
        if "in_set" in metric_state:
            metrics["coverage"] = weighted_mean(metric_state["in_set"], weights)
            metrics["set_size"] = weighted_mean(metric_state["set_size"], weights)
        return metrics

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return metric_state["loss"]

    def _uncalibrated(self, chances: np.ndarray) -> np.ndarray:
        """What ``chances`` would be at a temperature of 1, float64 [n, classes]."""
        if not self.ordinal:
            return softmax(np.log(np.maximum(chances, TINY)) * self._temperature)
        at_least = np.maximum(np.cumsum(chances[:, ::-1], axis=1)[:, ::-1], TINY)
        more = np.clip(at_least[:, 1:] / at_least[:, :-1], TINY, 1 - 1e-15)
        task = self.model_copy()
        task._temperature = 1.0
        return task.chances(self._temperature * (np.log(more) - np.log1p(-more)))

    def calibration(self, metric_state: MetricState) -> dict[str, dict[str, float]]:
        known = metric_state["truth"] >= 0
        if self.added or not known.any():  # two temperatures, one of which was fitted to other pictures
            return {}
        after, truth = metric_state["chances"][known], metric_state["truth"][known]

        def figures(chances: np.ndarray) -> dict[str, float]:
            of_truth = chances[np.arange(len(truth)), truth]
            squared = (chances**2).sum(axis=1) - 2 * of_truth + 1
            return confidence_figures(chances.max(axis=1), chances.argmax(axis=1) == truth, of_truth, squared)

        return {"before": figures(self._uncalibrated(after)), "after": figures(after)}

    def details(self, metric_state: MetricState) -> list[Detail]:
        truth, best = metric_state["truth"], metric_state["best"]
        learned = truth >= 0
        count = len(self._classes)
        confusion = np.zeros((count, count), dtype=np.int64)
        np.add.at(confusion, (truth[learned], best[learned]), 1)
        hits, predicted, actual = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / predicted, hits / actual
        scores = f1(hits.astype(float), predicted, actual)
        rows = zip(
            self._classes, actual.tolist(), precision.tolist(), recall.tolist(), scores.tolist(), strict=True
        )
        bins = mean_bins(
            metric_state["confidence"], metric_state["rank"], metric_state["right"], np.ones(len(truth))
        )
        return [
            Matrix("Confusion", "truth", "answer", tuple(self._classes), confusion),
            Grid("Per class", ("class", "pictures", "precision", "recall", "F1"), tuple(rows)),
            Curve("Calibration", "confidence", "share right", bins[0], bins[1], diagonal=True),
            *calibration_grid(self.calibration(metric_state)),
        ]

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray:
        """1 less the margin between the two likeliest classes."""
        two = [sorted(one["probabilities"].values())[-2:] for one in predictions]
        return np.array([1 - (best - second) for second, best in two], dtype=np.float64)

    def suspicions(self, predictions: Sequence[Prediction], answers: Sequence[str]) -> list[Suspicion]:
        """See ``doubted_labels``."""
        words = sorted({*answers, *(name for one in predictions for name in one["probabilities"])})
        index = {name: column for column, name in enumerate(words)}
        # A network that was fitted to other answers may not know a class.
        chances = np.array([[one["probabilities"].get(name, 0.0) for name in words] for one in predictions])
        given = np.array([index[answer] for answer in answers], dtype=np.int64)
        proposed, scores, likely = doubted_labels(chances.reshape(len(answers), len(words)), given)
        return [
            Suspicion(
                row,
                answers[row],
                words[proposed[row]],
                float(scores[row]),
                bool(likely[row]),
                f"{chances[row, proposed[row]]:.0%} against {chances[row, given[row]]:.0%}",
                cells=self.correction(words[proposed[row]]),
            )
            for row in np.flatnonzero(scores > 0.5).tolist()
        ]

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
