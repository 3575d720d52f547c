"""Groups of pictures that the network sees alike, without a single answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from oneglance.errors import ConfigError, DataError
from oneglance.evaluation.baselines.clustering import MANY, k_means
from oneglance.features.reduction import evenly

COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40)  # of clusters that are tried where nobody names one
TRIED_ON = 2_000  # pictures on which they are compared
DENSE_ON = 5_000  # pictures among which dense regions are sought
DENSE_DIRECTIONS = 10  # in more of them, distances hardly differ and no region is denser than another
LEAST = 5  # pictures of a dense region, at least
SHARE = 0.005  # of all pictures, likewise


@dataclass(frozen=True)
class Clustering:
    """Which cluster each picture is in, numbered by size from 0, the largest first; -1: in none."""

    labels: np.ndarray  # int64 [n]
    distances: np.ndarray  # float32 [n]: from the middle of its cluster; NaN in none
    chosen_by: str  # how the number of clusters came about, in words
    silhouette: float | None  # of the clusters, from -1 to 1; None where it was not needed

    @property
    def count(self) -> int:
        return int(self.labels.max()) + 1

    def members(self, cluster: int) -> np.ndarray:
        """Rows of its pictures, the most typical first: those nearest to its middle."""
        rows = np.flatnonzero(self.labels == cluster)
        return rows[np.argsort(self.distances[rows], kind="stable")]


def clustered(rows: np.ndarray, method: str, count: int | None) -> Clustering:
    """
    Args:
        rows: float32 [n, k], see ``reduced``.
        method: ``kmeans`` or ``hdbscan``.
        count: of clusters; None: see ``METHODS``.

    Raises:
        ConfigError: no such method, or a number of clusters that it cannot give.
        DataError: too few pictures.
    """
    if method not in METHODS:
        raise ConfigError(f'"{method}" is no method', hint=f"choose {' or '.join(METHODS)}")
    if len(np.unique(rows, axis=0)) < 2:
        what = "one picture" if len(rows) == 1 else f"{len(rows):,} pictures that all look the same"
        raise DataError(f"{what} cannot be divided into clusters", hint="name more pictures")
    return METHODS[method](rows, count)


def _k_means(rows: np.ndarray, count: int | None) -> Clustering:
    """k-means on at most ``MANY`` pictures, evenly drawn; the others go to the nearest middle. Where nobody
    names a number, that of ``COUNTS`` with the largest mean silhouette (Rousseeuw 1987).
    """
    chosen_by, silhouette = "asked for", None
    different = len(np.unique(rows, axis=0))
    if count is not None and not 2 <= count <= different:
        raise ConfigError(
            f"{different:,} different pictures cannot be divided into {count:,} clusters",
            hint=f"ask for 2 to {different:,}, or leave the number out",
        )
    if count is None:
        count, silhouette = _best_count(rows, different)
        chosen_by = f"the largest mean silhouette, {silhouette:.2f}" if silhouette is not None else "so few"
    fitted = k_means(count).fit(rows[evenly(len(rows), MANY)])
    return _by_size(rows, fitted.predict(rows), chosen_by, silhouette)


def _best_count(rows: np.ndarray, different: int) -> tuple[int, float | None]:
    from sklearn.metrics import silhouette_score

    sample = rows[evenly(len(rows), TRIED_ON)]
    scores = {}
    for count in COUNTS:
        if count < min(different, len(sample)):
            labels = k_means(count).fit_predict(sample)
            if 1 < len(np.unique(labels)) < len(sample):
                scores[count] = float(silhouette_score(sample, labels))
    if not scores:
        return 2, None
    best = max(scores, key=lambda count: scores[count])
    return best, scores[best]


def _dense(rows: np.ndarray, count: int | None) -> Clustering:
    """HDBSCAN (Campello, Moulavi and Sander 2013) on at most ``DENSE_ON`` pictures, in their first
    directions: regions that are denser than what lies between them, as many as there are. Of the others, each
    is in the cluster of the nearest of these.
    """
    from sklearn.cluster import HDBSCAN
    from sklearn.neighbors import NearestNeighbors

    if count is not None:
        raise ConfigError("hdbscan finds the number of clusters itself", hint="leave --clusters out")
    chosen = evenly(len(rows), DENSE_ON)
    few = rows[:, :DENSE_DIRECTIONS]
    least = min(len(chosen), max(LEAST, round(SHARE * len(chosen))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of a default that later versions change
        labels = HDBSCAN(min_cluster_size=least).fit_predict(few[chosen])
    if len(chosen) < len(rows):
        _, neighbours = NearestNeighbors(n_neighbors=1).fit(few[chosen]).kneighbors(few)
        labels = labels[neighbours[:, 0]]
    if labels.max() < 0:
        raise DataError(
            f"no part of the {len(rows):,} pictures lies closer together than the rest",
            hint="divide them with --method kmeans",
        )
    return _by_size(rows, labels, f"every region with at least {least} pictures that is denser", None)


def _by_size(rows: np.ndarray, labels: np.ndarray, chosen_by: str, silhouette: float | None) -> Clustering:
    numbers, sizes = np.unique(labels[labels >= 0], return_counts=True)
    ordered = numbers[np.argsort(-sizes, kind="stable")]
    renumbered = np.full(len(rows), -1)
    distances = np.full(len(rows), np.nan, np.float32)
    for number, cluster in enumerate(ordered.tolist()):
        inside = labels == cluster
        renumbered[inside] = number
        middle = rows[inside].mean(axis=0, dtype=np.float64)
        distances[inside] = np.linalg.norm(rows[inside] - middle, axis=1)
    return Clustering(renumbered, distances, chosen_by, silhouette)


METHODS: dict[str, Callable[[np.ndarray, int | None], Clustering]] = {"kmeans": _k_means, "hdbscan": _dense}
