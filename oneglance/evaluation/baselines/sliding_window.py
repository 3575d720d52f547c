"""Boxes without a network: windows slide over the picture at several zooms, and for each class a linear
classifier says what they show (Dalal and Triggs 2005, Histograms of oriented gradients for human detection).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from oneglance.data.dataset import SplitData
from oneglance.data.images.letterbox import Fit
from oneglance.detection.box_ops import iou, suppress
from oneglance.evaluation.baselines.estimators import Fitted, TaskAnswers, calibrated
from oneglance.evaluation.baselines.image_features import device
from oneglance.evaluation.baselines.window_grid import Windows
from oneglance.nn.feature_shape import Level, Shape
from oneglance.task import Target, Task
from oneglance.training.experiment_data import ExperimentData
from oneglance.training.preparation.building import on_canvas

PICTURES = 1_000  # training pictures that are learned from, at most, evenly chosen
AT_ONCE = 8  # pictures
SHOWS, ELSE = 0.5, 0.3  # overlap from which a window shows a thing, and up to which it shows something else
BEST, WRONG = 5, 10  # windows that are learned from: of each thing; of each class and picture, by round
LEARNED = 20_000  # windows that show something else, of all classes and by round, about, at most
OVERLAP = 0.3  # of two windows of one class, from which only the one with the higher score stays
CANDIDATES, KEPT = 500, 100  # windows of a picture that are left before and after that
NEVER = -30.0  # a logit


def sliding(experiment: ExperimentData, task: Task) -> Fitted | None:
    """The boxes that windows find, learned on the training split; the attributes of each box
    get the constant baseline. None where no box can be learned.
    """
    task, (width, height) = copy.deepcopy(task), experiment.config.backbone.canvas
    level = Level(8, -(-height // 8), -(-width // 8), 8)
    head = task.head(Shape(1, (level,), (width, height))).eval()  # tells the task its canvas
    fit = Fit.declared(experiment.config)
    train, validation, test = (
        on_canvas(split, {task.name: task}, experiment.store, fit)
        for split in (experiment.train, experiment.validation, experiment.test)
    )
    chosen = np.arange(len(train.rows))[:: -(-len(train.rows) // PICTURES)]
    answers = train.answers(task.name)
    target = task.encode([answers[row] for row in chosen.tolist()])
    if not things(target).any():
        return None
    detector = Detector(target, (height, width), device(experiment.config))
    detector.learn(experiment, train.rows[chosen], target)
    with torch.inference_mode():
        columns = head(torch.zeros(1, 1), [torch.zeros(1, *level[:3])])[1].shape[2]
    usual = task.constant_raw()[0, 0, :columns]
    raws = [detector.raw_of(experiment, split, usual) for split in (validation, test)]
    fitted = calibrated(
        TaskAnswers(task, [], validation.answers(task.name)),
        task,
        *raws,
        raw=lambda canvases: detector.raw(canvases, usual),
    )
    places = experiment.placements(test)
    fitted.predictions = [
        fitted.task.to_image(prediction, placement)
        for prediction, placement in zip(fitted.predictions, places, strict=True)
    ]
    return fitted


def things(target: Target) -> np.ndarray:
    """bool [n, boxes]: those that are to be detected."""
    return (target["label"] >= 0) & ~target["ignore"]


class Detector:
    """A linear classifier of windows for each class."""

    def __init__(self, target: Target, canvas: tuple[int, int], device: torch.device) -> None:
        chosen, self.classes = things(target), range(target["labelled"].shape[1])
        boxes, labels = target["box"][chosen], target["label"][chosen]
        self.windows = Windows(boxes, labels, len(self.classes), canvas, device)
        self.lines: list[tuple[np.ndarray, float] | None] = [None] * len(self.classes)

    @torch.inference_mode()
    def learn(self, experiment: ExperimentData, rows: np.ndarray, target: Target) -> None:
        """Twice: beside windows by chance that show something else, then also beside those that it took for
        a thing.
        """
        draw = np.random.default_rng(0)
        share = LEARNED / (WRONG * len(rows) * len(self.classes))
        right: list[list[np.ndarray]] = [[] for _ in self.classes]
        wrong: list[list[np.ndarray]] = [[] for _ in self.classes]
        for first in (True, False):
            for start in range(0, len(rows), AT_ONCE):
                maps = self.windows.maps(experiment.store.gather(rows[start : start + AT_ONCE]))
                for label in self.classes:
                    logits = None if first else self._logits(maps, label)
                    for row in range(len(maps[0])):
                        best, other = self._windows_by_content(target, start + row, label)
                        if first:
                            right[label] += self.windows.cut(maps, row, label, best)
                        if draw.random() < share:
                            order = draw.random(len(other)) if logits is None else -logits[row, other]
                            hardest = other[np.argsort(order, kind="stable")[:WRONG]]
                            wrong[label] += self.windows.cut(maps, row, label, hardest)
            self.lines = [_line(*both) for both in zip(right, wrong, strict=True)]

    def _windows_by_content(self, target: Target, row: int, label: int) -> tuple[np.ndarray, np.ndarray]:
        """int64: the windows that show a thing of this class best, and all that show something else."""
        if not target["labelled"][row, label]:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        corners, boxes = self.windows.corners[label], target["box"][row]
        own = np.isin(target["label"][row], [label, len(self.classes)])  # the last: a box of any class
        ours = own & things(target)[row]
        overlap = iou(corners, boxes[ours])
        order = np.argsort(-overlap, axis=0, kind="stable")[:BEST]
        shows = np.take_along_axis(overlap, order, axis=0) >= SHOWS
        near = iou(corners, boxes[own]).max(axis=1, initial=0)
        return np.unique(order[shows]), np.flatnonzero(near <= ELSE)

    def _logits(self, maps: Sequence[torch.Tensor], label: int) -> np.ndarray:
        """float32 [n, windows] of one class."""
        line = self.lines[label]
        if line is None:
            return np.full((len(maps[0]), len(self.windows.corners[label])), NEVER, np.float32)
        return self.windows.logits(maps, label, line[0]) + np.float32(line[1])

    def raw_of(self, experiment: ExperimentData, split: SplitData, usual: np.ndarray) -> np.ndarray:
        """``raw`` of a split."""
        starts = range(0, len(split.rows), AT_ONCE)
        parts = [
            self.raw(experiment.store.gather(split.rows[start : start + AT_ONCE]), usual) for start in starts
        ]
        return np.concatenate(parts)

    @torch.inference_mode()
    def raw(self, canvases: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """As the task's head gives it, the highest-scoring windows that suppression leaves: float32
        [n, KEPT, columns] of n canvases; ``usual`` [columns] is what stands there of anything else.
        """
        raw = np.tile(usual.astype(np.float32), (len(canvases), KEPT, 1))
        raw[:, :, : 4 + len(self.classes)] = [0.0] * 4 + [NEVER] * len(self.classes)
        corners = np.concatenate(self.windows.corners)
        labels = np.repeat(np.arange(len(self.classes)), [len(own) for own in self.windows.corners])
        for start in range(0, len(canvases), AT_ONCE):
            maps = self.windows.maps(canvases[start : start + AT_ONCE])
            logits = np.concatenate([self._logits(maps, label) for label in self.classes], axis=1)
            for row, scores in enumerate(logits, start):
                sure = np.argsort(-scores, kind="stable")[:CANDIDATES]
                sure = sure[suppress(corners[sure], scores[sure], labels[sure], iou=OVERLAP, most=KEPT)]
                raw[row, : len(sure), :4] = corners[sure]
                raw[row, np.arange(len(sure)), 4 + labels[sure]] = scores[sure]
        return raw


def _line(right: Sequence[np.ndarray], wrong: Sequence[np.ndarray]) -> tuple[np.ndarray, float] | None:
    """(weights, bias); None of a class that is never seen, or that fills every picture."""
    if not right or not wrong:
        return None
    shows = np.repeat([1, 0], [len(right), len(wrong)])
    line = LogisticRegression(C=0.1, max_iter=200).fit(np.stack([*right, *wrong]), shows)
    return line.coef_[0].astype(np.float32), float(line.intercept_[0])
