"""The raw output of a detector that never looks."""

from __future__ import annotations

import numpy as np
import torch

from oneglance.detection.head import DenseHead
from oneglance.detection.prior import constant_points
from oneglance.nn.feature_shape import Level
from oneglance.nn.mlp import MLP

LEVELS = (Level(4, 6, 8, 4), Level(4, 3, 4, 8))


def test_it_is_what_a_new_head_says_where_it_sees_nothing() -> None:
    prior, ripe = np.array([0.1, 0.02]), np.array([0.5, -1.0, 2.0])
    attribute = MLP(8, [], 3, dropout=0.0, bias=ripe)
    head = DenseHead(
        LEVELS, width=8, depth=2, prior=prior, bins=16, attributes={"ripe": attribute}, most=300
    ).eval()
    head.training = True  # its norms know nothing yet
    seen = [torch.zeros(1, level.channels, level.height, level.width) for level in LEVELS]
    with torch.no_grad():
        _, raw = head(torch.zeros(1, 0), seen)
    found = constant_points(LEVELS, 16, np.concatenate([np.log(prior / (1 - prior)), ripe]))
    assert found.dtype == np.float32 and found.shape == (1, 60, 4 + 2 + 3 + 4 * 16)
    np.testing.assert_allclose(found, raw.numpy(), rtol=1e-4, atol=1e-4)


def test_one_class_and_nothing_else() -> None:
    found = constant_points(LEVELS[1:], 4, np.array([-3.0]))
    assert found.shape == (1, 12, 4 + 1 + 16)
    assert (found[0, :, 4] == -3).all() and np.isfinite(found).all()
