"""What every type of task promises.

Longer than 400 lines: each promise is a function of a few lines, and they share the example above them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from oneglance.batch_transform import Mix, View
from oneglance.data.columns.coded import Coded, labelled
from oneglance.data.images.letterbox import Fit
from oneglance.errors import ConfigError, InvalidAnswer
from oneglance.nn.feature_shape import Level, Shape
from oneglance.nn.repeated_rows import rows_on
from oneglance.report_items import Curve, Grid, Matrix
from oneglance.storage.task_state import restore
from oneglance.task import Task, build_tasks
from oneglance.testing.promises import keep, require, require_close
from oneglance.training.augment import QUARTERS
from oneglance.training.preparation.building import encoded

VECTOR = 12  # width of the feature vectors that heads see here
LEVELS = (Level(6, 6, 8, 4), Level(5, 3, 4, 8))  # of the feature maps
SHAPE = Shape(VECTOR, LEVELS, (32, 24))


@dataclass(frozen=True)
class TaskExample:
    """A table of oneglance.toml and raw values for ``read``, from which answers are drawn at random."""

    table: dict[str, Any]
    raw_values: tuple[Any, ...]
    shares: tuple[float, ...] = ()  # how often each is drawn; default: equally
    unknown: tuple[Any, ...] = ("", None, "?")
    others: dict[str, dict[str, Any]] = field(default_factory=dict)  # other tasks that it needs
    per_image: bool = True  # a picture is one row of the raw output, learned without a look at the others
    compares_images: bool = False  # pictures are scored against each other

    def draw(self, count: int, seed: int = 0) -> list[Any]:
        random = np.random.default_rng(seed)
        chosen = random.choice(len(self.raw_values), size=count, p=self.shares or None)
        return [self.raw_values[index] for index in chosen]


@dataclass
class Trained:
    """A task that has learned, with typed answers (a tenth unknown), a head, and raw output."""

    task: Task
    answers: list[Any]
    raw: np.ndarray
    head: torch.nn.Module | None = None
    labelled: list[Any] = field(init=False)
    rows: list[int] = field(init=False)  # of the labelled ones

    def __post_init__(self) -> None:
        self.rows = [row for row, answer in enumerate(self.answers) if answer is not None]
        self.labelled = [self.answers[row] for row in self.rows]

    def target(self) -> dict[str, torch.Tensor]:
        return target_of(self.task, self.answers)

    def metric_state(self) -> dict[str, Any]:
        return self.task.metric_state(self.task.decode(self.raw[self.rows]), self.labelled)

    def metrics(self) -> dict[str, float]:
        return self.task.metrics(self.metric_state(), np.ones(len(self.labelled)))


def trained(example: TaskExample, count: int = 60, seed: int = 0) -> Trained:
    tasks = built(example)
    task = tasks["example"]
    answers = [tasks[task.answered_by].read(raw_value) for raw_value in example.draw(count, seed)]
    answers[::10] = [None] * len(answers[::10])
    task.fit_target([answer for answer in answers if answer is not None])
    torch.manual_seed(seed)
    head = task.head(SHAPE).eval()
    with torch.no_grad():
        raw = head(*features(count))[1]
    return Trained(task, answers, raw.numpy(), head)


def built(example: TaskExample) -> dict[str, Task]:
    unknown = {"unknown": ["?"]}
    tables = {"example": example.table, **example.others}
    return build_tasks({name: {**table, **unknown} for name, table in tables.items()})


def new(example: TaskExample) -> Task:
    return built(example)["example"]


def features(count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Vectors and maps."""
    maps = [torch.randn(count, level.channels, level.height, level.width) for level in LEVELS]
    return 30 * torch.randn(count, VECTOR), maps


def training_output(at: Trained, vectors: torch.Tensor, maps: list[torch.Tensor]) -> torch.Tensor:
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
    loss, labelled = task.loss(raw, target_of(task, answers))
    return (loss * labelled).sum() / labelled.sum()


