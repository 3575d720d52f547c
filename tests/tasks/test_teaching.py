"""What a finished network says of pictures, in the terms of the task that learns from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oneglance.data.images.letterbox import Fit
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import ConfigError, DataError
from oneglance.nn.feature_shape import Level, Shape
from oneglance.task import Task, build_tasks
from oneglance.tasks.tags import TagAnnotations


def task(answers: list[Any], **table: Any) -> Task:
    made = build_tasks({"kind": table})["kind"]
    made.fit_target(answers)
    return made


def label(words: str, **table: Any) -> Task:
    return task(words.split(), type="label", **table)


def test_classes_are_matched_by_name_whatever_their_order() -> None:
    ours, theirs = label("dog cat emu"), label("cat dog emu", classes=["emu", "dog", "cat"])
    soft = ours.soft_target(np.array([[5.0, 0, 0]], dtype=np.float32), theirs)
    assert soft["chances"][0].argmax() == 2  # cat, dog, emu: the first of theirs is the last of ours
    assert soft["trust"][0] > 0.9


def test_a_teacher_that_knows_fewer_classes_says_nothing_of_the_others() -> None:
    ours, theirs = label("cat dog emu"), label("cat dog")
    target = ours.soft_target(np.array([[4.0, 0]], dtype=np.float32), theirs)
    soft = {name: torch.as_tensor(value) for name, value in target.items()}
    raw = torch.zeros(1, 3, requires_grad=True)
    ours.teach(raw, soft)[0].sum().backward()  # type: ignore[no-untyped-call]
    assert raw.grad is not None
    cat, dog, emu = raw.grad[0].tolist()
    assert cat < 0 < dog and emu == pytest.approx(0, abs=1e-6)


def test_a_teacher_that_calls_other_things_by_these_names_cannot_mean_what_people_mean() -> None:
    ours = label("cat dog")
    truth = ["cat", "dog"] * 40
    raw = np.where(np.array(truth)[:, None] == ["cat", "dog"], 2.0, -2.0).astype(np.float32)
    right, turned = (ours.soft_target(sign * raw, ours) for sign in (1, -1))
    assert ours.disagreement(right, ours.encode(truth)) == ""
    why = ours.disagreement(turned, ours.encode(truth))
    assert why == "it agrees with them in 0% of 80 pictures, where 50% would be chance"
    assert ours.disagreement(turned, ours.encode([*truth[:40], *[None] * 40])) == ""  # too few to tell


def test_what_a_teacher_thinks_of_other_classes_lowers_its_weight() -> None:
    ours, theirs = label("cat dog"), label("cat dog emu")
    raw = np.array([[6.0, 0, 0], [0, 0, 6.0]], dtype=np.float32)
    sure, elsewhere = ours.soft_target(raw, theirs)["trust"]
    assert sure > 0.9 and elsewhere < 0.05


def test_an_unsure_teacher_teaches_less() -> None:
    ours = label("cat dog emu")
    trust = ours.soft_target(np.array([[0.1, 0, 0], [1, 0, 0], [5, 0, 0]], dtype=np.float32), ours)["trust"]
    assert trust[0] < 0.1 < trust[1] < 0.6 < trust[2]


def test_a_balanced_teacher_of_tags_is_read_as_the_data_are() -> None:
    answers = [TagAnnotations(frozenset({"rare"} if i == 0 else set())) for i in range(99)]
    plain, balanced = (task(answers, type="tags", class_weights=how) for how in ("none", "balanced"))
    zero = np.zeros((1, 1), dtype=np.float32)  # of a balanced network: as likely as any
    chance = plain.soft_target(zero, balanced)["chances"][0, 0]
    assert chance == pytest.approx(2 / 101, abs=1e-3)
    again = {name: torch.as_tensor(v) for name, v in balanced.soft_target(zero, balanced).items()}
    assert balanced.teach(torch.zeros(1, 1), again)[0].item() == pytest.approx(0, abs=1e-6)


def number(values: list[float], **table: Any) -> Task:
    return task(values, type="number", **table)


@pytest.mark.parametrize(("ours_log", "theirs_log"), [(False, False), (True, False), (False, True)])
def test_a_number_is_learned_in_its_own_scale(ours_log: bool, theirs_log: bool) -> None:
    ours = number([1.0, 2, 3, 4, 50], log=ours_log, unit="g")
    theirs = number([10.0, 20, 30, 40], log=theirs_log, unit="g")
    raw = theirs.encode([25.0, 12.0])["value"][:, None]
    value = ours.soft_target(raw, theirs)["value"]
    np.testing.assert_allclose(value, ours.encode([25.0, 12.0])["value"], rtol=1e-4)


def test_what_has_no_logarithm_is_not_taught() -> None:
    ours, theirs = number([1.0, 2, 3], log=True), number([1.0, 2, 3])
    below = theirs.encode([-5.0])["value"][:, None]
    assert ours.soft_target(below, theirs)["trust"].tolist() == [0]


def test_a_teacher_with_a_wide_interval_counts_less() -> None:
    ours, theirs = number([1.0, 2, 3]), number([1.0, 2, 3])
    trusts = []
    for reach in (0.2, 1.0, 3.0):
        theirs.restore({**theirs.state(), "reach": reach})
        trusts.append(float(ours.soft_target(np.zeros((1, 1), np.float32), theirs)["trust"][0]))
    assert trusts[0] > 0.95 > trusts[1] > trusts[2] > 0


def test_units_that_differ_are_refused_and_unknown_ones_are_not() -> None:
    grams, kilograms, unknown = (number([1.0, 2], unit=unit) for unit in ("g", "kg", ""))
    with pytest.raises(ConfigError, match="is in kg there and in g here"):
        grams.refuse_teacher(kilograms)
    grams.refuse_teacher(unknown)
    unknown.refuse_teacher(grams)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (label("a b"), label("c d")),
        (label("a b"), label("a c")),
        (
            task([TagAnnotations(frozenset({"a"}))], type="tags"),
            task([TagAnnotations(frozenset({"b"}))], type="tags"),
        ),
        (label("a b"), number([1.0, 2])),
    ],
)
def test_what_does_not_fit_is_refused(ours: Task, theirs: Task) -> None:
    with pytest.raises(ConfigError):
        ours.refuse_teacher(theirs)


def test_classes_come_from_the_teacher_where_nobody_has_answered() -> None:
    theirs = label("cat dog emu emu")
    ours = build_tasks({"kind": {"type": "label"}})["kind"]
    ours.learn_from(theirs)
    assert ours.state()["classes"] == ["cat", "dog", "emu"]
    declared = build_tasks({"kind": {"type": "label", "classes": ["x", "y"]}})["kind"]
    with pytest.raises(DataError, match="its teacher"):
        declared.learn_from(theirs)
    logarithm = build_tasks({"kind": {"type": "number", "log": True}})["kind"]
    with pytest.raises(DataError, match="set log = false"):
        logarithm.learn_from(number([1.0, 2]))


def test_drawn_answers_are_as_frequent_as_they_are_probable() -> None:
    random, theirs = np.random.default_rng(0), label("cat dog")
    (prediction,) = theirs.decode(np.array([[np.log(3.0), 0]], dtype=np.float32))
    drawn = [theirs.drawn_answer(prediction, random) for _ in range(400)]
    assert 0.68 < drawn.count("cat") / 400 < 0.82
    amount = number([1.0, 2, 3], low=0)
    amount.restore({**amount.state(), "reach": 1.0})
    (prediction,) = amount.decode(np.zeros((1, 1), np.float32))
    values = np.array([amount.drawn_answer(prediction, random) for _ in range(400)])
    inside = np.mean((values >= prediction["low"]) & (values <= prediction["high"]))
    assert 0.85 < inside < 0.95 and values.min() >= 0


# Boxes.

LEVELS = (Level(6, 4, 4, 8),)


def boxes(words: str, canvas: tuple[int, int], **table: Any) -> Task:
    made = build_tasks({"kind": {"type": "boxes", "levels": 1, "width": 8, "bins": 4, **table}})["kind"]
    things = tuple(Box(4, 4, 20, 20, name) for name in words.split())
    made.fit_target([BoxAnnotations(things)])
    made.head(Shape(6, LEVELS, canvas))
    return made


def found(*rows: tuple[float, ...]) -> np.ndarray:
    """Raw output of one picture: corners and logits."""
    return np.array([rows], dtype=np.float32)


def test_boxes_go_from_one_canvas_to_the_other() -> None:
    ours, theirs = boxes("pear apple", (32, 32)), boxes("apple pear", (64, 64), classes=["pear", "apple"])
    places = [(Fit((64, 64)).placement(100, 50), Fit((32, 32)).placement(100, 50))]
    raw = found((0, 16, 32, 48, 4.0, -9.0), (40, 20, 60, 40, -9.0, -2.0))
    soft = ours.soft_target(raw, theirs, places)
    assert soft["box"][0, 0].tolist() == pytest.approx([0, 8, 16, 24])
    assert soft["label"][0, :3].tolist() == [1, 0, -1]  # apple, pear here
    assert soft["ignore"][0, :2].tolist() == [
        False,
        True,
    ]  # less sure than the threshold: not learned
    assert soft["labelled"].tolist() == [[1, 1]]


def test_a_class_that_the_teacher_does_not_know_is_not_taught() -> None:
    ours, theirs = boxes("apple pear", (32, 32)), boxes("apple plum", (32, 32))
    soft = ours.soft_target(found((0, 0, 9, 9, -9.0, 4.0), (4, 4, 20, 20, 3.0, -9.0)), theirs)
    assert soft["label"][0, :2].tolist() == [0, -1] and soft["labelled"].tolist() == [[1, 0]]


def test_a_box_pulls_the_network_towards_it() -> None:
    ours = boxes("apple", (32, 32))
    target = ours.soft_target(found((6, 6, 22, 22, 3.0)), ours)
    soft = {name: torch.as_tensor(value) for name, value in target.items()}
    start = torch.as_tensor(ours.constant_raw())
    raw = start.clone().requires_grad_()
    loss, weight = ours.teach(raw, soft)
    (loss * weight).sum().backward()  # type: ignore[no-untyped-call]
    better = (start - 0.05 * raw.grad).detach()  # type: ignore[operator]
    assert ours.teach(better, soft)[0].item() < loss.item()
