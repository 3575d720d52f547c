"""How good the answers to tags are."""

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
from oneglance.metrics.weighted import average_precision, dense_ranks, f1, ranking, weighted_mean
from oneglance.report_items import Curve, Detail, Grid
from oneglance.task import MetricState, Prediction, Target

MEANING: Mapping[str, str] = {
    "map": "how well each tag's pictures come first, mean over the tags",
    "f1_macro": "precision and recall in one, mean over the tags",
    "f1_micro": "the same, over all tags of all pictures together",
    "ece": "how far probability is from the share with the tag, beyond chance; smaller is better",
    "coverage": "share of a picture's tags that the set holds, made to be `coverage` or more",
    "set_size": "tags in that set, on average; smaller is better",
}


def metric_state(predictions: Sequence[Prediction], target: Target, classes: Sequence[str]) -> MetricState:
    """Arrays [n, tags]; ``target`` as ``Tags.encode`` gives it."""
    shape = (len(predictions), len(classes))
    rows = [[one["probabilities"][tag] for tag in classes] for one in predictions]
    chances = np.array(rows, dtype=np.float64).reshape(shape)
    index = {tag: number for number, tag in enumerate(classes)}
    chosen = np.zeros(shape)
    for row, prediction in enumerate(predictions):
        chosen[row, [index[tag] for tag in prediction["values"]]] = 1
    labelled, present = target["labelled"].astype(np.float64), target["present"].astype(np.float64)
    ranked = [ranking(column) for column in chances.T]
    sets: MetricState = {}
    if (members := kept_sets(predictions, classes)) is not None:
        sets = {
            "set_size": members.sum(axis=1).astype(np.float64),
            "share_in_set": (labelled * present * members).sum(axis=1)
            / np.maximum((labelled * present).sum(axis=1), 1),
        }
    return {
        **sets,
        "chances": chances,
        "labelled": labelled,
        "present": labelled * present,
        "chosen": labelled * chosen,
        "hit": labelled * present * chosen,
        # A column is one tag: contiguous, for it is what average_precision walks through.
        "order": np.array([order for order, _ in ranked], dtype=np.int64).T,
        "end": np.array([end for _, end in ranked], dtype=np.int64).T,
        "rank": dense_ranks(chances),
    }


def metrics(state: MetricState, weights: np.ndarray) -> dict[str, float]:
    """Those of ``MEANING``, the pictures counted ``weights`` times."""
    hits, chosen, present = (weights @ state[name] for name in ("hit", "chosen", "present"))
    # A tag of which a resample has drawn nothing is not one that no answer has.
    involved = (present > 0) | ((chosen > 0) & ~state["present"].any(axis=0))
    counted = state["labelled"] * weights[:, None]
    precisions = _average_precisions(state, counted)
    precisions = precisions[~np.isnan(precisions)]
    total = float(chosen.sum() + present.sum())
    flat = [state[name].ravel() for name in ("chances", "rank", "present")]
    picture = np.repeat(np.arange(len(weights)), counted.shape[1])
    nothing = float("nan")
    return {
        "map": float(precisions.mean()) if len(precisions) else nothing,
        "f1_macro": float(f1(hits, chosen, present)[involved].mean()) if involved.any() else nothing,
        "f1_micro": float(2 * hits.sum() / total) if total else nothing,
        "ece": expected_calibration_error(flat[0], flat[1], flat[2], counted.ravel(), picture),
        **_set_metrics(state, weights),
    }


def _set_metrics(state: MetricState, weights: np.ndarray) -> dict[str, float]:
    if "share_in_set" not in state:
        return {}
    any_tag = weights * state["present"].any(axis=1)
    share = weighted_mean(state["share_in_set"], any_tag) if any_tag.any() else float("nan")
    return {"coverage": share, "set_size": weighted_mean(state["set_size"], weights)}


def _average_precisions(state: MetricState, counted: np.ndarray) -> np.ndarray:
    columns = (state["order"].T, state["end"].T, state["present"].T, counted.T)
    return np.array([average_precision(*tag) for tag in zip(*columns, strict=True)])


def sample_errors(state: MetricState) -> np.ndarray:
    """The mean log loss of the tags of each picture, float64 [n]."""
    chance = np.where(state["present"] > 0, state["chances"], 1 - state["chances"])
    loss = -np.log(np.maximum(chance, 1e-15)) * state["labelled"]
    return np.asarray(loss.sum(axis=1) / np.maximum(state["labelled"].sum(axis=1), 1))


def calibration_figures(chances: np.ndarray, state: MetricState) -> dict[str, float]:
    """See ``confidence_figures``, of probabilities [n, tags]."""
    asked = state["labelled"] > 0
    picture, present, own = np.nonzero(asked)[0], state["present"][asked], chances[asked]
    of_truth = np.where(present > 0, own, 1 - own)
    return confidence_figures(own, present, of_truth, (1 - of_truth) ** 2, picture)


def details(
    state: MetricState,
    classes: Sequence[str],
    thresholds: Sequence[float],
    calibration: Mapping[str, Mapping[str, float]],
) -> list[Detail]:
    """The scores of each tag, and how far probabilities can be trusted."""
    labelled = state["labelled"]
    hits, predicted, actual = (state[name].sum(axis=0) for name in ("hit", "chosen", "present"))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / predicted, hits / actual
    columns = (
        labelled.sum(axis=0).astype(int),
        actual.astype(int),
        _average_precisions(state, labelled),
        precision,
        recall,
        f1(hits, predicted, actual),
    )
    rows = zip(classes, *(column.tolist() for column in columns), thresholds, strict=True)
    bins = mean_bins(*(state[name].ravel() for name in ("chances", "rank", "present", "labelled")))
    header = ("tag", "pictures", "with it", "AP", "precision", "recall", "F1", "threshold")
    return [
        Grid("Per tag", header, tuple(rows)),
        Curve("Calibration", "probability", "share with the tag", bins[0], bins[1], diagonal=True),
        *calibration_grid(calibration),
    ]
