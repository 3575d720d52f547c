"""The places of the maps: each is a point that may answer for one box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from oneglance.nn.feature_shape import Level


class Points(NamedTuple):
    """All places of all levels, level by level, row by row."""

    x: Tensor  # float32 [p]: middle of the place in pixels of the canvas
    y: Tensor
    stride: Tensor  # float32 [p]: pixels


class Pairs(NamedTuple):
    """Points that lie in boxes."""

    box: Tensor  # int64 [k]
    point: Tensor  # int64 [k]


def points(levels: Sequence[Level]) -> Points:
    """The points of ``levels``."""
    parts = []
    for level in levels:
        down, across = torch.meshgrid(torch.arange(level.height), torch.arange(level.width), indexing="ij")
        cell = torch.stack([across.flatten(), down.flatten()]).float()
        parts.append(torch.cat([(cell + 0.5) * level.stride, torch.full_like(cell[:1], level.stride)]))
    return Points(*torch.cat(parts, dim=1))


def inside(boxes: Tensor, levels: Sequence[Level]) -> Pairs:
    """Which points lie in which of ``boxes`` [m, 4], x0 y0 x1 y1 in pixels of the canvas.

    A box too small to hold a point of the finest level has the nearest one of it. Nothing is made for the
    points outside, so the cost follows the area of the boxes.
    """
    pairs, start = [], 0
    for number, level in enumerate(levels):
        first, last = [], []
        for axis, side in ((0, level.width), (1, level.height)):
            low, high = boxes[:, axis] / level.stride, boxes[:, axis + 2] / level.stride
            begin, end = torch.ceil(low - 0.5), torch.floor(high - 0.5)
            if number == 0:
                middle = torch.floor((low + high) / 2)
                begin, end = torch.minimum(begin, middle), torch.maximum(end, middle)
            first.append(begin.clamp(0, side - 1 if number == 0 else side).long())
            last.append(end.clamp(0 if number == 0 else -1, side - 1).long())
        across = (last[0] - first[0] + 1).clamp(min=0)
        count = across * (last[1] - first[1] + 1).clamp(min=0)
        box = torch.repeat_interleave(count)
        within = torch.arange(len(box), device=box.device) - (count.cumsum(0) - count)[box]
        wide = across[box].clamp(min=1)
        row = first[1][box] + torch.div(within, wide, rounding_mode="floor")
        column = first[0][box] + within % wide
        pairs.append(torch.stack([box, start + row * level.width + column]))
        start += level.height * level.width
    return Pairs(*torch.cat(pairs, dim=1))
