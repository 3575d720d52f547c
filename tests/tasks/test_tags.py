"""tags: any number of several classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from oneglance.errors import DataError, InvalidAnswer
from oneglance.report_items import Grid
from oneglance.storage.task_state import InvalidState, restore
from oneglance.task import build_tasks
from oneglance.tasks.tags import TagAnnotations, Tags
from oneglance.tasks.tags.calibration import best_threshold


def tags(**table: Any) -> Tags:
    built = build_tasks({"style": {"type": "tags", **table}})["style"]
    assert isinstance(built, Tags)
    return built


def seen(*present: str, queried: tuple[str, ...] | None = None) -> TagAnnotations:
    return TagAnnotations(frozenset(present), None if queried is None else frozenset(queried))


NAMES = ("red", "big", "old")


def case(
    count: int = 300, seed: int = 0, unknown: float = 0.3
) -> tuple[Tags, np.ndarray, list[TagAnnotations]]:
    """(task, raw, answers): rare to frequent tags, of which some were not looked for."""
    random = np.random.default_rng(seed)
    present = random.random((count, 3)) < [0.1, 0.3, 0.6]
    queried = random.random((count, 3)) >= unknown
    answers = [
        TagAnnotations(
            frozenset(name for name, yes, ask in zip(NAMES, row, labelled, strict=True) if yes and ask),
            frozenset(name for name, ask in zip(NAMES, labelled, strict=True) if ask),
        )
        for row, labelled in zip(present, queried, strict=True)
    ]
    task = tags(classes=list(NAMES))
    task.fit_target(answers)
    return task, 2.0 * present - 2 + random.normal(size=(count, 3)), answers


def scored(
    task: Tags, raw: np.ndarray, answers: list[TagAnnotations], weights: np.ndarray | None = None
) -> dict[str, float]:
    metric_state = task.metric_state(task.decode(raw), answers)
    return task.metrics(metric_state, np.ones(len(answers)) if weights is None else weights)


# Reading.


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("red|big", seen("red", "big")),
        (" red | big |", seen("red", "big")),
        ("red", seen("red")),
        (7.0, seen("7")),
        (["red", "big"], seen("red", "big")),
        ([], seen()),
        ("none", seen()),
        (["none"], seen()),
        ("", None),
        (None, None),
        ("?", None),
        (["?"], None),
        ([None], None),
        ("?|red", seen("red")),
    ],
)
def test_a_cell_becomes_tags(said: Any, read: TagAnnotations | None) -> None:
    assert tags(none=["none"], unknown=["?"]).read(said) == read


@pytest.mark.parametrize("cell", ["['a', 'b']", '["a","b"]', ["a", "b"]])
def test_a_cell_may_hold_a_list_as_it_was_printed(cell: Any) -> None:
    assert tags().read(cell) == seen("a", "b")
    assert tags().read("[]") == seen()
    assert tags().read("[None]") is None


def test_the_separator_is_declared() -> None:
    assert tags(separator=", ").read("red, very big") == seen("red", "very big")


def test_only_what_was_looked_for_is_known() -> None:
    """A source may annotate some classes only; what it names beside them it has looked for, too."""
    assert tags().read("red", queried=["red", "big"]) == seen("red", queried=("red", "big"))
    assert tags().read("old", queried=["red"]) == seen("old", queried=("red", "old"))
    assert tags().read([], queried=["red"]) == seen(queried=("red",))


@pytest.mark.parametrize("yes", ["yes", "Yes", "1", 1, 1.0, True, "t", "x"])
@pytest.mark.parametrize("no", ["no", "FALSE", "0", 0, 0.0, False, -1, "-1"])
def test_columns_are_yes_no_or_unknown(yes: Any, no: Any) -> None:
    task = tags(**{"from": ["red", "big", "old"]})
    assert task.read({"red": yes, "big": no, "old": ""}) == seen("red", queried=("red", "big"))


def test_a_column_that_says_neither_is_a_misfit() -> None:
    with pytest.raises(InvalidAnswer, match='big is "perhaps"') as caught:
        tags().read({"red": 1, "big": "perhaps"})
    assert caught.value.hint == "write yes or no, or leave the cell empty if unknown"


def test_a_tag_outside_the_declared_ones_is_a_misfit_that_names_the_nearest() -> None:
    with pytest.raises(InvalidAnswer, match='has the tag "stripd"') as caught:
        tags(classes=["striped", "plain"]).read("plain|stripd")
    assert caught.value.hint == 'it is not among `classes`. Did you mean "striped"?'


# Learning.


@pytest.mark.parametrize(("answers", "message"), [([], "no answer"), ([seen(), seen()], "no tag at all")])
def test_what_cannot_be_learned_is_told(answers: list[TagAnnotations], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tags().fit_target(answers)


def test_shares_count_only_those_who_looked() -> None:
    task = tags()
    task.fit_target(
        [seen("a", queried=("a",))] * 4
        + [seen("b", queried=("b",)), seen(queried=("b",))] * 2
        + [seen("a", "b")]
    )
    assert task._shares == pytest.approx([6 / 7, 4 / 7])


def test_columns_are_the_classes_in_their_order_even_if_none_applies() -> None:
    task = tags(**{"from": ["z", "a", "z"]})
    answer = task.read({"z": "no", "a": "no"})
    assert answer is not None
    task.fit_target([answer])
    assert task._classes == ["z", "a"]
    assert np.isfinite(task.constant_raw()).all()


def test_each_tag_is_yes_no_or_unknown() -> None:
    task = tags(classes=list(NAMES))
    task.fit_target([seen("red")])
    target = task.encode([seen("red"), seen("red", queried=("red", "big")), seen("odd"), None])
    assert target["present"].tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert target["labelled"].tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]]


def test_a_tag_nobody_asked_for_has_no_gradient() -> None:
    task = tags(classes=list(NAMES))
    task.fit_target([seen("red")])
    raw = torch.zeros(1, 3, requires_grad=True)
    target = {k: torch.as_tensor(v) for k, v in task.encode([seen("red", queried=("red", "old"))]).items()}
    loss, labelled = task.loss(raw, target)
    (loss * labelled).sum().backward()
    assert raw.grad is not None
    assert raw.grad.tolist() == [[-0.5, 0.0, 0.5]]


def test_balanced_weights_make_yes_and_no_count_the_same() -> None:
    task = tags(class_weights="balanced")
    answers = [seen("rare")] * 49 + [seen("other")] * 949
    task.fit_target(answers)
    target = {k: torch.as_tensor(v) for k, v in task.encode(answers).items()}
    loss = task.loss(torch.zeros(len(answers), 2), target)[0]
    yes = target["present"] > 0
    assert float(loss[yes].sum()) == pytest.approx(float(loss[~yes].sum()), rel=0.05)
    assert float(loss.mean()) == pytest.approx(np.log(2), rel=0.05)


# Calibration.


def test_thresholds_of_the_validation_part_beat_one_half_there() -> None:
    task, raw, answers = case()
    before = scored(task, raw, answers)
    task.calibrate(raw, list(answers))
    after = scored(task, raw, answers)
    assert after["f1_macro"] > before["f1_macro"] + 0.05
    assert after["map"] == pytest.approx(before["map"])  # a temperature keeps the order


def test_no_other_threshold_is_better() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        chances = random.integers(0, 20, size=60) / 20  # with many ties
        present = (random.random(60) < chances).astype(float)
        found = best_threshold(chances, present)
        best = max(sk.f1_score(present, chances >= at) for at in np.unique(chances))
        assert sk.f1_score(present, chances >= found) == pytest.approx(best)


def test_a_handful_of_positives_leaves_the_threshold_at_one_half() -> None:
    assert best_threshold(np.linspace(0, 1, 50), np.eye(50)[0] + np.eye(50)[1]) == 0.5
    assert best_threshold(np.linspace(0, 1, 50), np.ones(50)) == 0.5


def test_the_constant_answer_is_not_bent_by_the_temperature() -> None:
    task, raw, answers = case()
    before = task.constant_baseline(1)[0]["probabilities"]
    task.calibrate(9 * raw, list(answers))
    assert task._calibration.temperatures[0] > 2
    assert task.constant_baseline(1)[0]["probabilities"] == pytest.approx(before)


RARE = ("never", "once", "thrice", "some", "half")


def balanced(
    rates: tuple[float, ...], counts: tuple[int, ...] | None = None, size: int = 400, seed: int = 0
) -> tuple[Tags, np.ndarray, list[TagAnnotations]]:
    """(task, raw, answers): tags of these rates in training, and in these answers, if given, so many of each;
    the raw output of a network that learned them with balanced classes.
    """
    random = np.random.default_rng(seed)
    task = tags(classes=list(RARE[: len(rates)]), class_weights="balanced")
    drawn = random.random((4000, len(rates))) < rates
    task.fit_target([seen(*(t for t, yes in zip(RARE, row, strict=False) if yes)) for row in drawn])
    present = random.random((size, len(rates))) < rates
    if counts is not None:
        present = np.stack([random.permutation(np.arange(size) < count) for count in counts], axis=1)
    answers = [seen(*(t for t, yes in zip(RARE, row, strict=False) if yes)) for row in present]
    # Two normal distributions whose means differ by 2: 2x is the log-odds, where both come equally often.
    return task, 2 * (2.0 * present - 1 + random.normal(size=present.shape)), answers


def test_probabilities_of_tags_that_were_trained_with_balanced_classes_are_those_of_the_data() -> None:
    rates = (0.02, 0.05, 0.1, 0.2, 0.5)
    task, raw, answers = balanced(rates)
    task.calibrate(3 * raw + 0.5, list(answers))
    _, raw, answers = balanced(rates, size=4000, seed=1)
    raw = 3 * raw + 0.5  # a network that boasts, and says yes too easily
    chances, present = task.chances(raw), task.encode(answers)["present"]
    assert np.abs(chances.mean(axis=0) / present.mean(axis=0) - 1).max() < 0.35
    sure = (chances > 0.8) & (chances < 0.9)
    assert sure.sum() > 100 and 0.75 < present[sure].mean() < 0.95
    assert scored(task, raw, answers)["ece"] < 0.02
    task._calibration = replace(task._calibration, offsets=(0.0,) * 5)
    assert scored(task, raw, answers)["ece"] > 0.1, "the test shows nothing"


def test_tags_that_hardly_any_validation_picture_has_stay_where_their_shares_put_them() -> None:
    task, raw, answers = balanced((0.003, 0.005, 0.01, 0.1, 0.5), (0, 1, 3, 40, 200))
    usual = np.array(task._calibration.offsets)
    assert usual[-1] == pytest.approx(0, abs=0.1) and usual[0] < -5
    for wild in (raw, 1e4 * np.sign(raw), -raw, 0 * raw):
        task.calibrate(wild, list(answers))
        assert np.abs(np.array(task._calibration.offsets) - usual).max() <= 4
    task.calibrate(raw, list(answers))
    assert np.abs(np.array(task._calibration.offsets) - usual)[:3].max() < 1
    shown = task.chances(raw)[:, :3]
    assert shown.mean() < 0.03
    assert 0.1 < task.chances(np.full((1, 5), 9.0))[0, 0] < 0.99, "a rare tag can be seen"
    # Found too rarely to choose a threshold by: where yes is as likely as no was in training.
    assert task._calibration.thresholds[:3] == pytest.approx(task._shares[:3])


def test_too_few_answers_leave_the_usual_offsets() -> None:
    task, raw, answers = balanced((0.1, 0.3), size=4)
    task.calibrate(raw, list(answers))
    assert task.chances(np.zeros((1, 2)))[0] == pytest.approx(task._shares)
    assert task.decode(np.full((1, 2), 0.1))[0]["values"] == ["never", "once"]


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_the_constant_baseline_is_the_shares_and_the_least_loss(weights: str) -> None:
    _, raw, answers = balanced((0.1, 0.3))
    task = tags(class_weights=weights)
    task.fit_target(answers)
    for _ in range(2):
        assert [*task.constant_baseline(1)[0]["probabilities"].values()] == pytest.approx(task._shares)
        task.calibrate(raw - 1, list(answers))
    target = {name: torch.as_tensor(array) for name, array in task.encode(answers).items()}
    constant = torch.as_tensor(task.constant_raw())
    least = task.loss(constant.repeat(len(answers), 1), target)[0].mean()
    for other in (constant - 0.2, constant + 0.2):
        assert least < task.loss(other.repeat(len(answers), 1), target)[0].mean()


def test_learned_values_of_before_have_no_offsets() -> None:
    task, raw, _ = case()
    state = {**task.state(), "temperature": 2.0}
    del state["offsets"]
    restore({"style": task}, {"style": state})
    assert task.chances(raw) == pytest.approx(1 / (1 + np.exp(-raw / 2)))
    with pytest.raises(InvalidState, match="one of `offsets` for each of the 3 classes, not 2"):
        restore({"style": task}, {"style": {**state, "offsets": [0.0, 1.0]}})


# Metrics.


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_those_of_scikit_learn_on_what_is_known(weighted: bool) -> None:
    task, raw, answers = case()
    raw = np.round(raw, 1)  # many ties
    task.calibrate(raw, list(answers))
    random = np.random.default_rng(1)
    weights = random.integers(0, 4, size=len(answers)) if weighted else np.ones(len(answers), dtype=int)
    found = scored(task, raw, answers, weights.astype(float))
    target = task.encode([answer for answer, n in zip(answers, weights, strict=True) for _ in range(n)])
    present, labelled = target["present"], target["labelled"] > 0
    chances = np.repeat(task.chances(raw), weights, axis=0)
    chosen = chances >= np.array(task._calibration.thresholds)
    columns = [(present[k, t], chances[k, t], chosen[k, t]) for t, k in enumerate(labelled.T)]
    assert found["map"] == pytest.approx(np.mean([sk.average_precision_score(y, p) for y, p, _ in columns]))
    assert found["f1_macro"] == pytest.approx(np.mean([sk.f1_score(y, c) for y, _, c in columns]))
    assert found["f1_micro"] == pytest.approx(sk.f1_score(present[labelled], chosen[labelled]))


def test_f1_does_not_count_a_tag_that_a_resample_leaves_out() -> None:
    task = tags(classes=["blue", "red"])
    task.fit_target([seen("red"), seen("blue")])
    raw = np.where([[1, 1], [1, 0], [0, 1]], 9.0, -9.0)
    answers = [seen("red"), seen("blue"), seen("red")]
    weights = np.array([1.0, 0, 1])
    assert scored(task, raw, answers, weights)["f1_macro"] == pytest.approx(1)
    nobody = [seen("red"), seen(), seen("red")]
    assert scored(task, raw, nobody, weights)["f1_macro"] == pytest.approx(1 / 2)


def test_a_tag_without_positives_does_not_count_in_map() -> None:
    task, raw, answers = case()
    others = [TagAnnotations(answer.present - {"red"}, answer.queried) for answer in answers]
    expected = scored(task, raw, answers)["map"] * 3
    red = sk.average_precision_score(
        [("red" in a.present) for a in answers if a.queried and "red" in a.queried],
        [p[0] for p, a in zip(task.chances(raw), answers, strict=True) if a.queried and "red" in a.queried],
    )
    assert scored(task, raw, others)["map"] == pytest.approx((expected - red) / 2)


def test_the_table_of_tags_is_that_of_scikit_learn() -> None:
    task, raw, answers = case(unknown=0.0)
    task.calibrate(raw, list(answers))
    grid, *_ = task.details(task.metric_state(task.decode(raw), answers))
    assert isinstance(grid, Grid)
    present, chosen = (
        task.encode(answers)["present"],
        task.chances(raw) >= np.array(task._calibration.thresholds),
    )
    columns = sk.precision_recall_fscore_support(present, chosen)
    for tag, (row, *expected) in enumerate(zip(grid.rows, *columns, strict=True)):
        precision, recall, score, support = expected
        ap = sk.average_precision_score(present[:, tag], task.chances(raw)[:, tag])
        assert row[1:] == pytest.approx(
            (len(answers), support, ap, precision, recall, score, task._calibration.thresholds[tag])
        )


def test_words() -> None:
    task = case()[0]
    assert task.format(seen("red", "big")) == "big, red"
    assert task.format(seen()) == "none"
    assert task.format_prediction(task.decode(np.full((1, 3), -9.0))[0]) == "none"
    assert task.decode(np.array([[9.0, -9.0, 9.0]]))[0]["values"] == ["red", "old"]


def test_cells_of_a_table() -> None:
    """Text that a person could have written, and that reads as the same tags."""
    assert tags().to_cells(["a", "b"]) == {"style": "a|b"}
    assert tags(separator=";").to_cells(["a", "b"]) == {"style": "a;b"}
    assert tags(none=["ok"]).to_cells([]) == {"style": "ok"}
    columns = build_tasks({"t": {"type": "tags", "from": ["a", "b"]}})["t"]
    assert columns.to_cells(["b"]) == {"a": "no", "b": "yes"}
    for task, raw_value in ((tags(), []), (tags(unknown=["?"]), "?"), (columns, ["c"])):
        with pytest.raises(InvalidAnswer):
            task.to_cells(raw_value)


# Prediction sets.


def test_a_set_holds_the_promised_share_of_the_tags() -> None:
    task, raw, answers = case(count=4000)
    task.calibrate(raw[:2000], answers[:2000])
    task.fit_sets(raw[:2000], answers[:2000], [""] * 2000)
    predictions = task.decode(raw[2000:])
    metrics = task.metrics(task.metric_state(predictions, answers[2000:]), np.ones(2000))
    shares = [
        len(answer.present & set(one["set"])) / len(answer.present)
        for one, answer in zip(predictions, answers[2000:], strict=True)
        if answer.present
    ]
    assert metrics["coverage"] == pytest.approx(np.mean(shares))
    assert metrics["coverage"] == pytest.approx(0.9, abs=0.02)
    assert metrics["set_size"] == np.mean([len(one["set"]) for one in predictions])
    again = tags(classes=list(NAMES))
    restore({"style": again}, {"style": task.state()})
    assert again.decode(raw) == task.decode(raw)


def test_a_table_of_answers_has_columns_for_sets_of_tags() -> None:
    task, raw, answers = case(count=300)
    task.fit_sets(raw, answers, [""] * 300)
    assert task.example().keys() == task.decode(raw)[0].keys() >= {"set", "coverage"}


def test_sets_of_tags_are_not_wanted_or_not_possible() -> None:
    task, raw, answers = case(count=300)
    task.fit_sets(raw[:8], answers[:8], [""] * 8)
    assert "set" not in task.decode(raw)[0]
    few = [seen("red")] * 8 + [seen()] * 30
    with pytest.raises(DataError, match="needs 9 validation pictures with an answer, not 8"):
        tags(coverage=0.9).refuse_few_answers(few, few, [""] * 38)
    tags().refuse_few_answers(few, few, [""] * 38)
    tags(coverage=0).refuse_few_answers(few, few, [""] * 38)


def test_tags_before_and_after_calibration() -> None:
    task, raw, answers = case(unknown=0.0)
    before = task.chances(raw)
    task.calibrate(raw, list(answers))
    present = task.encode(answers)["present"]
    figures = task.calibration(task.metric_state(task.decode(raw), answers))
    for moment, chances in (("before", before), ("after", task.chances(raw))):
        assert figures[moment]["log_loss"] == pytest.approx(sk.log_loss(present.ravel(), chances.ravel()))
        assert figures[moment]["brier"] == pytest.approx(((chances - present) ** 2).mean())
    assert figures["after"]["log_loss"] < figures["before"]["log_loss"]
