"""Ways to answer without a trained backbone: each finds what is there, for every type of task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.feature import hog, local_binary_pattern

from oneglance.backbone import build_backbone
from oneglance.backbones.classical import Classical, gradients, uniform_patterns
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError
from oneglance.evaluation.baselines.catalogue import Baseline, strongest
from oneglance.evaluation.baselines.clustering import clusters, matched, single_classes
from oneglance.evaluation.baselines.estimators import (
    Fitted,
    TaskAnswers,
    best_answers,
    boosted,
    head,
    nearest,
)
from oneglance.evaluation.baselines.image_features import Rows, standardised
from oneglance.task import Task, build_tasks
from oneglance.tasks.tags import TagAnnotations

COUNTS = (120, 60, 60)


def build(kind: str, **keys: Any) -> Task:
    return build_tasks({"it": {"type": kind, **keys}})["it"]


def rows() -> Rows:
    """Six numbers per picture; the first two tell the answers."""
    whole = np.random.default_rng(0).normal(size=(sum(COUNTS), 6)).astype(np.float32)
    train, validation, test = np.split(whole, np.cumsum(COUNTS)[:-1])
    return Rows(train, validation, test)


ANSWERS: dict[str, Callable[[np.ndarray], Any]] = {
    "label": lambda row: "abc"[int(np.argmax([row[0], row[1], -row[0] - row[1]]))],
    "number": lambda row: 20 + 5 * float(row[0]) - 3 * float(row[1]),
    "tags": lambda row: TagAnnotations(
        frozenset(t for t, yes in (("x", row[0] > 0), ("y", row[1] > 0)) if yes)
    ),
}


def known(kind: str, missing: int = 5) -> tuple[TaskAnswers, list[Any]]:
    """Every fifth answer is missing."""
    seen = rows()
    train, validation, test = (
        [ANSWERS[kind](row) if place % missing else None for place, row in enumerate(part)]
        for part in (seen.train, seen.validation, seen.test)
    )
    task = build(kind)
    task.fit_target([answer for answer in train if answer is not None])
    return TaskAnswers(task, train, validation), test


def skill(fitted: Fitted, answers: list[Any]) -> float:
    """On the test split: 0 is the constant, 1 is perfect."""
    task, chosen = fitted.task, [row for row, answer in enumerate(answers) if answer is not None]
    truth, once = [answers[row] for row in chosen], np.ones(len(chosen))
    metrics = task.metrics(task.metric_state([fitted.predictions[row] for row in chosen], truth), once)
    constant = task.metrics(task.metric_state(task.constant_baseline(len(chosen)), truth), once)
    return task.skill(metrics[task.primary_metric], constant[task.primary_metric])


@pytest.mark.slow  # every way is fitted to every type
@pytest.mark.parametrize("way", [head, boosted, nearest])
@pytest.mark.parametrize("kind", ANSWERS)
def test_every_way_answers_every_task(kind: str, way: Callable[..., Fitted]) -> None:
    labelled, test = known(kind)
    fitted = way(labelled, rows())
    assert len(fitted.predictions) == COUNTS[2]
    assert skill(fitted, test) > 0.45
    assert fitted.skill > 0.45
    assert fitted.task.decode(fitted.raw(rows().test)) == fitted.predictions


@pytest.mark.slow  # perceptrons of several sizes learn
def test_a_perceptron_sees_what_no_line_can() -> None:
    seen = rows()
    answers = [["in", "out"][int(abs(row[0]) > 0.7)] for row in seen.whole]
    train, validation, test = np.split(np.array(answers), np.cumsum(COUNTS)[:-1])
    task = build("label", smoothing=0)
    task.fit_target(train.tolist())
    labelled = TaskAnswers(task, train.tolist(), validation.tolist())
    line, curve = head(labelled, seen), head(labelled, seen, [64])
    assert skill(curve, test.tolist()) > skill(line, test.tolist()) + 0.3


@pytest.mark.parametrize("hidden", [[], [8]])
def test_a_picture_unlike_all_others_gets_no_wild_answer(hidden: list[int]) -> None:
    seen = rows()
    answers = [float(np.exp(row[0] - row[1])) for row in seen.whole]
    train, validation, _ = (part.tolist() for part in np.split(np.array(answers), np.cumsum(COUNTS)[:-1]))
    task = build("number", log=True)
    task.fit_target(train)
    far = Rows(seen.train, seen.validation, 10 * np.sign(seen.test))
    fitted = head(TaskAnswers(task, train, validation), far, hidden)
    assert max(answer["value"] for answer in fitted.predictions) < 2 * max(train)


def test_the_task_that_was_given_stays_as_it_was() -> None:
    labelled, _ = known("label")
    before = labelled.task.state()
    head(labelled, rows())
    nearest(labelled, rows())
    assert labelled.task.state() == before


@pytest.mark.parametrize(
    ("kind", "answers", "expected"),
    [("label", ["a", "a", "a", "b", "b", "a"], "a"), ("number", [1.0, 1.0, 2.0, 30.0, 30.0, 1.5], 1.5)],
)
def test_the_best_answer_to_neighbours(kind: str, answers: list[Any], expected: Any) -> None:
    task = build(kind, **({"smoothing": 0} if kind == "label" else {}))
    task.fit_target(answers)
    raw = best_answers(task, answers, np.array([[0, 1, 2, 5]]))
    result = task.decode(raw)[0]["value"]
    assert result == (expected if kind == "label" else pytest.approx(expected, abs=1.5))


def test_columns_are_standardised_by_the_training_part_alone() -> None:
    train = np.array([[1, 5], [3, 5]], np.float32)
    result = standardised(train, np.array([[2, 9]], np.float32), np.array([[1e9, 5]], np.float32))
    assert result.train.tolist() == [[-1, 0], [1, 0]]
    assert result.validation.tolist() == [[0, 0]]
    assert np.isfinite(result.test).all() and result.test[0, 0] == 10


# Clusters.


def test_clusters_are_matched_one_to_one_and_not_by_the_scored_pictures() -> None:
    result = np.array([0, 0, 1, 1, 1, 2])
    classes = ["b", "b", "a", "a", "", "c"]
    score = matched(["a", "b", "c"], result, classes, np.array([0, 1, 2, 0]), ["b", "a", "c", ""])
    assert score == {"accuracy": 1.0, "nmi": pytest.approx(1.0), "ari": pytest.approx(1.0), "n": 3}
    swapped = matched(["a", "b", "c"], result, classes, np.array([1, 0, 2]), ["b", "a", "c"])
    assert swapped["accuracy"] == pytest.approx(1 / 3), "the training split decides which cluster is which"
    assert swapped["nmi"] == pytest.approx(1.0)


def test_clusters_find_what_lies_apart() -> None:
    draw = np.random.default_rng(0)
    parts, names = [], []
    for count in COUNTS:
        own = draw.integers(3, size=count)
        parts.append((10 * np.eye(4)[own] + draw.normal(size=(count, 4))).astype(np.float32))
        names.append([str(place) for place in own])
    result = clusters(Rows(*parts), names[0], names[2])
    assert set(result) == {"k-means", "Gaussian mixture"}
    assert all(score["accuracy"] == 1.0 and score["n"] == COUNTS[2] for score in result.values())


@pytest.mark.parametrize("kind", ANSWERS)
def test_only_answers_of_one_class_have_classes(kind: str) -> None:
    labelled, test = known(kind)
    result = single_classes(labelled.task, test)
    assert (result is not None) is (kind == "label")
    if result is not None:
        assert [name or None for name in result] == test


# What is told.


def test_the_validation_part_chooses_the_strongest() -> None:
    def tried(name: str, skill: float) -> Baseline:
        return Baseline(name, "classical", "it", Fitted(build("label"), [], skill), 1.0)

    assert strongest([tried("a", 0.2), tried("b", 0.5), tried("c", float("nan"))]).name == "b"  # type: ignore[union-attr]
    assert strongest([]) is None


# The classical features.


def made(size: int | tuple[int, int] = 32, **options: Any) -> Classical:
    table = BackboneTable(name="classical", size=size, options=options)
    result = build_backbone(table, Path())
    assert isinstance(result, Classical)
    return result.eval()


def stripes(angle: int, contrast: float = 0.3) -> torch.Tensor:
    """A picture [1, 3, 32, 32] whose brightness changes along a direction, degrees from the x axis down."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    turn = torch.deg2rad(torch.tensor(float(angle)))
    wave = torch.sin((x * torch.cos(turn) + y * torch.sin(turn)) * 0.9)
    return (0.5 + contrast * wave).expand(1, 3, 32, 32).contiguous()


