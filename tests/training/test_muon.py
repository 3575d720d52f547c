"""Muon, against NumPy's singular value decomposition and torch's own AdamW."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from oneglance.training.optimizers.muon import Muon, orthogonal

seeds = st.integers(0, 10_000)


def group(*parameters: nn.Parameter, turns: bool, lr: float = 0.1, decay: float = 0.0) -> dict[str, Any]:
    return {"params": list(parameters), "lr": lr, "weight_decay": decay, "turns": turns}


def weight(*shape: int, seed: int = 0) -> nn.Parameter:
    found = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
    found.grad = torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
    return found


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 12), st.integers(1, 40), st.booleans())
def test_singular_values_become_nearly_1_and_directions_stay(seed: int, a: int, b: int, tall: bool) -> None:
    random = np.random.default_rng(seed)
    rank = min(a, b)
    left, right = (np.linalg.qr(random.normal(size=(side, rank)))[0] for side in (a, b))
    sizes = random.uniform(0.02, 1, size=rank)
    matrix = (left * sizes) @ right.T
    matrix, left, right = (matrix.T, right, left) if tall else (matrix, left, right)
    found = orthogonal(torch.as_tensor(1e3 * matrix).float()).numpy()
    inner = left.T @ found @ right  # the same directions: a diagonal
    assert np.abs(inner - np.diag(np.diag(inner))).max() < 5e-3
    assert np.abs(found - left @ inner @ right.T).max() < 5e-3
    large = np.diag(inner)[sizes / np.linalg.norm(sizes) > 0.0051]
    assert large.min() > 0.59 and large.max() < 1.22


def test_small_singular_values_grow_too() -> None:
    found = torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([1.0, 1e-4]))))
    assert 0.013 < found[1] < 0.0145


def test_nothing_stays_nothing() -> None:
    assert orthogonal(torch.zeros(3, 5)).tolist() == [[0.0] * 5] * 3


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 3, 3, 3), (40, 2, 1, 1), (7, 1, 3, 3)])
def test_a_step_turns_against_the_gradient_and_keeps_the_size(shape: tuple[int, ...]) -> None:
    """Two steps: momentum, a look ahead (Nesterov), the directions of NumPy's decomposition."""
    own, lr, momentum = weight(*shape), 0.05, 0.6
    optimizer = Muon([group(own, turns=True, lr=lr)], momentum=momentum)
    held = np.zeros(shape)
    for step in range(2):
        before = own.detach().clone()
        own.grad = torch.randn(shape, generator=torch.Generator().manual_seed(10 + step))
        held = momentum * held + own.grad.numpy()
        optimizer.step()
        u, _, v = np.linalg.svd(
            (own.grad.numpy() + momentum * held).reshape(shape[0], -1), full_matrices=False
        )
        size = float(before.norm())
        assert float(own.detach().norm()) == pytest.approx(size, rel=1e-5)
        moved = (before - own.detach()).numpy().reshape(shape[0], -1)
        assert np.linalg.norm(moved) <= 1.01 * lr * size
        # A change of the size alone is taken back: only what is at right angles to the weights is left.
        start = before.numpy().reshape(shape[0], -1) / size
        wish, real = (part - (part * start).sum() * start for part in (u @ v, moved))
        assert (wish * real).sum() / np.linalg.norm(wish) / np.linalg.norm(real) > 0.97
        assert np.linalg.norm(real) == pytest.approx(
            lr * size * np.linalg.norm(wish / np.linalg.norm(u @ v)), rel=0.2
        )


def test_the_rest_is_adamw() -> None:
    ours, theirs = weight(5, 3), weight(5, 3)
    muon = Muon([group(ours, turns=False, lr=0.02, decay=0.3)])
    adamw = torch.optim.AdamW([theirs], lr=0.02, weight_decay=0.3, betas=(0.9, 0.99), eps=1e-8)
    for step in range(6):
        grad = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
        ours.grad, theirs.grad = grad.clone(), grad.clone()
        muon.step()
        adamw.step()
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("turns", [True, False])
def test_what_has_no_gradient_stays(turns: bool) -> None:
    own, other = weight(3, 4), weight(3, 4)
    before = own.detach().clone()
    own.grad = None
    Muon([group(own, other, turns=turns)]).step()
    assert torch.equal(own, before) and not torch.equal(other, before)


@pytest.mark.parametrize("turns", [True, False])
def test_a_gradient_of_zero_gives_no_nan(turns: bool) -> None:
    own = weight(3, 4)
    own.grad = torch.zeros(3, 4)
    before = own.detach().clone()
    Muon([group(own, turns=turns)]).step()
    torch.testing.assert_close(own.detach(), before)


def test_layout_in_memory_makes_no_difference() -> None:
    def stepped(parameter: Tensor) -> Tensor:
        own = nn.Parameter(parameter)
        own.grad = weight(6, 4, 3, 3).grad
        Muon([group(own, turns=True)]).step()
        return own.detach()

    plain = weight(6, 4, 3, 3).detach()
    last = plain.clone().contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(stepped(plain.clone()), stepped(last))


def test_it_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    def stepped(optimizer: Muon, parameters: list[nn.Parameter], seed: int) -> None:
        for place, parameter in enumerate(parameters):
            generator = torch.Generator().manual_seed(seed + place)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()

    def made(parameters: list[nn.Parameter]) -> Muon:
        return Muon([group(parameters[0], turns=True), group(parameters[1], turns=False)])

    first = [weight(4, 6), weight(5)]
    optimizer = made(first)
    for seed in (0, 10):
        stepped(optimizer, first, seed)
    again = [nn.Parameter(parameter.detach().clone()) for parameter in first]
    other = made(again)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in (20, 30):
        stepped(optimizer, first, seed)
        stepped(other, again, seed)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 1))
    x = torch.randn(64, 8)
    y = (x[:, :1] * x[:, 1:2]).sign()
    inner = [model[0].get_parameter("weight")]
    rest = [parameter for parameter in model.parameters() if parameter is not inner[0]]
    optimizer = Muon([group(*inner, turns=True, lr=0.1), group(*rest, turns=False, lr=0.01)])
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
