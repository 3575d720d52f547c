"""Which points learn which box, decided anew in every step from what the network answers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TOP = 10  # points per box
SCORE_POWER, IOU_POWER = 0.5, 6.0


class Assigned(NamedTuple):
    """Points that learn a box, each once."""

    box: Tensor  # int64 [k]
    cell: Tensor  # int64 [k]
    quality: Tensor  # float32 [k] in 0 to 1: the score that the point should give to the class of its box


def assign(box: Tensor, cell: Tensor, score: Tensor, iou: Tensor, boxes: int, cells: int) -> Assigned:
    """Task-aligned assignment (Feng et al. 2021, TOOD, arXiv 2108.07755, section 3.2): the points of a box
    are those that already answer best, by score^a * IoU^b, and their quality is that measure, scaled so that
    the best point of each box has the box's best IoU. A point in several boxes learns the one it overlaps
    most.

    Args:
        box, cell: int64 [k], the candidates: a box, and a point in it; both numbered over the whole batch.
        score: [k], what the point says of the class of the box, in 0 to 1.
        iou: [k], of the box that the point answers with the true one.
        boxes, cells: how many there are of each.
    """
    measure = score.clamp(min=1e-9) ** SCORE_POWER * iou.clamp(min=1e-3) ** IOU_POWER
    chosen = _best_of_each(box, measure, boxes)
    box, cell, iou, measure = box[chosen], cell[chosen], iou[chosen], measure[chosen]
    most = iou.new_full((cells,), -1.0).scatter_reduce(0, cell, iou, "amax")
    won = torch.nonzero(iou >= most[cell])[:, 0]
    # Boxes that are alike overlap a point alike: the last one has it.
    owner = box.new_full((cells,), -1).scatter_reduce(0, cell[won], box[won], "amax")
    won = won[owner[cell[won]] == box[won]]
    box, cell, iou, measure = box[won], cell[won], iou[won], measure[won]
    zero = iou.new_zeros(boxes)
    top_measure = zero.scatter_reduce(0, box, measure, "amax")
    top_iou = zero.scatter_reduce(0, box, iou, "amax")
    return Assigned(box, cell, measure / top_measure[box] * top_iou[box])


def _best_of_each(box: Tensor, measure: Tensor, boxes: int) -> Tensor:
    """int64: the places of the ``TOP`` largest measures of each box."""
    falling = torch.argsort(measure, descending=True, stable=True)
    order = falling[torch.argsort(box[falling], stable=True)]
    count = torch.bincount(box, minlength=boxes)
    rank = torch.arange(len(box), device=box.device) - (count.cumsum(0) - count)[box[order]]
    return order[rank < TOP]