# Answers and loss.


def what_is_unknown_reads_as_none(example: TaskExample) -> None:
    tasks = built(example)
    read = tasks[tasks["example"].answered_by].read
    for raw_value in example.unknown:
        require(read(raw_value) is None, f"{raw_value!r} reads as {read(raw_value)!r}")


def unknown_answers_leave_the_network_unmoved(example: TaskExample) -> None:
    at = trained(example)
    vectors, maps = features(len(at.answers))
    assert at.head is not None
    head = at.head

    def gradients(rows: list[int], answers: list[Any]) -> torch.Tensor:
        head.zero_grad()
        raw = training_output(at, vectors[rows], [part[rows] for part in maps])
        loss, labelled = at.task.loss(raw, target_of(at.task, answers))
        require(loss.shape == labelled.shape, f"loss {loss.shape} and mask {labelled.shape}")
        require(loss.isfinite().all(), "the loss is not finite, and 0 times infinity is NaN")
        (loss * labelled).sum().backward()  # type: ignore[no-untyped-call]
        slopes = [p.grad if p.grad is not None else torch.zeros_like(p) for p in head.parameters()]
        return torch.cat([slope.ravel() for slope in slopes])

    everyone = list(range(len(at.answers)))
    nothing = gradients(everyone, [None] * len(everyone))
    require(nothing.count_nonzero() == 0, "a batch without an answer has a gradient")
    some = gradients(at.rows, at.labelled)
    require(some.count_nonzero() > 0, "a batch with answers has no gradient")
    torch.testing.assert_close(gradients(everyone, at.answers), some, atol=1e-4, rtol=1e-4)


def the_loss_of_a_row_is_its_own(example: TaskExample) -> None:
    """mixing adds shares of two losses, so no loss may depend on the rest of the batch"""
    at = trained(example)
    raw = torch.as_tensor(at.raw)
    together, _ = at.task.loss(raw, at.target())
    for row in (0, 1, 17):
        alone, _ = at.task.loss(raw[row : row + 1], target_of(at.task, at.answers[row : row + 1]))
        torch.testing.assert_close(alone[0], together[row])


def no_other_constant_is_better(example: TaskExample) -> None:
    at = trained(example, count=4000)
    best = torch.as_tensor(at.task.constant_raw())
    require(best.shape == (1, *at.raw.shape[1:]), f"constant_raw() has the shape {tuple(best.shape)}")
    count = len(at.answers)
    least = mean_loss(at.task, best.expand(count, *best.shape[1:]), at.answers)
    for seed in range(20):
        shift = 0.3 * torch.randn(best.shape, generator=torch.Generator().manual_seed(seed))
        other = mean_loss(at.task, (best + shift).expand(count, *best.shape[1:]), at.answers)
        # counts are smoothed by one picture per class
        require(least <= other + 2e-3, f"constant_raw() has the mean loss {least}, another {other}")


def the_head_starts_as_the_constant_baseline(example: TaskExample) -> None:
    at = trained(example)
    head = at.task.head(SHAPE).eval()
    own, raw = head(torch.randn(5, VECTOR), ())
    require(own.shape == (5, head.own), f"its own features are {tuple(own.shape)} and `own` is {head.own}")
    constant = torch.as_tensor(at.task.constant_raw())
    torch.testing.assert_close(raw.detach(), constant.expand_as(raw), atol=0.3, rtol=0)


def mixed_with_itself_a_picture_stays_itself(example: TaskExample) -> None:
    at = trained(example)
    raw = training_output(at, *features(len(at.answers))).detach()
    target = at.target()
    loss, labelled = at.task.loss(raw, target)
    mixed, labelled_mixed = at.task.mixed_loss(raw, target, Mix(torch.arange(len(raw)), 0.6))
    require(torch.equal(labelled_mixed > 0, labelled > 0), "other elements are labelled")
    torch.testing.assert_close((mixed * labelled), (loss * labelled), rtol=1e-4, atol=1e-5)


