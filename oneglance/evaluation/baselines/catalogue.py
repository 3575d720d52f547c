"""What a careful person would have tried before a network: the same pictures, the same answers, the same
scores. Nothing here knows what type a task is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.random_projection import GaussianRandomProjection

from oneglance.evaluation.baselines import image_features
from oneglance.evaluation.baselines.clustering import clusters, single_classes
from oneglance.evaluation.baselines.estimators import Fitted, Known, boosted, head, nearest
from oneglance.evaluation.baselines.image_features import Rows
from oneglance.evaluation.baselines.sliding_window import sliding
from oneglance.evaluation.comparison.experiment_data import ExperimentData
from oneglance.progress import Screen
from oneglance.task import Task
from oneglance.vector_task import VectorTask

HIDDEN = (256,)  # of the multi-layer perceptron
WINDOWS = "sliding windows, linear"
DIRECTIONS = 50  # that a reduction leaves

Fit = Callable[[Known, Rows], Fitted]


@dataclass
class Baseline:
    """One way to answer one task."""

    name: str  # "PCA of pixels, neighbours"
    family: str  # the word of --only
    task: str
    fitted: Fitted
    seconds: float


def baselines(
    experiment: ExperimentData, views: Views, families: Sequence[str], screen: Screen
) -> Iterator[Baseline]:
    """Every baseline of ``families`` for every task but those that learn from seeing a picture twice. Rows of
    numbers answer what has no place, sliding windows what has one.
    """
    ways = [(family, *way) for family in families for way in WAYS.get(family, ())]
    known = {
        name: Known(task, experiment.train.answers(name), experiment.validation.answers(name))
        for name, task in experiment.tasks.items()
        if not task.is_spatial and task.views == 1
    }
    for done, (family, name, view, fit) in enumerate(ways, 1):
        screen.progress(done, len(ways), f"baselines: {name}")
        for task, said in known.items():
            began = time.perf_counter()
            rows = views.of(view, said)
            fitted = None if rows is None else fit(said, rows)
            if fitted is not None:
                yield Baseline(name, family, task, fitted, time.perf_counter() - began)
    if "classical" in families:
        yield from _with_places(experiment, screen)


def _with_places(experiment: ExperimentData, screen: Screen) -> Iterator[Baseline]:
    for name, task in experiment.tasks.items():
        if not task.is_spatial:
            continue
        screen.progress(1, 1, f"baselines: {WINDOWS}")
        began = time.perf_counter()
        fitted = sliding(experiment, task)
        if fitted is not None:
            yield Baseline(WINDOWS, "classical", name, fitted, time.perf_counter() - began)


class Views:
    """Features of all pictures, each worked out once."""

    def __init__(self, experiment: ExperimentData) -> None:
        self.experiment, self.kept = experiment, dict[str, Rows | None]()

    def of(self, view: str, said: Known) -> Rows | None:
        """``pixels``, or one of its reductions such as ``LDA of pixels``; None where there is none such."""
        reduction, _, source = view.rpartition(" of ")
        if source not in self.kept:
            self.kept[source] = SOURCES[source](self.experiment)
        rows = self.kept[source]
        if not reduction or rows is None:
            return rows
        key = f"{view} {said.task.name if reduction == 'LDA' else ''}"
        if key not in self.kept:
            self.kept[key] = REDUCTIONS[reduction](rows, said)
        return self.kept[key]


SOURCES: Mapping[str, Callable[[ExperimentData], Rows | None]] = {
    "pixels": image_features.pixels,
    "classical features": image_features.classical,
    "starting features": image_features.starting,
}


# Dimension reduction.


def _pca(rows: Rows, said: Known) -> Rows:
    return rows.then(PCA(min(DIRECTIONS, *rows.train.shape), random_state=0).fit(rows.train).transform)


def _projection(rows: Rows, said: Known) -> Rows:
    lengths = GaussianRandomProjection(min(DIRECTIONS, rows.train.shape[1]), random_state=0)
    return rows.then(lengths.fit(rows.train).transform)


def _lda(rows: Rows, said: Known) -> Rows | None:
    """Of a task with one class per answer; in principal directions first, as pixels hang together."""
    classes = single_classes(said.task, said.train)
    if classes is None:
        return None
    rows = _pca(rows, said)
    known = np.array([bool(name) for name in classes])
    names = np.array(classes)[known]
    if not 2 <= len(set(names)) < len(names):
        return None
    return rows.then(LinearDiscriminantAnalysis().fit(rows.train[known], names).transform)


REDUCTIONS: Mapping[str, Callable[[Rows, Known], Rows | None]] = {
    "PCA": _pca,
    "LDA": _lda,
    "random projection": _projection,
}


# Ways to answer from them.


def _linear(said: Known, rows: Rows) -> Fitted:
    return head(said, rows)


def _perceptron(said: Known, rows: Rows) -> Fitted:
    return head(said, rows, HIDDEN)


def _vectors_only(fit: Fit) -> Callable[[Known, Rows], Fitted | None]:
    def asked(said: Known, rows: Rows) -> Fitted | None:
        return fit(said, rows) if isinstance(said.task, VectorTask) else None

    return asked


_boosted, _nearest = _vectors_only(boosted), _vectors_only(nearest)

WAYS: Mapping[str, Sequence[tuple[str, str, Callable[[Known, Rows], Fitted | None]]]] = {
    "classical": (
        ("classical features, linear", "classical features", _linear),
        ("classical features, boosted trees", "classical features", _boosted),
    ),
    "reduced": tuple(
        (f"{reduction} of pixels, {word}", f"{reduction} of pixels", fit)
        for reduction in REDUCTIONS
        for word, fit in (("linear", _linear), ("neighbours", _nearest))
    ),
    "perceptron": (
        ("pixels, perceptron", "pixels", _perceptron),
        ("classical features, perceptron", "classical features", _perceptron),
    ),
    "probe": (("frozen backbone, linear", "starting features", _linear),),
}
FAMILIES = (*WAYS, "clusters")


def clusterings(
    experiment: ExperimentData, views: Views, screen: Screen
) -> dict[str, dict[str, dict[str, Any]]]:
    """By task with one class per answer and by method: what ``clusters.clusters`` finds."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, task in experiment.tasks.items():
        train, test = (
            single_classes(task, part.answers(name)) for part in (experiment.train, experiment.test)
        )
        if train is None or test is None:
            continue
        screen.progress(1, 1, f"clusters: {name}")
        for view in ("pixels", "classical features"):
            rows = views.of(view, Known(task, [], []))
            if rows is not None:
                told = clusters(rows, train, test)
                found.setdefault(name, {}).update({f"{way} on {view}": score for way, score in told.items()})
    return found


def strongest(found: Sequence[Baseline]) -> Baseline | None:
    """The one with the best skill on the validation part; the test part has no say."""
    return max(found, key=_known_skill, default=None)


def _known_skill(baseline: Baseline) -> float:
    skill = baseline.fitted.skill
    return skill if np.isfinite(skill) else -np.inf


def constant_baselines(experiment: ExperimentData, task: Task) -> list[Any]:
    """The constant baseline for each picture of the test split."""
    return [
        task.to_image(task.constant_baseline(1)[0], place) for place in experiment.placements(experiment.test)
    ]
