"""Losses of single pairs, against torchvision's and plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from oneglance.detection.losses import complete_iou, distribution_focal, iou_of_pairs, varifocal

seeds = st.integers(0, 10_000)
quick = settings(deadline=None, max_examples=50)


def boxes(seed: int, count: int = 40) -> Tensor:
    """Boxes of 1 to 30 pixels, many of which overlap."""
    random = torch.Generator().manual_seed(seed)
    corner = 20 * torch.rand(count, 2, generator=random)
    return torch.cat([corner, corner + 1 + 29 * torch.rand(count, 2, generator=random)], dim=1)


@quick
@given(seeds)
def test_iou_of_pairs(seed: int) -> None:
    a, b = boxes(seed), boxes(seed + 1)
    torch.testing.assert_close(iou_of_pairs(a, b), box_iou(a, b).diagonal())
    torch.testing.assert_close(iou_of_pairs(a, a), torch.ones(40))


@quick
@given(seeds)
def test_complete_iou_and_its_slope(seed: int) -> None:
    a, b = boxes(seed).requires_grad_(), boxes(seed + 1)
    ours = 1 - complete_iou(a, b)
    theirs = complete_box_iou_loss(a, b)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    slopes = [torch.autograd.grad(loss.sum(), a)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes, atol=1e-5, rtol=1e-3)


def test_an_equal_box_is_best() -> None:
    a = boxes(0)
    torch.testing.assert_close(complete_iou(a, a), torch.ones(40), atol=1e-5, rtol=0)
    assert (complete_iou(a + 1, a) < 1).all()


@pytest.mark.parametrize("answered", [(5, 5, 5, 5), (5, 5, 9, 5), (0, 0, 1e4, 1e4), (3, 3, 4, 4)])
def test_a_box_without_area_or_of_one_pixel_has_a_finite_loss(answered: tuple[float, ...]) -> None:
    a, b = torch.tensor([answered], dtype=torch.float32).requires_grad_(), torch.tensor([[3.0, 3, 4, 4]])
    complete_iou(a, b).sum().backward()
    assert complete_iou(a, b).isfinite().all()
    assert a.grad is not None and a.grad.isfinite().all()


@quick
@given(seeds)
def test_varifocal(seed: int) -> None:
    random = np.random.default_rng(seed)
    logit = 4 * random.normal(size=(30, 3))
    quality = random.random((30, 3)) * (random.random((30, 3)) < 0.3)
    p = 1 / (1 + np.exp(-logit))
    yes = -quality * (quality * np.log(p) + (1 - quality) * np.log(1 - p))
    no = -0.75 * p**2 * np.log(1 - p)
    found = varifocal(torch.as_tensor(logit), torch.as_tensor(quality))
    np.testing.assert_allclose(found.numpy(), np.where(quality > 0, yes, no), rtol=1e-6)


def test_varifocal_pulls_a_score_to_its_quality() -> None:
    logit = torch.tensor([0.0, 2.0, -2.0], requires_grad=True)
    quality = torch.tensor([0.5, 0.3, 0.0])
    varifocal(logit, quality).sum().backward()
    assert logit.grad is not None
    p = torch.sigmoid(logit.detach())
    weight = torch.tensor([0.5, 0.3, 0.75 * float(p[2]) ** 2])  # the weight itself has no slope
    torch.testing.assert_close(logit.grad, weight * (p - quality))


@quick
@given(seeds, st.integers(2, 20))
def test_distribution_focal(seed: int, bins: int) -> None:
    random = np.random.default_rng(seed)
    logits, distance = random.normal(size=(25, bins)), random.random(25) * (bins - 1)
    expected = []
    for row, d in zip(logits, distance, strict=True):
        chance = np.exp(row) / np.exp(row).sum()
        left = min(math.floor(d), bins - 2)
        expected.append(-((left + 1 - d) * math.log(chance[left]) + (d - left) * math.log(chance[left + 1])))
    found = distribution_focal(torch.as_tensor(logits), torch.as_tensor(distance))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("distance", [0.0, 0.25, 3.0, 6.9, 7.0])
def test_what_it_asks_for_has_the_distance_as_its_mean(distance: float) -> None:
    logits = torch.zeros(1, 8, requires_grad=True)
    descent = torch.optim.Adam([logits], lr=0.3)
    for _ in range(200):
        descent.zero_grad()
        distribution_focal(logits, torch.tensor([distance])).sum().backward()
        descent.step()
    mean = float((logits.detach().softmax(dim=1) @ torch.arange(8.0))[0])
    assert mean == pytest.approx(distance, abs=0.03)
