"""Which labels of people are probably wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oneglance.metrics.label_errors import doubted_labels
from oneglance.metrics.suspicion import Suspicion
from oneglance.task import Prediction


def suspicions(
    predictions: Sequence[Prediction],
    answers: Sequence[str],
    cells: Callable[[str], dict[str, str] | None],
    every: bool = False,
) -> list[Suspicion]:
    """See ``doubted_labels``.

    Args:
        cells: of a class, what a table says of it.
    """
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
            cells=cells(words[proposed[row]]),
        )
        for row in np.flatnonzero(scores > (-1 if every else 0.5)).tolist()
    ]
