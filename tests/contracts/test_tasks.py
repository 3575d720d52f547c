"""What every type of task promises, asked of every file of tasks/: a newcomer adds an example."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from oneglance.batch_transform import Mix, View
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import Box
from oneglance.data.record import BoxAnnotations as SeenBoxes
from oneglance.nn.feature_shape import Level, Shape
from oneglance.report_items import Curve, Grid, Matrix
from oneglance.task import Task, build_tasks, kinds
from oneglance.tasks.tags import BoxAnnotations
from oneglance.training.augment import QUARTERS

VECTOR = 12  # width of the features that heads see here
LEVELS = (Level(6, 6, 8, 4), Level(5, 3, 4, 8))  # the maps
SHAPE = Shape(VECTOR, LEVELS, (32, 24))


@dataclass(frozen=True)
class Example:
    """A table of oneglance.toml and what people say: cells for ``read``, drawn at random."""

    table: dict[str, Any]
    said: tuple[Any, ...]
    shares: tuple[float, ...] = ()
    unknown: tuple[Any, ...] = ("", None, "?")
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)  # other tasks that it needs
    alone: bool = True  # a picture is one row of the raw output, learned without a look at the others
    compared: bool = False  # pictures are scored against each other

    def draw(self, count: int, seed: int = 0) -> list[Any]:
        chosen = np.random.default_rng(seed).choice(len(self.said), size=count, p=self.shares or None)
        return [self.said[place] for place in chosen]


def bell(count: int) -> tuple[float, ...]:
    """Evenly spaced quantiles of a normal distribution: its mean is its median."""
    places = torch.linspace(0.01, 0.99, count, dtype=torch.float64)
    return tuple((torch.special.ndtri(places) * 3 + 10).tolist())


def box(*corners: float, label: str = "apple", **attributes: Any) -> Box:
    x0, y0, x1, y1 = corners
    return Box(x0, y0, x1, y1, label, attributes)


BASKETS = (
    SeenBoxes((box(2, 2, 14, 18, ripe="yes", mass=20.0), box(16, 4, 30, 20, label="pear"))),
    SeenBoxes(()),
    SeenBoxes((box(8, 1, 28, 22, ripe="no", mass=35.0),), frozenset({"apple"})),
    SeenBoxes((box(1, 1, 31, 23, label="pear", ripe="yes", mass=50.0), box(3, 3, 4, 4))),
)
THINGS = {"type": "boxes", "levels": 2, "width": 8, "depth": 1, "bins": 8}
RIPE = {"ripe": {"type": "label", "smoothing": 0.0}, "mass": {"type": "number"}}
KIND = {"kind": {"type": "label"}}
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
    "boxes": Example(THINGS, BASKETS, unknown=(), alone=False),
    "boxes, attributes": Example({**THINGS, "attributes": RIPE}, BASKETS, unknown=(), alone=False),
    "embedding": Example(
        {"type": "embedding", "like": "kind", "size": 6}, LETTERS[:3], beside=KIND, alone=False, compared=True
    ),
    "embedding, proxy": Example(
        {"type": "embedding", "like": "kind", "size": 6, "method": "proxy"},
        LETTERS[:3],
        beside=KIND,
        alone=False,
        compared=True,
    ),
}


def those(kept: Callable[[Example], bool]) -> pytest.MarkDecorator:
    chosen = {name: example for name, example in EXAMPLES.items() if kept(example)}
    return pytest.mark.parametrize("example", chosen.values(), ids=chosen.keys())


every_example = those(lambda example: True)
every_one_alone = those(lambda example: example.alone)
every_one_asked = those(lambda example: not example.beside)


@dataclass
class Learned:
    """A task that has learned, with typed answers (a tenth unknown), a head, and what it says in use."""

    task: Task
    answers: list[Any]
    raw: np.ndarray
    head: torch.nn.Module | None = None
    known: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.known = [answer for answer in self.answers if answer is not None]


def learned(example: Example, count: int = 60, seed: int = 0) -> Learned:
    tasks = built(example)
    task = tasks["asked"]
    answers = [tasks[task.answered_by].read(said) for said in example.draw(count, seed)]
    answers[::10] = [None] * len(answers[::10])
    task.fit_target([answer for answer in answers if answer is not None])
    torch.manual_seed(seed)
    head = task.head(SHAPE).eval()
    with torch.no_grad():
        raw = head(*features(count))[1]
    return Learned(task, answers, raw.numpy(), head)


def built(example: Example) -> dict[str, Task]:
    unknown = {"unknown": ["?"]}
    return build_tasks(
        {"asked": {**example.table, **unknown}} | {n: {**t, **unknown} for n, t in example.beside.items()}
    )


def new(example: Example) -> Task:
    return built(example)["asked"]


def features(count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Vectors and maps."""
    maps = [torch.randn(count, level.channels, level.height, level.width) for level in LEVELS]
    return 30 * torch.randn(count, VECTOR), maps


