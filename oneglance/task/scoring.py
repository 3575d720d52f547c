"""How good predictions are: metrics, what the report shows of them, and answers that they make doubtful."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from oneglance.metrics.label_errors import outliers
from oneglance.metrics.suspicion import Suspicion
from oneglance.report_items import Detail
from oneglance.task.predictions import Prediction
from oneglance.task.presentation import Presentation

MetricState = dict[str, Any]
"""What metrics need of the labelled pictures, computed once, for metrics are computed for many resamples."""


class Scoring(Presentation):
    """Metrics of predictions against answers, and what follows from them."""

    primary_metric: ClassVar[str]  # decides between epochs and networks; one of metrics()
    best: ClassVar[float] = 1.0  # its value when every answer is right
    meaning: ClassVar[Mapping[str, str]] = {}  # what each metric says, in a few words for the report
    # Metrics free of the noise of few pictures, for which a copy of a picture is no further picture: weights
    # say how often a picture was drawn, not how many pictures there are.
    debiased_metrics: ClassVar[frozenset[str]] = frozenset()

    @property
    def metric_unit(self) -> str:
        """The unit of its primary metric, such as g; "" where it has none."""
        return ""

    @abstractmethod
    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[Any]) -> MetricState:
        """What metrics() needs, for labelled pictures."""

    @abstractmethod
    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        """Every metric of this type, each picture counted ``weights`` times (float64 [n], at least one
        above 0); NaN where undefined. Cheap: called once per bootstrap resample.
        """

    @abstractmethod
    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        """float64 [n]: how wrong each answer is; larger is worse."""

    def skill(self, value: float, constant: float) -> float:
        """The primary metric relative to the constant baseline: 0 is the baseline, 1 is perfect."""
        room = self.best - constant
        return (value - constant) / room if room else 0.0

    def calibration(self, metric_state: MetricState) -> dict[str, dict[str, float]]:
        """Metrics of its confidence before and after ``calibrate``; none where the type has no confidence."""
        return {}

    def details(self, metric_state: MetricState) -> list[Detail]:
        """What the report shows besides the metrics."""
        return []

    def suspicions(
        self, predictions: Sequence[Prediction], answers: Sequence[Any], *, every: bool = False
    ) -> list[Suspicion]:
        """Those answers that are probably wrong.

        A type that brings no method of its own doubts the answers whose error lies apart from all others.

        Args:
            predictions: of networks that have not learned from these answers, about the upright pictures,
                with all that ``metric_state`` needs; of this task as it was fitted for each network.
            answers: about the same pictures, each known.
            every: one for each answer, however likely it is right; not of a type with places.
        """
        errors = self.sample_errors(self.metric_state(predictions, answers))
        scores = outliers(np.asarray(errors, dtype=np.float64))
        above = errors > (-np.inf if every else np.median(errors)) if len(errors) else errors
        return [
            Suspicion(
                row,
                self.format(answers[row]),
                self.format_prediction(self.visible(predictions[row])),
                float(scores[row]),
                bool(scores[row] > 0.5),
            )
            for row in np.flatnonzero(above).tolist()
        ]
