"""The loss of a dense detector on a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from oneglance.detection.anchor_points import inside, points
from oneglance.detection.assigner import Assigned, assign
from oneglance.detection.losses import complete_iou, distribution_focal, iou_of_pairs, varifocal
from oneglance.nn.feature_shape import Level

BOX, DISTANCE = 2.5, 0.5  # weight of the box and the distances beside the class


class Truth(NamedTuple):
    """What is known of n pictures; m places for boxes in each."""

    box: Tensor  # float32 [n, m, 4]: x0 y0 x1 y1 in pixels of the canvas
    label: Tensor  # int64 [n, m]: the class; -1: no box in this place; the number of classes: any class
    ignore: Tensor  # bool [n, m]: of the label, neither yes nor no is learned there
    labelled: Tensor  # float32 [n, classes]: 1 where somebody looked for the class


class LossResult(NamedTuple):
    """What the loss found out on its way."""

    loss: Tensor  # float32 [n]; its mean over the pictures that are known is that of the batch
    labelled: Tensor  # float32 [n]: 1 where somebody looked for any class
    row: Tensor  # int64 [k]: for each point that learns a box, its place among the n * points rows
    box: Tensor  # int64 [k]: and the place of its box among the n * m


def dense_loss(
    raw: Tensor, truth: Truth, levels: Sequence[Level], bins: int, score: Tensor | None = None
) -> LossResult:
    """Varifocal loss of the classes, CIoU of the boxes and distribution focal loss of the distances, summed
    and divided by the sum of the qualities (see ``assign``).

    Args:
        raw: [n, points, 4 + classes + ... + 4 * bins], as ``DenseHead`` gives it while training.
        score: float32 [n, m]: how sure somebody is of each box, by which its qualities are multiplied;
            default: 1.
    """
    count, cells, classes = len(raw), raw.shape[1], truth.labelled.shape[1]
    rows = raw.flatten(0, 1)
    logit = rows[:, 4 : 4 + classes]
    picture, slot = torch.nonzero(truth.label >= 0, as_tuple=True)
    box, label, ignore = (part[picture, slot] for part in truth[:3])
    real = torch.nonzero(~ignore)[:, 0]
    learned = _learned(rows, logit, box[real], label[real], picture[real], levels, count, cells)
    owner = real[learned.box]
    if score is not None:
        learned = learned._replace(quality=learned.quality * score[picture, slot][owner])
    quality = torch.zeros_like(logit)
    quality[learned.cell, label[owner]] = learned.quality.to(quality.dtype)
    counted = truth.labelled.repeat_interleave(cells, dim=0)
    counted = _without_ignored(counted, box[ignore], label[ignore], picture[ignore], levels, cells)
    counted = torch.where(quality > 0, torch.ones_like(counted), counted)
    loss = (varifocal(logit, quality) * counted).sum(dim=1).view(count, cells).sum(dim=1)
    weight = learned.quality
    off = BOX * (1 - complete_iou(rows[learned.cell, :4], box[owner]))
    chosen = rows[learned.cell]
    off = off + DISTANCE * side_losses(chosen, learned.cell % cells, box[owner], levels, bins)
    loss = loss.index_add(0, picture[owner], off * weight)
    labelled = truth.labelled.amax(dim=1)
    loss = loss * labelled.sum() / weight.sum().clamp(min=1)
    return LossResult(loss, labelled, learned.cell, picture[owner] * truth.label.shape[1] + slot[owner])


@torch.no_grad()
def _learned(
    rows: Tensor,
    logit: Tensor,
    box: Tensor,
    label: Tensor,
    picture: Tensor,
    levels: Sequence[Level],
    count: int,
    cells: int,
) -> Assigned:
    pairs = inside(box, levels)
    cell = picture[pairs.box] * cells + pairs.point
    score = torch.sigmoid(logit[cell, label[pairs.box]])
    iou = iou_of_pairs(rows[cell, :4], box[pairs.box])
    return assign(pairs.box, cell, score, iou, len(box), count * cells)


@torch.no_grad()
def _without_ignored(
    counted: Tensor, box: Tensor, label: Tensor, picture: Tensor, levels: Sequence[Level], cells: int
) -> Tensor:
    """``counted`` [n * points, classes] with 0 where a point lies in a region to ignore."""
    if not len(box):
        return counted
    pairs = inside(box, levels)
    cell = picture[pairs.box] * cells + pairs.point
    of = label[pairs.box]
    any_class = of == counted.shape[1]
    counted[cell[any_class]] = 0
    counted[cell[~any_class], of[~any_class]] = 0
    return counted


def side_losses(rows: Tensor, point: Tensor, box: Tensor, levels: Sequence[Level], bins: int) -> Tensor:
    """Distribution focal loss of points that learn a box, mean of the four sides: [k].

    Args:
        rows: [k, ...], what they answer while training.
        point: int64 [k], which points of ``levels`` they are.
        box: [k, 4].
    """
    x, y, stride = (part.to(box.device)[point] for part in points(levels))
    reach = torch.stack([x - box[:, 0], y - box[:, 1], box[:, 2] - x, box[:, 3] - y], dim=1)
    reach = (reach / stride[:, None]).clamp(0, bins - 1.01)
    side = rows[:, -4 * bins :].reshape(-1, bins)
    return distribution_focal(side, reach.flatten()).view(-1, 4).mean(dim=1)


def attribute_target(target: Mapping[str, Tensor], name: str, box: Tensor) -> dict[str, Tensor]:
    """What is known of one attribute of ``box`` [k], places among the n * m."""
    start = f"{name}."
    return {
        key.removeprefix(start): value.flatten(0, 1)[box]
        for key, value in target.items()
        if key.startswith(start)
    }
