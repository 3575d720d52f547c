"""How far dense answers are from the boxes: losses of single pairs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def iou_of_pairs(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes a [k, 4] with b [k, 4], one by one: [k]."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - shared
    return shared / union.clamp(min=1e-7)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU (Zheng et al. 2020, arXiv 1911.08287, equation 10) of a [k, 4] with b [k, 4]: [k], at most 1."""
    iou = iou_of_pairs(a, b)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    diagonal = (around**2).sum(dim=1).clamp(min=1e-7)
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) ** 2).sum(dim=1) / 4
    angle = torch.atan2(*_sides(b)) - torch.atan2(*_sides(a))
    shape = 4 / math.pi**2 * angle**2
    with torch.no_grad():
        weight = shape / (1 - iou + shape).clamp(min=1e-7)
    return iou - apart / diagonal - weight * shape


def _sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=1e-7), (boxes[:, 3] - boxes[:, 1]).clamp(min=1e-7)


def varifocal(logit: Tensor, quality: Tensor) -> Tensor:
    """Varifocal loss (Zhang et al. 2021, arXiv 2008.13367, equation 2), element by element: where a point
    answers for a box (``quality`` above 0) it counts by that quality, elsewhere by 0.75 p^2.
    """
    with torch.no_grad():
        weight = torch.where(quality > 0, quality, 0.75 * torch.sigmoid(logit) ** 2)
    return F.binary_cross_entropy_with_logits(logit, quality, weight=weight, reduction="none")


def distribution_focal(logits: Tensor, distance: Tensor) -> Tensor:
    """Distribution focal loss (Li et al. 2020, arXiv 2006.04388, equation 6): [k].

    Args:
        logits: [k, bins], one per whole distance.
        distance: [k], in 0 to bins - 1.
    """
    left = distance.floor().clamp(0, logits.shape[1] - 2)
    share = distance - left
    log = F.log_softmax(logits, dim=1)
    near, far = log.gather(1, left.long()[:, None]), log.gather(1, left.long()[:, None] + 1)
    return -((1 - share) * near[:, 0] + share * far[:, 0])
