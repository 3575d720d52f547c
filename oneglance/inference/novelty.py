"""How unfamiliar a picture is: whether it lies farther from the training pictures than validation pictures
do."""

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
FALSE_ALARM = 0.05  # share of familiar pictures that may be called unknown, where nobody says another


class Novelty:
    """Distances of feature vectors, brought to length 1, from what the training pictures show. What is far,
    the validation split says: its pictures are as new to the network as any, and familiar.

    Long vectors: the part outside of the principal directions of the training pictures, as a length (the
    residual of ViM, Wang et al. 2022, arXiv 2203.10807, section 4, without its logits). A backbone that was
    trained on few classes pulls other pictures in among them, but not into their directions (measured:
    docs/performance.md). Short vectors, and those of few training pictures, have no such directions: deep
    nearest neighbours (Sun et al. 2022, arXiv 2204.06507), the distance to the ``NEIGHBOURS``-th nearest of
    a sample of training pictures. So do .onnx files of before.
    """

    def __init__(
        self,
        sample: np.ndarray,
        familiar: np.ndarray,
        directions: np.ndarray | None = None,
        *,
        outside: bool = True,
    ) -> None:
        """
        Args:
            sample: float [m, k], feature vectors of training pictures, brought to length 1 and then to the
                ``directions``; without these float [m, d], of any length unless they are float16.
            familiar: float [v], distances of validation pictures.
            directions: float [d, k], orthonormal columns; None: vectors are compared as they are.
            outside: with directions, the distance is what lies outside of them; else that of neighbours.
        """
        self.outside = outside and directions is not None
        # Rounded before anything is compared with it, so that what is kept and read again gives the same.
        self.directions = None if directions is None else directions.astype(np.float32)
        whole = sample.dtype == np.float16 or directions is not None
        self.kept = (sample if whole else unit(sample)).astype(np.float16)
        self.sample = unit(self.kept) if directions is None else self.kept.astype(np.float32)
        self.familiar = np.sort(familiar.astype(np.float32))

    @classmethod
    def learned(
        cls, training: np.ndarray, validation: np.ndarray, directions: np.ndarray | None = None
    ) -> Novelty:
        """From feature vectors of both parts, float [m, k] and [v, k], brought to length 1 and then to the
        ``directions`` where there are any. Validation vectors of run folders of before are float16, too
        coarse to say how little lies outside: they are compared with neighbours, as they were.
        """
        fresh = cls(training, np.zeros(0), directions, outside=validation.dtype != np.float16)
        nearest = fresh._distances(validation if directions is not None else unit(validation))
        return cls(fresh.kept, nearest, directions, outside=fresh.outside)

    def with_familiar(self, validation: np.ndarray) -> Novelty:
        """The same sample, with the distances of other validation vectors [v, d]: those of an engine that
        rounds in its own way, for one.
        """
        return Novelty(self.kept, self.distances(validation), self.directions, outside=self.outside)

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Float32 [n], from 0 to 2, or to 1 outside of directions, of feature vectors [n, d]."""
        return self._distances(products(unit(vectors), self.directions))

    def _distances(self, vectors: np.ndarray) -> np.ndarray:
        """Of vectors [n, k] as the sample has them."""
        vectors = np.asarray(vectors, np.float32)
        if self.outside:
            inside = (vectors.astype(np.float64) ** 2).sum(axis=1)
            return np.asarray(np.sqrt(np.clip(1 - inside, 0, 1)), dtype=np.float32)
        near = min(NEIGHBOURS, len(self.sample))
        distances = np.zeros(len(vectors), dtype=np.float32)
        for start in range(0, len(vectors), ROWS):
            cosines = products(vectors[start : start + ROWS], self.sample.T)
            nth = np.partition(cosines, -near, axis=1)[:, -near]
            distances[start : start + ROWS] = np.sqrt(np.clip(2 - 2 * nth, 0, 4))
        return distances

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
        sample, familiar, directions = arrays["sample"], arrays["familiar"], arrays.get("directions")
        whole = sample.ndim == 2 and familiar.ndim == 1 and all(map(len, (sample, familiar)))
        if directions is not None:
            whole = whole and directions.ndim == 2 and directions.shape[1] == sample.shape[1]
            whole = whole and bool(np.isfinite(directions).all())
        if not (whole and np.isfinite(sample).all() and np.isfinite(familiar).all()):
            raise ValueError("no sample of feature vectors")
        return cls(sample, familiar, directions, outside="outside" in arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is to be kept: ``sample`` float16 [m, k], ``familiar`` float32 [v] and, of long vectors,
        ``directions`` float32 [d, k], and ``outside``, float32 [1], where distances are those outside of
        them. Of the sample these need one row.
        """
        if self.directions is None:
            return {"sample": self.kept, "familiar": self.familiar}
        sample = self.kept[:1] if self.outside else self.kept
        kept: dict[str, np.ndarray] = {"sample": sample, "familiar": self.familiar}
        marked = {"outside": np.ones(1, dtype=np.float32)} if self.outside else {}
        return {**kept, "directions": self.directions, **marked}


def products(vectors: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Float32 [n, k], of vectors [n, d] and a matrix [d, k]; without one the vectors themselves."""
    if matrix is None:
        return vectors
    if len(vectors) <= FEW:
        return np.stack([np.einsum("dk,d->k", matrix, vector) for vector in vectors])
    return vectors @ matrix


def unit(vectors: np.ndarray) -> np.ndarray:
    """Float32, each row of length 1; a row of zeros stays."""
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
