"""label: one of several classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from oneglance.errors import ConfigError, DataError, InvalidAnswer
from oneglance.report_items import Grid, Matrix
from oneglance.storage.task_state import InvalidState, restore
from oneglance.task import build_tasks
from oneglance.tasks.label import Label


def label(**table: Any) -> Label:
    built = build_tasks({"kind": {"type": "label", **table}})["kind"]
    assert isinstance(built, Label)
    return built


def learned(answers: list[str], **table: Any) -> Label:
    task = label(**table)
    task.fit_target(answers)
    return task


def scored(
    task: Label, raw: np.ndarray, answers: list[str], weights: np.ndarray | None = None
) -> dict[str, float]:
    metric_state = task.metric_state(task.decode(raw), answers)
    return task.metrics(metric_state, np.ones(len(answers)) if weights is None else weights)


def random_case(classes: int, count: int = 200, seed: int = 0) -> tuple[Label, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    names = [f"c{place:02}" for place in range(classes)]
    truth = [names[place] for place in random.integers(classes, size=count)]
    task = learned(truth + names)
    hint = np.eye(classes)[[names.index(name) for name in truth]]
    return task, 1.5 * hint + random.normal(size=(count, classes)), truth


# Reading.


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (" shirt ", "shirt"),
        (3, "3"),
        (3.0, "3"),
        (3.5, "3.5"),
        (True, "True"),
        (float("nan"), None),
        ("  ", None),
    ],
)
def test_a_cell_becomes_a_class(said: Any, read: str | None) -> None:
    assert label().read(said) == read


def test_a_declared_word_is_unknown_in_whatever_type_the_source_has_it() -> None:
    task = label(unknown=["-1", "n/a"])
    assert [task.read(said) for said in ("-1", -1, -1.0, "n/a")] == [None] * 4


def test_a_class_outside_the_declared_ones_is_a_misfit_that_names_the_nearest() -> None:
    with pytest.raises(InvalidAnswer, match='is "shrit"') as caught:
        label(classes=["shirt", "hat"]).read("shrit")
    assert caught.value.hint == 'it is not among `classes`. Did you mean "shirt"?'


COLUMNS = ["shirt", "hat", "shoe"]


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ({"shirt": 0, "hat": 1, "shoe": 0}, "hat"),
        ({"shirt": "no", "hat": "no", "shoe": "Yes"}, "shoe"),
        ({"shirt": "0.0", "hat": "1.0", "shoe": "0.0"}, "hat"),
        ({"hat": "1"}, "hat"),  # the others are unknown
        ({"shirt": "0", "hat": "?", "shoe": "0"}, None),
        ({"shirt": "0"}, None),
    ],
)
def test_of_columns_for_each_class_the_one_that_says_yes_is_the_class(cells: Any, read: str | None) -> None:
    assert label(**{"from": COLUMNS, "unknown": ["?"]}).read(cells) == read


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ({"shirt": 1, "hat": 1, "shoe": 0}, "says yes in hat, shirt"),
        ({"shirt": 0, "hat": 0, "shoe": 0}, "says no in all of its 3 columns"),
        ({"shirt": 0, "hat": 0.7, "shoe": 0}, 'hat is "0.7"'),
    ],
)
def test_columns_that_say_no_class_or_two_are_a_misfit(cells: Any, what: str) -> None:
    with pytest.raises(InvalidAnswer, match=what):
        label(**{"from": COLUMNS}).read(cells)


def test_a_class_is_written_into_its_columns_and_read_again() -> None:
    task = label(**{"from": COLUMNS})
    assert task.to_cells("hat") == {"shirt": "no", "hat": "yes", "shoe": "no"}
    assert task.read(task.to_cells("hat")) == "hat"
    with pytest.raises(InvalidAnswer, match='has no column "scarf"'):
        task.to_cells("scarf")


def test_several_values_are_a_misfit_that_names_tags() -> None:
    with pytest.raises(InvalidAnswer, match="holds several values") as caught:
        label().read(["a", "b"])
    assert "tags" in caught.value.hint


# Learning.


@pytest.mark.parametrize(
    ("answers", "table", "message"),
    [
        ([], {}, "kind: the training split has no answer"),
        ([], {"classes": ["a", "b"]}, "kind: the training split has no answer"),
        (["a", "a"], {}, 'kind: the training split has only the class "a" — a label needs two classes'),
        (["low", "high"], {"ordinal": True}, r"\[tasks.kind\]: ordinal needs `classes` in their order"),
        (
            ["shirt", "hat"],
            {"class_weights": {"shrit": 2.0}},
            r'\[tasks.kind\]: class_weights names "shrit", which is no class. Did you mean "shirt"\?',
        ),
    ],
)
def test_what_cannot_be_learned_is_told(answers: list[str], table: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        learned(answers, **table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"classes": ["a", "b", "a"]}, '"a" is named twice'),
        ({"class_weights": {"a": -1.0}}, "write a number above 0"),
        ({"smoothing": 1.0}, "write a number below 1"),
        ({"clases": ["a"]}, 'has no key "clases". Did you mean "classes"?'),
    ],
)
def test_impossible_keys_are_told(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        label(**table)
    assert message in str(caught.value)


def test_numbers_are_ordered_by_size_before_words() -> None:
    assert learned(["b", "10", "9", "a", "-1"])._classes == ["-1", "9", "10", "a", "b"]


def test_declared_classes_keep_their_order_and_may_be_absent() -> None:
    task = learned(["low", "high"], classes=["low", "middle", "high"], ordinal=True)
    assert list(task.constant_baseline(1)[0]["probabilities"]) == ["low", "middle", "high"]
    assert np.isfinite(task.constant_raw()).all()


def test_learning_again_forgets_the_first_time() -> None:
    task = learned(["a", "b", "b", "b"], class_weights="balanced")
    before = task._weights
    task.fit_target(["a", "b", "c", "c", "c", "c"])
    assert len(task._weights) == 3
    assert task._weights[1] != before[1]


# The loss.


def loss(task: Label, raw: np.ndarray, answers: list[str | None]) -> torch.Tensor:
    target = {name: torch.as_tensor(array) for name, array in task.encode(answers).items()}
    found, labelled = task.loss(torch.as_tensor(raw), target)
    return found * labelled


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_torchs_cross_entropy(smoothing: float) -> None:
    task, raw, truth = random_case(4)
    task = learned([*truth, "c00"], smoothing=smoothing)
    index = torch.as_tensor(task.encode(truth)["class"])
    expected = F.cross_entropy(
        torch.as_tensor(raw).float(), index, reduction="none", label_smoothing=smoothing
    )
    torch.testing.assert_close(loss(task, raw, list(truth)), expected)


def test_balanced_weights_make_every_class_count_the_same_in_sum() -> None:
    truth = ["a"] * 900 + ["b"] * 90 + ["c"] * 9
    task = learned(truth, class_weights="balanced", smoothing=0.0)
    found = loss(task, np.zeros((len(truth), 3)), list(truth))
    sums = [float(found[[name == one for name in truth]].sum()) for one in "abc"]
    assert sums[0] == pytest.approx(sums[1], rel=0.02)
    assert sums[1] == pytest.approx(sums[2], rel=0.2)  # counts are smoothed by one
    assert float(found.mean()) == pytest.approx(np.log(3), rel=0.05)


def test_a_table_of_weights_is_relative() -> None:
    task = learned(["a", "b"] * 50, class_weights={"b": 3.0}, smoothing=0.0)
    a, b = loss(task, np.zeros((2, 2)), ["a", "b"]).tolist()
    assert b == pytest.approx(3 * a)
    assert (a + b) / 2 == pytest.approx(np.log(2))


def test_an_answer_never_seen_in_training_is_not_learned_and_scores_as_wrong() -> None:
    task = learned(["a", "b"] * 5)
    raw = np.array([[3.0, 0.0], [3.0, 0.0]])
    assert loss(task, raw, ["zebra", "a"])[0] == 0
    found = scored(task, raw[[0, 0, 0]], ["zebra", "a", "a"])
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == 0.5
    assert found["f1_macro"] == pytest.approx((0.8 + 0) / 2)
    assert found["log_loss"] > 10


# Ordinal.

raws = st.lists(st.floats(-50, 50, allow_nan=False), min_size=3, max_size=3)


@settings(deadline=None, max_examples=50)
@given(raws)
def test_ordinal_probabilities_sum_to_1_and_the_loss_is_their_log(raw: list[float]) -> None:
    task = learned(["1", "2", "3", "4"], ordinal=True, smoothing=0.0)
    assert task.width == 3
    row = np.array([raw], dtype=np.float64)
    chances = task.chances(row)[0]
    assert chances.sum() == pytest.approx(1)
    found = loss(task, np.repeat(row, 4, axis=0), ["1", "2", "3", "4"]).numpy()
    assert found == pytest.approx(-np.log(np.maximum(chances, 1e-300)), rel=1e-4, abs=1e-4)


def test_ordinal_answers_stop_where_the_network_says_no_more() -> None:
    task = learned(["1", "2", "3", "4"], ordinal=True)
    raw = np.array([[-9.0, 9, 9], [9, -9, 9], [9, 9, -9], [9, 9, 9]])
    assert [answer["value"] for answer in task.decode(raw)] == ["1", "2", "3", "4"]


def test_the_ordinal_constant_is_the_shares() -> None:
    task = learned(["1"] * 9 + ["2"] * 29 + ["3"] * 59, ordinal=True)
    assert list(task.constant_baseline(1)[0]["probabilities"].values()) == pytest.approx(
        [0.1, 0.3, 0.6], abs=1e-6
    )


# Calibration.


def test_the_temperature_mends_boasting() -> None:
    task, raw, truth = random_case(5, count=2000)
    honest = scored(task, raw, truth)
    task.calibrate(10 * raw, list(truth))
    mended = scored(task, 10 * raw, truth)
    boasting = scored(random_case(5)[0], 10 * raw, truth)
    assert mended["accuracy"] == honest["accuracy"]
    assert mended["log_loss"] < honest["log_loss"] + 1e-6 < boasting["log_loss"]
    assert mended["ece"] < 0.05 < boasting["ece"]


def test_the_constant_answer_is_not_bent_by_the_temperature() -> None:
    task = learned(["a"] * 59 + ["b"] * 39)
    before = task.constant_baseline(1)
    task.calibrate(np.random.default_rng(0).normal(size=(40, 2)) * 9, ["a", "b"] * 20)
    assert task._temperature > 2
    assert task.constant_baseline(1)[0]["probabilities"] == pytest.approx(before[0]["probabilities"])
    assert task.constant_baseline(1)[0]["confidence"] == pytest.approx(0.6)


def test_a_handful_of_answers_leaves_the_confidence_alone() -> None:
    task = learned(["a", "b"])
    task.calibrate(np.zeros((20, 2)), ["a"] * 9 + [None] * 11)
    assert task._temperature == 1


# Metrics.


@pytest.mark.parametrize("classes", [2, 5, 12])
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_those_of_scikit_learn(classes: int, weighted: bool) -> None:
    task, raw, truth = random_case(classes)
    random = np.random.default_rng(1)
    weights = random.integers(0, 4, size=len(truth)) if weighted else np.ones(len(truth), dtype=int)
    found = scored(task, raw, truth, weights.astype(float))
    y = np.repeat(np.array(truth), weights)
    chances = np.repeat(task.chances(raw), weights, axis=0)
    answers = np.array(task._classes)[chances.argmax(axis=1)]
    expected = {
        "accuracy": sk.accuracy_score(y, answers),
        "balanced_accuracy": sk.balanced_accuracy_score(y, answers),
        "f1_macro": sk.f1_score(y, answers, average="macro"),
        "log_loss": sk.log_loss(y, chances, labels=task._classes),
    }
    if classes > 10:
        expected["top5_accuracy"] = sk.top_k_accuracy_score(y, chances, k=5, labels=task._classes)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found.keys() - expected.keys() == {"ece"}


def test_f1_counts_the_classes_that_are_in_the_truth_or_the_answers_as_scikit_learn_does() -> None:
    task = learned(["a", "b", "c", "d"])
    raw = np.eye(4)[[0, 1, 0]]
    found = scored(task, raw, ["a", "a", "c"])
    expected = sk.f1_score(["a", "a", "c"], ["a", "b", "a"], average="macro", zero_division=0)
    assert found["f1_macro"] == pytest.approx(expected)


def test_f1_does_not_count_a_class_that_a_resample_leaves_out() -> None:
    task = learned(["a", "b", "c"])
    raw = np.eye(3)[[0, 0, 1, 1]]  # one "a" is taken for "b"
    found = scored(task, raw, ["a", "a", "a", "b"], np.array([1.0, 1, 1, 0]))
    assert found["f1_macro"] == pytest.approx(0.8)
    found = scored(task, raw, ["a", "a", "a", "a"], np.array([1.0, 1, 1, 1]))
    assert found["f1_macro"] == pytest.approx((2 / 3 + 0) / 2)  # nobody ever said "b"


def test_details_are_those_of_scikit_learn() -> None:
    task, raw, truth = random_case(5)
    confusion, grid, *_ = task.details(task.metric_state(task.decode(raw), truth))
    assert isinstance(confusion, Matrix) and isinstance(grid, Grid)
    answers = [answer["value"] for answer in task.decode(raw)]
    assert (confusion.values == sk.confusion_matrix(truth, answers, labels=task._classes)).all()
    columns = sk.precision_recall_fscore_support(truth, answers, labels=task._classes)
    for row, precision, recall, score, support in zip(grid.rows, *columns, strict=True):
        assert row[1:] == pytest.approx((support, precision, recall, score))


# Prediction sets.


def test_a_set_holds_the_truth_as_often_as_promised() -> None:
    task, raw, truth = random_case(12, count=4000)
    task.calibrate(raw[:2000], truth[:2000])
    task.fit_sets(raw[:2000], truth[:2000], [""] * 2000)
    predictions = task.decode(raw[2000:])
    metrics = scored(task, raw[2000:], truth[2000:])
    assert metrics["coverage"] == pytest.approx(0.9, abs=0.02)
    assert metrics["set_size"] == np.mean([len(one["set"]) for one in predictions])
    for one in predictions[:50]:
        chances = [one["probabilities"][name] for name in one["set"]]
        assert one["set"][0] == one["value"] and chances == sorted(chances, reverse=True)


def test_no_set_is_empty() -> None:
    task = learned(["a", "b"])
    raw = np.array([[4.0, -4.0], [-4.0, 4.0]] * 20)
    task.fit_sets(raw, ["a", "b"] * 20, [""] * 40)
    assert task.decode(np.zeros((1, 2)))[0]["set"] == ["a"]


def test_a_constant_answer_promises_nothing() -> None:
    task, raw, truth = random_case(3)
    task.fit_sets(raw, truth, [""] * len(truth))
    assert "set" in task.decode(raw)[0] and "set" not in task.constant_baseline(1)[0]


def test_a_table_of_answers_has_columns_for_sets() -> None:
    task, raw, truth = random_case(3)
    assert task.example().keys() == task.decode(raw)[0].keys()
    task.fit_sets(raw, truth, [""] * len(truth))
    assert task.example().keys() == task.decode(raw)[0].keys() >= {"set", "coverage"}


def test_sets_are_kept_and_old_states_have_none() -> None:
    task, raw, truth = random_case(3)
    before = task.state()
    task.fit_sets(raw, truth, [""] * len(truth))
    again, old = label(), label()
    restore({"kind": again}, {"kind": task.state()})
    restore({"kind": old}, {"kind": before})
    assert again.decode(raw) == task.decode(raw)
    assert "sets" not in before and "set" not in old.decode(raw)[0]
    with pytest.raises(InvalidState, match="thresholds"):
        restore({"kind": old}, {"kind": {**before, "sets": {"coverage": 0.9, "thresholds": [0.1]}}})


@pytest.mark.parametrize("table", [{}, {"coverage": 0}])
def test_without_sets(table: dict[str, float]) -> None:
    """Nobody asked for them and there are too few answers; or they are not wanted."""
    task = learned(["a", "b"], **table)
    few = ["a", "b"] * (4 if not table else 40)
    raw = np.zeros((len(few), 2))
    task.refuse_few_answers(few, few, [""] * len(few))
    task.fit_sets(raw, few, [""] * len(few))
    assert "set" not in task.decode(raw)[0] and "coverage" not in scored(task, raw, few)


def test_whoever_asks_for_a_promise_is_told_that_it_cannot_be_given() -> None:
    few, enough = ["a", "b"] * 4, ["a", "b"] * 8
    with pytest.raises(DataError, match="needs 9 validation pictures"):
        label(coverage=0.9).refuse_few_answers(few, few, [""] * 8)
    label(coverage=0.9).refuse_few_answers(enough, enough, [""] * 16)
    with pytest.raises(DataError, match='of the class "a", not 8'):
        label(coverage_per_class=True).refuse_few_answers(enough, enough, [""] * 16)


def test_confidence_before_and_after_calibration() -> None:
    for table in ({}, {"ordinal": True, "classes": ["1", "2", "3"]}):
        task = learned(["1", "2", "3"], **table)
        random = np.random.default_rng(0)
        raw = 3 * random.normal(size=(400, task.width))
        plain = task.chances(raw)
        truth = ["123"[random.choice(3, p=row)] for row in task.chances(raw / 4)]
        task.calibrate(raw, truth)
        state = task.metric_state(task.decode(raw), truth)
        before = task._link.chances(task._temperature * task._link.raw(task.chances(raw)))
        np.testing.assert_allclose(before, plain, atol=1e-9)
        figures = task.calibration(state)
        index = ["123".index(word) for word in truth]
        assert figures["before"]["log_loss"] == pytest.approx(sk.log_loss(index, plain))
        assert figures["after"]["log_loss"] == pytest.approx(sk.log_loss(index, task.chances(raw)))
        squares = ((task.chances(raw) - np.eye(3)[index]) ** 2).sum(axis=1).mean()
        assert figures["after"]["brier"] == pytest.approx(squares)
        assert all(figures["after"][one] < figures["before"][one] for one in ("ece", "log_loss", "brier"))


def test_answers_name_their_confidence() -> None:
    task = learned(["a", "b"])
    (answer,) = task.decode(np.log([[0.9, 0.1]]))
    assert answer["value"] == "a"
    assert answer["confidence"] == pytest.approx(0.9)
    assert answer["probabilities"] == pytest.approx({"a": 0.9, "b": 0.1})
    assert task.format_prediction(answer) == "a (90%)"


def test_a_faultless_validation_part_does_not_make_the_network_sure_for_ever() -> None:
    task = label()
    task.fit_target(["a", "b"] * 20)
    raw = np.array([[2.0, -2.0], [-2.0, 2.0]] * 20)
    task.calibrate(raw, ["a", "b"] * 20)
    confidence = task.decode(raw)[0]["confidence"]
    assert 0.95 < confidence < 1 - 1 / 200


def test_cells_of_a_table() -> None:
    """A whole number is written as ``read`` understands it."""
    task = build_tasks({"size": {"type": "label", "unknown": ["?"]}})["size"]
    assert [task.to_cells(raw_value) for raw_value in ("big", 2, 2.0)] == [
        {"size": "big"},
        {"size": "2"},
        {"size": "2"},
    ]
    for raw_value in ("?", ["a", "b"]):
        with pytest.raises(InvalidAnswer):
            task.to_cells(raw_value)


def test_a_whole_number_is_one_class_however_it_is_written() -> None:
    assert {label().read(cell) for cell in ("1", "1.0", 1, 1.0)} == {"1"}
    assert label(classes=["1.0", "2.0"]).read("1") == "1"
    assert label(unknown=["9.0"]).read(9) is None
    assert [label().read(cell) for cell in ("01", "112_05")] == ["01", "112_05"]


def test_classes_of_an_earlier_version_are_those_of_the_cells_now() -> None:
    task = label()
    task.restore({"classes": ["1.0", "2.0", "2.5"], "shares": [0.3, 0.3, 0.4], "temperature": 1.0})
    assert task.encode(["1", "2.5", "2", "3"])["class"].tolist() == [0, 2, 1, -1]


def test_only_numbers_have_an_order_of_their_own() -> None:
    """Not what Python takes for one: between numbers and nan there is no order."""
    assert learned(["10", "9", "nan", "1_0", "inf"])._classes == ["9", "10", "1_0", "inf", "nan"]
    with pytest.raises(DataError, match="needs `classes`"):
        learned(["1", "nan"], ordinal=True)
