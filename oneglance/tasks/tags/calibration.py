"""From the raw output of tags to probabilities, and from which probability on a tag applies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oneglance.metrics.calibration import likely_offsets
from oneglance.vector_task import fit_temperature, log_sigmoid, sigmoid

FEWEST = 10  # answers, of fewer nothing is learned


@dataclass(frozen=True)
class TagCalibration:
    """A tag has the probability sigmoid(raw / temperature + offset), and applies from its threshold on."""

    temperatures: tuple[float, ...] = ()  # by tag, as all others
    offsets: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()

    @classmethod
    def usual(cls, offsets: np.ndarray) -> TagCalibration:
        """Before anything is calibrated."""
        return cls((1.0,) * len(offsets), tuple(offsets.tolist()), tuple(sigmoid(offsets).tolist()))

    def chances(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities, float64 [n, tags]."""
        scaled = np.asarray(raw, dtype=np.float64) / np.array(self.temperatures)
        return sigmoid(scaled + np.array(self.offsets))

    def raw(self, chances: np.ndarray) -> np.ndarray:
        """The raw output, float64 [n, tags], that has these ``chances``, each inside of 0 and 1."""
        return np.array(self.temperatures) * (np.log(chances) - np.log1p(-chances) - np.array(self.offsets))

    def first(self, count: int) -> TagCalibration:
        return TagCalibration(self.temperatures[:count], self.offsets[:count], self.thresholds[:count])

    def last(self, count: int) -> TagCalibration:
        return TagCalibration(self.temperatures[-count:], self.offsets[-count:], self.thresholds[-count:])

    def followed_by(self, other: TagCalibration) -> TagCalibration:
        """Of these tags and then of those."""
        return TagCalibration(
            self.temperatures + other.temperatures,
            self.offsets + other.offsets,
            self.thresholds + other.thresholds,
        )

    def fitted(
        self,
        raw: np.ndarray,
        present: np.ndarray,
        labelled: np.ndarray,
        shares: Sequence[float],
        usual: np.ndarray,
    ) -> TagCalibration:
        """Platt scaling (Platt 1999) with one slope for all tags and an offset for each, which stays near
        the usual one where few pictures have the tag. This one where there are too few answers.

        Args:
            raw: float [n, tags].
            present: float64 [n, tags], 1 where a picture has the tag.
            labelled: bool [n, tags], where anybody answered.
            shares: of the training split, by tag.
            usual: float64 [tags], offsets.
        """
        if labelled.sum() < FEWEST:
            return self
        raw = np.asarray(raw, dtype=np.float64)
        # One more picture that has the tag as often as any, so that few mistakes do not become none for ever
        # (Platt's section 2.2 has one that nobody could answer).
        count = labelled.sum(axis=0)
        hoped = (present * count + np.array(shares)) / (count + 1)

        def loss(temperature: float) -> float:
            offsets, unlikely = likely_offsets(raw / temperature, hoped, labelled, usual)
            x = raw / temperature + offsets
            logs = hoped * log_sigmoid(x) + (1 - hoped) * log_sigmoid(-x)
            return float((unlikely - logs[labelled].sum()) / labelled.sum())

        temperature = fit_temperature(loss)
        offsets = likely_offsets(raw / temperature, hoped, labelled, usual)[0]
        chances = sigmoid(raw / temperature + offsets)
        thresholds = [
            best_threshold(chances[asked, tag], present[asked, tag], least)
            for tag, (asked, least) in enumerate(zip(labelled.T, sigmoid(usual), strict=True))
        ]
        return TagCalibration((temperature,) * len(offsets), tuple(offsets.tolist()), tuple(thresholds))


def best_threshold(chances: np.ndarray, present: np.ndarray, usual: float = 0.5) -> float:
    """The threshold with the highest F1, halfway between two neighbouring probabilities; the ``usual`` one
    where fewer than five pictures have the tag or five do not, too few to choose by.
    """
    if min(present.sum(), (1 - present).sum()) < 5:
        return float(usual)
    order = np.argsort(-chances, kind="stable")
    ranked = chances[order]
    hits = np.cumsum(present[order])
    scores = 2 * hits / (np.arange(1, len(ranked) + 1) + present.sum())
    scores[:-1][ranked[:-1] == ranked[1:]] = -1  # a threshold cannot part equal probabilities
    best = int(np.argmax(scores))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
