"""How unfamiliar a picture is: whether it lies farther from the training pictures than validation pictures
do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from oneglance.errors import ConfigError
from oneglance.inference.familiarity.spread import Spread, products
from oneglance.storage.run_files import MIDDLE

NEIGHBOURS = 5
SAME = 1e-4  # distances that differ by less are equal: engines round in their own ways
# Of the distance halfway up: as much would find new classes of a known kind less often, and other kinds of
# things hardly more often (measured: docs/performance.md).
WEIGHT = 0.5
ROWS = 256  # pictures that are compared with the whole sample at once
FALSE_ALARM = 0.05  # share of familiar pictures that may be called unknown, where nobody says another


class Halfway(NamedTuple):
    """How far features from halfway up lie from those of training pictures, and what is usual."""

    spread: Spread
    usual: np.ndarray  # float32 [4]: of validation pictures, mean and deviation of the distance at the top,
    # and of that halfway up

    @classmethod
    def learned(cls, spread: Spread, at_top: np.ndarray, halfway: np.ndarray) -> Self:
        """From the distances of the same validation pictures, float [v]."""
        usual = [value for each in (at_top, halfway) for value in (each.mean(), max(each.std(), SAME))]
        return cls(spread, np.array(usual, dtype=np.float32))

    def joined(self, at_top: np.ndarray, halfway: np.ndarray) -> np.ndarray:
        """Float32 [n]: both together, each in deviations from what is usual."""
        mean, deviation, other_mean, other_deviation = self.usual
        return (at_top - mean) / deviation + WEIGHT * ((halfway - other_mean) / other_deviation)

    def rounding(self) -> float:
        """How much of what is joined are distances that differ by ``SAME``."""
        return SAME * float(1 / self.usual[1] + WEIGHT / self.usual[3])

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The mirror of ``arrays``."""
        usual = np.asarray(arrays["usual"], dtype=np.float32)
        if usual.shape != (4,) or not np.isfinite(usual).all() or not (usual[1::2] > 0).all():
            raise ValueError("no usual distances")
        return cls(Spread.restored(arrays), usual)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is to be kept."""
        return {**self.spread._asdict(), "usual": self.usual}


class Novelty:
    """Distances of feature vectors, brought to length 1, from what the training pictures show. What is far,
    the validation split says: its pictures are as new to the network as any, and familiar.

    Long vectors: the part outside of the principal directions of the training pictures, as a length (the
    residual of ViM, Wang et al. 2022, arXiv 2203.10807, section 4, without its logits). A backbone that was
    trained on few classes pulls other pictures in among them, but not into their directions (measured:
    docs/performance.md). Short vectors, and those of few training pictures, have no such directions: deep
    nearest neighbours (Sun et al. 2022, arXiv 2204.06507), the distance to the ``NEIGHBOURS``-th nearest of
    a sample of training pictures. So do .onnx files of before.

    To this is added how far features from halfway up lie, where the backbone gives them (``Halfway``): what
    was learned there before is hardly changed by a training, and tells kinds of things apart of which the
    last features know nothing any more. Lee et al. 2018 (arXiv 1807.03888) joined layers in this way.
    """

    def __init__(
        self,
        sample: np.ndarray,
        familiar: np.ndarray,
        directions: np.ndarray | None = None,
        *,
        outside: bool = True,
        halfway: Halfway | None = None,
    ) -> None:
        """
        Args:
            sample: float [m, k], feature vectors of training pictures, brought to length 1 and then to the
                ``directions``; without these float [m, d], of any length unless they are float16.
            familiar: float [v], distances of validation pictures.
            directions: float [d, k], orthonormal columns; None: vectors are compared as they are.
            outside: with directions, the distance is what lies outside of them; else that of neighbours.
            halfway: what is added to it.
        """
        self.halfway = halfway
        self.outside = outside and directions is not None
        # Rounded before anything is compared with it, so that what is kept and read again gives the same.
        self.directions = None if directions is None else directions.astype(np.float32)
        whole = sample.dtype == np.float16 or directions is not None
        self.kept = (sample if whole else unit(sample)).astype(np.float16)
        self.sample = unit(self.kept) if directions is None else self.kept.astype(np.float32)
        self.familiar = np.sort(familiar.astype(np.float32))
        self._same = SAME if halfway is None else halfway.rounding()

    @classmethod
    def learned(
        cls,
        training: np.ndarray,
        validation: np.ndarray,
        directions: np.ndarray | None = None,
        middle: Mapping[str, np.ndarray] | None = None,
    ) -> Novelty:
        """From feature vectors of both parts, float [m, k] and [v, k], brought to length 1 and then to the
        ``directions`` where there are any. Validation vectors of run folders of before are float16, too
        coarse to say how little lies outside: they are compared with neighbours, as they were.

        Args:
            middle: the arrays of a ``Spread`` of features from halfway up, and ``validation``, float [v]:
                the distances of the same validation pictures in it.
        """
        fresh = cls(training, np.zeros(0), directions, outside=validation.dtype != np.float16)
        nearest = fresh._distances(validation if directions is not None else unit(validation))
        halfway = None
        if middle is not None:
            halfway = Halfway.learned(Spread.restored(middle), nearest, middle["validation"])
            nearest = halfway.joined(nearest, middle["validation"])
        return cls(fresh.kept, nearest, directions, outside=fresh.outside, halfway=halfway)

    def with_familiar(self, vectors: np.ndarray, middle: np.ndarray | None = None) -> Novelty:
        """The same sample, with the distances of other validation vectors: those of an engine that rounds
        in its own way, for one; see ``distances``.
        """
        familiar = self.distances(vectors, middle)
        return Novelty(self.kept, familiar, self.directions, outside=self.outside, halfway=self.halfway)

    def distances(self, vectors: np.ndarray, middle: np.ndarray | None = None) -> np.ndarray:
        """Float32 [n]: from 0 to 2, or to 1 outside of directions, or a sum of deviations with ``halfway``.

        Args:
            vectors: float [n, d], the shared features.
            middle: float [n, m], those from halfway up, which ``halfway`` needs.

        Raises:
            ValueError: these are not there.
        """
        at_top = self._distances(products(unit(vectors), self.directions))
        if self.halfway is None:
            return at_top
        if middle is None:
            raise ValueError("the network has no features from halfway up")
        return self.halfway.joined(at_top, self.halfway.spread.distances(middle))

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

    def unfamiliar(self, vectors: np.ndarray, middle: np.ndarray | None = None) -> np.ndarray:
        """Float64 [n]: the share of validation pictures that lie nearer, from 0 to 1; see ``distances``."""
        nearer = np.searchsorted(self.familiar, self.distances(vectors, middle) - self._same)
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
        halfway = {name[len(MIDDLE) :]: each for name, each in arrays.items() if name.startswith(MIDDLE)}
        return cls(
            sample,
            familiar,
            directions,
            outside="outside" in arrays,
            halfway=Halfway.restored(halfway) if halfway else None,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is to be kept: ``sample`` float16 [m, k], ``familiar`` float32 [v] and, of long vectors,
        ``directions`` float32 [d, k], and ``outside``, float32 [1], where distances are those outside of
        them. Of the sample these need one row. With ``halfway`` its arrays too, ``middle mean`` and so on.
        """
        sample = self.kept[:1] if self.outside else self.kept
        kept: dict[str, np.ndarray] = {"sample": sample, "familiar": self.familiar}
        if self.directions is not None:
            kept["directions"] = self.directions
        if self.outside:
            kept["outside"] = np.ones(1, dtype=np.float32)
        if self.halfway is not None:
            kept |= {MIDDLE + name: each for name, each in self.halfway.arrays().items()}
        return kept


def unit(vectors: np.ndarray) -> np.ndarray:
    """Float32, each row of length 1; a row of zeros stays."""
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
