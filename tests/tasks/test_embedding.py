"""embedding: what is near what."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from oneglance.batch_transform import Mix, View
from oneglance.errors import ConfigError, DataError, InvalidAnswer, RunError
from oneglance.nn.feature_shape import Shape
from oneglance.task import Task, build_tasks
from oneglance.tasks.embedding import Embedding

LIKE = ["a", "b", "a", "c", "b", "a"]


def built(**table: Any) -> Embedding:
    tasks = build_tasks({"near": {"type": "embedding", "size": 4, **table}, "kind": {"type": "label"}})
    task = tasks["near"]
    assert isinstance(task, Embedding)
    return task


def learned(**table: Any) -> Embedding:
    task = built(like="kind", **table)
    task.fit_target(LIKE)
    return task


def key(task: Task, answers: list[Any]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in task.encode(answers).items()}


def scored(task: Task, vectors: np.ndarray, answers: list[str]) -> dict[str, float]:
    return task.metrics(task.metric_state(task.decode(vectors), answers), np.ones(len(answers)))


# The configuration.


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"like": "knd"}, r'\[tasks\.near\] like = "knd", which is no task\. Did you mean "kind"\?'),
        ({"like": "near"}, r'\[tasks\.near\] like = "near", which is no label'),
        ({"method": "proxy"}, r'\[tasks\.near\] method = "proxy" needs `like`'),
        ({"temperature": 0}, "temperature"),
        ({"size": 1}, "size"),
    ],
)
def test_what_does_not_fit_is_told(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        built(**table)


def test_it_learns_from_the_label_it_is_like_or_from_two_views() -> None:
    assert (built(like="kind").answered_by, built(like="kind").views) == ("kind", 1)
    assert (built().answered_by, built().views) == ("", 2)


def test_nobody_is_asked_for_it() -> None:
    with pytest.raises(InvalidAnswer):
        built().read("0.1 0.2")


def test_two_classes_are_needed() -> None:
    with pytest.raises(DataError, match="near: needs pictures of two classes"):
        built(like="kind").fit_target(["a", "a"])
    built().fit_target([])  # without a label nothing is


# Encoding and the loss.


def test_encoding() -> None:
    found = learned().encode(["b", None, "a", "of another part"])["key"]
    assert found.tolist() == [1, -1, 0, -1] and found.dtype == np.int64
    assert built().encode([None] * 3)["key"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("method", ["contrastive", "proxy"])
def test_the_constant_answer_costs_1(method: str) -> None:
    task = learned(method=method)
    raw = torch.as_tensor(task.constant_raw())
    loss, labelled = task.loss(raw.expand(6, -1), key(task, LIKE))
    assert labelled.sum() == (5 if method == "contrastive" else 6)  # "c" is alone
    torch.testing.assert_close(loss[labelled > 0], torch.ones(int(labelled.sum())))


@pytest.mark.parametrize("method", ["contrastive", "proxy"])
def test_it_learns(method: str) -> None:
    torch.manual_seed(0)
    task = learned(method=method, hidden=[16])
    head, x = task.head(Shape(8)), torch.randn(6, 8)
    descent = torch.optim.Adam(head.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        descent.zero_grad()
        loss, labelled = task.loss(head(x, ())[1], key(task, LIKE))
        total = (loss * labelled).sum() / labelled.sum()
        total.backward()
        descent.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.3 * losses[0]
    found = scored(task, head(x, ())[1].detach().numpy(), LIKE)
    assert found["recall_at_1"] == found["map_at_r"] == 1


@pytest.mark.parametrize("method", ["contrastive", "proxy"])
def test_unknown_pictures_move_nothing(method: str) -> None:
    task = learned(method=method)
    head, x = task.head(Shape(8)), torch.randn(6, 8)
    loss, labelled = task.loss(head(x, ())[1], key(task, [None] * 6))
    assert labelled.sum() == 0
    (loss * labelled).sum().backward()
    assert all(p.grad is None or p.grad.count_nonzero() == 0 for p in head.parameters())


def test_two_views_of_a_picture_are_alike() -> None:
    task = built()
    target = {name: torch.cat([value] * task.views) for name, value in key(task, [None] * 3).items()}
    first, other = torch.eye(4)[:3], torch.eye(4)[[1, 2, 0]]
    (near, labelled), (far, _) = (task.loss(torch.cat([first, second]), target) for second in (first, other))
    assert labelled.tolist() == [1] * 6
    assert near.max() < 0.05 < 1 < far.min()


def test_of_several_pictures_at_once_nothing_is_known() -> None:
    task = learned()
    tiles = torch.tensor([[0, -1, -1, -1], [3, 0, 2, 1]])
    view = View(torch.eye(2, 3).expand(2, 2, 3), tiles, torch.tensor([1, 0.5]), torch.zeros(4, 2), (8, 8))
    assert task.transform_target(key(task, ["a", "b"]), view)["key"].tolist() == [0, -1]


def test_a_mixed_picture_counts_by_its_share() -> None:
    task = learned()
    raw = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    loss, labelled = task.loss(raw, key(task, LIKE))
    mixed, share = task.mixed_loss(raw, key(task, LIKE), Mix(torch.arange(6).flip(0), 0.7))
    assert torch.equal(mixed, loss)
    torch.testing.assert_close(share, 0.7 * labelled)


# Answers and scores.


def test_answers_are_vectors_of_length_1() -> None:
    """The mean over a picture and its mirror image is shorter, and proxies are no part of it."""
    task = learned(method="proxy")
    raw = np.random.default_rng(0).normal(size=(3, 4 + 3)).astype(np.float32)
    found = json.loads(json.dumps(task.decode(raw), allow_nan=False))
    vectors = np.array([answer["vector"] for answer in found])
    np.testing.assert_allclose(
        vectors, raw[:, :4] / np.linalg.norm(raw[:, :4], axis=1, keepdims=True), rtol=1e-6
    )
    with pytest.raises(RunError, match="a vector without a direction: its weights are damaged"):
        task.decode(np.zeros((1, 7)))


def test_scores() -> None:
    task = learned()
    answers = ["a", "a", "b", "b", "alone"]
    right = scored(task, np.eye(4)[[0, 0, 1, 1, 2]], answers)
    assert right["recall_at_1"] == right["map_at_r"] == 1  # the one alone cannot be right and does not count
    wrong = scored(task, np.eye(4)[[0, 1, 0, 1, 2]], answers)
    assert wrong["recall_at_1"] == wrong["map_at_r"] == 0
    metric_state = task.metric_state(task.decode(np.eye(4)[[0, 1, 0, 1, 2]]), answers)
    assert task.sample_errors(metric_state).tolist() == [1, 1, 1, 1, 0]
    assert np.isnan(task.metrics(metric_state, np.array([0, 0, 0, 0, 1.0]))["recall_at_1"])
    half = task.metric_state(
        task.decode(np.eye(4)[[0, 0, 1, 2, 1]]), answers
    )  # one b is nearest to the one alone
    assert task.metrics(half, np.array([1.0, 0, 2, 0, 1]))["recall_at_1"] == pytest.approx(1 / 3)


def test_skill_of_the_constant_is_0() -> None:
    task = learned()
    metric_state = task.metric_state(task.constant_baseline(len(LIKE)), LIKE)
    value = task.metrics(metric_state, np.ones(len(LIKE)))["recall_at_1"]
    assert 0 <= value < 1 and task.skill(value, value) == 0


def test_what_was_learned_can_be_kept() -> None:
    task, again = learned(method="proxy"), built(like="kind", method="proxy")
    again.restore(json.loads(json.dumps(task.state())))
    assert again.encode(LIKE)["key"].tolist() == task.encode(LIKE)["key"].tolist()
    again.head(Shape(8)).load_state_dict(task.head(Shape(8)).state_dict())


def test_words() -> None:
    task = learned()
    assert task.format("a") == "like a"
    assert task.format_prediction(task.constant_baseline(1)[0]) == "4 numbers"
