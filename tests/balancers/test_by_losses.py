"""The methods that need the losses alone, against TorchJD and against the papers' formulas."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torchjd.aggregation import RandomWeighting
from torchjd.scalarization import DWA, FAMO, STCH, UW

from oneglance.balancer import Balancer, build_balancer

pytestmark = pytest.mark.thorough

STEPS = 1000
TASKS = 4


def losses_of(steps: int = STEPS, tasks: int = TASKS, spread: float = 0.5) -> Tensor:
    """[steps, tasks], falling at different paces, with noise."""
    draw = torch.Generator().manual_seed(5)
    noise = spread * torch.randn(steps, tasks, generator=draw, dtype=torch.float64)
    pace = torch.linspace(0, 2, tasks, dtype=torch.float64)
    return torch.exp(noise - torch.linspace(0, 1, steps, dtype=torch.float64)[:, None] * pace)


def ours(
    method: Balancer, losses: Tensor, present: Tensor | None = None, epoch: int = 0, seed: int = 0
) -> Tensor:
    present = torch.ones(len(losses), dtype=torch.bool) if present is None else present
    return method.weights(losses, present, epoch=epoch, seed=seed).double()


def slope(objective: Callable[[Tensor], Tensor], losses: Tensor) -> Tensor:
    """What ``objective`` makes each loss count, with sum 1."""
    asked = losses.clone().requires_grad_()
    weights = torch.autograd.grad(objective(asked), asked)[0]
    return weights / weights.sum()


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-5)


def test_log_sum_is_the_slope_of_the_log_losses() -> None:
    method = build_balancer("log_sum", {"floor": 1e-6})
    for losses in losses_of():
        close(ours(method, losses), slope(lambda asked: asked.log().sum(), losses))


def test_a_floor_keeps_a_learned_task_from_taking_all() -> None:
    found = ours(build_balancer("log_sum", {"floor": 0.1}), torch.tensor([1.0, 0.1, 1e-9, 0.0]))
    assert found.tolist() == pytest.approx([1 / 31, 10 / 31, 10 / 31, 10 / 31])


@pytest.mark.parametrize("mu", [0.1, 0.5, 1.0])
def test_stch_agrees_with_torchjd(mu: float) -> None:
    """Of log losses, as the authors' code for several tasks."""
    method, theirs = build_balancer("stch", {"mu": mu}), STCH(mu, weights=torch.ones(TASKS))
    for losses in losses_of():
        close(ours(method, losses), slope(lambda asked: theirs(asked.log()), losses))


def test_uncertainty_agrees_with_torchjd() -> None:
    method, theirs = build_balancer("uncertainty", {"rate": 0.05}), UW(TASKS).double()
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05)
    for losses in losses_of():
        close(ours(method, losses), slope(theirs, losses))
        optimizer.zero_grad()
        theirs(losses).backward()
        optimizer.step()


def test_uncertainty_settles_at_the_inverse_losses() -> None:
    method, losses = build_balancer("uncertainty", {"rate": 0.1}), torch.tensor([0.5, 1.0, 2.0])
    for _ in range(500):
        found = ours(method, losses)
    close(found, torch.tensor([4.0, 2.0, 1.0]) / 7)


def test_one_wild_loss_does_not_silence_its_task_for_good() -> None:
    method = build_balancer("uncertainty", {})
    ours(method, torch.tensor([1e9, 1.0]))
    found = ours(method, torch.ones(2))
    assert 0.4 < found[0] < 0.5


def test_rlw_agrees_with_torchjd() -> None:
    for seed in range(STEPS):
        torch.manual_seed(seed)
        expected = RandomWeighting()(torch.ones(TASKS, 2, dtype=torch.float64))
        close(ours(build_balancer("rlw", {}), torch.ones(TASKS), seed=seed), expected)


def test_the_draws_of_rlw_belong_to_tasks() -> None:
    present = torch.tensor([True, False, True, True])
    method = build_balancer("rlw", {})
    whole = ours(method, torch.ones(TASKS), seed=3) * present
    close(ours(method, torch.ones(TASKS), present, seed=3), whole / whole.sum())


def test_dwa_agrees_with_torchjd() -> None:
    method, theirs = build_balancer("dwa", {"temperature": 0.5}), DWA(0.5)
    for place, losses in enumerate(losses_of()):
        close(ours(method, losses, epoch=place // 20), slope(theirs, losses))
        if place % 20 == 19:
            theirs.step()


def test_dwa_takes_its_means_over_the_batches_that_know_a_task() -> None:
    method = build_balancer("dwa", {"temperature": 1.0})
    told = [(0, [1.0, 2.0], [True, True]), (0, [1.0, 9.0], [True, False]), (1, [1.0, 1.0], [True, True])]
    for epoch, losses, present in told:
        ours(method, torch.tensor(losses), torch.tensor(present), epoch=epoch)
    found = ours(method, torch.ones(2), epoch=2)
    close(found, torch.softmax(torch.tensor([1.0, 0.5]), 0))


def test_famo_agrees_with_torchjd() -> None:
    """Which is told the losses of the next batch as those after the step."""
    method, theirs = build_balancer("famo", {}), FAMO(TASKS).double()
    told = losses_of()
    for now, later in pairwise(told):
        close(ours(method, now), slope(theirs, now))
        theirs.update(later)


def test_famo_raises_what_does_not_fall() -> None:
    method = build_balancer("famo", {})
    for step in range(100):
        ours(method, torch.tensor([1.0, 0.99**step]))
    found = ours(method, torch.ones(2))  # of the same size now, so that only the logits speak
    assert found[0] > 0.7


@pytest.mark.parametrize("name", ["equal", "log_sum", "stch"])
def test_an_absent_task_changes_nothing_for_the_others(name: str) -> None:
    """The oracles above are thereby those of the tasks that are there."""
    method = build_balancer(name, {})
    for step, losses in enumerate(losses_of()):
        present = torch.arange(TASKS) != step % TASKS
        found = ours(method, losses, present)
        close(found[present], ours(method, losses[present]))
        assert found[~present] == 0


@pytest.mark.parametrize("name", ["famo", "uncertainty"])
def test_what_is_known_of_an_absent_task_stays(name: str) -> None:
    method, told = build_balancer(name, {}), losses_of(20)
    for losses in told:
        ours(method, losses)
    before = method.state()
    for losses in told.flip(0):
        ours(method, losses, torch.tensor([True, True, True, False]))
    for key, kept in method.state().items():
        assert kept[..., 3].equal(before[key][..., 3]), key
        assert not kept[..., :3].equal(before[key][..., :3]), key
