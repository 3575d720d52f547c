"""How reports, pages, drawings and tables show the answers of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from oneglance.report_items import ExplainedAnswer
from oneglance.task.predictions import Prediction, Predictions


class Presentation(Predictions):
    """Answers and predictions as text, on drawings, and as rows of a table of boxes."""

    @abstractmethod
    def format(self, answer: Any) -> str:
        """A typed answer as a person reads it."""

    @abstractmethod
    def format_prediction(self, prediction: Prediction) -> str:
        """A prediction as a person reads it."""

    def brief(self, value: float) -> str:
        """The primary metric as the progress bar shows it."""
        return f"{value:.3f}"

    def explained_answers(self, raw: np.ndarray) -> list[ExplainedAnswer]:
        """What a user sees of the answer to one picture, part by part, so that one may ask for each what it
        rests on. By default it is one part: whatever leads away from the constant baseline.

        Args:
            raw: the raw output [1, ...] for that picture.
        """
        usual = np.asarray(self.constant_raw(), dtype=np.float64)
        if usual.shape != raw.shape:
            return []
        away = np.asarray(raw, dtype=np.float64) - usual
        words = self.format_prediction(self.visible(self.decode(raw)[0]))
        return [
            ExplainedAnswer(words, lambda rows: (rows * away).reshape(len(rows), -1).sum(axis=1), away[0])
        ]

    def detections(self, prediction: Prediction) -> list[Prediction]:
        """What lies somewhere in the picture: ``{"box", "label", "confidence", "attributes"}``."""
        return []

    def overlays(self, answer: Any) -> list[tuple[Sequence[float], str, int]]:
        """What of a typed answer can be drawn: (box x0 y0 x1 y1, caption, number of its class); the first
        lie on top.
        """
        return []

    def predicted_overlays(self, prediction: Prediction) -> list[tuple[Sequence[float], str, int]]:
        """The same of a prediction."""
        return []

    @property
    def attribute_names(self) -> Collection[str]:
        """What else it asks of each of its detections."""
        return ()

    def detection_cells(self, label: str, attributes: Mapping[str, Any]) -> dict[str, str]:
        """What people say of one detection, as a row of a table of boxes holds it beside the edges.

        Args:
            label: its class.
            attributes: the answers to some of ``attribute_names``, each a word, a number or a list.

        Raises:
            InvalidAnswer: they are no answers of this task, or no cell can say them.
        """
        return {"label": label}

    def detection_rows(self, answer: Any) -> list[dict[str, str]]:
        """The detections of a typed answer, each as a row of a table of boxes with its edges."""
        return []

    def detection_keys(self) -> dict[str, str]:
        """Further keys, as TOML writes them, of a [[sources]] that reads such a table."""
        return {}
