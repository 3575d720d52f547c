"""Clustering: how far the classes lie apart by themselves, without a single answer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture

from oneglance.evaluation.baselines.image_features import Rows
from oneglance.task import Task

DIRECTIONS = 50  # principal ones, in which clusters are sought
MANY = 20_000  # training pictures that clusters are found in, at most


def single_classes(task: Task, answers: Sequence[Any | None]) -> list[str] | None:
    """The class of every answer, "" where it is not labelled; None for a task that has not one class each."""
    labels = [() if answer is None else tuple(task.stratify_labels(answer)) for answer in answers]
    whole = all(
        len(classes) == 1 for classes, answer in zip(labels, answers, strict=True) if answer is not None
    )
    return [classes[0] if classes else "" for classes in labels] if whole and any(labels) else None


def clusters(rows: Rows, train: Sequence[str], test: Sequence[str]) -> dict[str, dict[str, float | int]]:
    """k-means and a Gaussian mixture with as many clusters as the training split has classes.

    Clusters are matched to classes on the training split, one to one (Hungarian method), and scored on the
    test split: ``accuracy``, ``nmi``, ``ari`` and ``n`` pictures. The usual matching on the scored pictures
    themselves looks a little better.
    """
    names = sorted(set(train) - {""})
    fitted = principal_directions(rows.train)
    x, y = fitted.transform(rows.train)[:: -(-len(rows.train) // MANY)], fitted.transform(rows.test)
    classes_of_train = list(train)[:: -(-len(rows.train) // MANY)]
    count = min(len(names), len(x))
    methods = {
        "k-means": k_means(count),
        "Gaussian mixture": GaussianMixture(count, covariance_type="diag", reg_covar=1e-3, random_state=0),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where it got to by then is what is scored
        return {
            name: matched(names, method.fit(x).predict(x), classes_of_train, method.predict(y), test)
            for name, method in methods.items()
        }


def principal_directions(vectors: np.ndarray, most: int = DIRECTIONS) -> PCA:
    """At most so many, fitted to float [n, d]."""
    return PCA(min(most, *vectors.shape), random_state=0).fit(vectors)


def k_means(count: int) -> KMeans:
    """The same clusters each time: the best of four starts."""
    return KMeans(count, n_init=4, random_state=0)


def matched(
    names: Sequence[str],
    predicted: np.ndarray,
    classes_of_train: Sequence[str],
    scored: np.ndarray,
    truth: Sequence[str],
) -> dict[str, float | int]:
    """Match the clusters ``predicted`` to ``classes_of_train``, then score ``scored`` by ``truth``;
    "" is unknown and does not count.
    """
    index = {name: column for column, name in enumerate(names)}
    counts = np.zeros((max(len(names), int(predicted.max()) + 1, int(scored.max()) + 1), len(names)))
    for cluster, name in zip(predicted.tolist(), classes_of_train, strict=True):
        if name:
            counts[cluster, index[name]] += 1
    class_of = dict(zip(*(places.tolist() for places in linear_sum_assignment(-counts)), strict=True))
    labelled = [row for row, name in enumerate(truth) if name]
    clusters, classes = scored[labelled].tolist(), [truth[row] for row in labelled]
    right = [
        class_of.get(cluster, -1) == index.get(name, -2)
        for cluster, name in zip(clusters, classes, strict=True)
    ]
    return {
        "accuracy": float(np.mean(right)) if labelled else float("nan"),
        "nmi": float(normalized_mutual_info_score(classes, clusters)) if labelled else float("nan"),
        "ari": float(adjusted_rand_score(classes, clusters)) if labelled else float("nan"),
        "n": len(labelled),
    }
