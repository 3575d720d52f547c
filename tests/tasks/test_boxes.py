"""boxes: reading, learning, losses, answers and scores of a detector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from oneglance.batch_transform import Mix, View
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import ConfigError, DataError, InvalidAnswer
from oneglance.nn.feature_shape import Level, Shape
from oneglance.task import Task, build_tasks
from oneglance.tasks.boxes import Boxes

RIPE = {"ripe": {"type": "label", "smoothing": 0.0, "unknown": ["?"]}}
RICH: dict[str, Any] = {"attributes": {**RIPE, "mass": {"type": "number"}}}
CANVAS = (32, 24)
LEVELS = (Level(6, 6, 8, 4), Level(5, 3, 4, 8))
CELLS = 60
SHAPE = Shape(7, LEVELS, CANVAS)
quick = settings(deadline=None, max_examples=40)


def boxes(**table: Any) -> Boxes:
    built = build_tasks(
        {"things": {"type": "boxes", "width": 8, "depth": 1, "levels": 2, "bins": 6, **table}}
    )
    task = built["things"]
    assert isinstance(task, Boxes)
    return task


def box(*corners: float, label: str = "apple", ignore: bool = False, **attributes: Any) -> Box:
    x0, y0, x1, y1 = corners
    return Box(x0, y0, x1, y1, label, attributes, ignore)


def seen(*found: Box, queried: set[str] | None = None) -> BoxAnnotations:
    return BoxAnnotations(found, None if queried is None else frozenset(queried))


BASKET = [
    seen(box(4, 4, 20, 20, ripe="yes", mass=100.0), box(18, 2, 30, 14, label="pear")),
    seen(box(2, 2, 12, 22, label="pear", ripe="no", mass=50.0)),
    seen(),
    seen(box(8, 8, 24, 20, mass=80.0), queried={"apple"}),
]


def learned(*, head: bool = True, answers: list[BoxAnnotations] = BASKET, **table: Any) -> Boxes:
    task = boxes(**table)
    task.fit_target(answers)
    if head:
        made(task)
    return task


def made(task: Boxes) -> nn.Module:
    torch.manual_seed(0)
    return task.head(SHAPE)


def maps(count: int, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(count, each.channels, each.height, each.width, generator=random) for each in LEVELS]


def target(task: Task, answers: Sequence[BoxAnnotations | None]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in task.encode(answers).items()}


def training_raw(task: Boxes, count: int) -> Tensor:
    """What a new network says at every point."""
    raw: Tensor = made(task).train()(torch.zeros(count, 7), maps(count))[1]
    return raw


def slope(task: Boxes, raw: Tensor, told: dict[str, Tensor]) -> Tensor:
    raw = raw.detach().requires_grad_()
    loss, labelled = task.loss(raw, told)
    (found,) = torch.autograd.grad((loss * labelled).sum() / labelled.sum().clamp(min=1), raw)
    assert found.isfinite().all()
    return found


# The configuration.


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"ripe": {"type": "boxes"}},
            r"\[tasks\.things\.attributes\.ripe\] must be a label, tags or a number",
        ),
        ({"near": {"type": "embedding"}}, r"attributes\.near\] must be a label, tags or a number"),
        ({"a": {"type": "label", "uses": ["b"]}, "b": {"type": "label"}}, r"attributes\.a\] must be"),
        ({"ripe": {"type": "lable"}}, r'\[tasks\.things\.attributes\.ripe\] has no type "lable"'),
        ({"ripe": {"type": "label", "smothing": 1}}, "smothing"),
    ],
)
def test_attributes_that_do_not_fit(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        boxes(attributes=attributes)


def test_a_backbone_without_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match="things: this backbone has no maps"):
        learned(head=False).head(Shape(7))


# Reading.


def test_only_boxes_are_boxes() -> None:
    with pytest.raises(InvalidAnswer):
        boxes().read("4 4 20 20")


def test_a_class_that_is_not_declared() -> None:
    task = boxes(classes=["apple", "pear"])
    with pytest.raises(InvalidAnswer) as caught:
        task.read(seen(box(0, 0, 1, 1, label="aple")))
    assert 'class "aple"' in caught.value.what and 'Did you mean "apple"?' in caught.value.hint
    assert task.read(seen(box(0, 0, 1, 1, label=""))) is not None  # nobody said which


def test_attributes_are_read_by_their_tasks() -> None:
    said = seen(
        box(0, 0, 9, 9, ripe=" yes ", mass="12.5"), box(0, 0, 9, 8, ripe="?"), box(0, 0, 9, 7, ripe=None)
    )
    found = boxes(**RICH).read(said)
    assert found is not None
    assert [dict(each.attributes) for each in found.boxes] == [{"ripe": "yes", "mass": 12.5}, {}, {}]
    with pytest.raises(InvalidAnswer, match=r"has a box whose mass .*") as caught:
        boxes(**RICH).read(seen(box(0, 0, 9, 9, mass="heavy")))
    assert "heavy" in str(caught.value)


def test_an_attribute_may_have_another_field() -> None:
    task = boxes(attributes={"ripe": {"type": "label", "from": "Reife"}})
    found = task.read(seen(box(0, 0, 9, 9, Reife="yes", ripe="no")))
    assert found is not None and dict(found.boxes[0].attributes) == {"ripe": "yes"}


@pytest.mark.parametrize(
    ("picture", "source", "expected"),
    [
        (None, None, None),
        (None, ["pear"], {"pear"}),
        ({"fig"}, None, {"fig"}),
        ({"fig", "pear"}, ["pear", "plum"], {"pear"}),
    ],
)
def test_who_drew_a_box_need_not_have_looked_for_all_of_its_class(
    picture: set[str] | None, source: list[str] | None, expected: set[str] | None
) -> None:
    found = boxes().read(seen(box(0, 0, 1, 1), box(0, 0, 1, 1, label=""), queried=picture), source)
    assert found is not None and found.queried == expected


def test_every_box_may_be_one_of_the_same_things() -> None:
    """What the data call it can be asked as an attribute."""
    task = boxes(single="fruit", attributes={"kind": {"type": "label", "from": "label"}})
    found = task.read(seen(box(0, 0, 9, 9), box(0, 0, 9, 8, label=""), queried={"apple"}))
    assert found is not None and found.queried is None
    assert [(each.label, dict(each.attributes)) for each in found.boxes] == [
        ("fruit", {"kind": "apple"}),
        ("fruit", {}),
    ]


def test_the_same_box_twice_is_one_thing() -> None:
    """Whatever source it comes from; under one name for all, two classes at one place are one thing, too."""
    twice = seen(
        box(0, 0, 9, 9, ripe="yes", mass="2"),
        box(0, 0, 9, 9, label="pear"),
        box(0, 0, 9, 9, ripe="no", mass="2"),
        box(0, 0, 9, 9, ignore=True),
    )
    found = boxes(**RICH).read(twice)
    assert found is not None
    assert [(each.label, dict(each.attributes), each.ignore) for each in found.boxes] == [
        ("apple", {"mass": 2.0}, False),
        ("pear", {}, False),
        ("apple", {}, True),
    ]
    found = boxes(single="fruit").read(twice)
    assert found is not None and [(each.label, each.ignore) for each in found.boxes] == [
        ("fruit", False),
        ("fruit", True),
    ]


def test_a_thing_of_unknown_place_is_one_of_the_same_things() -> None:
    some = BoxAnnotations((box(0, 0, 9, 9),), frozenset({"apple"}), frozenset({"pear"}))
    found = boxes(single="fruit").read(some)
    assert found is not None and found.queried == frozenset()
    assert boxes().read(some) == some


@pytest.mark.parametrize("unplaced", ["Apple", "?"])
def test_a_thing_of_unknown_place_may_be_spelled_in_another_way(unplaced: str) -> None:
    some = BoxAnnotations((), frozenset({"apple", "pear"}), frozenset({unplaced}))
    found = boxes(join={"Apple": "apple"}, unknown=["?"]).read(some)
    assert found is not None
    assert found.queried == (frozenset({"pear"}) if unplaced == "Apple" else frozenset())


def test_classes_that_a_source_looked_for_may_be_spelled_in_another_way() -> None:
    task = boxes(join={"Apple": "apple"})
    for written, named in (("Apple", "apple"), ("apple", "Apple"), ("Apple", "Apple")):
        found = task.read(seen(queried={written, "pear"}), [named])
        assert found is not None and found.queried == frozenset({"apple"})


# Learning.


def test_classes_come_from_the_training_part() -> None:
    task = learned(head=False)
    assert task.state()["classes"] == ["apple", "pear"]
    assert list(task.stratify_labels(BASKET[0])) == ["apple", "pear"]
    assert learned(head=False, classes=["pear", "fig", "apple"]).state()["classes"] == [
        "pear",
        "fig",
        "apple",
    ]
    # A region to ignore tells no class.
    assert learned(head=False, answers=[*BASKET, seen(box(0, 0, 9, 9, label="wasp", ignore=True))]).state()[
        "classes"
    ] == ["apple", "pear"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "things: the training split has no box"),
        ([seen()], "things: the training split has no box"),
        (
            [seen(box(0, 0, 9, 9, label=""))],
            "things: the training split has no box of any class — give every box",
        ),
    ],
)
def test_nothing_to_learn_from(answers: list[BoxAnnotations], message: str) -> None:
    with pytest.raises(DataError, match=message):
        learned(answers=answers)


def test_an_attribute_that_cannot_be_learned_is_named() -> None:
    with pytest.raises(DataError, match="things: ripe of the boxes"):
        learned(answers=[seen(box(0, 0, 9, 9))], attributes=RIPE)


def test_the_constant_answer_is_the_mean_box_of_each_class() -> None:
    found = learned(head=False, **RICH).constant_baseline(2)
    assert found[0] == found[1]
    apple, pear = sorted(found[0]["boxes"], key=lambda told: told["label"])
    assert apple["box"] == [6, 6, 22, 20] and pear["box"] == [10, 2, 21, 18]
    assert apple["confidence"] == pytest.approx(2 / 4) and pear["confidence"] == pytest.approx(2 / 3)
    assert apple["attributes"].keys() == {"ripe", "mass"}
    rare = learned(head=False, classes=["apple", "fig"]).constant_baseline(1)[0]["boxes"]
    assert [told["confidence"] for told in rare if told["label"] == "fig"] == [0]


# Encoding.


def test_encoding() -> None:
    task = learned(**RICH)
    answers = [
        seen(box(4, 4, 20, 20, ripe="yes"), box(-5, -5, 8, 30, label="pear", mass=70.0)),
        None,
        seen(queried=set()),
        seen(
            box(0, 0, 9, 9, ignore=True),
            box(1, 1, 9, 9, label=""),
            box(2, 2, 9, 9, label="never seen"),
            box(3, 3, 4, 4),  # one pixel
            box(5, 5, 5.5, 9),  # thinner than one: there, but not to be learned
            box(40, 2, 50, 9),  # off the canvas
            queried={"apple", "never seen"},
        ),
    ]
    found = task.encode(answers)
    assert {name: value.shape[:2] for name, value in found.items()} == {
        **{name: (4, 4) for name in found if name != "labelled"},
        "labelled": (4, 2),
    }
    assert {name: found[name].dtype for name in ("box", "label", "ignore", "labelled")} == {
        "box": np.float32,
        "label": np.int64,
        "ignore": bool,
        "labelled": np.float32,
    }
    assert found["labelled"].tolist() == [[1, 1], [0, 0], [0, 0], [1, 0]]
    assert found["label"].tolist() == [[0, 1, -1, -1], [-1] * 4, [-1] * 4, [0, 2, 0, 0]]
    assert found["ignore"].tolist() == [*[[False] * 4] * 3, [True, True, False, True]]
    assert found["box"][0, 1].tolist() == [0, 0, 8, 24] and found["box"][3, 2].tolist() == [3, 3, 4, 4]
    alone = task._attributes["ripe"].encode(["yes", None, None, None])
    for name, value in alone.items():
        np.testing.assert_array_equal(found[f"ripe.{name}"][0], value)
        np.testing.assert_array_equal(found[f"ripe.{name}"][1], np.stack([value[1]] * 4))


@pytest.mark.parametrize("answers", [[], [None], [seen()], [None, seen()]])
def test_no_box_anywhere_still_has_its_shape(answers: list[BoxAnnotations | None]) -> None:
    found = learned(**RICH).encode(answers)
    assert found["box"].shape == (len(answers), 1, 4)
    assert (found["label"] == -1).all()


@quick
@given(
    st.tuples(*[st.floats(0, 100)] * 4),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from(["letterbox", "crop"]),
)
def test_places_lead_there_and_back(drawn: tuple[float, ...], width: int, height: int, how: Any) -> None:
    """A box of the upright picture and the same as the answer of a network."""
    x0, x1 = sorted(side * width / 100 for side in drawn[:2])
    y0, y1 = sorted(side * height / 100 for side in drawn[2:])
    placement = Fit((64, 48), how).placement(width, height)
    task = learned(head=False)
    (there,) = task.to_canvas(seen(box(x0, y0, x1, y1, mass=3.0), queried={"apple"}), placement).boxes
    assert there.attributes == {"mass": 3.0}
    told = {"boxes": [{"box": [there.x0, there.y0, there.x1, there.y1], "label": "apple", "confidence": 0.5}]}
    (back,) = task.to_image(told, placement)["boxes"]
    np.testing.assert_allclose(back["box"], [x0, y0, x1, y1], atol=1e-6 * max(width, height))


def test_an_answer_beside_the_picture_is_cut() -> None:
    placement = Fit((64, 48), "letterbox").placement(40, 40)
    told = {"boxes": [{"box": [-9.0, -9.0, 99.0, 99.0]}]}
    assert learned(head=False).to_image(told, placement)["boxes"][0]["box"] == [0, 0, 40, 40]
    assert learned(head=False).to_image({"boxes": []}, placement) == {"boxes": []}


# The loss.


def test_an_unknown_picture_moves_nothing() -> None:
    task = learned(**RICH)
    raw = training_raw(task, 3)
    assert raw.shape == (3, CELLS, 4 + 2 + 2 + 1 + 4 * 6)
    found = slope(task, raw, target(task, [BASKET[0], None, BASKET[1]]))
    assert found[1].count_nonzero() == 0
    assert found[0].count_nonzero() > 0 and found[2].count_nonzero() > 0
    assert slope(task, raw, target(task, [None] * 3)).count_nonzero() == 0


@pytest.mark.parametrize("answers", [[seen()], [seen(box(3, 3, 4, 4))], [seen(box(0, 0, 32, 24))], BASKET])
@pytest.mark.parametrize("table", [{}, RICH, {"classes": ["apple"]}])
def test_no_batch_gives_nan(answers: list[BoxAnnotations], table: dict[str, Any]) -> None:
    if "classes" in table:
        answers = [seen(*(each for each in answer.boxes if each.label == "apple")) for answer in answers]
    task = learned(**table)
    assert slope(task, training_raw(task, len(answers)), target(task, answers)).count_nonzero() > 0


def test_attributes_learn_where_they_are_known_only() -> None:
    task = learned(**RICH)
    raw = training_raw(task, 2)
    found = slope(task, raw, target(task, [seen(box(4, 4, 20, 20, ripe="yes")), seen(box(4, 4, 20, 20))]))
    ripe, mass = found[..., 6:8], found[..., 8]
    assert mass.count_nonzero() == 0 and ripe[1].count_nonzero() == 0
    learning = torch.nonzero(ripe[0].abs().sum(dim=1))[:, 0]
    assert 0 < len(learning) <= 10
    # Where the box is learned, and towards "yes", the second class.
    assert (found[0, learning, 5 - 1].abs() > 0).all()
    assert (ripe[0, learning, 1] < 0).all()


def test_a_class_that_nobody_looked_for_is_not_denied() -> None:
    task = learned()
    found = slope(task, training_raw(task, 1), target(task, [seen(box(4, 4, 20, 20), queried={"apple"})]))
    assert found[..., 4].count_nonzero() == CELLS and found[..., 5].count_nonzero() == 0


def test_a_mixed_picture_shows_the_things_of_both() -> None:
    task = learned(**RICH)
    raw = training_raw(task, 3)
    told = target(task, [BASKET[0], BASKET[1], BASKET[3]])
    both = [
        seen(*BASKET[0].boxes, *BASKET[1].boxes),
        seen(*BASKET[1].boxes, *BASKET[0].boxes),
        seen(*BASKET[3].boxes, queried={"apple"}),
    ]
    loss, labelled = task.mixed_loss(raw, told, Mix(torch.tensor([1, 0, 2]), 0.6))
    expected, known_of_both = task.loss(raw, target(task, both))
    assert torch.equal(labelled, known_of_both)
    torch.testing.assert_close(loss, expected)


def test_mixed_with_nobody_knows_what_nothing_is_known() -> None:
    task = learned()
    told = target(task, [BASKET[0], None])
    _, labelled = task.mixed_loss(training_raw(task, 2), told, Mix(torch.tensor([1, 0]), 0.6))
    assert labelled.tolist() == [0, 0]


def test_moving_takes_all_along() -> None:
    task = learned(**RICH)
    told = target(task, BASKET)
    view = View(
        torch.eye(2, 3).expand(4, 2, 3), torch.arange(4)[:, None], torch.ones(4), torch.zeros(1, 2), CANVAS
    )
    still = task.transform_target(told, view)
    assert still.keys() == told.keys()
    for name, value in told.items():
        torch.testing.assert_close(still[name], value)
    mirrored = task.transform_target(told, view._replace(motion=view.motion * torch.tensor([[-1.0], [1.0]])))
    assert mirrored["box"][0, 0].tolist() == pytest.approx([12, 4, 28, 20])


# Answers.


def raw_of(*rows: tuple[tuple[float, ...], float, float], task: Boxes) -> np.ndarray:
    """One picture: corners, and how likely an apple and a pear."""
    more = sum(attribute.width for attribute in task._attributes.values())
    found = np.zeros((1, len(rows), 6 + more), dtype=np.float32)
    for place, (corners, apple, pear) in enumerate(rows):
        chances = np.array([apple, pear])
        found[0, place, :6] = *corners, *np.log(chances / (1 - chances))
    return found


def test_of_boxes_around_one_thing_the_surest_stays() -> None:
    task = learned()
    raw = raw_of(
        ((4, 4, 20, 20), 0.6, 1e-6),
        ((5, 4, 20, 20), 0.8, 0.3),
        ((22, 2, 40, 14), 0.2, 1e-6),
        ((0, 0, 9, 9), 1e-5, 1e-5),
        task=task,
    )
    (answer,) = json.loads(json.dumps(task.decode(raw), allow_nan=False))
    told = [(each["label"], each["box"], round(each["confidence"], 4)) for each in answer["boxes"]]
    assert told == [
        ("apple", [5, 4, 20, 20], 0.8),
        ("pear", [5, 4, 20, 20], 0.3),  # another class around the same thing
        ("apple", [22, 2, 32, 14], 0.2),  # as far as it lies on the canvas
    ]


def test_most_and_overlap_are_settings() -> None:
    rows = [((4, 4, 20, 20), 0.8, 1e-6), ((4, 6, 20, 20), 0.7, 1e-6), ((22, 2, 30, 14), 0.2, 1e-6)]
    for table, count in (({"most": 1}, 1), ({"overlap": 1.0}, 3), ({"overlap": 0.9}, 3), ({}, 2)):
        task = learned(**table)
        assert len(task.decode(raw_of(*rows, task=task))[0]["boxes"]) == count


def test_attributes_are_told_of_each_box() -> None:
    task = learned(**RICH)
    raw = raw_of(((4, 4, 20, 20), 0.8, 1e-6), ((22, 2, 30, 14), 1e-6, 0.6), task=task)
    raw[0, :, 6:8] = [[5, -5], [-5, 5]]
    raw[0, :, 8] = task._attributes["mass"].constant_raw()[0]
    first, second = task.decode(raw)[0]["boxes"]
    assert first["attributes"]["ripe"] == task._attributes["ripe"].decode(raw[0, :1, 6:8])[0]
    assert second["attributes"]["ripe"] == task._attributes["ripe"].decode(raw[0, 1:, 6:8])[0]
    assert first["attributes"]["ripe"] != second["attributes"]["ripe"]
    assert first["attributes"]["mass"].keys() == task._attributes["mass"].constant_baseline(1)[0].keys()


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_wild_numbers_give_answers_that_json_can_hold(size: float) -> None:
    task = learned(**RICH)
    raw = size * np.sign(np.random.default_rng(0).normal(size=(3, 50, 9))).astype(np.float32)
    json.dumps(task.decode(raw), allow_nan=False)
    task.calibrate(raw, [BASKET[0], None, BASKET[1]])
    json.dumps(task.state(), allow_nan=False)


def test_users_see_what_is_sure_enough() -> None:
    task = learned()
    rows = [((4, 4, 20, 20.123456), 0.9, 1e-6), ((22, 2, 30, 14), 1e-6, 0.05)]
    answers = task.decode(raw_of(*rows, task=task))
    (told,) = task.visible(answers[0])["boxes"]
    assert told["label"] == "apple" and told["box"] == [4, 4, 20, 20.12]
    assert len(answers[0]["boxes"]) == 2


def noisy(task: Boxes, seed: int = 0) -> tuple[np.ndarray, list[BoxAnnotations | None]]:
    """Pictures with one apple each, found surely, and a wrong box that is less sure."""
    random = np.random.default_rng(seed)
    raws, answers = [], []
    for _ in range(30):
        x, y = random.uniform(0, 8, size=2)
        right = (x, y, x + 14, y + 14)
        sure, unsure = random.uniform(0.55, 0.9), random.uniform(0.05, 0.45)
        raws.append(raw_of((right, sure, 1e-6), ((24, 18, 31, 23), unsure, 1e-6), task=task))
        answers.append(seen(box(*right, ripe="yes")))
    return np.concatenate(raws), [*answers[:-1], None]


def test_the_threshold_divides_right_from_wrong() -> None:
    task = learned()
    raw, answers = noisy(task)
    task.calibrate(raw, answers)
    assert 0.45 <= task.state()["threshold"] <= 0.6
    assert all(len(task.visible(answer)["boxes"]) == 1 for answer in task.decode(raw))


def test_attributes_are_calibrated_on_the_boxes_that_were_found() -> None:
    task, other = learned(attributes=RIPE), learned(attributes=RIPE)
    raw, answers = noisy(task)
    raw[:, 0, 6:8] = np.random.default_rng(1).normal([0.0, 0.5], 3, size=(30, 2))
    task.calibrate(raw, answers)
    other._attributes["ripe"].calibrate(raw[:29, 0, 6:8], ["yes"] * 29)
    ours, theirs = (each.state()["attributes"]["ripe"]["temperature"] for each in (task, other))
    assert (
        ours == pytest.approx(theirs)
        and ours != learned(attributes=RIPE).state()["attributes"]["ripe"]["temperature"]
    )


def test_calibration_without_any_answer_does_no_harm() -> None:
    task = learned(**RICH)
    before = task.state()
    task.calibrate(np.zeros((2, 5, 9), dtype=np.float32), [None, None])
    assert task.state() == before


# Scores.


def answer(*told: tuple[Box, float]) -> dict[str, Any]:
    return {
        "boxes": [
            {
                "box": [each.x0, each.y0, each.x1, each.y1],
                "label": each.label,
                "confidence": sure,
                "attributes": dict(each.attributes),
            }
            for each, sure in told
        ]
    }


def scored(task: Boxes, predictions: list[dict[str, Any]], answers: list[BoxAnnotations]) -> dict[str, float]:
    return task.metrics(task.metric_state(predictions, answers), np.ones(len(answers)))


def perfect(answers: list[BoxAnnotations]) -> list[dict[str, Any]]:
    return [answer(*((each, 0.9) for each in labelled.boxes)) for labelled in answers]


def test_perfect_boxes_have_perfect_scores() -> None:
    task = learned()
    found = scored(task, perfect(BASKET), BASKET)
    assert found == pytest.approx({"ap": 1, "ap50": 1, "ap75": 1, "ar100": 1})
    assert next(iter(found)) == task.primary_metric and found.keys() == task.meaning.keys()
    assert task.sample_errors(task.metric_state(perfect(BASKET), BASKET)).tolist() == [0] * 4
    nothing = scored(task, [answer()] * 4, BASKET)
    assert nothing["ap"] == nothing["ar100"] == 0


def test_an_overlap_of_two_thirds() -> None:
    wide, narrow = box(0, 0, 12, 10), box(0, 0, 8, 10)
    found = scored(learned(), [answer((narrow, 0.9))], [seen(wide)])
    assert (found["ap50"], found["ap75"]) == (1, 0)
    assert found["ap"] == found["ar100"] == pytest.approx(0.4)  # of 0.50 to 0.65


def test_what_nobody_looked_for_is_neither_right_nor_wrong() -> None:
    task = learned()
    told = [answer((box(4, 4, 20, 20), 0.9), (box(1, 1, 9, 9, label="pear"), 0.99))]
    assert scored(task, told, [seen(box(4, 4, 20, 20), queried={"apple"})])["ap"] == pytest.approx(1)
    assert np.isnan(scored(task, told, [seen(queried=set())])["ap"])
    crowd = [seen(box(4, 4, 20, 20), box(0, 0, 10, 10, label="pear", ignore=True))]
    assert scored(task, told, crowd)["ap"] == pytest.approx(1)


def test_attributes_are_scored_on_the_boxes_that_were_found() -> None:
    task = learned(**RICH)
    ripe, mass = (task._attributes[name].decode for name in ("ripe", "mass"))
    yes, no = ripe(np.array([[-5, 5.0], [5, -5]]))
    heavy = mass(task._attributes["mass"].constant_raw())[0]
    truth = [
        seen(box(4, 4, 20, 20, ripe="yes"), box(22, 2, 30, 14, ripe="yes")),
        seen(box(4, 4, 20, 20, ripe="no")),
        seen(box(4, 4, 20, 20, ripe="no"), box(22, 2, 30, 14)),
    ]
    told = [
        answer((box(4, 4, 20, 20, ripe=yes, mass=heavy), 0.9)),  # right; the other was not found
        answer((box(4, 4, 20, 20, ripe=yes, mass=heavy), 0.8)),  # wrong
        answer((box(5, 4, 20, 20, ripe=no, mass=heavy), 0.8), (box(22, 2, 30, 14, ripe=no, mass=heavy), 0.7)),
    ]
    metric_state = task.metric_state(told, truth)
    found = task.metrics(metric_state, np.ones(3))
    assert found["ripe.accuracy"] == pytest.approx(2 / 3)
    assert np.isnan(found[f"mass.{task._attributes['mass'].primary_metric}"])  # nobody weighed
    assert task.metrics(metric_state, np.array([2.0, 1, 0]))["ripe.accuracy"] == pytest.approx(2 / 3)
    none = task.metrics(metric_state, np.array([0, 1.0, 0]))
    assert none["ripe.accuracy"] == 0
    details = task.details(metric_state)
    assert details[0].title.startswith("Per class")
    assert any(detail.title.startswith("ripe: ") for detail in details)


def test_skill_is_0_for_the_constant_and_1_for_the_truth() -> None:
    task = learned()
    constant = scored(task, task.constant_baseline(len(BASKET)), BASKET)["ap"]
    assert task.skill(constant, constant) == 0
    assert task.skill(scored(task, perfect(BASKET), BASKET)["ap"], constant) == pytest.approx(1)


def test_wrongness_puts_the_worst_first() -> None:
    task = learned()
    told = [
        answer((box(4, 4, 20, 20), 0.9)),
        answer((box(1, 1, 9, 9, label="pear"), 0.9)),
        answer(),
        answer(),
    ]
    found = task.sample_errors(task.metric_state(told, BASKET))
    assert found.tolist() == pytest.approx([1 / 3, 1, 0, 1])


# Where the loss leads, the scores are best.


def test_descent_leads_to_perfect_answers() -> None:
    task = learned(**RICH)
    answers: list[BoxAnnotations | None] = [*BASKET, None]
    raw = torch.as_tensor(task.constant_raw()).repeat(5, 1, 1).requires_grad_()
    assert raw.shape == (5, CELLS, 4 + 2 + 2 + 1 + 4 * 6)
    descent = torch.optim.Adam([raw], lr=0.3)
    for _ in range(150):
        descent.zero_grad()
        loss, labelled = task.loss(raw, target(task, answers))
        ((loss * labelled).sum() / labelled.sum()).backward()
        descent.step()
    final = raw.detach().numpy()
    found = scored(task, task.decode(final[:4]), BASKET)
    assert found["ap50"] > 0.99 and found["ap"] > 0.9
    assert found["ripe.accuracy"] == 1
    task.calibrate(final, answers)
    assert [task.format_prediction(task.visible(told)) for told in task.decode(final[:4])] == [
        "1 apple, 1 pear",
        "1 pear",
        "nothing",
        "1 apple",
    ]


# Words and the run folder.


def test_words() -> None:
    task = learned()
    assert task.format(BASKET[0]) == "1 apple, 1 pear" and task.format(BASKET[2]) == "nothing"
    assert (
        task.format(seen(box(0, 0, 1, 1), box(0, 0, 1, 1), box(0, 0, 1, 1, label="", ignore=True)))
        == "2 apple"
    )
    assert task.format(seen(box(0, 0, 1, 1, label=""))) == "1 ?"


def test_marks_on_a_picture() -> None:
    """Where, in which words and, by class, in which colour."""
    task = learned(attributes=RIPE)
    drawn = seen(
        box(1, 2, 3, 4, label="pear", ripe="no"), box(0, 0, 9, 9, ignore=True), box(5, 5, 9, 9, label="")
    )
    assert [(list(location), words, number) for location, words, number in task.overlays(drawn)] == [
        ([1, 2, 3, 4], "pear, no", 1),
        ([5, 5, 9, 9], "?", 2),
    ]
    (told,) = task.predicted_overlays({"boxes": task.constant_baseline(1)[0]["boxes"][:1]})
    assert told[0] == [10, 2, 21, 18] and told[1].startswith("pear (67%), ") and told[2] == 1
    assert task.detections(task.constant_baseline(1)[0]) == task.constant_baseline(1)[0]["boxes"]


def test_what_was_learned_can_be_kept() -> None:
    task, again = learned(**RICH), boxes(**RICH)
    raw, answers = noisy(task)
    task.calibrate(raw, answers)
    again.restore(json.loads(json.dumps(task.state(), allow_nan=False)))
    assert again.state() == task.state()
    assert again.decode(raw) == task.decode(raw)
    assert again.constant_baseline(1) == task.constant_baseline(1)
    np.testing.assert_array_equal(again.constant_raw(), task.constant_raw())
    assert made(again).state_dict().keys() == made(task).state_dict().keys()


def test_two_sources_say_the_same_of_one_box() -> None:
    task = boxes(**RICH)
    first, other = seen(box(0, 0, 9, 9, ripe="yes")), seen(box(0, 0, 9, 9, mass=5.0))
    assert dict(task.merge(first, other).boxes[0].attributes) == {"ripe": "yes", "mass": 5.0}
    with pytest.raises(InvalidAnswer, match="ripe"):
        task.merge(first, seen(box(0, 0, 9, 9, ripe="no")))