def said_in_training(at: Learned, vectors: torch.Tensor, maps: list[torch.Tensor]) -> torch.Tensor:
    """The raw output that the loss wants, with norms that do not look at the batch."""
    assert at.head is not None
    at.head.eval()
    at.head.training = True
    raw: torch.Tensor = at.head(vectors, maps)[1]
    at.head.training = False
    return raw


def target_of(task: Task, answers: list[Any]) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(array) for name, array in task.encode(answers).items()}


def mean_loss(task: Task, raw: torch.Tensor, answers: list[Any]) -> torch.Tensor:
    loss, known = task.loss(raw, target_of(task, answers))
    return (loss * known).sum() / known.sum()


def known_evidence(at: Learned) -> dict[str, np.ndarray]:
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    return at.task.metric_state(at.task.decode(at.raw[rows]), at.known)


def values(at: Learned) -> dict[str, float]:
    return at.task.metrics(known_evidence(at), np.ones(len(at.known)))


def test_no_type_is_lost() -> None:
    assert set(kinds()) >= {"label", "tags", "number", "boxes", "embedding"}


def test_every_type_has_an_example() -> None:
    assert {example.table["type"] for example in EXAMPLES.values()} == set(kinds())


@every_example
def test_what_is_unknown_reads_as_none(example: Example) -> None:
    tasks = built(example)
    read = tasks[tasks["asked"].answered_by].read
    assert [read(said) for said in example.unknown] == [None] * len(example.unknown)


@every_example
def test_unknown_answers_leave_the_network_unmoved(example: Example) -> None:
    at = learned(example)
    vectors, maps = features(len(at.answers))
    assert at.head is not None
    head = at.head

    def gradients(rows: list[int], answers: list[Any]) -> torch.Tensor:
        head.zero_grad()
        raw = said_in_training(at, vectors[rows], [part[rows] for part in maps])
        loss, known = at.task.loss(raw, target_of(at.task, answers))
        assert loss.shape == known.shape
        assert loss.isfinite().all()  # 0 times infinity would be NaN
        (loss * known).sum().backward()
        slopes = [p.grad if p.grad is not None else torch.zeros_like(p) for p in head.parameters()]
        return torch.cat([slope.ravel() for slope in slopes])

    everyone = list(range(len(at.answers)))
    assert gradients(everyone, [None] * len(everyone)).count_nonzero() == 0
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    some = gradients(rows, at.known)
    assert some.count_nonzero() > 0
    torch.testing.assert_close(gradients(everyone, at.answers), some, atol=1e-4, rtol=1e-4)


@every_one_alone
def test_the_loss_of_a_row_is_its_own(example: Example) -> None:
    """Mixing adds lam * loss(a) and (1 - lam) * loss(b), so no loss may depend on the rest of the batch."""
    at = learned(example)
    raw = torch.as_tensor(at.raw)
    together, _ = at.task.loss(raw, target_of(at.task, at.answers))
    for row in (0, 1, 17):
        alone, _ = at.task.loss(raw[row : row + 1], target_of(at.task, at.answers[row : row + 1]))
        torch.testing.assert_close(alone[0], together[row])


@every_one_alone
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


@every_one_alone
def test_the_head_starts_as_the_constant_answer(example: Example) -> None:
    at = learned(example)
    head = at.task.head(SHAPE).eval()
    own, raw = head(torch.randn(5, VECTOR), ())
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
    assert again.constant_baseline(2) == at.task.constant_baseline(2)
    assert again.state() == at.task.state()
    same = again.encode(at.answers)
    assert all(np.array_equal(array, same[name]) for name, array in at.task.encode(at.answers).items())