def two_equal_answers_are_one(example: TaskExample) -> None:
    at = trained(example)
    for answer in at.labelled[:10]:
        merged = at.task.merge(answer, answer)
        require(merged == answer, f"{answer!r} twice is {merged!r}")


def answers_that_come_again_teach_as_if_each_was_alone(example: TaskExample) -> None:
    """A large table keeps equal answers once: the task learns and encodes them as it does a list."""
    at = trained(example)
    many = at.answers * 5
    column, one, other = Coded.of(many), new(example), new(example)
    one.fit_target(labelled(column))
    other.fit_target(labelled(many))
    require(one.state() == other.state(), "it learns otherwise from a column of answers")
    rows = np.random.default_rng(0).permutation(len(many))[:50]
    kept, whole = encoded(at.task, column), at.task.encode(many)
    require(list(kept) == list(whole), "it encodes other arrays")
    for name, array in kept.items():
        batch, expected = rows_on(torch.device("cpu"), array)[torch.from_numpy(rows)], whole[name][rows]
        same = torch.equal(batch, torch.as_tensor(expected)) and batch.numpy().dtype == expected.dtype
        require(same, f"it encodes {name} of an answer otherwise beside others")


def cells_of_a_table_read_the_same(example: TaskExample) -> None:
    task = new(example)
    for raw_value in example.raw_values:
        if isinstance(raw_value, str | int | float | list) and task.read(raw_value) is not None:
            try:
                cells = task.to_cells(raw_value)
            except InvalidAnswer:  # no cell can say it
                continue
            again = task.read(cells if len(cells) > 1 else cells[task.fields[0]])
            require(again == task.read(raw_value), f"{raw_value!r} became {cells}, which reads as {again!r}")


# From a teacher.


def taught(at: Trained, rows: int | None = None) -> dict[str, torch.Tensor]:
    """The soft target of pictures whose teacher is the task itself."""
    at.task.refuse_teacher(at.task)
    soft = at.task.soft_target(at.raw[:rows], at.task)
    return {name: torch.as_tensor(array) for name, array in soft.items()}


def a_teacher_of_another_type_is_refused(example: TaskExample) -> None:
    at = trained(example)
    other = {"type": "number"} if at.task.type != "number" else {"type": "tags"}
    try:
        at.task.refuse_teacher(build_tasks({"other": other})["other"])
    except ConfigError:
        return
    require(False, f"a teacher of type {other['type']} is not refused")


def a_soft_target_has_the_shape_of_the_loss(example: TaskExample) -> None:
    at = trained(example)
    soft, raw = taught(at), training_output(at, *features(len(at.answers))).detach()
    require("trust" in soft, f"no trust among {sorted(soft)}")
    require(bool(((soft["trust"] >= 0) & (soft["trust"] <= 1)).all()), "trust is not between 0 and 1")
    require(all(len(array) == len(raw) for array in soft.values()), "the first axis is not the picture")
    loss, weight = at.task.teach(raw, soft)
    expected, labelled = at.task.loss(raw, at.target())
    require(
        loss.shape == expected.shape, f"teach() gives {tuple(loss.shape)}, loss() {tuple(expected.shape)}"
    )
    require(weight.shape == labelled.shape, f"its weight has the shape {tuple(weight.shape)}")
    require(loss.isfinite().all(), "the loss is not finite")
    wild = at.task.teach(raw.sign() * 1e4, soft)[0]
    require(wild.isfinite().all(), "the loss of wild outputs is not finite")


def what_a_teacher_is_not_trusted_in_leaves_the_network_unmoved(example: TaskExample) -> None:
    at = trained(example)
    soft = taught(at)
    raw = training_output(at, *features(len(at.answers))).detach().requires_grad_()
    loss, weight = at.task.teach(raw, {**soft, "trust": torch.zeros_like(soft["trust"])})
    (loss * weight).sum().backward()  # type: ignore[no-untyped-call]
    moved = raw.grad is not None and bool(raw.grad.count_nonzero())
    require(not moved, "an answer that nobody trusts has a gradient")


