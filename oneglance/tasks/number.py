"""number: how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from oneglance.data.cell import as_text, number
from oneglance.data.columns.coded import numbers
from oneglance.data.number_notation import Notation
from oneglance.errors import ConfigError, DataError, InvalidAnswer
from oneglance.metrics.label_errors import USUAL_SHARE, outliers
from oneglance.metrics.suspicion import Suspicion
from oneglance.metrics.weighted import dense_ranks, weighted_correlation, weighted_mean, weighted_ranks
from oneglance.report_items import Curve, Detail, ExplainedAnswer
from oneglance.storage.task_state import Amount, Form, InvalidState, LearnedState
from oneglance.task import MetricState, Prediction, Target, Task
from oneglance.toml.tables import LARGEST
from oneglance.vector_task import VectorTask, labelled_rows

if TYPE_CHECKING:
    from torch import Tensor

    from oneglance.data.images.letterbox import Placement

COVERAGE = 0.9  # share of the truths that the interval is made to hold
NORMAL_REACH = 1.645  # standard deviations to either side that hold as much of a normal distribution
FEW_ANSWERS = 10  # of people, by which a teacher is not judged
FAR = 4.0  # standard deviations by which the medians of both differ: nobody is so wrong in the same unit
LEAST_TRUST = 0.05  # in a teacher that is hardly better than the mean


class LearnedNumber(LearnedState):
    """What a number has learned."""

    middle: Amount
    spread: Amount = Field(gt=0)
    reach: Amount | None = Field(ge=0)


class Number(VectorTask):
    """One number per picture, such as a weight or an age.

    The network learns it in standard deviations from the median (of its logarithm with ``log``), with
    Huber's loss, by default mostly the absolute error. The interval is split conformal (Lei et al. 2018,
    arXiv 1604.04173, algorithm 2): as wide as holds 90 % of the validation split.
    """

    unit: str = ""  # shown beside the number
    log: bool = False  # learn its logarithm: prices, volumes, whatever is given in per cent; only above 0
    # An error beyond this many standard deviations counts linearly, not squared: 0.1 learns the distance from
    # the truth, as `mae` measures it, 10 its square
    bend: float = Field(0.3, gt=0)
    # The least number that there can be: 0 for ages, prices, counts. No answer and no interval goes below it,
    # and a smaller number in the data is a problem; default: none
    low: float | None = Field(None, ge=-LARGEST, le=LARGEST)
    high: float | None = Field(None, ge=-LARGEST, le=LARGEST)  # the greatest number that there can be, alike

    _middle: float = PrivateAttr(0.0)
    _spread: float = PrivateAttr(1.0)
    _reach: float | None = PrivateAttr(None)  # half the interval, on the learned scale; None: unknown

    learned: ClassVar[Form] = LearnedNumber
    raw_unit: ClassVar[float] = 1.0  # a standard deviation
    teacher_weight: ClassVar[float] = 0.0
    primary_metric: ClassVar[str] = "mae"
    best: ClassVar[float] = 0.0
    meaning: ClassVar[Mapping[str, str]] = {
        "mae": "mean distance from the truth; smaller is better",
        "rmse": "the same, large distances counting more; smaller is better",
        "r2": "share of the truth's variance that is explained",
        "spearman": "how well the order is right, 1 at best",
        "coverage": "share of truths inside the interval, made to be 0.9",
    }

    @model_validator(mode="after")
    def _is_a_range(self) -> Number:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low below high, not low = {self.low:g} and high = {self.high:g}")
        if self.log and self.high is not None and self.high <= 0:
            raise ValueError("high above 0 where log = true")
        return self

    @property
    def metric_unit(self) -> str:
        return self.unit

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> float | None:
        if isinstance(raw_value, str):
            return self.read_text(raw_value, Notation())
        return None if self.is_unknown(raw_value) else self._checked(number(raw_value), raw_value)

    def read_text(self, text: str, notation: Notation) -> float | None:
        """``read`` for text, in the notation of its column."""
        if self.is_unknown(text):
            return None
        value = notation.number(text)
        if value is None and (refusal := notation.refusal(text)):
            raise InvalidAnswer(*refusal)
        return self._checked(value, text)

    def _checked(self, value: float | None, raw_value: Any) -> float:
        if value is None:
            infinite = as_text(raw_value).lstrip("+-").lower() in {"nan", "inf", "infinity"}
            example = "a finite number" if infinite else "a number such as 30"
            raise InvalidAnswer(f'is "{raw_value}"', f"write {example}, or leave the cell empty if unknown")
        if not abs(value) < LARGEST:
            raise InvalidAnswer(
                f'is "{raw_value}"', "write a finite number, or leave the cell empty if unknown"
            )
        if self.log and value <= 0:
            raise InvalidAnswer(f'is "{raw_value}"', "log = true needs numbers above 0")
        for key, bound in (("low", self.low), ("high", self.high)):
            if bound is not None and (value < bound if key == "low" else value > bound):
                side = "below" if key == "low" else "above"
                raise InvalidAnswer(
                    f'is "{raw_value}", {side} {key} = {bound:g}', f"correct it, or the key {key} of the task"
                )
        return value

    def fit_target(self, answers: Sequence[float]) -> None:
        if not answers:
            raise DataError("the training split has no answer", location=self.name)
        scaled = np.log(numbers(answers)) if self.log else numbers(answers)
        self._middle, self._spread = float(np.median(scaled)), float(np.std(scaled))
        if not self._spread > 1e-12 * max(1.0, abs(self._middle)):
            raise DataError(
                f"every answer of the training split is {answers[0]:g}",
                location=self.name,
                hint="there is nothing to learn: remove the task",
            )

    @property
    def width(self) -> int:
        return 1

    def encode(self, answers: Sequence[float | None]) -> Target:
        filled = numbers(answers)
        value = (np.log(filled) if self.log else filled) - self._middle
        labelled = (~np.isnan(filled)).astype(np.float32)
        return {"value": np.nan_to_num(value / self._spread).astype(np.float32), "labelled": labelled}

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        import torch.nn.functional as F

        value = raw.float()[:, 0]
        return F.huber_loss(value, target["value"], reduction="none", delta=self.bend), target["labelled"]

    def refuse_teacher(self, teacher: Task) -> None:
        super().refuse_teacher(teacher)
        theirs = cast(Number, teacher)
        if theirs.unit and self.unit and theirs.unit != self.unit:
            raise ConfigError(
                f"is in {theirs.unit} there and in {self.unit} here",
                hint="learn it in the same unit: change the numbers of one, or its `unit` if that is wrong",
            )

    def learn_from(self, teacher: Task) -> None:
        theirs = cast(Number, teacher)
        if theirs.log != self.log:
            raise DataError(
                "cannot take its scale from its teacher, of which only one learns logarithms",
                location=self.name,
                hint=f"set log = {str(theirs.log).lower()}",
            )
        super().learn_from(teacher)

    def soft_target(
        self, raw: np.ndarray, teacher: Task, places: Sequence[tuple[Placement, Placement]] | None = None
    ) -> Target:
        """The teacher's number on the scale of this task. A teacher counts by the share of the spread that it
        explains, as far as its interval tells.
        """
        theirs = cast(Number, teacher)
        units = theirs._in_units(theirs._within(np.asarray(raw, dtype=np.float64)[:, 0]))
        possible = units > 0 if self.log else np.ones(len(units), dtype=bool)
        scaled = np.log(np.where(possible, units, 1)) if self.log else units
        value = self._within((scaled - self._middle) / self._spread)
        explained = 1.0 if theirs._reach is None else 1 - (theirs._reach / NORMAL_REACH) ** 2
        trust = possible * min(max(explained, LEAST_TRUST), 1.0)
        return {"value": value.astype(np.float32), "trust": trust.astype(np.float32)}

    def teach(self, raw: Tensor, soft: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.loss(raw, {"value": soft["value"], "labelled": soft["trust"]})

    def disagreement(self, soft: Target, target: Target) -> str:
        both = (target["labelled"] > 0) & (soft["trust"] > 0)
        if both.sum() < FEW_ANSWERS:
            return ""
        theirs, ours = (float(np.median(values["value"][both])) for values in (soft, target))
        if abs(theirs - ours) <= FAR:
            return ""
        answer, true = (self.format(float(self._in_units(np.array(middle)))) for middle in (theirs, ours))
        return f"about {answer}, where they say {true}"

    def drawn_answer(self, prediction: Prediction, random: np.random.Generator) -> float:
        """Its error is normal, as wide as the interval says."""
        value, low, high = (prediction[key] for key in ("value", "low", "high"))
        if low is None:
            return float(value)
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        drawn = random.normal(value, (high - low) / 2 / NORMAL_REACH)
        inside = min(max(drawn, low - (high - low)), high + (high - low))
        units = math.exp(inside) if self.log else inside
        return float(
            np.clip(
                units, -LARGEST if self.low is None else self.low, LARGEST if self.high is None else self.high
            )
        )

    def constant_raw(self) -> np.ndarray:
        return np.zeros((1, 1), dtype=np.float32)

    def calibrate(self, raw: np.ndarray, answers: Sequence[float | None]) -> None:
        raw, labelled = labelled_rows(raw, answers)
        error = np.sort(np.abs(self._within(raw[:, 0]) - self.encode(labelled)["value"]))
        rank = math.ceil((len(error) + 1) * COVERAGE)
        self._reach = float(error[rank - 1]) if 0 < rank <= len(error) else None

    def _within(self, scaled: np.ndarray) -> np.ndarray:
        """Numbers on the learned scale, none outside the declared range."""
        low, high = (
            limit if bound is None else (self._scaled(bound) if bound > 0 or not self.log else -np.inf)
            for bound, limit in ((self.low, -np.inf), (self.high, np.inf))
        )
        return np.clip(scaled, low, high)

    def _scaled(self, value: float) -> float:
        return ((math.log(value) if self.log else value) - self._middle) / self._spread

    def _in_units(self, scaled: np.ndarray) -> np.ndarray:
        value = scaled * self._spread + self._middle
        # A wild extrapolation must not become infinite, which JSON cannot say.
        reach = math.log(LARGEST) if self.log else LARGEST
        bounded = np.clip(value, -reach, reach)
        units = np.asarray(np.exp(bounded) if self.log else bounded)
        # Exactly the limits that were declared, however the scale rounds.
        low, high = -LARGEST if self.low is None else self.low, LARGEST if self.high is None else self.high
        return np.clip(units, low, high)

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        middle = self._within(np.asarray(raw, dtype=np.float64)[:, 0])
        value = self._in_units(middle).tolist()
        if self._reach is None:
            low: list[float | None] = [None] * len(value)
            high = low
        else:
            low = self._in_units(middle - self._reach).tolist()
            high = self._in_units(middle + self._reach).tolist()
        return [
            {"value": v, "low": a, "high": b, "unit": self.unit}
            for v, a, b in zip(value, low, high, strict=True)
        ]

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """The number, by whatever makes it larger or smaller."""
        words = self.format_prediction(self.decode(raw)[0])
        return [
            ExplainedAnswer(
                words, lambda rows: np.asarray(rows[:, 0], dtype=np.float64), np.ones(1), either_way=True
            )
        ]

    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[float]) -> MetricState:
        def column(name: str) -> np.ndarray:
            return np.array([np.nan if p[name] is None else p[name] for p in predictions], dtype=np.float64)

        truth = np.asarray(answers, dtype=np.float64)
        inside = (column("low") <= truth) & (truth <= column("high"))
        covered = np.where(np.isnan(column("low")), np.nan, inside.astype(np.float64))
        value = column("value")
        return {
            "value": value,
            "truth": truth,
            "covered": covered,
            "rank": dense_ranks(value),
            "true_rank": dense_ranks(truth),
        }

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        value, truth = metric_state["value"], metric_state["truth"]
        error = value - truth
        spread = weighted_mean((truth - weighted_mean(truth, weights)) ** 2, weights)
        squared = weighted_mean(error**2, weights)
        ranks = [weighted_ranks(metric_state[name], weights) for name in ("rank", "true_rank")]
        return {
            "mae": weighted_mean(np.abs(error), weights),
            "rmse": math.sqrt(squared),
            "r2": 1 - squared / spread if spread > 0 else float("nan"),
            "spearman": weighted_correlation(ranks[0], ranks[1], weights),
            "coverage": weighted_mean(metric_state["covered"], weights),
        }

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        value, truth = metric_state["value"], metric_state["truth"]
        return np.abs(np.log(value) - np.log(truth)) if self.log else np.abs(value - truth)

    def suspicions(
        self, predictions: Sequence[Prediction], answers: Sequence[float], *, every: bool = False
    ) -> list[Suspicion]:
        """Those far from the prediction for the spread that others have there; see ``outliers``."""

        def scaled(values: Sequence[float]) -> np.ndarray:
            array = np.asarray(values, dtype=np.float64)
            return np.log(np.maximum(array, 1 / LARGEST)) if self.log else array

        middle = scaled([one["value"] for one in predictions])
        scores = outliers(scaled(answers) - middle, near=middle)
        return [
            Suspicion(
                row,
                self.format(answers[row]),
                self.format_prediction(predictions[row]),
                float(scores[row]),
                bool(scores[row] > 0.5),
                cells=self.correction(float(f"{predictions[row]['value']:.3g}")),
            )
            for row in np.flatnonzero(scores > (-1 if every else USUAL_SHARE)).tolist()
        ]

    def details(self, metric_state: MetricState) -> list[Detail]:
        unit = f" ({self.unit})" if self.unit else ""
        value, truth = metric_state["value"], metric_state["truth"]
        axes = f"truth{unit}", f"answer{unit}"
        return [Curve("Answers", *axes, truth, value, diagonal=True, line=False, log=self.log)]

    def brief(self, value: float) -> str:
        return f"±{value:.3g} {self.unit}".rstrip()

    def format(self, answer: float) -> str:
        return f"{answer:.4g} {self.unit}".rstrip()

    def format_prediction(self, prediction: Prediction) -> str:
        between = (
            "" if prediction["low"] is None else f" [{prediction['low']:.4g} – {prediction['high']:.4g}]"
        )
        return f"{prediction['value']:.4g} {self.unit}".rstrip() + between

    def state(self) -> dict[str, Any]:
        return {"middle": self._middle, "spread": self._spread, "reach": self._reach}

    def restore(self, state: Mapping[str, Any]) -> None:
        if self.log and abs(state["middle"]) > math.log(LARGEST):
            raise InvalidState(f"middle is {state['middle']:g}, which is no logarithm of an answer")
        self._middle, self._spread, self._reach = state["middle"], state["spread"], state["reach"]
