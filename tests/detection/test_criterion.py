"""The loss of a dense detector, against a loop over pictures and boxes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou, complete_box_iou_loss

from oneglance.detection.anchor_points import inside, points
from oneglance.detection.assigner import assign
from oneglance.detection.criterion import BOX, DISTANCE, LossResult, Truth, attribute_target, dense_loss
from oneglance.detection.losses import distribution_focal, varifocal
from oneglance.nn.feature_shape import Level

LEVELS = (Level(8, 6, 8, 4), Level(8, 3, 4, 8))  # of a canvas of 32 x 24 pixels
CELLS, BINS = 60, 6
NONE = (0.0, 0.0, 0.0, 0.0)


def truth(*pictures: list[tuple[Any, ...]], labelled: list[list[float]]) -> Truth:
    """Of each picture its boxes: (x0, y0, x1, y1, label) and perhaps True for a region to ignore."""
    most = max(1, *map(len, pictures), 1)
    rows = [[*boxes, *[(*NONE, -1)] * (most - len(boxes))] for boxes in pictures]
    return Truth(
        torch.tensor([[box[:4] for box in boxes] for boxes in rows], dtype=torch.float32),
        torch.tensor([[box[4] for box in boxes] for boxes in rows]),
        torch.tensor([[len(box) > 5 and box[5] for box in boxes] for boxes in rows], dtype=torch.bool),
        torch.tensor(labelled),
    )


def answers(count: int, classes: int, seed: int = 0) -> Tensor:
    """Raw output as of a network that has learned a little: boxes about the points."""
    random = torch.Generator().manual_seed(seed)
    x, y, stride = points(LEVELS)
    middle = torch.stack([x, y], dim=1).expand(count, -1, -1)
    reach = stride[:, None] * (0.3 + 2 * torch.rand(count, CELLS, 4, generator=random))
    boxes = torch.cat([middle - reach[..., :2], middle + reach[..., 2:]], dim=2)
    rest = torch.randn(count, CELLS, classes + 3 + 4 * BINS, generator=random)  # 3: of attributes
    return torch.cat([boxes, rest], dim=2).requires_grad_()


def found_by(raw: Tensor, told: Truth) -> LossResult:
    return dense_loss(raw, told, LEVELS, BINS)


def mean(found: LossResult) -> Tensor:
    """What the training loop makes of it."""
    return (found.loss * found.labelled).sum() / found.labelled.sum().clamp(min=1e-12)


def value(found: LossResult) -> float:
    return float(mean(found).detach())


def slopes(raw: Tensor, told: Truth) -> Tensor:
    (slope,) = torch.autograd.grad(mean(found_by(raw, told)), raw)
    assert slope.isfinite().all()
    return slope


def drawn(seed: int, count: int, classes: int) -> Truth:
    random = torch.Generator().manual_seed(seed)

    def number(limit: int) -> int:
        return int(torch.randint(limit, (), generator=random))

    pictures, labelled = [], []
    for _ in range(count):
        boxes = []
        for _ in range(number(5)):
            x, y, width, height = number(28), number(20), 1 + number(20), 1 + number(16)
            ignore = number(4) == 0
            label = number(classes + 1) if ignore else number(classes)
            boxes.append((x, y, min(x + width, 32), min(y + height, 24), label, ignore))
        pictures.append(boxes)
        labelled.append([float(number(4) > 0) for _ in range(classes)])
    return truth(*pictures, labelled=labelled)


def by_hand(raw: Tensor, told: Truth) -> tuple[float, set[tuple[int, int]]]:
    """The mean loss, and which point of which picture learns a box."""
    x, y, stride = points(LEVELS)
    classes = told.labelled.shape[1]
    total, weight, learning = torch.zeros(()), 0.0, set()
    for picture, rows in enumerate(raw):
        logit = rows[:, 4 : 4 + classes]
        quality, asked = torch.zeros_like(logit), told.labelled[picture].repeat(CELLS, 1)
        boxes = list(
            zip(told.box[picture], told.label[picture].tolist(), told.ignore[picture].tolist(), strict=True)
        )
        real = [(box, label) for box, label, ignore in boxes if label >= 0 and not ignore]
        for box, label, ignore in boxes:
            if label >= 0 and ignore:
                cells = inside(box[None], LEVELS).point
                asked[cells] = 0 if label == classes else asked[cells].index_fill(1, torch.tensor(label), 0)
        owner, cell, score, iou = [], [], [], []
        for number, (box, label) in enumerate(real):
            for point in inside(box[None], LEVELS).point.tolist():
                owner.append(number)
                cell.append(point)
                score.append(float(torch.sigmoid(logit[point, label]).detach()))
                iou.append(float(box_iou(rows[point, :4][None].detach(), box[None])))
        chosen = assign(
            torch.tensor(owner, dtype=torch.int64),
            torch.tensor(cell, dtype=torch.int64),
            torch.tensor(score),
            torch.tensor(iou),
            len(real),
            CELLS,
        )
        here = torch.zeros(())
        for number, point, worth in zip(*(part.tolist() for part in chosen), strict=True):
            box, label = real[number]
            learning.add((picture, point))
            quality[point, label] = worth
            off = BOX * complete_box_iou_loss(rows[point, :4], box)
            reach = torch.stack([x[point] - box[0], y[point] - box[1], box[2] - x[point], box[3] - y[point]])
            bins = (reach / stride[point]).clamp(0, BINS - 1.01)
            off = off + DISTANCE * distribution_focal(rows[point, -4 * BINS :].view(4, BINS), bins).mean()
            here = here + worth * off
            weight += worth
        asked = torch.where(quality > 0, 1, asked)
        here = here + (varifocal(logit, quality) * asked).sum()
        total = total + here * float(told.labelled[picture].any())
    return float(total.detach()) / max(weight, 1), learning


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
def test_it_is_what_a_loop_adds_up(seed: int, count: int, classes: int) -> None:
    raw, told = answers(count, classes, seed), drawn(seed, count, classes)
    found = found_by(raw, told)
    expected, learning = by_hand(raw, told)
    if told.labelled.any():
        assert value(found) == pytest.approx(expected, rel=1e-4)
    assert {divmod(row, CELLS) for row in found.row.tolist()} == learning
    assert found.labelled.tolist() == told.labelled.amax(dim=1).tolist()
    slopes(raw, told)


def test_each_point_that_learns_is_told_its_box() -> None:
    raw, told = answers(3, 2), drawn(5, 3, 2)
    found = found_by(raw, told)
    assert len(found.row) > 0
    for row, place in zip(found.row.tolist(), found.box.tolist(), strict=True):
        assert row // CELLS == place // told.label.shape[1]
        box = told.box.flatten(0, 1)[place]
        assert row % CELLS in inside(box[None], LEVELS).point.tolist()
        assert not told.ignore.flatten()[place] and told.label.flatten()[place] >= 0


def test_an_unknown_picture_moves_nothing_and_changes_nothing() -> None:
    raw = answers(3, 2)
    boxes = [[(2, 3, 20, 20, 0)], [], [(1, 1, 9, 9, 1), (10, 4, 30, 22, 0)]]
    told = truth(*boxes, labelled=[[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    assert slopes(raw, told)[1].count_nonzero() == 0
    without = Truth(*(part[[0, 2]] for part in told))
    torch.testing.assert_close(mean(found_by(raw, told)), mean(found_by(raw[[0, 2]], without)))


def test_no_class_known_at_all() -> None:
    told = truth([], [], labelled=[[0.0], [0.0]])
    assert slopes(answers(2, 1), told).count_nonzero() == 0


def test_a_class_that_nobody_looked_for_is_not_denied() -> None:
    """Where a box of it is known nonetheless, the points of that box learn it."""
    raw = answers(2, 3)
    told = truth([(2, 3, 20, 20, 0)], [(4, 4, 28, 20, 2)], labelled=[[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    slope, found = slopes(raw, told), found_by(raw, told)
    assert slope[0, :, 4:7].count_nonzero(dim=0).tolist() == [CELLS, 0, CELLS]
    learning = {row - CELLS for row in found.row.tolist() if row >= CELLS}
    assert set(torch.nonzero(slope[1, :, 6])[:, 0].tolist()) == learning
    assert slope[1, :, 4:6].count_nonzero(dim=0).tolist() == [CELLS, CELLS]


@pytest.mark.parametrize(("label", "spared"), [(0, [0]), (1, [1]), (2, [0, 1])])
def test_in_a_region_to_ignore_no_class_is_denied(label: int, spared: list[int]) -> None:
    """Label 2 is no class: there may be anything."""
    region = (8.0, 4.0, 24.0, 20.0)
    slope = slopes(answers(1, 2), truth([(*region, label, True)], labelled=[[1.0, 1.0]]))
    held = inside(torch.tensor([region]), LEVELS).point
    out = torch.ones(CELLS, dtype=torch.bool)
    out[held] = False
    for column in (0, 1):
        touched = slope[0, :, 4 + column] != 0
        assert touched[out].all()
        assert touched[held].any() == (column not in spared)
    assert slope[0, :, :4].count_nonzero() == slope[0, :, 6:].count_nonzero() == 0


def test_a_box_in_a_region_to_ignore_is_learned() -> None:
    box = (8, 4, 24, 20)
    raw = answers(1, 1)
    told = truth([(0, 0, 32, 24, 1, True), (*box, 0)], labelled=[[1.0]])
    slope, found = slopes(raw, told), found_by(raw, told)
    assert set(torch.nonzero(slope[0, :, 4])[:, 0].tolist()) == set(found.row.tolist()) != set()


def test_without_boxes_only_the_classes_learn() -> None:
    slope = slopes(answers(2, 1), truth([], [], labelled=[[1.0], [1.0]]))
    assert (slope[:, :, 4] > 0).all()  # everything there is less likely
    slope[:, :, 4] = 0
    assert slope.count_nonzero() == 0


def test_a_box_of_one_pixel_is_learned() -> None:
    """Which holds no point at all: the nearest one has it."""
    raw = answers(1, 1)
    found = found_by(raw, truth([(16.2, 8.1, 17.2, 9.1, 0)], labelled=[[1.0]]))
    assert found.row.tolist() == [2 * 8 + 4]
    assert value(found) > 0


def test_a_box_larger_than_the_bins_reach_has_a_finite_loss() -> None:
    assert slopes(answers(1, 1), truth([(0, 0, 32, 24, 0)], labelled=[[1.0]])).count_nonzero() > 0


def test_a_perfect_answer_costs_nearly_nothing() -> None:
    box = torch.tensor([4.0, 4.0, 20.0, 20.0])
    raw = torch.zeros(1, CELLS, 4 + 1 + 4 * BINS)
    raw[..., :4], raw[..., 4] = box, -20
    held = inside(box[None], LEVELS).point
    raw[0, held, 4] = 20
    told = truth([(*box.tolist(), 0)], labelled=[[1.0]])
    chosen = found_by(raw, told).row  # ten of more: the others must say no
    raw[0, :, 4] = -20
    raw[0, chosen, 4] = 20
    x, y, stride = points(LEVELS)
    for point in chosen.tolist():
        reach = torch.tensor([x[point] - 4, y[point] - 4, 20 - x[point], 20 - y[point]]) / stride[point]
        raw[0, point, 5:] = torch.log(
            1e-9 + (1 - (torch.arange(BINS) - reach[:, None]).abs()).clamp(min=0)
        ).flatten()
    whole = value(found_by(raw, told))
    # A distance between two bins costs the entropy of its shares: at most log 2 a point.
    assert 0 <= whole < DISTANCE * 0.7
    assert whole < 0.1 * value(found_by(answers(1, 1), told))


def test_the_target_of_an_attribute_follows_its_box() -> None:
    target = {
        "label": torch.zeros(2, 3, dtype=torch.int64),
        "ripe.index": torch.arange(6).view(2, 3),
        "ripe.more": torch.arange(12).view(2, 3, 2),
        "ripeness.index": -torch.ones(2, 3),
    }
    found = attribute_target(target, "ripe", torch.tensor([4, 0, 4]))
    assert found.keys() == {"index", "more"}
    assert found["index"].tolist() == [4, 0, 4]
    assert found["more"].tolist() == [[8, 9], [0, 1], [8, 9]]
