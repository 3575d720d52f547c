"""What every type of task promises, asked of every file of tasks/: a newcomer adds an example."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from oneglance.backbone import Shape
from oneglance.task import Curve, Grid, Matrix, Task, build_tasks, kinds
from oneglance.tasks.tags import Seen

VECTOR = 12  # width of the features that heads see here


@dataclass(frozen=True)
class Example:
    """A table of oneglance.toml and what people say: cells for ``read``, drawn at random."""

    table: dict[str, Any]
    said: tuple[Any, ...]
    shares: tuple[float, ...] = ()
    unknown: tuple[Any, ...] = ("", None, "?")

    def draw(self, count: int, seed: int = 0) -> list[Any]:
        chosen = np.random.default_rng(seed).choice(len(self.said), size=count, p=self.shares or None)
        return [self.said[place] for place in chosen]


def bell(count: int) -> tuple[float, ...]:
    """Evenly spaced quantiles of a normal distribution: its mean is its median."""
    places = torch.linspace(0.01, 0.99, count, dtype=torch.float64)
    return tuple((torch.special.ndtri(places) * 3 + 10).tolist())


LETTERS = tuple("abcdefghijklm")
EXAMPLES = {
    "label": Example({"type": "label", "smoothing": 0.0}, ("cat", "dog", "emu"), (0.6, 0.3, 0.1)),
    "label, many classes": Example({"type": "label", "smoothing": 0.0}, LETTERS),
    "label, ordinal": Example(
        {"type": "label", "ordinal": True, "smoothing": 0.0}, (1, 2.0, "3", "10"), (0.1, 0.5, 0.2, 0.2)
    ),
    "label, hidden": Example({"type": "label", "smoothing": 0.0, "hidden": [7]}, ("yes", "no"), (0.7, 0.3)),
    "number": Example({"type": "number", "unit": "g"}, bell(101)),
    "number, log": Example({"type": "number", "log": True}, tuple(math.exp(x) for x in bell(51))),
    "tags": Example({"type": "tags"}, ("red", "red|big", "big", "", []), (0.3, 0.2, 0.2, 0.1, 0.2)),
    "tags, columns": Example(
        {"type": "tags", "from": ["red", "big"]},
        ({"red": "yes", "big": "no"}, {"red": 0, "big": 1.0}, {"red": "", "big": True}, {"red": "n"}),
        unknown=("", None, {"red": "", "big": "?"}),
    ),
}
every_example = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())


@dataclass
class Learned:
    """A task that has learned, with typed answers (a tenth unknown) and a raw output for each."""

    task: Task
    answers: list[Any]
    raw: np.ndarray
    known: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.known = [answer for answer in self.answers if answer is not None]


def learned(example: Example, count: int = 60, seed: int = 0) -> Learned:
    task = new(example)
    answers = [task.read(said) for said in example.draw(count, seed)]
    answers[::10] = [None] * len(answers[::10])
    task.learn([answer for answer in answers if answer is not None])
    torch.manual_seed(seed)
    with torch.no_grad():
        raw = task.head(Shape(vector=VECTOR))(30 * torch.randn(count, VECTOR))[1]
    return Learned(task, answers, raw.numpy())


def new(example: Example) -> Task:
    return build_tasks({"asked": {**example.table, "unknown": ["?"]}})["asked"]


def target_of(task: Task, answers: list[Any]) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(array) for name, array in task.encode(answers).items()}


def mean_loss(task: Task, raw: torch.Tensor, answers: list[Any]) -> torch.Tensor:
    loss, known = task.loss(raw, target_of(task, answers))
    return (loss * known).sum() / known.sum()


def known_evidence(at: Learned) -> dict[str, np.ndarray]:
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    return at.task.evidence(at.task.decode(at.raw[rows]), at.known)


def values(at: Learned) -> dict[str, float]:
    return at.task.metrics(known_evidence(at), np.ones(len(at.known)))


def test_no_type_is_lost() -> None:
    assert set(kinds()) >= {"label", "tags", "number"}


def test_every_type_has_an_example() -> None:
    assert {example.table["type"] for example in EXAMPLES.values()} == set(kinds())


@every_example
def test_what_is_unknown_reads_as_none(example: Example) -> None:
    assert [new(example).read(said) for said in example.unknown] == [None] * len(example.unknown)


@every_example
def test_unknown_answers_leave_the_network_unmoved(example: Example) -> None:
    at = learned(example)
    head = at.task.head(Shape(vector=VECTOR))
    vectors = torch.randn(len(at.answers), VECTOR)

    def gradients(vectors: torch.Tensor, answers: list[Any]) -> torch.Tensor:
        head.zero_grad()
        loss, known = at.task.loss(head(vectors)[1], target_of(at.task, answers))
        assert loss.shape == known.shape
        assert loss.isfinite().all()  # 0 times infinity would be NaN
        (loss * known).sum().backward()
        return torch.cat([parameter.grad.ravel() for parameter in head.parameters()])

    assert gradients(vectors, [None] * len(vectors)).count_nonzero() == 0
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    torch.testing.assert_close(gradients(vectors, at.answers), gradients(vectors[rows], at.known))


@every_example
def test_the_loss_of_a_row_is_its_own(example: Example) -> None:
    """Mixing adds lam * loss(a) and (1 - lam) * loss(b), so no loss may depend on the rest of the batch."""
    at = learned(example)
    raw = torch.as_tensor(at.raw)
    together, _ = at.task.loss(raw, target_of(at.task, at.answers))
    for row in (0, 1, 17):
        alone, _ = at.task.loss(raw[row : row + 1], target_of(at.task, at.answers[row : row + 1]))
        torch.testing.assert_close(alone[0], together[row])


@every_example
def test_no_other_constant_is_better(example: Example) -> None:
    at = learned(example, count=4000)
    best = torch.as_tensor(at.task.constant_raw())
    assert best.shape == (1, *at.raw.shape[1:])
    count = len(at.answers)
    least = mean_loss(at.task, best.expand(count, *best.shape[1:]), at.answers)
    for seed in range(20):
        shift = 0.3 * torch.randn(best.shape, generator=torch.Generator().manual_seed(seed))
        other = mean_loss(at.task, (best + shift).expand(count, *best.shape[1:]), at.answers)
        assert least <= other + 2e-3  # counts are smoothed by one picture per class


@every_example
def test_the_head_starts_as_the_constant_answer(example: Example) -> None:
    at = learned(example)
    head = at.task.head(Shape(vector=VECTOR)).eval()
    own, raw = head(torch.randn(5, VECTOR))
    assert own.shape == (5, head.own)
    torch.testing.assert_close(
        raw.detach(), torch.as_tensor(at.task.constant_raw()).expand_as(raw), atol=0.3, rtol=0
    )


@every_example
def test_state_is_json_and_its_mirror_answers_the_same(example: Example) -> None:
    at = learned(example)
    at.task.calibrate(at.raw, at.answers)
    again = new(example)
    again.restore(json.loads(json.dumps(at.task.state(), allow_nan=False)))
    assert again.decode(at.raw) == at.task.decode(at.raw)
    assert again.constant(2) == at.task.constant(2)
    assert again.state() == at.task.state()
    same = again.encode(at.answers)
    assert all(np.array_equal(array, same[name]) for name, array in at.task.encode(at.answers).items())


@every_example
def test_predictions_survive_json_in_any_order(example: Example) -> None:
    at = learned(example)
    predictions = at.task.decode(at.raw[: len(at.known)])
    back = json.loads(json.dumps(predictions, allow_nan=False, sort_keys=True))
    one = np.ones(len(at.known))
    expected = at.task.metrics(at.task.evidence(predictions, at.known), one)
    assert at.task.metrics(at.task.evidence(back, at.known), one) == pytest.approx(expected, nan_ok=True)


@every_example
def test_wild_outputs_give_finite_answers(example: Example) -> None:
    at = learned(example)
    signs = np.sign(np.random.default_rng(0).normal(size=at.raw.shape)).astype(np.float32)
    wild = 1e4 * signs
    at.task.calibrate(wild, at.answers)
    json.dumps(at.task.decode(wild), allow_nan=False)
    assert torch.isfinite(at.task.loss(torch.as_tensor(wild), target_of(at.task, at.answers))[0]).all()
    at = Learned(at.task, at.answers, wild)
    assert math.isfinite(values(at)[at.task.deciding])
    assert np.isfinite(at.task.wrongness(known_evidence(at))).all()


@every_example
def test_the_deciding_metric_is_among_the_metrics_and_comes_first(example: Example) -> None:
    at = learned(example)
    found = values(at)
    assert next(iter(found)) == at.task.deciding
    assert found.keys() <= at.task.meaning.keys()


@every_example
def test_skill_is_0_for_the_constant_and_1_for_the_truth(example: Example) -> None:
    at = learned(example)
    raw = torch.as_tensor(at.task.constant_raw()).repeat(len(at.answers), *[1] * (at.raw.ndim - 1))
    evidence = at.task.evidence(at.task.constant(len(at.known)), at.known)
    constant = at.task.metrics(evidence, np.ones(len(at.known)))[at.task.deciding]

    def skill() -> float:
        found = values(Learned(at.task, at.answers, raw.detach().numpy()))
        return at.task.skill(found[at.task.deciding], constant)

    assert skill() == pytest.approx(0)
    raw.requires_grad_()
    descent = torch.optim.Adam([raw], lr=0.3)
    for _ in range(300):
        descent.zero_grad()
        mean_loss(at.task, raw, at.answers).backward()
        descent.step()
    assert skill() == pytest.approx(1, abs=1e-3)


@every_example
def test_a_weight_is_a_number_of_copies(example: Example) -> None:
    at = learned(example)
    at.task.calibrate(at.raw, at.answers)
    weights = np.random.default_rng(1).integers(0, 4, size=len(at.known))
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    copies = np.repeat(np.arange(len(at.known)), weights)
    repeated = at.task.evidence(at.task.decode(at.raw[rows][copies]), [at.known[place] for place in copies])
    weighted = at.task.metrics(known_evidence(at), weights.astype(np.float64))
    assert weighted == pytest.approx(at.task.metrics(repeated, np.ones(len(copies))), nan_ok=True)
    assert weighted == pytest.approx(at.task.metrics(known_evidence(at), 2.5 * weights), nan_ok=True)


@every_example
def test_metrics_do_not_depend_on_the_order_of_the_pictures(example: Example) -> None:
    at = learned(example)
    turned = Learned(at.task, at.answers[::-1], at.raw[::-1])
    one = np.ones(len(at.known))
    expected = at.task.metrics(known_evidence(at), one)
    assert at.task.metrics(known_evidence(turned), one) == pytest.approx(expected, nan_ok=True)


@every_example
def test_one_picture_can_be_scored(example: Example) -> None:
    at = learned(example)
    evidence = at.task.evidence(at.task.decode(at.raw[1:2]), at.answers[1:2])
    assert at.task.deciding in at.task.metrics(evidence, np.ones(1))
    assert at.task.wrongness(evidence).shape == (1,)
    assert at.task.details(evidence)


@every_example
def test_wrongness_orders_the_pictures(example: Example) -> None:
    at = learned(example)
    wrongness = at.task.wrongness(known_evidence(at))
    assert wrongness.shape == (len(at.known),) and wrongness.dtype == np.float64
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    one = [float(mean_loss(at.task, torch.as_tensor(at.raw[[row]]), [at.answers[row]])) for row in rows]
    # Of the two, the picture that the loss finds worst is also among the worst here.
    assert wrongness[int(np.argmax(one))] >= np.quantile(wrongness, 0.8)


@every_example
def test_details_have_their_shapes(example: Example) -> None:
    for detail in learned(example).task.details(known_evidence(learned(example))):
        match detail:
            case Matrix():
                assert detail.values.shape == (len(detail.names), len(detail.names))
            case Grid():
                assert all(len(row) == len(detail.header) for row in detail.rows)
            case Curve():
                assert detail.x.shape == detail.y.shape and detail.x.ndim == 1


@every_example
def test_answers_have_words(example: Example) -> None:
    at = learned(example)
    assert all(at.task.words(answer) for answer in at.known)
    at.task.calibrate(at.raw, at.answers)
    assert all(at.task.predicted_words(prediction) for prediction in at.task.decode(at.raw))
    assert at.task.brief(0.5)


def test_read_gives_typed_answers() -> None:
    read = {name: new(example).read(example.said[1]) for name, example in EXAMPLES.items()}
    assert read["label"] == "dog"
    assert read["label, ordinal"] == "2"
    assert read["number"] == pytest.approx(bell(101)[1])
    assert read["tags"] == Seen(frozenset({"red", "big"}))
    assert read["tags, columns"] == Seen(frozenset({"big"}), frozenset({"red", "big"}))