def where_nothing_moves_a_soft_target_stays(example: TaskExample) -> None:
    at = trained(example)
    soft, count = taught(at), len(at.answers)
    view = view_of(count, torch.arange(count)[:, None], torch.ones(count))
    same = at.task.transform_soft_target(soft, view)
    require(same.keys() == soft.keys(), f"{sorted(soft)} became {sorted(same)}")
    for name, value in soft.items():
        torch.testing.assert_close(same[name], value)


def it_learns_to_answer_as_its_teacher(example: TaskExample) -> None:
    """the loss is least where raw output is the teacher's, and descends towards it"""
    at = trained(example)
    soft, raw = taught(at), torch.as_tensor(at.raw)

    def mean(output: torch.Tensor) -> torch.Tensor:
        loss, weight = at.task.teach(output, soft)
        return (loss * weight).sum() / weight.sum().clamp(min=1e-9)

    least = float(mean(raw))
    for seed in range(5):
        noise = torch.randn(raw.shape, generator=torch.Generator().manual_seed(seed))
        other = float(mean(raw + 0.3 * noise))
        require(least <= other + 1e-5, f"as the teacher answers, the loss is {least}; elsewhere {other}")


def drawn_answers_are_typed(example: TaskExample) -> None:
    at, random = trained(example), np.random.default_rng(0)
    drawn = [at.task.drawn_answer(one, random) for one in at.task.decode(at.raw[:10])]
    answers = [answer for answer in drawn if answer is not None]
    at.task.encode(drawn)
    require(all(at.task.format(answer) for answer in answers), "a drawn answer has no text")


# What is changed about a picture.


def view_of(count: int, tiles: torch.Tensor, scale: torch.Tensor) -> View:
    """Pictures that are not moved."""
    motion = torch.eye(2, 3).expand(count, 2, 3)
    offset = torch.tensor(QUARTERS) if tiles.shape[1] == 4 else torch.zeros(1, 2)
    return View(motion, tiles, scale, offset, SHAPE.canvas)


def where_nothing_moves_answers_stay(example: TaskExample) -> None:
    at = trained(example)
    count, target = len(at.answers), at.target()
    view = view_of(count, torch.arange(count)[:, None], torch.ones(count))
    same = at.task.transform_target(target, view)
    require(same.keys() == target.keys(), f"{sorted(target)} became {sorted(same)}")
    for name, value in target.items():
        torch.testing.assert_close(same[name], value, equal_nan=True)


def a_mosaic_is_labelled_only_for_spatial_tasks(example: TaskExample) -> None:
    at = trained(example)
    answers = at.labelled[:4]
    tiles = torch.tensor([[0, -1, -1, -1], [0, 1, 2, 3], [2, -1, -1, -1], [3, 2, 1, 0]])
    view = view_of(4, tiles, torch.tensor([1, 0.5, 1, 0.5]))
    target = at.task.transform_target(target_of(at.task, answers), view)
    loss, labelled = at.task.loss(training_output(at, *features(4)), target)
    require(loss.isfinite().all(), "the loss is not finite")
    in_mosaics = bool((labelled[[1, 3]] > 0).any())
    require(in_mosaics == at.task.is_spatial, f"labelled is {in_mosaics}, is_spatial {at.task.is_spatial}")


# Predictions.


def state_is_json_and_restores_the_task(example: TaskExample) -> None:
    at = trained(example)
    at.task.calibrate(at.raw, at.answers)
    again = new(example)
    restore({"example": again}, {"example": json.loads(json.dumps(at.task.state(), allow_nan=False))})
    require(again.decode(at.raw) == at.task.decode(at.raw), "it decodes otherwise")
    require(again.constant_baseline(2) == at.task.constant_baseline(2), "its constant baseline is another")
    require(again.state() == at.task.state(), "its state is another")
    same = again.encode(at.answers)
    for name, array in at.task.encode(at.answers).items():
        require(np.array_equal(array, same[name]), f"it encodes {name} otherwise")