@pytest.mark.parametrize("angle", [10, 50, 90, 130, 170])
def test_gradients_fall_into_the_histogram_of_their_direction(angle: int) -> None:
    blocks = gradients(stripes(angle), 4).view(9, 4, -1)  # directions, cells of a block, blocks
    assert int(blocks.sum(dim=(1, 2)).argmax()) == angle // 20


def test_light_and_contrast_do_not_count_for_gradients() -> None:
    dark, bright = gradients(stripes(30, 0.1), 4), gradients(stripes(30, 0.3) + 0.1, 4)
    torch.testing.assert_close(dark, bright, atol=1e-3, rtol=1e-2)


def drawn(size: int) -> torch.Tensor:
    """Two smooth pictures [2, 3, size, size] without two equal pixels."""
    noise = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(size))
    return torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)


@pytest.mark.parametrize(("size", "cell"), [(32, 4), (64, 8), (97, 12)])
def test_gradients_are_those_of_scikit_image(size: int, cell: int) -> None:
    pictures = drawn(size)
    for picture, ours in zip(pictures, gradients(pictures, cell), strict=True):
        theirs = hog(
            picture.permute(1, 2, 0).double().numpy(),
            orientations=9,
            pixels_per_cell=(cell, cell),
            cells_per_block=(2, 2),
            feature_vector=False,
            channel_axis=-1,
        )  # [rows, columns, cell rows, cell columns, directions]
        expected = theirs.transpose(4, 2, 3, 0, 1).reshape(36, *theirs.shape[:2])
        np.testing.assert_allclose(ours.numpy(), expected, atol=1e-4)


