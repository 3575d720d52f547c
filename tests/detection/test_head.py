"""The dense head: what it says at every point, and that it can learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from oneglance.detection.anchor_points import points
from oneglance.detection.criterion import Truth, dense_loss
from oneglance.detection.head import NEVER, DenseHead, lean
from oneglance.nn.feature_shape import Level
from oneglance.nn.mlp import MLP

LEVELS = (Level(5, 9, 13, 4), Level(7, 4, 6, 8), Level(3, 2, 3, 16))  # of a canvas of 52 x 36 pixels
CELLS, BINS, VECTOR = 9 * 13 + 4 * 6 + 2 * 3, 8, torch.zeros(0)


def made(
    levels: Sequence[Level] = LEVELS,
    classes: int = 2,
    most: int = 40,
    depth: int = 1,
    **attributes: nn.Module,
) -> DenseHead:
    torch.manual_seed(0)
    return DenseHead(
        levels,
        width=8,
        depth=depth,
        prior=np.linspace(0.1, 0.02, classes),
        bins=BINS,
        attributes=attributes,
        most=most,
    )


def maps(count: int, levels: Sequence[Level] = LEVELS, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(count, each.channels, each.height, each.width, generator=random) for each in levels]


def everything(head: DenseHead, seen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What is said at all points, with the norms as they are in use."""
    head.eval()
    head.training = True
    with torch.no_grad():
        found: tuple[Tensor, Tensor] = head(VECTOR, seen)
    head.training = False
    return found


def mlp(outputs: int) -> MLP:
    return MLP(8, [4], outputs, dropout=0.0, bias=np.zeros(outputs))


@pytest.mark.parametrize("count", [1, 3])
def test_it_answers_at_every_point_while_training(count: int) -> None:
    head = made(ripe=mlp(3), size=mlp(1)).train()
    own, raw = head(VECTOR, maps(count))
    assert own.shape == (count, head.own)
    assert raw.shape == (count, CELLS, 4 + 2 + 3 + 1 + 4 * BINS)
    assert own.isfinite().all() and raw.isfinite().all()
    assert (raw[..., 2:4] >= raw[..., :2]).all()  # boxes are never inside out
    raw.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_in_use_it_gives_the_surest_points_only() -> None:
    head = made(ripe=mlp(3)).eval()
    with torch.no_grad():
        own, raw = head(VECTOR, maps(2))
    assert raw.shape == (2, 40, 4 + 2 + 3)
    own_of_all, rows = everything(head, maps(2))
    assert torch.equal(own, own_of_all)
    for some, of_all in zip(raw, rows[..., : 4 + 2 + 3], strict=True):
        surest = of_all[:, 4:6].amax(dim=1).sort(descending=True)
        torch.testing.assert_close(some[:, 4:6].amax(dim=1), surest.values[:40])
        torch.testing.assert_close(some, of_all[surest.indices[:40]])


def test_its_own_features_tell_what_is_there_and_how_much() -> None:
    head = made()
    own, raw = everything(head, maps(3))
    assert own.shape == (3, 8 + 2) and head.own == 8 + 2
    counts = torch.sigmoid(raw[..., 4:6]).sum(dim=1)  # things of each class, over all points
    torch.testing.assert_close(own[:, 8:], torch.log1p(counts))


def test_fewer_points_than_are_wanted() -> None:
    assert made(LEVELS[2:], most=300).eval()(VECTOR, maps(1, LEVELS[2:]))[1].shape[1] == 6


def test_it_looks_at_the_last_maps() -> None:
    head = made(LEVELS[1:])
    all_maps = maps(2)
    assert torch.equal(everything(head, all_maps)[1], everything(head, all_maps[1:])[1])


def test_a_coarse_map_tells_the_finer_ones() -> None:
    head, seen = made(), maps(1)
    before = everything(head, seen)[1]
    seen[2] = seen[2] + 1
    assert (everything(head, seen)[1][0, : 9 * 13] != before[0, : 9 * 13]).any(dim=1).all()


def test_the_first_answers_are_the_prior_and_about_three_strides() -> None:
    head = made()
    _, raw = everything(head, [torch.zeros_like(part) for part in maps(1)])
    np.testing.assert_allclose(torch.sigmoid(raw[0, :, 4:6]), np.tile([0.1, 0.02], (CELLS, 1)), rtol=1e-4)
    side = (raw[0, :, 2] - raw[0, :, 0]) / points(LEVELS).stride
    torch.testing.assert_close(side, side[:1].expand(CELLS))
    assert 2 < side[0] < 8
    _, random = everything(head, maps(4))
    assert (torch.sigmoid(random[..., 4]) - 0.1).abs().max() < 0.1