def predictions_survive_json_in_any_order(example: TaskExample) -> None:
    at = trained(example)
    predictions = at.task.decode(at.raw[: len(at.labelled)])
    back = json.loads(json.dumps(predictions, allow_nan=False, sort_keys=True))
    one = np.ones(len(at.labelled))
    expected = at.task.metrics(at.task.metric_state(predictions, at.labelled), one)
    values = at.task.metrics(at.task.metric_state(back, at.labelled), one)
    require_close(values, expected, "metrics of predictions that were JSON")


def wild_outputs_give_finite_answers(example: TaskExample) -> None:
    at = trained(example)
    wild = 1e4 * np.sign(np.random.default_rng(0).normal(size=at.raw.shape)).astype(np.float32)
    at.task.calibrate(wild, at.answers)
    json.dumps(at.task.decode(wild), allow_nan=False)
    output = training_output(at, *features(len(at.answers))).detach().sign() * 1e4
    require(at.task.loss(output, at.target())[0].isfinite().all(), "the loss is not finite")
    at = Trained(at.task, at.answers, wild)
    require(math.isfinite(at.metrics()[at.task.primary_metric]), "the primary metric is not finite")
    require(np.isfinite(at.task.sample_errors(at.metric_state())).all(), "sample_errors are not finite")


def what_a_user_sees_can_be_written(example: TaskExample) -> None:
    at = trained(example)
    at.task.calibrate(at.raw, at.answers)
    placement = Fit(SHAPE.canvas).placement(64, 30)
    for prediction, shorter in zip(at.task.decode(at.raw), at.task.decode_visible(at.raw), strict=True):
        visible = at.task.visible(at.task.to_image(prediction, placement))
        same = at.task.visible(at.task.to_image(shorter, placement))
        require(visible == same, f"decode_visible lacks what is visible: {same} for {visible}")
        require(json.loads(json.dumps(visible, allow_nan=False)) == visible, f"{visible} is no plain JSON")
        require(at.task.format_prediction(visible), f"{visible} has no text")


def answers_have_a_text(example: TaskExample) -> None:
    at = trained(example)
    require(all(at.task.format(answer) for answer in at.labelled), "an answer has no text")
    at.task.calibrate(at.raw, at.answers)
    texts = [at.task.format_prediction(prediction) for prediction in at.task.decode(at.raw)]
    require(all(texts), "a prediction has no text")
    require(at.task.brief(0.5), "the primary metric has no text")


def any_answer_can_be_suspected(example: TaskExample) -> None:
    at = trained(example)
    predictions = at.task.decode(at.raw[at.rows])
    likely = at.task.suspicions(predictions, at.labelled)
    require(all(0 <= one.score <= 1 and one.answer for one in likely), "a suspicion has no score or no text")
    if not at.task.is_spatial:
        every = {one.row: one for one in at.task.suspicions(predictions, at.labelled, every=True)}
        require(sorted(every) == list(range(len(at.labelled))), "not every answer has a suspicion")
        same = [every[one.row].score == one.score for one in likely]
        require(all(same), "a suspicion has another score among all")


def explained_answers_fit_the_raw_output(example: TaskExample) -> None:
    at = trained(example)
    at.task.calibrate(at.raw, at.answers)
    for row in range(3):
        raw = at.raw[row : row + 1].astype(np.float64)
        for answer in at.task.explained_answers(raw):
            require(answer.words, "an explained answer has no words")
            support = answer.support(at.raw)
            require(support.shape == (len(at.raw),), f"the support of an answer is {support.shape}")
            require(np.isfinite(support).all(), "the support of an answer is not finite")
            if answer.slope is not None:
                require(answer.slope.shape == raw.shape[1:], f"the slope is {answer.slope.shape}")
                if raw.ndim == 2:
                    step = 1e-3 * np.sign(answer.slope)
                    gain = (answer.support(raw + step) - answer.support(raw - step)) / 2
                    expected = 1e-3 * np.abs(answer.slope).sum()
                    require(
                        abs(gain[0] - expected) <= 0.01 * expected, "the slope is not that of the support"
                    )


