"""How good the answers to a label are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from oneglance.metrics.calibration import (
    calibration_grid,
    confidence_figures,
    expected_calibration_error,
    mean_bins,
)
from oneglance.metrics.prediction_sets import kept_sets
from oneglance.metrics.weighted import dense_ranks, f1, weighted_mean
from oneglance.report_items import Curve, Detail, Grid, Matrix
from oneglance.task import MetricState, Prediction

MEANING: Mapping[str, str] = {
    "accuracy": "share of right answers",
    "balanced_accuracy": "the same, each class counting equally",
    "f1_macro": "precision and recall in one, mean over the classes",
    "log_loss": "how surprising the truth was; smaller is better",
    "ece": "how far confidence is from the share right, beyond chance; smaller is better",
    "top5_accuracy": "share with the truth among the five likeliest",
    "coverage": "share with the truth in the set of the answer, made to be `coverage` or more",
    "set_size": "classes in that set, on average; smaller is better",
}


def metric_state(predictions: Sequence[Prediction], truth: np.ndarray, classes: Sequence[str]) -> MetricState:
    """
    Args:
        truth: int [n], the number of the right class; -1: one that training never saw, of which any answer is
            wrong.
    """
    rows = [[one["probabilities"][name] for name in classes] for one in predictions]
    chances = np.array(rows, dtype=np.float64).reshape(len(rows), len(classes))
    best, confidence = chances.argmax(axis=1), chances.max(axis=1)
    of_truth = np.where(truth < 0, 0.0, chances[np.arange(len(truth)), truth])
    state: MetricState = {
        "truth": truth,
        "best": best,
        "right": (best == truth).astype(np.float64),
        "confidence": confidence,
        "rank": dense_ranks(confidence),
        "loss": -np.log(np.maximum(of_truth, 1e-15)),
        "chances": chances,
    }
    if (members := kept_sets(predictions, classes)) is not None:
        in_set = np.where(truth < 0, False, members[np.arange(len(truth)), truth])
        state["in_set"] = in_set.astype(np.float64)
        state["set_size"] = members.sum(axis=1).astype(np.float64)
    if len(classes) > 10:
        top = np.argpartition(chances, -5, axis=1)[:, -5:]
        state["in_top5"] = (top == truth[:, None]).any(axis=1).astype(np.float64)
    return state


def metrics(state: MetricState, weights: np.ndarray) -> dict[str, float]:
    """Those of ``MEANING``, the pictures counted ``weights`` times."""
    truth, best, right = state["truth"], state["best"], state["right"]
    count = state["chances"].shape[1]
    # An answer of a class that training never saw counts as one more class that is never right.
    labels = np.where(truth < 0, count, truth)
    actual = np.bincount(labels, weights, minlength=count + 1)
    predicted = np.bincount(best, weights, minlength=count + 1)
    hits = np.bincount(best, weights * right, minlength=count + 1)
    present = actual > 0
    # A class of which a resample has drawn nothing is not one that no answer has.
    involved = present | ((predicted > 0) & (np.bincount(labels, minlength=count + 1) == 0))
    values: dict[str, float] = {
        "accuracy": weighted_mean(right, weights),
        "balanced_accuracy": float((hits[present] / actual[present]).mean()),
        "f1_macro": float(f1(hits, predicted, actual)[involved].mean()),
        "log_loss": weighted_mean(state["loss"], weights),
        "ece": expected_calibration_error(state["confidence"], state["rank"], right, weights),
    }
    optional = {"top5_accuracy": "in_top5", "coverage": "in_set", "set_size": "set_size"}
    return values | {
        metric: weighted_mean(state[key], weights) for metric, key in optional.items() if key in state
    }


def calibration_figures(chances: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """See ``confidence_figures``, of probabilities [n, classes] where the class is ``truth``."""
    of_truth = chances[np.arange(len(truth)), truth]
    squared = (chances**2).sum(axis=1) - 2 * of_truth + 1
    return confidence_figures(chances.max(axis=1), chances.argmax(axis=1) == truth, of_truth, squared)


def details(
    state: MetricState, classes: Sequence[str], calibration: Mapping[str, Mapping[str, float]]
) -> list[Detail]:
    """The confusion, the scores of each class, and how far confidence can be trusted."""
    truth, best = state["truth"], state["best"]
    learned = truth >= 0
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (truth[learned], best[learned]), 1)
    hits, predicted, actual = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / predicted, hits / actual
    columns = actual, precision, recall, f1(hits.astype(float), predicted, actual)
    rows = zip(classes, *(column.tolist() for column in columns), strict=True)
    bins = mean_bins(state["confidence"], state["rank"], state["right"], np.ones(len(truth)))
    return [
        Matrix("Confusion", "truth", "answer", tuple(classes), confusion),
        Grid("Per class", ("class", "pictures", "precision", "recall", "F1"), tuple(rows)),
        Curve("Calibration", "confidence", "share right", bins[0], bins[1], diagonal=True),
        *calibration_grid(calibration),
    ]
