"""A step of the loop: losses, what is unknown, mixup, the average, and what happens when a loss is NaN."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toy import PLAIN, SIZE, begin, targets_of
from torch import Tensor

from oneglance.balancers.equal import Equal
from oneglance.batch_transform import Mix, View
from oneglance.errors import DivergedError
from oneglance.tasks.number import Number
from oneglance.training.data_loader import Batch
from oneglance.training.learner import Learner, labelled_mean
from oneglance.training.loop import train_steps
from oneglance.training.optimizer import learning_rate_factor
from oneglance.training.trainer import Trainer
from oneglance.training.validation import mean_skill

STILL = (*PLAIN, "training.clip=0", "tasks.style.dropout=0")
TASKS = ["kind", "weight", "style", "verdict"]


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return begin(tmp_path / "run", *STILL)


@pytest.fixture
def learner(trainer: Trainer) -> Learner:
    return trainer.learner


def everything(trainer: Trainer) -> Batch:
    """The whole training split as one batch."""
    part = trainer.loaders[0]
    return Batch(torch.cat([batch.pictures for batch in part.in_order()]), targets_of(trainer))


@pytest.fixture
def batch(trainer: Trainer) -> Batch:
    return everything(trainer)


def forget(batch: Batch, *names: str) -> Batch:
    """The same pictures with every answer to ``names`` unknown."""
    targets = {name: dict(target) for name, target in batch.targets.items()}
    for name in names:
        for key, value in targets[name].items():
            targets[name][key] = torch.full_like(value, -1) if key == "class" else torch.zeros_like(value)
    return Batch(batch.pictures, targets)


def gradients(learner: Learner, batch: Batch, mix: Mix | None = None) -> dict[str, Tensor]:
    learner.network.eval()  # no dropout; the norms' statistics do not depend on the batch
    learner.network.train = lambda mode=True: learner.network  # type: ignore[method-assign]
    learner.backward(batch.pictures, batch.targets, mix)
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in learner.network.named_parameters()
    }


def weights(learner: Learner) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in learner.network.named_parameters()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Losses.


@pytest.mark.parametrize(
    "overrides",
    [
        ("tasks.kind.smoothing=0", "tasks.verdict.smoothing=0"),
        ("tasks.kind.smoothing=0.1",),
        ("tasks.kind.class_weights=balanced", "tasks.style.class_weights=balanced"),
        ("tasks.kind.ordinal=true", 'tasks.kind.classes=["dark", "bright"]'),
        ("tasks.weight.log=true", "tasks.weight.bend=0.2"),
    ],
    ids=["no smoothing", "smoothing", "balanced", "ordinal", "log"],
)
def test_losses_start_near_one(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    """The first answers are the constant ones, and each loss is told relative to theirs."""
    trainer = begin(tmp_path / "run", *STILL, *overrides)
    batch = everything(trainer)
    losses, present = trainer.learner.backward(batch.pictures, batch.targets, None)
    assert present.tolist() == [True] * 4
    assert losses.tolist() == pytest.approx([1] * 4, abs=0.05)


def test_the_loss_of_the_constant_answer_is_one(learner: Learner, batch: Batch) -> None:
    count = len(batch.pictures)
    raw = {
        name: torch.as_tensor(task.constant_raw()).expand(count, -1) for name, task in learner.tasks.items()
    }
    losses, _ = learner.losses(raw, batch.targets, None)
    assert losses.tolist() == pytest.approx([1] * 4, abs=1e-5)


def test_known_mean() -> None:
    loss, known = torch.tensor([1.0, 5.0, 3.0]), torch.tensor([1.0, 0.0, 1.0])
    assert labelled_mean(loss, known) == 2
    assert labelled_mean(loss, torch.zeros(3)) == 0


def test_a_task_may_count_more(tmp_path: Path) -> None:
    one = begin(tmp_path / "one", *STILL)
    three = begin(tmp_path / "three", *STILL, "tasks.weight.weight=3")
    found, more = gradients(one.learner, everything(one)), gradients(three.learner, everything(three))
    name = "heads.weight head.last.weight"
    assert found[name].abs().max() > 0
    torch.testing.assert_close(more[name], 3 * found[name])
    torch.testing.assert_close(more["heads.kind head.last.weight"], found["heads.kind head.last.weight"])


# What nobody looked for.


def test_what_stands_at_an_unknown_place_does_not_matter(learner: Learner, batch: Batch) -> None:
    before = gradients(learner, batch)
    targets = copy.deepcopy(batch.targets)
    for name, value in (("weight", "value"), ("style", "present")):
        unknown = targets[name]["labelled"] == 0
        assert unknown.any()
        targets[name][value][unknown] = 0.77
    targets["kind"]["class"][targets["kind"]["class"] < 0] = -5
    assert same(gradients(learner, Batch(batch.pictures, targets)), before)


def test_a_picture_without_answers_does_not_move_the_network(learner: Learner, batch: Batch) -> None:
    nothing = forget(batch, *TASKS)
    both = Batch(
        torch.cat([batch.pictures, 255 - nothing.pictures]),
        {
            name: {k: torch.cat([v, nothing.targets[name][k]]) for k, v in target.items()}
            for name, target in batch.targets.items()
        },
    )
    expected = gradients(learner, batch)
    for name, gradient in gradients(learner, both).items():
        torch.testing.assert_close(gradient, expected[name])


def test_nothing_known_nothing_learned(learner: Learner, batch: Batch) -> None:
    found = gradients(learner, forget(batch, *TASKS))
    assert all(gradient.count_nonzero() == 0 for gradient in found.values())


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_that_knows_nothing_of_a_task(learner: Learner, batch: Batch, name: str) -> None:
    missing = forget(batch, name)
    asked: list[Tensor] = []
    measure = learner.balancer.weights

    class Listening(Equal):
        def weights(self, losses: Tensor, present: Tensor, *further: Any, **words: Any) -> Tensor:
            asked.append(measure(losses, present, *further, **words))
            return asked[-1]

    learner.balancer = Listening()
    losses = learner.update(missing, 10)
    place = TASKS.index(name)
    assert losses.isnan().tolist() == [other == name for other in TASKS]
    assert asked[0][place] == 0 and asked[0].sum() > 0
    head = dict(learner.network.heads[f"{name} head"].named_parameters(prefix=f"heads.{name} head"))
    if name in ("weight", "verdict"):  # nobody uses their features
        assert all(
            parameter.grad is not None and parameter.grad.count_nonzero() == 0 for parameter in head.values()
        )
    assert all(value.isfinite().all() for value in learner.network.state_dict().values())
    assert learner.sums[:, place].tolist() == [0, 0]


# Mixup.


def test_mixup_is_the_weighted_sum_of_two_losses(learner: Learner) -> None:
    """Checked by hand on two pictures that are each other's partners."""
    task = learner.tasks["weight"]
    assert isinstance(task, Number)
    bend = task.bend
    raw, share = torch.tensor([[0.3], [-0.4]]), 0.7
    mix = Mix(torch.tensor([1, 0]), share)
    learner.tasks = {"weight": task}
    learner.loss_scales = torch.ones(1)

    def loss(known: list[float]) -> float:
        target = {"value": torch.tensor([0.1, 0.8]), "labelled": torch.tensor(known)}
        found, present = learner.losses({"weight": raw}, {"weight": target}, mix)
        assert present.item() == (sum(known) > 0)
        return float(found)

    def huber(row: int, value: float) -> float:
        error = abs(float(raw[row, 0]) - value)
        return error**2 / 2 if error < bend else bend * (error - bend / 2)

    first = share * huber(0, 0.1) + (1 - share) * huber(0, 0.8)
    second = share * huber(1, 0.8) + (1 - share) * huber(1, 0.1)
    assert loss([1, 1]) == pytest.approx((first + second) / 2)
    # Nobody looked at the second picture: what is known of it counts with its own share only.
    assert loss([1, 0]) == pytest.approx(share * huber(0, 0.1) + (1 - share) * huber(1, 0.1))
    assert loss([0, 0]) == 0


