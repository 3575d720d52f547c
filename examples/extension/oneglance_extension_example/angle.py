"""angle: in which direction, such as that of a gauge's needle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import PrivateAttr

from oneglance.errors import DataError, InvalidAnswer
from oneglance.storage.task_state import Amount, Form, LearnedState
from oneglance.task import MetricState, Prediction, Target
from oneglance.vector_task import VectorTask, labelled_rows

if TYPE_CHECKING:
    from torch import Tensor


class LearnedAngle(LearnedState):
    """What an angle has learned: whatever lies in a run folder must have this form."""

    mean: Amount
    error: Amount | None


class Angle(VectorTask):
    """An angle in degrees. 359 and 1 are two apart, so the network learns the direction of a point."""

    zero: float = 0.0  # degrees that count as 0, such as where a scale begins

    _mean: float = PrivateAttr(0.0)  # direction of the training split
    _error: float | None = PrivateAttr(None)  # mean on the validation split, in degrees

    learned: ClassVar[Form] = LearnedAngle
    primary_metric: ClassVar[str] = "mae"
    best: ClassVar[float] = 0.0
    meaning: ClassVar[Mapping[str, str]] = {
        "mae": "mean angle between truth and answer, in degrees; smaller is better",
        "within_10": "share of answers that are less than 10 degrees away",
    }

    # From raw values of a source to arrays.

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> float | None:
        if self.is_unknown(raw_value):
            return None
        try:
            degrees = float(raw_value)
        except (TypeError, ValueError):
            raise InvalidAnswer(f'is "{raw_value}"', "write degrees such as 270") from None
        if not np.isfinite(degrees):
            raise InvalidAnswer(f'is "{raw_value}"', "write a finite number of degrees")
        return degrees % 360

    def fit_target(self, answers: Sequence[float]) -> None:
        if not answers:
            raise DataError("the training split has no answer", location=self.name)
        self._mean = float(_degrees(_points(answers).mean(axis=0, keepdims=True))[0])

    def encode(self, answers: Sequence[float | None]) -> Target:
        labelled = np.array([answer is not None for answer in answers], dtype=np.float32)
        return {"point": _points([answer or 0.0 for answer in answers]), "labelled": labelled}

    # The network.

    @property
    def width(self) -> int:
        return 2

    def loss(self, raw: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        import torch.nn.functional as F

        return 1 - (F.normalize(raw.float()) * target["point"]).sum(dim=1), target["labelled"]

    def constant_raw(self) -> np.ndarray:
        return _points([self._mean])

    # From raw output to answers and scores; NumPy only.

    def calibrate(self, raw: np.ndarray, answers: Sequence[float | None]) -> None:
        raw, labelled = labelled_rows(raw, answers)
        apart = _apart(_degrees(raw), np.asarray(labelled, dtype=np.float64))
        self._error = float(apart.mean()) if len(apart) else None

    def decode(self, raw: np.ndarray) -> list[Prediction]:
        degrees = (_degrees(np.asarray(raw, dtype=np.float64)) - self.zero) % 360
        return [{"degrees": one, "error": self._error} for one in degrees.tolist()]

    def metric_state(self, predictions: Sequence[Prediction], answers: Sequence[float]) -> MetricState:
        predicted = np.array([prediction["degrees"] for prediction in predictions], dtype=np.float64)
        return {"apart": _apart(predicted + self.zero, np.asarray(answers, dtype=np.float64))}

    def metrics(self, metric_state: MetricState, weights: np.ndarray) -> dict[str, float]:
        apart = metric_state["apart"]
        return {
            "mae": float(np.average(apart, weights=weights)),
            "within_10": float(np.average(apart < 10, weights=weights)),
        }

    def sample_errors(self, metric_state: MetricState) -> np.ndarray:
        return np.asarray(metric_state["apart"])

    # For people.

    def brief(self, value: float) -> str:
        return f"±{value:.3g}°"

    def format(self, answer: float) -> str:
        return f"{(answer - self.zero) % 360:.4g}°"

    def format_prediction(self, prediction: Prediction) -> str:
        error = prediction["error"]
        return f"{prediction['degrees']:.4g}°" + ("" if error is None else f" ± {error:.2g}°")

    # What is kept in the run folder.

    def state(self) -> dict[str, Any]:
        return {"mean": self._mean, "error": self._error}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._mean, self._error = state["mean"], state["error"]


def _points(degrees: Sequence[float]) -> np.ndarray:
    """float32 [n, 2] on the unit circle."""
    angle = np.radians(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def _degrees(points: np.ndarray) -> np.ndarray:
    """The directions of points [n, 2], in 0 to 360."""
    return np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Degrees between directions, 0 to 180."""
    return np.abs((one - other + 180) % 360 - 180)
