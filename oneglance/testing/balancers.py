"""What every method of balancing promises."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from oneglance.balancer import Balancer, build_balancer
from oneglance.errors import ConfigError
from oneglance.testing.promises import keep, require

STEPS = 50  # drawn for the promises about any step


@dataclass(frozen=True)
class BalancerExample:
    """A method and what it says of itself; see ``check_balancer``."""

    name: str
    options: dict[str, Any]
    sums_to_one: bool = True
    may_be_negative: bool = False
    random: bool = False
    ignores_losses: bool = False

    def new(self) -> Balancer:
        return build_balancer(self.name, self.options)


def random_gram(tasks: int, seed: int = 0) -> Tensor:
    """The Gram matrix of random gradients of ``tasks`` tasks."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(tasks, 2 * tasks + 3, generator=draw)
    return rows @ rows.T


def ask(method: Balancer, losses: list[float], present: list[bool], gram: Tensor, **step: int) -> Tensor:
    """Losses and gradients are 0 where not present, as in the loop."""
    mask = torch.tensor(present)
    return method.weights(torch.tensor(losses) * mask, mask, gram * mask * mask[:, None], **step)


def first_weights(
    example: BalancerExample, losses: list[float], present: list[bool], gram: Tensor | None = None
) -> Tensor:
    """Of a new balancer, in its first step."""
    return ask(example.new(), losses, present, random_gram(len(losses)) if gram is None else gram)


def weights_of_steps(method: Balancer, first: int, last: int) -> list[Tensor]:
    """Its weights in the steps from ``first`` on; tasks are absent now and then, epochs end."""
    weights = []
    for step in range(first, last):
        losses = (torch.rand(4, generator=torch.Generator().manual_seed(step)) + 0.1).tolist()
        present = [task == 0 or (step + task) % 3 > 0 for task in range(4)]
        weights.append(ask(method, losses, present, random_gram(4, step), epoch=step // 3, seed=step))
    return weights


def steps(tasks: int = 8) -> Iterator[tuple[list[float], list[bool]]]:
    """Losses of all sizes, and which tasks are present; those that are special first."""
    yield [1.0], [True]
    yield [1.0, 2.0], [False, False]
    yield [2.0**-10, 2.0**10], [True, True]
    draw = random.Random(0)
    for _ in range(STEPS):
        count = draw.randint(1, tasks)
        yield [2 ** draw.uniform(-10, 10) for _ in range(count)], [draw.random() < 0.7 for _ in range(count)]


def same(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    torch.testing.assert_close(state, expected, rtol=0, atol=0, equal_nan=True)


# Of one step.


def weights_are_sound(example: BalancerExample) -> None:
    for losses, present in steps():
        require_sound(example, losses, present)


def require_sound(example: BalancerExample, losses: list[float], present: list[bool]) -> None:
    weights = first_weights(example, losses, present)
    at = f"losses {losses}, present {present}: weights {weights.tolist()}"
    require(weights.dtype == torch.float32 and weights.shape == (len(losses),), at)
    require(not weights.requires_grad, at)
    require(weights.isfinite().all(), at)
    require(example.may_be_negative or (weights >= 0).all(), at)
    require((weights[~torch.tensor(present)] == 0).all(), at)
    require(bool(weights.sum() > 0) == any(present), at)
    if example.sums_to_one and any(present):
        require(abs(weights.sum().item() - 1) <= 1e-5, at)


def nothing_labelled_nothing_weighed(example: BalancerExample) -> None:
    for count in range(1, 9):
        weights = first_weights(example, [1.0] * count, [False] * count).tolist()
        require(weights == [0.0] * count, f"{count} tasks, none of them present: weights {weights}")


def the_order_of_the_tasks_does_not_matter(example: BalancerExample) -> None:
    draw = random.Random(1)
    for losses, present in steps():
        order = list(range(len(losses)))
        draw.shuffle(order)
        require_any_order(example, losses, present, order)


def require_any_order(
    example: BalancerExample, losses: list[float], present: list[bool], order: list[int]
) -> None:
    gram = random_gram(len(losses))
    weights = first_weights(
        example, [losses[i] for i in order], [present[i] for i in order], gram[order][:, order]
    )
    expected = first_weights(example, losses, present, gram)[order]
    torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-5)


def an_absent_task_is_as_if_it_did_not_exist(example: BalancerExample) -> None:
    present = torch.tensor([True, False, True, True])
    gram, losses = random_gram(4), torch.tensor([0.5, 1.0, 0.7, 2.0])
    weights = first_weights(example, losses.tolist(), present.tolist(), gram)[present]
    rest = first_weights(example, losses[present].tolist(), [True] * 3, gram[present][:, present])
    torch.testing.assert_close(weights, rest)


def a_task_alone_has_weight_one(example: BalancerExample) -> None:
    for index in (0, 2):
        method = example.new()
        alone = [other == index for other in range(3)]
        for step in range(12):
            ask(method, [0.5, 1.5, 1.0], [True] * 3, random_gram(3, step), epoch=step // 4, seed=step)
        weights = ask(method, [0.3, 0.4, 0.5], alone, random_gram(3), epoch=4)
        torch.testing.assert_close(weights, torch.tensor(alone).float(), rtol=1e-6, atol=1e-12)


ODD = {
    "no gradient": torch.zeros(3, 3),
    "one has none": torch.diag(torch.tensor([1.0, 0.0, 2.0])),
    "the same": torch.ones(3, 3),
    "nearly the same": torch.ones(3, 3) + 1e-7 * torch.diag(torch.tensor([1.0, -1.0, 0.0])),
    "two opposed": torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "opposed, of other size": torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]),
    "they cancel": torch.tensor([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]]),
    "huge and tiny": torch.diag(torch.tensor([1e30, 1.0, 1e-30])),
    "tiny": 1e-30 * torch.eye(3),
    "not quite a Gram matrix": torch.tensor([[1.0, 1.01, 0.0], [1.01, 1.0, 0.0], [0.0, 0.0, 1.0]]),
}
LOSSES = {"usual": [1.0, 1.0, 1.0], "extreme": [0.0, 1e-30, 1e6]}