def test_mixup_holds_for_every_task_element_by_element(learner: Learner, batch: Batch) -> None:
    share = 0.6
    partner = torch.from_numpy(np.random.default_rng(0).permutation(len(batch.pictures)))
    raw = learner.network.eval()(batch.pictures)
    losses, present = learner.losses(raw, batch.targets, Mix(partner, share))
    assert present.all()
    for place, (name, task) in enumerate(learner.tasks.items()):
        mine, known = task.loss(raw[name], batch.targets[name])
        other = {key: value[partner] for key, value in batch.targets[name].items()}
        theirs, known_too = task.loss(raw[name], other)
        total = share * (mine * known).sum() + (1 - share) * (theirs * known_too).sum()
        count = share * known.sum() + (1 - share) * known_too.sum()
        torch.testing.assert_close(losses[place], total / count / learner.loss_scales[place])


def test_what_is_unknown_stays_unknown_when_mixed(learner: Learner, batch: Batch) -> None:
    mix = Mix(torch.arange(len(batch.pictures)).flip(0), 0.6)
    before = gradients(learner, batch, mix)
    targets = copy.deepcopy(batch.targets)
    targets["weight"]["value"][targets["weight"]["labelled"] == 0] = 123.0
    assert same(gradients(learner, Batch(batch.pictures, targets), mix), before)


