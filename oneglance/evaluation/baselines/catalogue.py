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
from oneglance.evaluation.baselines.estimators import Fitted, TaskAnswers, boosted, head, nearest
from oneglance.evaluation.baselines.image_features import Rows, See
from oneglance.evaluation.baselines.sliding_window import sliding
from oneglance.progress import Screen
from oneglance.task import Task
from oneglance.training.experiment_data import ExperimentData
from oneglance.vector_task import VectorTask

HIDDEN = (256,)  # of the multi-layer perceptron
WINDOWS = "sliding windows, linear"
DIRECTIONS = 50  # that a reduction leaves

Fit = Callable[[TaskAnswers, Rows], Fitted]


@dataclass
class Baseline:
    """One way to answer one task."""

    name: str  # "PCA of pixels, neighbours"
    family: str  # the word of --only
    task: str
    fitted: Fitted
    seconds: float
    see: See = np.asarray  # how the rows that it learned from were made


def baselines(
    experiment: ExperimentData, views: Views, families: Sequence[str], screen: Screen
) -> Iterator[Baseline]:
    """Every baseline of ``families`` for every task but those that learn from seeing a picture twice. Rows of
    numbers answer a task that is not spatial, sliding windows one that is.
    """
    ways = [(family, *way) for family in families for way in WAYS.get(family, ())]
    task_answers = {
        name: TaskAnswers(task, experiment.train.answers(name), experiment.validation.answers(name))
        for name, task in experiment.tasks.items()
        if not task.is_spatial and task.views == 1
    }
    for done, (family, name, view, fit) in enumerate(ways, 1):
        screen.progress(done, len(ways), f"baselines: {name}")
        for task, answers in task_answers.items():
            began = time.perf_counter()
            rows = views.of(view, answers)
            fitted = None if rows is None else fit(answers, rows)
            if rows is not None and fitted is not None:
                yield Baseline(name, family, task, fitted, time.perf_counter() - began, rows.see)
    if "classical" in families:
        yield from _spatial_baselines(experiment, screen)


def _spatial_baselines(experiment: ExperimentData, screen: Screen) -> Iterator[Baseline]:
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

    def of(self, view: str, answers: TaskAnswers) -> Rows | None:
        """``pixels``, or one of its reductions such as ``LDA of pixels``; None where there is none such."""
        reduction, _, source = view.rpartition(" of ")
        if source not in self.kept:
            self.kept[source] = SOURCES[source](self.experiment)
        rows = self.kept[source]
        if not reduction or rows is None:
            return rows
        key = f"{view} {answers.task.name if reduction == 'LDA' else ''}"
        if key not in self.kept:
            self.kept[key] = REDUCTIONS[reduction](rows, answers)
        return self.kept[key]


SOURCES: Mapping[str, Callable[[ExperimentData], Rows | None]] = {
    "pixels": image_features.pixels,
    "classical features": image_features.classical,
    "starting features": image_features.starting,
}


# Dimension reduction.


def _pca(rows: Rows, answers: TaskAnswers) -> Rows:
    return rows.then(PCA(min(DIRECTIONS, *rows.train.shape), random_state=0).fit(rows.train).transform)


def _projection(rows: Rows, answers: TaskAnswers) -> Rows:
    lengths = GaussianRandomProjection(min(DIRECTIONS, rows.train.shape[1]), random_state=0)
    return rows.then(lengths.fit(rows.train).transform)


def _lda(rows: Rows, answers: TaskAnswers) -> Rows | None:
    """Of a task with one class per answer; in principal directions first, as pixels hang together."""
    classes = single_classes(answers.task, answers.train)
    if classes is None:
        return None
    rows = _pca(rows, answers)
    labelled = np.array([bool(name) for name in classes])
    names = np.array(classes)[labelled]
    if not 2 <= len(set(names)) < len(names):
        return None
    return rows.then(LinearDiscriminantAnalysis().fit(rows.train[labelled], names).transform)


REDUCTIONS: Mapping[str, Callable[[Rows, TaskAnswers], Rows | None]] = {
    "PCA": _pca,
    "LDA": _lda,
    "random projection": _projection,
}


# Ways to answer from them.


def _linear(answers: TaskAnswers, rows: Rows) -> Fitted:
    return head(answers, rows)


def _perceptron(answers: TaskAnswers, rows: Rows) -> Fitted:
    return head(answers, rows, HIDDEN)


def _vectors_only(fit: Fit) -> Callable[[TaskAnswers, Rows], Fitted | None]:
    def fit_vectors(answers: TaskAnswers, rows: Rows) -> Fitted | None:
        return fit(answers, rows) if isinstance(answers.task, VectorTask) else None

    return fit_vectors


_boosted, _nearest = _vectors_only(boosted), _vectors_only(nearest)

WAYS: Mapping[str, Sequence[tuple[str, str, Callable[[TaskAnswers, Rows], Fitted | None]]]] = {
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
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for name, task in experiment.tasks.items():
        train, test = (
            single_classes(task, split.answers(name)) for split in (experiment.train, experiment.test)
        )
        if train is None or test is None:
            continue
        screen.progress(1, 1, f"clusters: {name}")
        for view in ("pixels", "classical features"):
            rows = views.of(view, TaskAnswers(task, [], []))
            if rows is not None:
                scores = clusters(rows, train, test)
                results.setdefault(name, {}).update(
                    {f"{way} on {view}": score for way, score in scores.items()}
                )
    return results


def strongest(tried: Sequence[Baseline]) -> Baseline | None:
    """The one with the best skill on the validation split; the test split has no say."""
    return max(tried, key=_validation_skill, default=None)


def _validation_skill(baseline: Baseline) -> float:
    skill = baseline.fitted.skill
    return skill if np.isfinite(skill) else -np.inf


def constant_baselines(experiment: ExperimentData, task: Task) -> list[Any]:
    """The constant baseline for each picture of the test split."""
    return [
        task.to_image(task.constant_baseline(1)[0], placement)
        for placement in experiment.placements(experiment.test)
    ]