def test_boxes_are_as_far_from_the_point_as_the_bins_say() -> None:
    head, want = made(), (1, 2, 5, 7)  # strides to the left, above, right, below
    with torch.no_grad():
        for side in head.side.children():
            assert isinstance(side, nn.Conv2d) and side.bias is not None
            side.weight.zero_()
            side.bias.copy_(50 * torch.eye(BINS)[list(want)].flatten())
    _, raw = everything(head, maps(2))
    x, y, stride = points(LEVELS)
    expected = torch.stack([x - stride, y - 2 * stride, x + 5 * stride, y + 7 * stride], dim=1)
    torch.testing.assert_close(raw[:, :, :4], expected.expand(2, -1, -1))


def test_a_distance_between_two_bins() -> None:
    head = made()
    with torch.no_grad():
        for side in head.side.children():
            assert isinstance(side, nn.Conv2d) and side.bias is not None
            side.weight.zero_()
            side.bias.fill_(-50).view(4, BINS)[:, 2:4] = torch.tensor([0.75, 0.25]).log()
    _, raw = everything(head, maps(1))
    torch.testing.assert_close(raw[0, :, 2] - raw[0, :, 0], 2 * 2.25 * points(LEVELS).stride)


def test_lean_falls_evenly() -> None:
    assert lean(4).diff().tolist() == pytest.approx([-0.3] * 3)


def test_attributes_see_what_the_class_tower_saw() -> None:
    """Each has its columns after the classes, in the order of the table."""
    size = mlp(1)
    head = made(ripe=mlp(3), size=size)
    with torch.no_grad():
        size.last.weight.zero_()
        size.last.bias.fill_(7)
    _, raw = everything(head, maps(2))
    assert (raw[..., 9] == 7).all() and not (raw[..., 6:9] == 7).any()


def test_a_name_may_be_one_of_the_modules_own() -> None:
    assert made(type=mlp(1), forward=mlp(2)).eval()(VECTOR, maps(1))[1].shape[2] == 4 + 2 + 3


def test_where_its_points_lie_is_no_weight() -> None:
    assert not {"x", "y", "stride"} & made().state_dict().keys()


def test_it_learns_where_things_are() -> None:
    head, seen = made(classes=2), maps(2)
    told = Truth(
        torch.tensor([[[4.0, 4, 24, 20], [30, 10, 48, 34]], [[10, 6, 44, 32], [0, 0, 0, 0]]]),
        torch.tensor([[0, 1], [1, -1]]),
        torch.zeros(2, 2, dtype=torch.bool),
        torch.ones(2, 2),
    )
    descent = torch.optim.Adam(head.train().parameters(), lr=0.02)
    losses = []
    for _ in range(80):
        descent.zero_grad()
        loss = dense_loss(head(VECTOR, seen)[1], told, LEVELS, BINS).loss.mean()
        loss.backward()
        descent.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
    raw = head(VECTOR, seen)[1].detach()
    for picture, place, label in ((0, 0, 0), (0, 1, 1), (1, 0, 1)):
        surest = raw[picture, raw[picture, :, 4 + label].argmax()]
        assert box_iou(surest[None, :4], told.box[picture, place][None]) > 0.7


def test_an_added_branch_leaves_every_row_of_what_was_known() -> None:
    before = made(ripe=mlp(3)).eval()
    torch.manual_seed(1)
    parts = {"width": 8, "depth": 1, "bins": BINS, "most": 40}
    branch = DenseHead(LEVELS, **parts, prior=np.array([0.05]), attributes={"ripe": mlp(3)})  # type: ignore[arg-type]
    grown = DenseHead(
        LEVELS,
        **parts,  # type: ignore[arg-type]
        prior=np.array([0.1, 0.02]),
        attributes={"ripe": mlp(3)},
        added=branch,
    )
    grown.load_state_dict(before.state_dict(), strict=False)
    own, raw = before(VECTOR, maps(2))
    own_now, both = grown.eval()(VECTOR, maps(2))
    assert torch.equal(own, own_now) and grown.own == before.own
    assert both.shape == (2, 80, 4 + 3 + 3)
    assert torch.equal(both[:, :40, [0, 1, 2, 3, 4, 5, 7, 8, 9]], raw)
    new = branch(VECTOR, maps(2))[1]
    assert torch.equal(both[:, 40:, [0, 1, 2, 3, 6, 7, 8, 9]], new)
    assert (both[:, :40, 6] == NEVER).all() and (both[:, 40:, 4:6] == NEVER).all()
    learning = grown.train()(VECTOR, maps(2))[1]
    assert learning.shape == (2, CELLS, 4 + 1 + 3 + 4 * BINS)