# A step.


@pytest.mark.parametrize("decay", [0, 0.5, 0.998])
def test_the_average_follows(tmp_path: Path, decay: float) -> None:
    trainer = begin(tmp_path / "run", *STILL, f"training.ema={decay}")
    learner, batch = trainer.learner, everything(trainer)
    expected = {name: value.clone() for name, value in learner.average.state_dict().items()}
    for step in range(4):
        learner.update(batch, 10)
        now = min(decay, (1 + step) / (10 + step))
        for name, value in learner.network.state_dict().items():
            if value.is_floating_point():
                expected[name] = now * expected[name] + (1 - now) * value
            else:
                expected[name] = value.clone()
    for name, value in learner.average.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    if not decay:
        assert same(dict(learner.average.state_dict()), dict(learner.network.state_dict()))
    assert not learner.average.training
    assert not any(parameter.requires_grad for parameter in learner.average.parameters())


def test_the_rate_of_a_step_is_the_plans(learner: Learner, batch: Batch) -> None:
    for step in range(3):
        learner.update(batch, 10)
        top = [group["lr"] / group["top"] for group in learner.optimizer.param_groups]
        assert top == pytest.approx([learning_rate_factor(step, 10, learner.table)] * len(top))


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    def norm(clip: float) -> float:
        trainer = begin(tmp_path / f"clip {clip}", *PLAIN, f"training.clip={clip}")
        trainer.learner.update(everything(trainer), 10)
        grads = [p.grad for p in trainer.learner.network.parameters() if p.grad is not None]
        return float(torch.linalg.vector_norm(torch.cat([grad.ravel() for grad in grads])))

    free = norm(0)
    assert free > 0.02
    assert norm(0.01) == pytest.approx(0.01, rel=1e-3)
    assert norm(1000) == pytest.approx(free)


def test_a_step_depends_on_its_place_alone(tmp_path: Path) -> None:
    """Dropout and augmentation of a step are drawn from seed, epoch and step."""
    found = []
    for disturbance in range(2):
        trainer = begin(tmp_path / str(disturbance))
        torch.manual_seed(disturbance)
        trainer.learner.update(everything(trainer), 10)
        found.append(weights(trainer.learner))
    assert same(*found)


def test_a_step_elsewhere_draws_anew(learner: Learner, batch: Batch, tmp_path: Path) -> None:
    drawn = []
    learner.augment = lambda pictures, generator, is_queried, rest, **_: (  # type: ignore[assignment]
        drawn.append((torch.rand(1, generator=generator).item(), rest)) or pictures.float(),  # type: ignore[func-returns-value]
        View(torch.eye(2, 3), torch.zeros(1, 1), torch.ones(1), torch.zeros(1, 2), (SIZE, SIZE)),
        None,
    )
    learner.augment.table = begin(tmp_path / "other").config.augment  # type: ignore[union-attr, attr-defined]
    for _ in range(10):
        learner.update(batch, 10)
    assert len({value for value, _ in drawn}) == 10
    assert [rest for _, rest in drawn] == [False] * 9 + [True]  # the last tenth of the steps


# NaN.


