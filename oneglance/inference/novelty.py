"""How unfamiliar a picture is: whether it lies farther from the training pictures than others did."""

from __future__ import annotations

from typing import Any

import numpy as np

from oneglance.errors import ConfigError

NEIGHBOURS = 5
SAME = 1e-4  # distances that differ by less are equal: engines round in their own ways
ROWS = 256  # pictures that are compared with the whole sample at once
# Pictures, at most, that are compared without BLAS: its threads keep turning for a while after such a product
# and take the processors from the next pass, which can then take ten times as long.
FEW = 4
FALSE_ALARM = 0.01  # share of familiar pictures that may be called unknown


class Novelty:
    """Deep nearest neighbours (Sun et al. 2022, arXiv 2204.06507): the distance of a picture's feature
    vector, brought to length 1, to the ``NEIGHBOURS``-th nearest of a sample of training pictures. What is
    far, the validation split shows: its pictures are as new to the network as any, and familiar.
    """

    def __init__(self, sample: np.ndarray, familiar: np.ndarray) -> None:
        """
        Args:
            sample: float [m, d], feature vectors of training pictures; float16 ones are of length 1.
            familiar: float [v], distances of validation pictures.
        """
        # Rounded before anything is compared with it, so that what is kept and read again gives the same.
        self.kept = sample if sample.dtype == np.float16 else unit(sample).astype(np.float16)
        self.sample = unit(self.kept)
        self.familiar = np.sort(familiar.astype(np.float32))

    @classmethod
    def learned(cls, training: np.ndarray, validation: np.ndarray) -> Novelty:
        """From feature vectors of both parts, float [m, d] and [v, d]."""
        fresh = cls(training, np.zeros(0))
        return fresh.with_familiar(validation)

    def with_familiar(self, validation: np.ndarray) -> Novelty:
        """The same sample, with the distances of other validation vectors [v, d]: those of an engine that
        rounds in its own way, for one.
        """
        return Novelty(self.kept, self.distances(validation))

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Float32 [n], from 0 to 2, of feature vectors [n, d]."""
        near = min(NEIGHBOURS, len(self.sample))
        distances = np.zeros(len(vectors), dtype=np.float32)
        for start in range(0, len(vectors), ROWS):
            cosines = self._cosines(unit(vectors[start : start + ROWS]))
            nth = np.partition(cosines, -near, axis=1)[:, -near]
            distances[start : start + ROWS] = np.sqrt(np.clip(2 - 2 * nth, 0, 4))
        return distances

    def _cosines(self, vectors: np.ndarray) -> np.ndarray:
        """Float32 [n, m], of vectors [n, d] of length 1."""
        if len(vectors) <= FEW:
            return np.stack([np.einsum("md,d->m", self.sample, vector) for vector in vectors])
        return vectors @ self.sample.T

    def unfamiliar(self, vectors: np.ndarray) -> np.ndarray:
        """Float64 [n]: the share of validation pictures that lie nearer, from 0 to 1."""
        nearer = np.searchsorted(self.familiar, self.distances(vectors) - SAME)
        return nearer / len(self.familiar)

    def is_unknown(self, unfamiliar: np.ndarray, false_alarm: float) -> np.ndarray:
        """Bool [n], from what ``unfamiliar`` gave: at most the share ``false_alarm`` of familiar pictures is
        called unknown, on average over validation splits (the rank test of conformal prediction: Laxhammar
        and Falkman 2010). With fewer than 1 / false_alarm - 1 validation pictures none is.
        """
        count = len(self.familiar)
        as_far = count - np.rint(unfamiliar * count)
        return (as_far + 1) / (count + 1) <= false_alarm

    def refuse(self, false_alarm: float) -> None:
        """
        Raises:
            ConfigError: no share, or one too small for so few validation pictures.
        """
        if not 0 < false_alarm < 1:
            raise ConfigError(f"a share of false alarms is between 0 and 1, not {false_alarm:g}")
        count = len(self.familiar)
        if false_alarm * (count + 1) < 1:
            raise ConfigError(
                f"{count:,} validation pictures cannot resolve a share of false alarms of {false_alarm:g}",
                hint=f"choose {np.ceil(1000 / (count + 1)) / 1000:g} or more",
            )

    @classmethod
    def restored(cls, arrays: Any) -> Novelty:
        """The mirror of ``arrays``.

        Raises:
            ValueError: they are no such thing.
        """
        sample, familiar = arrays["sample"], arrays["familiar"]
        whole = sample.ndim == 2 and familiar.ndim == 1 and all(map(len, (sample, familiar)))
        if not (whole and np.isfinite(sample).all() and np.isfinite(familiar).all()):
            raise ValueError("no sample of feature vectors")
        return cls(sample, familiar)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is to be kept: ``sample`` float16 [m, d] and ``familiar`` float32 [v]."""
        return {"sample": self.kept, "familiar": self.familiar}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Float32, each row of length 1; a row of zeros stays."""
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
