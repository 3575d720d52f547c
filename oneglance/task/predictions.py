"""From the raw output of the network to predictions, the same for torch, ONNX and HTTP: NumPy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from oneglance.data.images.letterbox import Placement

Prediction = dict[str, Any]
"""One answer as ``predict`` writes it: plain values that JSON can hold."""


class Predictions(ABC):
    """Raw output is calibrated on the validation split and decoded."""

    def refuse_few_answers(  # noqa: B027 - most types ask for nothing
        self, training: Sequence[Any | None], validation: Sequence[Any | None], groups: Sequence[str]
    ) -> None:
        """Called before ``fit_target``.

        Args:
            training, validation: the answers of both splits.
            groups: of the validation pictures; "": independent of all others.

        Raises:
            DataError: the answers of the validation split are too few for what its table asks for.
        """

    @abstractmethod
    def calibrate(self, raw: np.ndarray, answers: Sequence[Any | None]) -> None:
        """Fit temperature, thresholds or interval on the validation split."""

    def fit_sets(  # noqa: B027 - most types have none
        self, raw: np.ndarray, answers: Sequence[Any | None], groups: Sequence[str]
    ) -> None:
        """After ``calibrate``: fit sets of answers with a promised coverage on the validation split, where
        there are answers enough.

        Args:
            groups: of each picture; "": it is independent of all others.
        """

    @abstractmethod
    def decode(self, raw: np.ndarray) -> list[Prediction]:
        """One answer per row of ``raw``, about the canvas."""

    def decode_visible(self, raw: np.ndarray) -> list[Prediction]:
        """The same for who asks for no more than is ``visible``: what that leaves out may be missing."""
        return self.decode(raw)

    def to_image(self, prediction: Prediction, placement: Placement) -> Prediction:
        """The inverse of ``to_canvas``: an answer about the canvas as one about the upright picture."""
        return prediction

    def visible(self, prediction: Prediction) -> Prediction:
        """What a user sees of it; the rest is for scores alone."""
        return prediction

    def uncertainty(self, predictions: Sequence[Prediction]) -> np.ndarray | None:
        """How unsure the network is of each prediction, float64 [n] in 0 to 1; None: the type cannot say."""
        return None

    @abstractmethod
    def constant_raw(self) -> np.ndarray:
        """The raw output [1, ...] of the constant baseline: the best answer without the picture."""

    def constant_baseline(self, count: int) -> list[Prediction]:
        """The constant baseline, ``count`` times."""
        return self.decode(self.constant_raw()) * count

    def example(self) -> Prediction:
        """A prediction with every part that one may have: they are the columns of a table of answers."""
        return {**self.decode(self.constant_raw())[0], **self.constant_baseline(1)[0]}