@pytest.mark.parametrize("name", ["weight", "style"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_its_task(
    learner: Learner, batch: Batch, name: str, bad: float
) -> None:
    learner.update(batch, 10)
    before = (
        weights(learner),
        copy.deepcopy(learner.average.state_dict()),
        copy.deepcopy(vars(learner.position)),
    )
    optimizer = copy.deepcopy(learner.optimizer.state_dict()["state"])
    poisoned = copy.deepcopy(batch)
    poisoned.targets[name]["value" if name == "weight" else "present"][0] = bad
    poisoned.targets[name]["labelled"][0] = 1
    message = (
        rf"^the loss of {name} became NaN or infinite in epoch 1, step 2 — lower training\.learning_rate"
    )
    with pytest.raises(DivergedError, match=message):
        learner.update(poisoned, 10)
    assert same(weights(learner), before[0])
    assert same(dict(learner.average.state_dict()), dict(before[1]))
    assert vars(learner.position) == before[2]
    for key, state in learner.optimizer.state_dict()["state"].items():
        assert same(state, optimizer[key])


@pytest.mark.parametrize("clip", [0, 5])
def test_a_gradient_that_is_no_number_stops_too(tmp_path: Path, clip: float) -> None:
    trainer = begin(tmp_path / "run", *PLAIN, f"training.clip={clip}")
    learner = trainer.learner
    first = next(p for p in learner.network.parameters() if p.requires_grad)
    first.register_hook(lambda gradient: gradient * float("inf"))
    before = weights(learner)
    with pytest.raises(DivergedError, match="the gradients became infinite in epoch 1, step 1"):
        learner.update(everything(trainer), 10)
    assert same(weights(learner), before)


def test_answers_that_are_no_numbers_stop_the_validation(trainer: Trainer) -> None:
    learner = trainer.learner
    with torch.no_grad():
        learner.average.heads["weight head"].last.bias.fill_(float("inf"))  # type: ignore[operator, union-attr]
    learner.position.epoch = 2
    with pytest.raises(
        DivergedError, match="the answers to weight became NaN or infinite after epoch 2 — lower"
    ):
        learner.validate(trainer.loaders[1])


# Epochs.


def test_the_loop_tells_every_step_and_every_epoch(trainer: Trainer) -> None:
    moments = list(train_steps(trainer.learner, *trainer.loaders))
    assert [(m.epoch, m.step, m.steps) for m in moments] == [(e, s, 3) for e in (1, 2, 3) for s in (1, 2, 3)]
    assert [m.pictures for m in moments] == [8] * 9
    done = [m.done for m in moments]
    assert [d is not None for d in done] == [False, False, True] * 3
    for epoch in filter(None, done):
        steps = torch.stack([m.losses for m in moments if m.epoch == epoch.epoch])
        assert list(epoch.loss.values()) == pytest.approx(steps.nanmean(dim=0).tolist())
        assert {name: len(raw) for name, raw in epoch.raw.items()} == dict.fromkeys(TASKS, 12)
    assert trainer.learner.position.epoch == 3


def test_validation_looks_with_the_average(trainer: Trainer) -> None:
    *_, last = train_steps(trainer.learner, *trainer.loaders)
    batches = trainer.loaders[1]
    pictures = torch.cat([batch.pictures for batch in batches.in_order()])
    with torch.inference_mode():
        expected = trainer.learner.average(pictures)
    for name, raw in last.done.raw.items():  # type: ignore[union-attr]
        np.testing.assert_allclose(raw, expected[name].numpy(), atol=1e-5)


def test_a_task_without_any_answer_has_no_loss(trainer: Trainer) -> None:
    learner = trainer.learner
    part = trainer.loaders[0]
    part.targets = forget(Batch(torch.zeros(0), targets_of(trainer)), "weight").targets
    steps = train_steps(learner, *trainer.loaders)
    last = next(result for result in steps if result.done)
    loss = last.done.loss  # type: ignore[union-attr]
    assert loss["weight"] is None and all(loss[name] is not None for name in TASKS if name != "weight")


def test_mean_skill_leaves_out_what_has_no_score(learner: Learner) -> None:
    constants = {"kind": 0.5, "weight": 10.0, "style": 0.4, "verdict": float("nan")}
    found = {"kind": 0.75, "weight": 5.0, "style": float("nan"), "verdict": 0.9}
    assert mean_skill(learner.tasks, found, constants) == pytest.approx(0.5)
    nothing: dict[str, Any] = dict.fromkeys(TASKS, float("nan"))
    assert np.isnan(mean_skill(learner.tasks, nothing, constants))


def test_a_task_below_its_constant_does_not_choose_the_epoch(learner: Learner) -> None:
    constants = {"kind": 0.5, "weight": 10.0, "style": 0.4, "verdict": float("nan")}
    far, near, better = (
        mean_skill(learner.tasks, {**constants, **found}, constants)
        for found in ({"weight": 19.0}, {"weight": 15.0}, {"weight": 19.0, "kind": 0.6})
    )
    assert far < near < 0 < better


# What another task saw.


def nonzero(found: dict[str, Tensor], start: str) -> Iterator[str]:
    return (name for name, gradient in found.items() if name.startswith(start) and gradient.count_nonzero())


def test_the_task_that_uses_others_teaches_them(learner: Learner, batch: Batch) -> None:
    found = gradients(learner, forget(batch, "kind", "weight", "style"))
    assert set(nonzero(found, "heads.verdict head")) == {
        "heads.verdict head.last.weight",
        "heads.verdict head.last.bias",
    }
    # A linear head's own features are its answer; those of a deeper one its last hidden layer.
    assert "heads.kind head.last.weight" in set(nonzero(found, "heads.kind"))
    assert set(nonzero(found, "heads.style")) == {
        "heads.style head.body.1.weight",
        "heads.style head.body.1.bias",
    }
    assert not list(nonzero(found, "heads.weight"))
    assert list(nonzero(found, "backbone."))
