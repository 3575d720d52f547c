"""A detector learns point by point from a finished one: the scores of all classes, and the boxes of points
that are sure (Yang et al. 2023, arXiv 2308.14286, sections 3.2 and 3.3).

A teacher may see another canvas and have other maps: a point of the student learns from the nearest point of
the teacher, on the level whose stride comes nearest in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from oneglance.batch_transform import View
from oneglance.data.images.letterbox import Placement
from oneglance.detection.anchor_points import points
from oneglance.detection.box_transforms import placed
from oneglance.detection.criterion import BOX, DISTANCE, side_losses
from oneglance.detection.decoding import cut
from oneglance.detection.losses import complete_iou
from oneglance.nn.feature_shape import Level

KEYS = ("slot", "point_box", "point_score", "point_trust")
MOST = 100  # points of a picture that are kept, the surest; at all others there is nothing
FAINTEST = 0.01  # score below which there is nothing at a point


def point_targets(
    corners: np.ndarray,
    score: np.ndarray,
    theirs: Sequence[Level],
    ours: Sequence[Level],
    canvas: tuple[int, int] | None,
    places: Sequence[tuple[Placement, Placement]] | None,
) -> dict[str, np.ndarray]:
    """What a teacher says at the points of a student.

    Args:
        corners: float [n, their points, 4], boxes in pixels of their canvas.
        score: float [n, their points, classes], in 0 to 1, of the classes of the student.
        theirs, ours: the levels of both.
        canvas: width and height of that of the student.
        places: of each picture, how it lies on their canvas and on ours; None: alike.

    Returns:
        ``slot`` int32 [n, points], which of the entries of the others each point of the student learns, -1:
        nothing is there; ``point_box`` float32 [n, k, 4], ``point_score`` float32 [n, k, classes], and
        ``point_trust`` float32 [n], 1.
    """
    x, y, stride = points(ours)
    most = min(MOST, len(x))
    count, classes = len(score), score.shape[2]
    slot = np.full((count, len(x)), -1, dtype=np.int32)
    box = np.zeros((count, most, 4), dtype=np.float32)
    given = np.zeros((count, most, classes), dtype=np.float32)
    for row in range(count):
        if places is None:
            index = _nearest(x, y, stride, theirs)
        else:
            index = _nearest(*_seen_by_teacher(x, y, stride, *places[row]), theirs)
        own = np.where(index >= 0, score[row].max(axis=1, initial=0)[index], 0)
        chosen = np.argsort(-own, kind="stable")[:most]
        chosen = chosen[own[chosen] >= FAINTEST]
        slot[row, chosen] = np.arange(len(chosen))
        boxes = np.asarray(corners[row][index[chosen]], dtype=np.float64)
        if places is not None and len(boxes):
            there, here = places[row]
            boxes = here.to_canvas(there.to_image(boxes))
        box[row, : len(chosen)] = cut(boxes, canvas)
        given[row, : len(chosen)] = score[row][index[chosen]]
    trust = np.ones(count, dtype=np.float32)
    return dict(zip(KEYS, (slot, box, given, trust), strict=True))


def moved_points(soft: Mapping[str, Tensor], view: View, levels: Sequence[Level]) -> dict[str, Tensor]:
    """The same of the pictures that ``view`` shows: each point learns what the teacher said at the place that
    it now shows, if the picture shows one old picture alone.
    """
    device = soft["slot"].device
    x, y, stride = (part.to(device) for part in points(levels))
    half = x.new_tensor(view.canvas) / 2
    turn, shift = view.motion[:, :, :2], view.motion[:, :, 2]
    old = ((torch.stack([x, y], dim=1) / half - 1) @ turn.transpose(1, 2) + shift[:, None] + 1) * half
    zoom = torch.linalg.det(turn).abs().sqrt()
    index = nearest_points(old[..., 0], old[..., 1], zoom[:, None] * stride, levels)
    held = view.tiles[:, 0].clamp(min=0)
    slot = soft["slot"][held].gather(1, index.clamp(min=0))
    boxes = placed(soft["point_box"][held][:, None], view._replace(tiles=view.tiles[:, :1]))[:, 0]
    sides = boxes.new_tensor([*view.canvas, *view.canvas])
    return {
        "slot": torch.where(index >= 0, slot, -1),
        "point_box": torch.minimum(boxes.clamp(min=0), sides),
        "point_score": soft["point_score"][held],
        "point_trust": soft["point_trust"][held] * view.single_image.to(boxes.dtype),
    }


def point_loss(raw: Tensor, soft: Mapping[str, Tensor], levels: Sequence[Level], bins: int) -> Tensor:
    """float32 [n]: how far the answers at all points are from the teacher's, of the size of ``dense_loss``.

    The classes by cross entropy, weighted by how far both scores are apart; boxes by CIoU and the distances
    to their sides, weighted by the teacher's score.

    Args:
        raw: [n, points, 4 + classes + ... + 4 * bins], as ``DenseHead`` gives it while training.
        soft: ``point_targets``, and ``labelled`` [n, classes], 1 for classes that the teacher knows.
    """
    known, slot = soft["labelled"], soft["slot"].long()
    classes, there = known.shape[1], slot >= 0
    index = slot.clamp(min=0)[..., None]
    score = soft["point_score"].gather(1, index.expand(-1, -1, classes)) * there[..., None]
    logit = raw[..., 4 : 4 + classes]
    apart = (score - logit.detach().sigmoid()).abs() * known[:, None]
    loss = (apart * F.binary_cross_entropy_with_logits(logit, score, reduction="none")).sum(dim=(1, 2))
    picture, point = torch.nonzero(there, as_tuple=True)
    sure = score.amax(dim=2)[picture, point]
    box = soft["point_box"][picture, slot[picture, point]]
    rows = raw[picture, point]
    off = BOX * (1 - complete_iou(rows[:, :4], box))
    off = off + DISTANCE * side_losses(rows, point, box, levels, bins)
    loss = loss.index_add(0, picture, off * sure)
    trust = soft["point_trust"]
    return loss * trust.sum() / (sure * trust[picture]).sum().clamp(min=1)


def joined_losses(
    by_boxes: Tensor, raw: Tensor, soft: Mapping[str, Tensor], levels: Sequence[Level], bins: int
) -> Tensor:
    """float32 [n]: ``point_loss`` in the place of the loss ``by_boxes`` [n], where there are targets of
    points. Both in equal parts were no better, see docs/results.md.
    """
    if KEYS[0] not in soft:
        return by_boxes
    share = soft["point_trust"]
    return (1 - share) * by_boxes + share * point_loss(raw, soft, levels, bins)


def nearest_points(x: Tensor, y: Tensor, stride: Tensor, levels: Sequence[Level]) -> Tensor:
    """int64, of the shape of x: the point of ``levels`` that is nearest to a place, on the level whose stride
    is nearest to ``stride``; -1 off the canvas.
    """
    sizes = x.new_tensor([[level.stride, level.width, level.height] for level in levels])
    starts = x.new_tensor([0, *np.cumsum([level.width * level.height for level in levels])[:-1]])
    which = (stride.log2()[..., None] - sizes[:, 0].log2()).abs().argmin(dim=-1).expand(x.shape)
    step, width, height = sizes[which].unbind(dim=-1)
    column, row = (x / step).floor(), (y / step).floor()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return torch.where(inside, starts[which] + row * width + column, -1).long()


def _nearest(x: Tensor, y: Tensor, stride: Tensor, levels: Sequence[Level]) -> np.ndarray:
    return nearest_points(x, y, stride, levels).numpy()


def _seen_by_teacher(
    x: Tensor, y: Tensor, stride: Tensor, there: Placement, here: Placement
) -> tuple[Tensor, Tensor, Tensor]:
    """Places and strides on our canvas as they are on theirs."""
    half = stride / 2
    cells = torch.stack([x - half, y - half, x + half, y + half], dim=1).double().numpy()
    seen = torch.from_numpy(there.to_canvas(here.to_image(cells)))
    sides = (seen[:, 2:] - seen[:, :2]).clamp(min=1e-6)
    middle = (seen[:, 2:] + seen[:, :2]) / 2
    return middle[:, 0].float(), middle[:, 1].float(), sides.prod(dim=1).sqrt().float()
