"""Where each picture lies on a map of two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import numpy as np

from oneglance.errors import ConfigError, needs_extra
from oneglance.evaluation.baselines.clustering import principal_directions
from oneglance.features.reduction import evenly

LANDMARKS = 4_000  # pictures that t-SNE arranges; the others lie between those that are nearest
NEIGHBOURS = 3  # such nearest ones
PERPLEXITY = 30.0
JUDGED = 2_000  # pictures by which a map is judged
NEAR = 10  # neighbours of each of these


@dataclass(frozen=True)
class Projection:
    """``places`` float32 [n, 2], each column from 0 to 1; ``how`` says in words how they came about."""

    places: np.ndarray
    how: str
    trustworthiness: float | None  # Venna and Kaski 2001, from 0 to 1; None of very few pictures


def refuse_other_methods(method: str) -> None:
    """
    Raises:
        ConfigError: there is no such method.
        MissingExtraError: UMAP is not installed.
    """
    if method not in METHODS:
        raise ConfigError(f'"{method}" is no method', hint=f"choose {', '.join(METHODS)}")
    if method == "umap":
        with needs_extra("umap", "--method umap"):
            import_module("umap.umap_")


def projected(rows: np.ndarray, method: str) -> Projection:
    """
    Args:
        rows: float32 [n, k], see ``reduced``.
        method: ``tsne``, ``pca`` or ``umap``.

    Raises:
        ConfigError: no such method.
        MissingExtraError: UMAP is not installed.
    """
    refuse_other_methods(method)
    if len(rows) < 5:  # too few for neighbours to mean anything
        method = "pca"
    places, how = METHODS[method](rows)
    return Projection(_from_0_to_1(places), how, _trustworthiness(rows, places))


def _pca(rows: np.ndarray) -> tuple[np.ndarray, str]:
    places = np.zeros((len(rows), 2), np.float32)
    if np.ptp(rows, axis=0).any():
        flat = principal_directions(rows, 2).transform(rows)
        places[:, : flat.shape[1]] = flat
    return places, "the two principal directions of the features"


def _landmarks(
    arrange: Callable[[np.ndarray], np.ndarray], name: str, rows: np.ndarray
) -> tuple[np.ndarray, str]:
    """``arrange`` takes at most ``LANDMARKS`` rows to places; the others lie between their nearest ones."""
    chosen = evenly(len(rows), LANDMARKS)
    arranged = arrange(rows[chosen])
    if len(chosen) == len(rows):
        return arranged, name
    from sklearn.neighbors import NearestNeighbors

    distances, nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(rows[chosen]).kneighbors(rows)
    weights = 1 / np.maximum(distances, 1e-6) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    places = np.einsum("nk,nkd->nd", weights, arranged[nearest])
    places[chosen] = arranged
    how = f"{name} of {len(chosen):,} of them, evenly drawn; each other lies between its {NEIGHBOURS} nearest"
    return places.astype(np.float32), how


def _tsne(rows: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    spread = len(np.unique(rows, axis=0)) > 2 and rows.shape[1] > 1
    fitted = TSNE(2, perplexity=perplexity, init="pca" if spread else "random", random_state=0)
    return np.asarray(fitted.fit_transform(rows), np.float32)


def _umap(rows: np.ndarray) -> np.ndarray:
    from umap import UMAP

    fitted = UMAP(n_neighbors=min(15, len(rows) - 1), random_state=0, n_jobs=1)
    return np.asarray(fitted.fit_transform(rows), np.float32)


def _trustworthiness(rows: np.ndarray, places: np.ndarray) -> float | None:
    from sklearn.manifold import trustworthiness

    chosen = evenly(len(rows), JUDGED)
    if len(chosen) <= 2 * NEAR:
        return None
    return float(trustworthiness(rows[chosen], places[chosen], n_neighbors=NEAR))


def _from_0_to_1(places: np.ndarray) -> np.ndarray:
    """In one scale for both directions, in the middle of a square."""
    low, high = places.min(axis=0), places.max(axis=0)
    size = float((high - low).max()) or 1.0
    return np.asarray((places - (low + high) / 2) / size + 0.5, np.float32)


METHODS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, str]]] = {
    "tsne": partial(_landmarks, _tsne, "t-SNE"),
    "pca": _pca,
    "umap": partial(_landmarks, _umap, "UMAP"),
}