def odd_gradients_and_losses_are_weighed(example: BalancerExample) -> None:
    for name, gram in ODD.items():
        for size, losses in LOSSES.items():
            method = example.new()
            for step in range(3):
                weights = ask(method, losses, [True] * 3, gram, seed=step, epoch=step)
                sound = weights.isfinite().all() and weights.any()
                require(sound, f"gradients: {name}, losses: {size}: weights {weights.tolist()}")
            after = ask(method, [1.0] * 3, [True] * 3, random_gram(3), epoch=3)
            require(after.isfinite().all(), f"after gradients: {name}, losses: {size}: {after.tolist()}")


def forty_tasks_are_weighed(example: BalancerExample) -> None:
    for rank in (1, 7, 60):
        rows = torch.randn(40, rank, generator=torch.Generator().manual_seed(1))
        weights = first_weights(example, [1.0] * 40, [True] * 40, rows @ rows.T)
        require(weights.isfinite().all() and weights.any(), f"rank {rank}: weights {weights.tolist()}")


def no_step_is_made_of_what_is_not_finite(example: BalancerExample) -> None:
    """all weights are NaN, which the loop tells; the memory stays sound"""
    for broken in (torch.nan, torch.inf):
        method = example.new()
        weights_of_steps(method, 0, 4)
        before, gram = method.state(), random_gram(4)
        if not example.ignores_losses:
            weights = ask(method, [1.0, broken, 1.0, 1.0], [True] * 4, gram, epoch=1)
            require(weights.isnan().all(), f"a loss of {broken}: weights {weights.tolist()}")
        if method.needs_gram:
            gram[1, 2] = gram[2, 1] = broken
            weights = ask(method, [1.0] * 4, [True] * 4, gram, epoch=1)
            require(weights.isnan().all(), f"a gradient with {broken}: weights {weights.tolist()}")
        same(method.state(), before)


def arguments_are_left_alone(example: BalancerExample) -> None:
    losses, present, gram = torch.tensor([0.5, 2.0]), torch.tensor([True, True]), random_gram(2)
    before = gram.clone()
    example.new().weights(losses, present, gram)
    same_ = losses.tolist() == [0.5, 2.0] and present.tolist() == [True, True] and gram.equal(before)
    require(same_, "weights() changes what it is given")


def needs_gram_is_true_exactly_if_it_matters(example: BalancerExample) -> None:
    method, losses, present = example.new(), torch.tensor([0.5, 2.0]), torch.ones(2).bool()
    if method.needs_gram:
        try:
            method.weights(losses, present)
        except ValueError as error:
            require("needs the Gram matrix" in str(error), f"without a Gram matrix it says: {error}")
        else:
            require(False, "needs_gram is on, and weights() can do without")
    else:
        without = method.weights(losses, present)
        require(
            example.new().weights(losses, present, random_gram(2)).equal(without), "the Gram matrix counts"
        )


# Over several steps.


def a_resumed_method_goes_on_as_if_nothing_had_happened(example: BalancerExample) -> None:
    whole = weights_of_steps(example.new(), 0, 24)
    first, second = example.new(), example.new()
    weights_of_steps(first, 0, 10)
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.restore(torch.load(file, weights_only=True))
    weights_of_steps(first, 10, 24)  # whose memory is its own
    for step, (weights, expected) in enumerate(
        zip(weights_of_steps(second, 10, 24), whole[10:], strict=True)
    ):
        require(weights.equal(expected), f"step {step + 10}: {weights.tolist()} and {expected.tolist()}")


def what_state_gives_does_not_change(example: BalancerExample) -> None:
    method = example.new()
    weights_of_steps(method, 0, 4)
    state = method.state()
    before = {key: kept.clone() for key, kept in state.items()}
    weights_of_steps(method, 4, 9)
    same(state, before)


def unknown_options_are_refused(example: BalancerExample) -> None:
    try:
        build_balancer(example.name, {**example.options, "no_such_option": 1})
    except ConfigError as error:
        expected = '[training.balancer_options] has no key "no_such_option"'
        require(expected in str(error), f"it says: {error}")
    else:
        require(False, "it takes the option no_such_option")


def it_is_a_balancer(example: BalancerExample) -> None:
    require(isinstance(example.new(), Balancer), f"it is a {type(example.new())}")


EVERY_BALANCER: tuple[Callable[[BalancerExample], None], ...] = (
    it_is_a_balancer,
    weights_are_sound,
    nothing_labelled_nothing_weighed,
    a_task_alone_has_weight_one,
    odd_gradients_and_losses_are_weighed,
    forty_tasks_are_weighed,
    no_step_is_made_of_what_is_not_finite,
    arguments_are_left_alone,
    needs_gram_is_true_exactly_if_it_matters,
    a_resumed_method_goes_on_as_if_nothing_had_happened,
    what_state_gives_does_not_change,
    unknown_options_are_refused,
)
IN_ANY_ORDER = (the_order_of_the_tasks_does_not_matter, an_absent_task_is_as_if_it_did_not_exist)


def checks_of(example: BalancerExample) -> tuple[Callable[[BalancerExample], None], ...]:
    """The promises that a method like this gives."""
    return EVERY_BALANCER + (() if example.random else IN_ANY_ORDER)


def check(example: BalancerExample) -> list[str]:
    """Every promise; see ``check_balancer``."""
    return keep(checks_of(example), example, f"the balancer {example.name}")
