"""Which tags of people are probably wrong or missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oneglance.data.merging.merge_answers import is_queried
from oneglance.metrics.label_errors import doubted_labels
from oneglance.metrics.suspicion import Suspicion
from oneglance.task import Prediction
from oneglance.tasks.tags.annotations import TagAnnotations


def suspicions(
    predictions: Sequence[Prediction],
    answers: Sequence[TagAnnotations],
    text: Callable[[TagAnnotations], str],
    cells: Callable[[TagAnnotations], dict[str, str] | None],
    every: bool = False,
) -> list[Suspicion]:
    """Each tag as a label of two classes, see ``doubted_labels``; one suspicion for a picture, as doubtful as
    its most doubtful tag.

    Args:
        text: of an answer, as a person reads it.
        cells: of an answer, what a table says of it.
    """
    words = sorted({tag for one in predictions for tag in one["probabilities"]})
    doubts, chances = np.zeros((2, len(answers), len(words)))
    likely = np.zeros(doubts.shape, dtype=bool)
    for column, tag in enumerate(words):
        asked = np.array([is_queried(tag, answer.queried) for answer in answers], dtype=bool)
        yes = np.array([tag in answer.present for answer in answers], dtype=np.int64)[asked]
        own = np.array([one["probabilities"].get(tag, 0.0) for one in predictions])
        chances[:, column] = own
        both = np.stack([1 - own[asked], own[asked]], axis=1)
        _, scores, likely[asked, column] = doubted_labels(both, yes)
        doubts[asked, column] = scores
    suspicions = []
    for row in np.flatnonzero(doubts.max(axis=1, initial=0) > (0 if every else 0.5)).tolist():
        answer, order = answers[row], np.argsort(-doubts[row], kind="stable").tolist()
        doubted = [column for column in order if doubts[row, column] > 0.5] or order[:1]
        wrong = {words[column]: chances[row, column] for column in doubted}
        other = answer._replace(present=answer.present ^ set(wrong))
        reasons = [
            f"{tag} is {'too much' if tag in answer.present else 'missing'} ({chance:.0%})"
            for tag, chance in wrong.items()
        ]
        score, sure = float(doubts[row].max()), bool(likely[row].any())
        suspicions.append(
            Suspicion(row, text(answer), text(other), score, sure, ", ".join(reasons), cells(other))
        )
    return suspicions