@every_example
def test_predictions_survive_json_in_any_order(example: Example) -> None:
    at = learned(example)
    predictions = at.task.decode(at.raw[: len(at.known)])
    back = json.loads(json.dumps(predictions, allow_nan=False, sort_keys=True))
    one = np.ones(len(at.known))
    expected = at.task.metrics(at.task.metric_state(predictions, at.known), one)
    assert at.task.metrics(at.task.metric_state(back, at.known), one) == pytest.approx(expected, nan_ok=True)


@every_example
def test_wild_outputs_give_finite_answers(example: Example) -> None:
    at = learned(example)
    signs = np.sign(np.random.default_rng(0).normal(size=at.raw.shape)).astype(np.float32)
    wild = 1e4 * signs
    at.task.calibrate(wild, at.answers)
    json.dumps(at.task.decode(wild), allow_nan=False)
    said = said_in_training(at, *features(len(at.answers))).detach().sign() * 1e4
    assert torch.isfinite(at.task.loss(said, target_of(at.task, at.answers))[0]).all()
    at = Learned(at.task, at.answers, wild)
    assert math.isfinite(values(at)[at.task.primary_metric])
    assert np.isfinite(at.task.sample_errors(known_evidence(at))).all()


@every_example
def test_the_deciding_metric_is_among_the_metrics_and_comes_first(example: Example) -> None:
    at = learned(example)
    found = values(at)
    assert next(iter(found)) == at.task.primary_metric
    own = {metric for metric in found if "." not in metric}  # the others are those of an attribute
    assert own <= at.task.meaning.keys()


@every_one_alone
def test_skill_is_0_for_the_constant_and_1_for_the_truth(example: Example) -> None:
    at = learned(example)
    raw = torch.as_tensor(at.task.constant_raw()).repeat(len(at.answers), *[1] * (at.raw.ndim - 1))
    metric_state = at.task.metric_state(at.task.constant_baseline(len(at.known)), at.known)
    constant = at.task.metrics(metric_state, np.ones(len(at.known)))[at.task.primary_metric]

    def skill() -> float:
        found = values(Learned(at.task, at.answers, raw.detach().numpy()))
        return at.task.skill(found[at.task.primary_metric], constant)

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
    weighted = at.task.metrics(known_evidence(at), np.arange(len(at.known)) % 4 * 1.0)
    assert weighted == pytest.approx(
        at.task.metrics(known_evidence(at), np.arange(len(at.known)) % 4 * 2.5), nan_ok=True
    )
    if example.compared:
        return  # copies of a picture would be its nearest
    weights = np.random.default_rng(1).integers(0, 4, size=len(at.known))
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    copies = np.repeat(np.arange(len(at.known)), weights)
    repeated = at.task.metric_state(
        at.task.decode(at.raw[rows][copies]), [at.known[place] for place in copies]
    )
    weighted = at.task.metrics(known_evidence(at), weights.astype(np.float64))
    assert weighted == pytest.approx(at.task.metrics(repeated, np.ones(len(copies))), nan_ok=True)


@every_example
def test_metrics_do_not_depend_on_the_order_of_the_pictures(example: Example) -> None:
    at = learned(example)
    turned = Learned(at.task, at.answers[::-1], at.raw[::-1])
    one = np.ones(len(at.known))
    expected = at.task.metrics(known_evidence(at), one)
    # Of equally sure boxes the first comes first: that much may depend on the order.
    assert at.task.metrics(known_evidence(turned), one) == pytest.approx(expected, nan_ok=True, abs=1e-5)


@every_example
def test_one_picture_can_be_scored(example: Example) -> None:
    at = learned(example)
    metric_state = at.task.metric_state(at.task.decode(at.raw[1:2]), at.answers[1:2])
    assert at.task.primary_metric in at.task.metrics(metric_state, np.ones(1))
    assert at.task.sample_errors(metric_state).shape == (1,)
    assert at.task.details(metric_state) or type(at.task).details is Task.details


