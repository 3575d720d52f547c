"""A detector that learns point by point from a finished one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oneglance.batch_transform import View
from oneglance.data.images.letterbox import Fit
from oneglance.detection.anchor_points import points
from oneglance.detection.point_teaching import moved_points, nearest_points, point_loss, point_targets
from oneglance.nn.feature_shape import Level

LEVELS = (Level(6, 4, 8, 4), Level(6, 2, 4, 8))  # of a canvas of 32 x 16 pixels
CANVAS, POINTS, BINS = (32, 16), 40, 6


def said(seed: int = 0, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around every point, and scores of two classes."""
    random = np.random.default_rng(seed)
    x, y, _ = (part.numpy() for part in points(LEVELS))
    reach = random.uniform(1, 6, (count, POINTS, 1))
    corners = np.concatenate([np.stack([x, y], 1)[None] - reach, np.stack([x, y], 1)[None] + reach], axis=2)
    return corners, random.uniform(0, 1, (count, POINTS, 2)) ** 4


def tensors(soft: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    known = np.ones((len(soft["slot"]), 2), dtype=np.float32)
    return {name: torch.as_tensor(value) for name, value in {**soft, "labelled": known}.items()}


def scores(soft: dict[str, torch.Tensor]) -> torch.Tensor:
    """[n, points, classes]"""
    index = soft["slot"].long()[..., None]
    return soft["point_score"].gather(1, index.clamp(min=0).expand(-1, -1, 2)) * (index >= 0)


def plain(turn: torch.Tensor, tiles: tuple[int, ...] = (0, 1)) -> View:
    motion = torch.cat([turn, torch.zeros(2, 1)], dim=1)[None].expand(len(tiles), -1, -1)
    return View(motion, torch.tensor(tiles)[:, None], torch.ones(len(tiles)), torch.zeros(1, 2), CANVAS)


def test_where_both_have_the_same_points_each_learns_from_its_own() -> None:
    corners, score = said()
    soft = tensors(point_targets(corners, score, LEVELS, LEVELS, CANVAS, None))
    kept = torch.as_tensor(np.where(score.max(axis=2, keepdims=True) >= 0.01, score, 0), dtype=torch.float32)
    torch.testing.assert_close(scores(soft), kept)
    slot = soft["slot"][0].long()
    there = torch.nonzero(slot >= 0)[:, 0]
    cut = np.clip(corners[0], 0, [32, 16, 32, 16])[there]
    np.testing.assert_allclose(soft["point_box"][0, slot[there]], cut, atol=1e-5)


def test_with_another_canvas_from_the_nearest_that_shows_the_same() -> None:
    """The teacher sees the picture twice as large: its level of stride 8 is ours of stride 4."""
    theirs = (Level(6, 8, 16, 4), Level(6, 4, 8, 8), Level(6, 2, 4, 16))
    count = sum(level.height * level.width for level in theirs)
    score = np.zeros((1, count, 2))
    x, y, stride = (part.numpy() for part in points(theirs))
    chosen = int(np.flatnonzero((x == 20) & (y == 12) & (stride == 8))[0])
    score[0, chosen, 1] = 0.9
    corners = np.zeros((1, count, 4))
    corners[0, chosen] = 10, 4, 30, 20
    places = [(Fit((64, 32)).placement(100, 50), Fit(CANVAS).placement(100, 50))]
    soft = tensors(point_targets(corners, score, theirs, LEVELS, CANVAS, places))
    at = torch.nonzero(scores(soft)[0, :, 1])[:, 0]
    ours = points(LEVELS)
    assert [(ours.x[k].item(), ours.y[k].item(), ours.stride[k].item()) for k in at] == [(10, 6, 4)]
    assert soft["point_box"][0, soft["slot"][0, at[0]]].tolist() == pytest.approx([5, 2, 15, 10], abs=1e-4)


def test_what_was_said_moves_with_the_picture() -> None:
    corners, score = said()
    soft = tensors(point_targets(corners, score, LEVELS, LEVELS, CANVAS, None))
    same = moved_points(soft, plain(torch.eye(2)), LEVELS)
    for name, value in same.items():
        torch.testing.assert_close(value, soft[name].to(value.dtype), atol=1e-5, rtol=0)
    mirrored = moved_points(soft, plain(torch.tensor([[-1.0, 0], [0, 1]])), LEVELS)
    before, after = (scores(one)[:, :32].view(2, 4, 8, 2) for one in (soft, mirrored))
    torch.testing.assert_close(after, before.flip(2))
    box, turned = soft["point_box"][0, 0], mirrored["point_box"][0, 0]
    torch.testing.assert_close(turned, torch.stack([32 - box[2], box[1], 32 - box[0], box[3]]))
    swapped = moved_points(soft, plain(torch.eye(2), (1, 0)), LEVELS)
    torch.testing.assert_close(swapped["slot"], soft["slot"].flip(0))


def test_a_picture_twice_as_large_is_seen_by_a_coarser_level() -> None:
    corners, score = said(count=1)
    soft = tensors(point_targets(corners, score, LEVELS, LEVELS, CANVAS, None))
    larger = moved_points(soft, plain(0.5 * torch.eye(2), (0,)), LEVELS)  # the middle half, enlarged
    fine, coarse = points(LEVELS).x[:32], scores(larger)[0, 32:]
    # A coarse point at x, y shows what lay at (x + 16) / 2, (y + 8) / 2, on the level of half its stride.
    x, y, _ = (part[32:] for part in points(LEVELS))
    at = nearest_points((x + 16) / 2, (y + 8) / 2, torch.full_like(x, 4.0), LEVELS)
    assert len(fine) == 32 and (at < 32).all()
    torch.testing.assert_close(coarse, scores(soft)[0, at])


def test_nothing_is_said_of_what_a_picture_shows_beside_another() -> None:
    soft = tensors(point_targets(*said(), LEVELS, LEVELS, CANVAS, None))
    tiles = torch.tensor([[0, 1, 1, 0], [0, -1, -1, -1]])
    motion = torch.eye(2, 3)[None].expand(2, -1, -1)
    view = View(motion, tiles, torch.tensor([0.5, 1.0]), torch.zeros(4, 2), CANVAS)
    assert moved_points(soft, view, LEVELS)["point_trust"].tolist() == [0, 1]


def test_the_loss_is_least_and_still_where_both_say_the_same() -> None:
    corners, score = said(count=1)
    target = point_targets(corners, np.clip(score, 0.02, 0.98), LEVELS, LEVELS, CANVAS, None)
    soft = tensors(target)
    given = scores(soft).clamp(1e-4, 1 - 1e-4)
    x, y, stride = points(LEVELS)
    box = soft["point_box"].gather(1, soft["slot"].long()[..., None].expand(-1, -1, 4))
    reach = torch.stack([x - box[0, :, 0], y - box[0, :, 1], box[0, :, 2] - x, box[0, :, 3] - y], dim=1)
    reach = (reach / stride[:, None]).clamp(0, BINS - 1.01)
    whole = torch.arange(BINS)
    logits = -8 * (reach[..., None] - whole).abs()  # the nearest whole distances have most of it
    raw = torch.cat([box[0], given.logit()[0], logits.flatten(1)], dim=1)[None].requires_grad_()
    loss = point_loss(raw, soft, LEVELS, BINS)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert raw.grad is not None
    assert raw.grad[..., 4:6].abs().max() < 1e-3
    for place, step in ((slice(4, 6), 1.0), (slice(0, 2), -3.0)):
        other = raw.detach().clone()
        other[..., place] += step
        assert point_loss(other, soft, LEVELS, BINS)[0] > loss[0] + 0.01
    nothing = {**soft, "labelled": torch.zeros(1, 2), "slot": torch.full_like(soft["slot"], -1)}
    assert point_loss(raw, nothing, LEVELS, BINS).item() == 0