# Metrics.


def the_primary_metric_comes_first_and_each_has_a_meaning(example: TaskExample) -> None:
    at = trained(example)
    metrics = at.metrics()
    require(next(iter(metrics)) == at.task.primary_metric, f"{next(iter(metrics))} comes first")
    own = {metric for metric in metrics if "." not in metric}  # the others are those of an attribute
    require(own <= at.task.meaning.keys(), f"no meaning: {sorted(own - at.task.meaning.keys())}")


def skill_is_0_for_the_constant_and_1_for_the_truth(example: TaskExample) -> None:
    at = trained(example)
    raw = torch.as_tensor(at.task.constant_raw()).repeat(len(at.answers), *[1] * (at.raw.ndim - 1))
    metric_state = at.task.metric_state(at.task.constant_baseline(len(at.labelled)), at.labelled)
    constant = at.task.metrics(metric_state, np.ones(len(at.labelled)))[at.task.primary_metric]

    def skill() -> float:
        metrics = Trained(at.task, at.answers, raw.detach().numpy()).metrics()
        return at.task.skill(metrics[at.task.primary_metric], constant)

    require(math.isclose(skill(), 0, abs_tol=1e-12), f"the skill of the constant baseline is {skill()}")
    raw.requires_grad_()
    descent = torch.optim.Adam([raw], lr=0.3)
    for _ in range(300):
        descent.zero_grad()
        mean_loss(at.task, raw, at.answers).backward()  # type: ignore[no-untyped-call]
        descent.step()
    require(math.isclose(skill(), 1, rel_tol=0, abs_tol=1e-3), f"where the loss is least, skill is {skill()}")


def a_weight_is_a_number_of_copies(example: TaskExample) -> None:
    at = trained(example)
    at.task.calibrate(at.raw, at.answers)
    count = np.arange(len(at.labelled)) % 4
    weighted = at.task.metrics(at.metric_state(), count * 1.0)
    scaled = at.task.metrics(at.metric_state(), count * 2.5)
    require_close(weighted, scaled, "metrics with all weights 2.5 times as large")
    if example.compares_images:
        return  # copies of a picture would be its nearest
    weights = np.random.default_rng(1).integers(0, 4, size=len(at.labelled))
    copies = np.repeat(np.arange(len(at.labelled)), weights)
    predictions = at.task.decode(at.raw[at.rows][copies])
    repeated = at.task.metric_state(predictions, [at.labelled[index] for index in copies])
    weighted = at.task.metrics(at.metric_state(), weights.astype(np.float64))
    copied = at.task.metrics(repeated, np.ones(len(copies)))
    require_close(plain(at.task, weighted), plain(at.task, copied), "metrics with weights and copies")


def plain(task: Task, metrics: Mapping[str, float]) -> dict[str, float]:
    """Those metrics for which a copy of a picture counts as a picture."""
    return {
        name: value for name, value in metrics.items() if name.rpartition(".")[2] not in task.debiased_metrics
    }


def metrics_do_not_depend_on_the_order_of_the_pictures(example: TaskExample) -> None:
    at = trained(example)
    reversed_ = Trained(at.task, at.answers[::-1], at.raw[::-1])
    # Of equally confident boxes the first comes first: that much may depend on the order.
    require_close(reversed_.metrics(), at.metrics(), "metrics in the other order", absolute=1e-5)


