"""The head of an embedding and its losses, against double loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oneglance.nn.projection import Projection, contrastive, proxy

seeds = st.integers(0, 10_000)
quick = settings(deadline=None, max_examples=40)


def vectors(seed: int, count: int, size: int = 5) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, size, generator=random, dtype=torch.float64), dim=1)


def keys(seed: int, count: int, classes: int) -> Tensor:
    """Some of them unknown."""
    return torch.randint(-1, classes, (count,), generator=torch.Generator().manual_seed(seed))


def by_hand(z: np.ndarray, key: list[int], temperature: float) -> list[float | None]:
    """Equation 2 of Khosla et al., picture by picture; None where it is not defined."""
    found: list[float | None] = []
    for i in range(len(key)):
        others = [a for a in range(len(key)) if a != i and key[a] >= 0]
        alike = [p for p in others if key[p] == key[i]]
        if key[i] < 0 or not alike:
            found.append(None)
            continue
        rest = sum(math.exp(z[i] @ z[a] / temperature) for a in others)
        logs = [math.log(math.exp(z[i] @ z[p] / temperature) / rest) for p in alike]
        found.append(-sum(logs) / len(alike) / math.log(max(len(others), 2)))
    return found


@quick
@given(seeds, st.integers(1, 12), st.integers(1, 4), st.sampled_from([0.1, 0.5, 1.0]))
def test_contrastive_is_what_a_double_loop_adds_up(
    seed: int, count: int, classes: int, temperature: float
) -> None:
    z, key = vectors(seed, count).requires_grad_(), keys(seed + 1, count, classes)
    loss, known = contrastive(z, key, temperature)
    expected = by_hand(z.detach().numpy(), key.tolist(), temperature)
    assert known.tolist() == [float(value is not None) for value in expected]
    for found, value in zip(loss.tolist(), expected, strict=True):
        assert math.isfinite(found)
        assert value is None or found == pytest.approx(value, rel=1e-5)
    (slope,) = torch.autograd.grad((loss * known).sum(), z)
    assert slope.isfinite().all()
    assert slope[key < 0].count_nonzero() == 0


@quick
@given(seeds, st.integers(3, 12))
def test_an_unknown_picture_is_as_good_as_absent(seed: int, count: int) -> None:
    z, key = vectors(seed, count), keys(seed, count, 2)
    loss, known = contrastive(z, key, 0.2)
    some = key >= 0
    loss_of_some, known_of_some = contrastive(z[some], key[some], 0.2)
    torch.testing.assert_close(loss[some] * known[some], loss_of_some * known_of_some)


def test_vectors_that_are_all_the_same_cost_1() -> None:
    same = vectors(0, 1).expand(8, -1)
    loss, known = contrastive(same, torch.tensor([0, 0, 1, 1, 1, 2, 2, -1]), 0.1)
    torch.testing.assert_close(loss[known > 0], torch.ones(7, dtype=torch.float64))


def test_alike_together_and_others_apart_cost_nothing() -> None:
    key = torch.tensor([0, 0, 1, 1])
    loss, known = contrastive(torch.eye(2)[key], key, 0.05)
    assert known.sum() == 4 and loss.max() < 1e-6
    swapped, _ = contrastive(torch.eye(2)[key], torch.tensor([0, 1, 0, 1]), 0.05)
    assert swapped.min() > 5


def test_nothing_is_learned_where_no_two_are_alike() -> None:
    z = vectors(0, 4).requires_grad_()
    loss, known = contrastive(z, torch.tensor([0, 1, 2, -1]), 0.1)
    assert known.sum() == 0
    (slope,) = torch.autograd.grad((loss * known).sum(), z)
    assert slope.count_nonzero() == 0 and slope.isfinite().all()


@quick
@given(seeds, st.integers(1, 9), st.integers(2, 5))
def test_proxy_is_a_softmax_over_the_classes(seed: int, count: int, classes: int) -> None:
    random = torch.Generator().manual_seed(seed)
    cosines = (2 * torch.rand(count, classes, generator=random, dtype=torch.float64) - 1).requires_grad_()
    key = keys(seed, count, classes)
    loss, known = proxy(cosines, key, 0.2)
    assert known.tolist() == [float(value >= 0) for value in key.tolist()]
    for row, value, found in zip(cosines.detach().numpy(), key.tolist(), loss.tolist(), strict=True):
        chance = np.exp(row / 0.2) / np.exp(row / 0.2).sum()
        assert value < 0 or found == pytest.approx(-math.log(chance[value]) / math.log(classes))
    (slope,) = torch.autograd.grad((loss * known).sum(), cosines)
    assert slope[key < 0].count_nonzero() == 0
    same, _ = proxy(torch.full((3, classes), 0.4), torch.tensor([0, 1, 0]), 0.2)
    torch.testing.assert_close(same, torch.ones(3))


@pytest.mark.parametrize("hidden", [[], [7, 6]])
def test_the_head_gives_vectors_of_length_1(hidden: list[int]) -> None:
    torch.manual_seed(0)
    head = Projection(4, hidden, 3, dropout=0.0, proxies=0)
    own, raw = head(10 * torch.randn(6, 4))
    assert own is raw and raw.shape == (6, head.own)
    torch.testing.assert_close(raw.norm(dim=1), torch.ones(6))


def test_the_cosines_to_the_proxies_follow() -> None:
    torch.manual_seed(0)
    head = Projection(4, [], 3, dropout=0.0, proxies=5)
    own, raw = head(torch.randn(6, 4))
    assert own.shape == (6, 3) and raw.shape == (6, 3 + 5)
    assert torch.equal(raw[:, :3], own)
    assert head.proxies is not None
    torch.testing.assert_close(raw[:, 3:], F.cosine_similarity(own[:, None], head.proxies[None], dim=2))


def test_a_picture_without_features_gives_no_nan() -> None:
    head = Projection(4, [], 3, dropout=0.0, proxies=2)
    _, raw = head(torch.zeros(2, 4))
    raw.sum().backward()
    assert raw.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())
