"""Boxes by sliding windows: where the windows lie, what is seen in them, and what they find."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oneglance import config as configuration
from oneglance.data.record import Box, BoxAnnotations
from oneglance.data.synthetic import write_scenes
from oneglance.detection.box_ops import iou
from oneglance.evaluation.baselines import sliding_window as sliding_file
from oneglance.evaluation.baselines.catalogue import WINDOWS, baselines
from oneglance.evaluation.baselines.estimators import Fitted
from oneglance.evaluation.baselines.sliding_window import Detector, sliding
from oneglance.evaluation.baselines.window_grid import MANY, Windows
from oneglance.progress import Screen
from oneglance.task import build_tasks, fit_targets
from oneglance.training.experiment_data import ExperimentData

CPU = torch.device("cpu")
CONFIG = """
[[sources]]
path = "scenes/boxes.csv"
[tasks.things]
type = "boxes"
from = "objects"
[tasks.things.attributes.colour]
type = "label"
[backbone]
size = [48, 40]
[cache]
workers = 1
[training]
device = "cpu"
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> ExperimentData:
    folder = tmp_path_factory.mktemp("drawn")
    write_scenes(folder / "scenes", count=90, size=64)
    config = configuration.parse(CONFIG, base=folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        result = ExperimentData.load(config, Screen())
    assert not fit_targets(result.tasks, result.train.answers)
    return result


@pytest.fixture(scope="module")
def fitted(experiment: ExperimentData) -> Fitted:
    result = sliding(experiment, experiment.tasks["things"])
    assert result is not None
    return result


def average_precision(experiment: ExperimentData, predictions: list[Any]) -> float:
    task, answers = experiment.tasks["things"], experiment.test.answers("things")
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    metric_state = task.metric_state([predictions[row] for row in rows], [answers[row] for row in rows])
    return task.metrics(metric_state, np.ones(len(rows)))["ap50"]


def test_it_finds_things_that_the_constant_does_not(experiment: ExperimentData, fitted: Fitted) -> None:
    constant = experiment.tasks["things"].constant_baseline(len(experiment.test.rows))
    assert average_precision(experiment, fitted.predictions) > average_precision(experiment, constant) + 0.3
    assert fitted.skill > 0.1, "on the validation split, in which it chose its threshold"


def test_it_answers_as_a_network_does(experiment: ExperimentData, fitted: Fitted) -> None:
    predictions = fitted.predictions
    assert len(predictions) == len(experiment.test.rows) and json.dumps(predictions)
    assert len({json.dumps(answer) for answer in predictions}) == len(predictions)
    usual = experiment.tasks["things"].constant_baseline(1)[0]["boxes"][0]["attributes"]["colour"]
    for boxes in (answer["boxes"] for answer in predictions):
        assert len(boxes) <= sliding_file.KEPT
        corners = np.array([box["box"] for box in boxes])
        assert (corners >= 0).all() and (corners <= 64).all()
        assert corners.max() > 48, "places in the picture, not on the canvas"
        assert {box["attributes"]["colour"]["value"] for box in boxes} == {usual["value"]}
        confidences = [box["confidence"] for box in boxes]
        assert confidences == sorted(confidences, reverse=True)
        inside = ((corners > 0) & (corners < 64)).all(axis=1)  # not cut at the rim of the picture
        for label in {box["label"] for box in boxes}:
            own = corners[inside & np.array([box["label"] == label for box in boxes])]
            apart = iou(own, own)[~np.eye(len(own), dtype=bool)]
            assert (apart <= sliding_file.OVERLAP + 1e-6).all()
    assert experiment.tasks["things"].state() != fitted.task.state(), (
        "the task that was given stays as it was"
    )


def test_it_stands_among_the_classical_baselines(
    experiment: ExperimentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Fitted(experiment.tasks["things"], [], 0.5)
    monkeypatch.setattr("oneglance.evaluation.baselines.catalogue.sliding", lambda experiment, task: given)
    views: Any = None  # boxes need none
    result = list(baselines(experiment, views, ["classical"], Screen()))
    assert [(b.name, b.family, b.task, b.fitted) for b in result] == [(WINDOWS, "classical", "things", given)]
    assert not list(baselines(experiment, views, ["reduced"], Screen()))


def test_where_no_box_can_be_learned_there_is_none(
    experiment: ExperimentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = np.zeros((1, 1), bool)
    monkeypatch.setattr(sliding_file, "things", lambda target: nothing)
    assert sliding(experiment, experiment.tasks["things"]) is None


# What is learned from.


def detector(answers: list[BoxAnnotations | None]) -> tuple[Detector, dict[str, np.ndarray]]:
    task = build_tasks({"it": {"type": "boxes", "classes": ["a", "b"]}})["it"]
    task.fit_target([answer for answer in answers if answer is not None])
    target = task.encode(answers)
    return Detector(target, (40, 60), CPU), target


def test_windows_of_a_thing_and_of_something_else() -> None:
    thing = Box(10, 10, 30, 30, "a")
    result, target = detector([BoxAnnotations((thing, Box(35, 5, 55, 25, "a", ignore=True)))])
    best, other = result._windows_by_content(target, 0, 0)
    corners = result.windows.corners[0]
    overlap = iou(corners, target["box"][0])
    assert 1 <= len(best) <= sliding_file.BEST and (overlap[best, 0] >= sliding_file.SHOWS).all()
    assert overlap[best, 0].min() >= np.sort(overlap[:, 0])[-sliding_file.BEST]
    assert len(other) and (overlap[other] <= sliding_file.ELSE).all(), "a region to ignore is nothing else"
    assert len(result._windows_by_content(target, 0, 1)[1]) == len(result.windows.corners[1]), (
        "things of class a are no b"
    )


def test_not_asked_is_not_no() -> None:
    thing = Box(10, 10, 30, 30, "a")
    result, target = detector([BoxAnnotations((thing,)), BoxAnnotations((thing,), frozenset("a")), None])
    assert len(result._windows_by_content(target, 0, 1)[1])
    assert len(result._windows_by_content(target, 1, 0)[1]) and not len(
        result._windows_by_content(target, 1, 1)[1]
    )
    assert not any(len(rows) for label in (0, 1) for rows in result._windows_by_content(target, 2, label))


# Windows.


@given(
    seed=st.integers(0, 10_000),
    canvas=st.tuples(st.integers(28, 130), st.integers(28, 130)),
    count=st.integers(1, 6),
)
@settings(max_examples=30, deadline=None)
def test_a_window_lies_near_every_usual_thing(seed: int, canvas: tuple[int, int], count: int) -> None:
    """Things of the mean form and size, anywhere on the canvas."""
    draw = np.random.default_rng(seed)
    height, width = canvas
    sides = draw.uniform(0.3, 0.6, size=2) * [width, height]
    low = draw.uniform(0, [width, height] - sides, size=(count, 2))
    boxes = np.concatenate([low, low + sides], axis=1)
    result = Windows(boxes, np.zeros(count, int), 2, canvas, CPU)
    for corners in result.corners:
        assert len(corners) <= 4 * MANY
        assert (corners >= 0).all() and (corners <= [width, height] * 2).all()
    assert iou(result.corners[0], boxes).max(axis=0).min() > 0.6


def test_there_are_not_too_many() -> None:
    tiny = np.array([[0, 0, 2, 2], [0, 0, 200, 200]], float)
    result = Windows(tiny, np.zeros(2, int), 1, (224, 224), CPU)
    assert MANY / 4 < len(result.corners[0]) < 1.5 * MANY


def test_what_is_cut_is_what_is_weighed() -> None:
    """The product with a window that was cut out is the logit at its number."""
    draw = np.random.default_rng(0)
    boxes = np.array([[0, 0, 10, 20], [5, 5, 30, 50]], float)
    result = Windows(boxes, np.zeros(2, int), 1, (50, 40), CPU)
    rows, columns = result.forms[0]
    assert rows > columns, "things are taller than wide"
    maps = result.maps(draw.integers(256, size=(2, 50, 40, 3), dtype=np.uint8))
    weight = draw.normal(size=maps[0].shape[1] * rows * columns).astype(np.float32)
    logits = result.logits(maps, 0, weight)
    assert logits.shape == (2, len(result.corners[0])) == (2, len(result.places[0]))
    chosen = draw.choice(logits.shape[1], 40, replace=False)
    for row in (0, 1):
        products = np.stack(result.cut(maps, row, 0, chosen)) @ weight
        np.testing.assert_allclose(products, logits[row, chosen], atol=1e-3, rtol=1e-3)


def test_what_is_seen_in_a_window_lies_there() -> None:
    """A red spot is reddest in windows around it, at every zoom."""
    canvas = np.zeros((48, 64, 3), np.uint8)
    canvas[30:38, 40:48, 0] = 255
    boxes = np.array([[0, 0, 12, 12], [0, 0, 24, 24]], float)
    result = Windows(boxes, np.zeros(2, int), 1, (48, 64), CPU)
    maps = result.maps(canvas[None])
    weight = np.zeros((maps[0].shape[1], *result.forms[0]), np.float32)
    weight[-3] = 1  # red, before green and blue
    red = result.logits(maps, 0, weight.ravel())[0]
    zooms = result.places[0][:, 0]
    assert len(set(zooms.tolist())) >= 3
    for zoom in set(zooms.tolist()):
        own = np.flatnonzero(zooms == zoom)
        x0, y0, x1, y1 = result.corners[0][own[red[own].argmax()]]
        assert x0 <= 44 <= x1 and y0 <= 34 <= y1