def test_patterns_are_those_of_scikit_image() -> None:
    """It looks at a circle around a pixel, and we at the square. Every pixel made one of 9×9, a circle of 9
    pixels around its middle meets just the eight neighbours.
    """
    grey = drawn(24)[0, 0].flatten().argsort().argsort().view(24, 24)  # ranks
    large = np.kron(grey.numpy().astype(np.int32), np.ones((9, 9), np.int32))
    theirs = local_binary_pattern(large, P=8, R=9, method="nri_uniform")[4::9, 4::9][1:-1, 1:-1]
    expected = np.bincount(theirs.astype(int).ravel(), minlength=59) / theirs.size
    ours = made()._patterns(grey.float()[None, None])[0].numpy() ** 2
    # It numbers the same patterns in another order; that of everything else comes last for both.
    np.testing.assert_allclose(sorted(ours[:58]), sorted(expected[:58]), atol=1e-6)
    assert ours[58] == pytest.approx(expected[58]) and (expected > 0).sum() > 30


def test_fifty_eight_patterns_and_the_rest() -> None:
    """Ojala, Pietikäinen and Mäenpää 2002, section 2.4: P (P - 1) + 2 uniform patterns of P neighbours."""
    numbers = uniform_patterns()
    assert int(numbers.max()) == 8 * 7 + 2
    assert int((numbers == 58).sum()) == 256 - 58
    assert len(set(numbers[numbers < 58].tolist())) == 58


def test_patterns_by_hand() -> None:
    """A flat picture is one pattern; a bright dot is darker all around at its own place."""
    result = made()
    flat = torch.full((1, 1, 32, 32), 0.5)
    shares = result._patterns(flat)[0] ** 2
    assert float(shares[uniform_patterns()[255]]) == 1.0
    flat[0, 0, 10, 10] = 1.0
    shares = result._patterns(flat)[0] ** 2
    assert float(shares[uniform_patterns()[0]]) == pytest.approx(1 / 900)


def test_colours_by_hand() -> None:
    picture = torch.zeros(1, 3, 32, 32)
    picture[:, 0, :16] = 1.0  # half of it red, half black
    shares = made()._colours(picture)[0] ** 2
    assert float(shares[3 * 16]) == pytest.approx(0.5) and float(shares[0]) == pytest.approx(0.5)


def test_its_width_is_that_of_its_parts() -> None:
    result = made()
    assert result.shape.vector == 7 * 7 * 4 * 9 + 59 + 64 and result.shape.maps == ()
    assert not list(result.parameters()) and not list(result.state_dict())


def test_it_has_no_options() -> None:
    with pytest.raises(ConfigError, match=r'\[backbone\.options\] has no key "cells"'):
        made(cells=4)


def test_it_has_no_weights() -> None:
    with pytest.raises(ConfigError, match="classical has no weights"):
        build_backbone(BackboneTable(name="classical", weights="mine.safetensors"), Path())