@every_one_alone
def test_wrongness_orders_the_pictures(example: Example) -> None:
    at = learned(example)
    sample_errors = at.task.sample_errors(known_evidence(at))
    assert sample_errors.shape == (len(at.known),) and sample_errors.dtype == np.float64
    rows = [row for row, answer in enumerate(at.answers) if answer is not None]
    one = [float(mean_loss(at.task, torch.as_tensor(at.raw[[row]]), [at.answers[row]])) for row in rows]
    # Of the two, the picture that the loss finds worst is also among the worst here.
    assert sample_errors[int(np.argmax(one))] >= np.quantile(sample_errors, 0.8)


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
    assert all(at.task.format(answer) for answer in at.known)
    at.task.calibrate(at.raw, at.answers)
    assert all(at.task.format_prediction(prediction) for prediction in at.task.decode(at.raw))
    assert at.task.brief(0.5)


def test_read_gives_typed_answers() -> None:
    read = {
        name: new(example).read(example.said[1]) for name, example in EXAMPLES.items() if not example.beside
    }
    assert read["label"] == "dog"
    assert read["label, ordinal"] == "2"
    assert read["number"] == pytest.approx(bell(101)[1])
    assert read["tags"] == BoxAnnotations(frozenset({"red", "big"}))
    assert read["tags, columns"] == BoxAnnotations(frozenset({"big"}), frozenset({"red", "big"}))
    assert read["boxes"] == BASKETS[1]


# What has a place, and what is looked at twice.


def still(count: int, tiles: torch.Tensor, scale: torch.Tensor) -> View:
    motion = torch.eye(2, 3).expand(count, 2, 3)
    offset = torch.tensor(QUARTERS) if tiles.shape[1] == 4 else torch.zeros(1, 2)
    return View(motion, tiles, scale, offset, SHAPE.canvas)


@every_example
def test_where_nothing_moves_answers_stay(example: Example) -> None:
    at = learned(example)
    count = len(at.answers)
    target = target_of(at.task, at.answers)
    moved = at.task.move(target, still(count, torch.arange(count)[:, None], torch.ones(count)))
    assert moved.keys() == target.keys()
    for name, value in target.items():
        torch.testing.assert_close(moved[name], value, equal_nan=True)


@every_example
def test_a_mosaic_is_known_only_by_what_has_a_place(example: Example) -> None:
    at = learned(example)
    rows = [row for row, answer in enumerate(at.answers) if answer is not None][:4]
    answers = [at.answers[row] for row in rows]
    tiles = torch.tensor([[0, -1, -1, -1], [0, 1, 2, 3], [2, -1, -1, -1], [3, 2, 1, 0]])
    view = still(4, tiles, torch.tensor([1, 0.5, 1, 0.5]))
    moved = at.task.move(target_of(at.task, answers), view)
    vectors, maps = features(4)
    loss, known = at.task.loss(said_in_training(at, vectors, maps), moved)
    assert loss.isfinite().all()
    assert (known[[1, 3]] > 0).any() == at.task.is_spatial


@every_example
def test_mixed_with_itself_a_picture_stays_itself(example: Example) -> None:
    at = learned(example)
    raw = said_in_training(at, *features(len(at.answers))).detach()
    target = target_of(at.task, at.answers)
    loss, known = at.task.loss(raw, target)
    mixed, known_mixed = at.task.mixed_loss(raw, target, Mix(torch.arange(len(raw)), 0.6))
    assert torch.equal(known_mixed > 0, known > 0)
    torch.testing.assert_close((mixed * known), (loss * known), rtol=1e-4, atol=1e-5)


@every_example
def test_what_a_user_sees_can_be_written(example: Example) -> None:
    at = learned(example)
    at.task.calibrate(at.raw, at.answers)
    placement = Fit(SHAPE.canvas).place(64, 30)
    for prediction in at.task.decode(at.raw):
        shown = at.task.visible(at.task.to_image(prediction, placement))
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown
        assert at.task.format_prediction(shown)


@every_one_asked
def test_two_equal_answers_are_one(example: Example) -> None:
    at = learned(example)
    for answer in at.known[:10]:
        assert at.task.merge(answer, answer) == answer