def one_picture_can_be_scored(example: TaskExample) -> None:
    at = trained(example)
    metric_state = at.task.metric_state(at.task.decode(at.raw[1:2]), at.answers[1:2])
    require(at.task.primary_metric in at.task.metrics(metric_state, np.ones(1)), "no primary metric")
    require(at.task.sample_errors(metric_state).shape == (1,), "sample_errors has another shape")
    has_details = type(at.task).details is not Task.details
    require(at.task.details(metric_state) or not has_details, "no details")


def sample_errors_order_the_pictures(example: TaskExample) -> None:
    at = trained(example)
    errors = at.task.sample_errors(at.metric_state())
    require(errors.shape == (len(at.labelled),), f"sample_errors has the shape {errors.shape}")
    require(errors.dtype == np.float64, f"sample_errors is {errors.dtype}")
    losses = [float(mean_loss(at.task, torch.as_tensor(at.raw[[row]]), [at.answers[row]])) for row in at.rows]
    worst = errors[int(np.argmax(losses))]
    require(worst >= np.quantile(errors, 0.8), "the picture of the largest loss is not among the worst")


def details_have_their_shapes(example: TaskExample) -> None:
    at = trained(example)
    for detail in at.task.details(at.metric_state()):
        match detail:
            case Matrix():
                require(detail.values.shape == (len(detail.names), len(detail.names)), detail.title)
            case Grid():
                require(all(len(row) == len(detail.header) for row in detail.rows), detail.title)
            case Curve():
                require(detail.x.shape == detail.y.shape and detail.x.ndim == 1, detail.title)


EVERY_TASK: tuple[Callable[[TaskExample], None], ...] = (
    what_is_unknown_reads_as_none,
    unknown_answers_leave_the_network_unmoved,
    mixed_with_itself_a_picture_stays_itself,
    where_nothing_moves_answers_stay,
    a_mosaic_is_labelled_only_for_spatial_tasks,
    answers_that_come_again_teach_as_if_each_was_alone,
    state_is_json_and_restores_the_task,
    predictions_survive_json_in_any_order,
    wild_outputs_give_finite_answers,
    what_a_user_sees_can_be_written,
    answers_have_a_text,
    any_answer_can_be_suspected,
    explained_answers_fit_the_raw_output,
    the_primary_metric_comes_first_and_each_has_a_meaning,
    a_weight_is_a_number_of_copies,
    metrics_do_not_depend_on_the_order_of_the_pictures,
    one_picture_can_be_scored,
    details_have_their_shapes,
    a_teacher_of_another_type_is_refused,
)
WITH_A_TEACHER = (
    a_soft_target_has_the_shape_of_the_loss,
    what_a_teacher_is_not_trusted_in_leaves_the_network_unmoved,
    where_nothing_moves_a_soft_target_stays,
    drawn_answers_are_typed,
)
WITH_OWN_ANSWERS = (two_equal_answers_are_one, cells_of_a_table_read_the_same)
PER_IMAGE = (
    the_loss_of_a_row_is_its_own,
    no_other_constant_is_better,
    the_head_starts_as_the_constant_baseline,
    skill_is_0_for_the_constant_and_1_for_the_truth,
    sample_errors_order_the_pictures,
)
PER_IMAGE_WITH_A_TEACHER = (it_learns_to_answer_as_its_teacher,)


def checks_of(example: TaskExample) -> tuple[Callable[[TaskExample], None], ...]:
    """The promises that a task like this gives."""
    own = () if example.others else WITH_OWN_ANSWERS
    alone = PER_IMAGE if example.per_image else ()
    if type(new(example)).teach is Task.teach:  # nothing says that it could be taught
        return EVERY_TASK + own + alone
    by_teacher = WITH_A_TEACHER + (PER_IMAGE_WITH_A_TEACHER if example.per_image else ())
    return EVERY_TASK + own + alone + by_teacher


def check(example: TaskExample) -> list[str]:
    """Every promise; see ``check_task``."""
    return keep(checks_of(example), example, f"the task {example.table.get('type')}")
