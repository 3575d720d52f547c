"""Boxes that follow their pictures through flips, crops, turns and mosaics."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from oneglance.batch_transform import View


def moved(
    target: Mapping[str, Tensor], view: View, *, kept_share: float, smallest: float
) -> dict[str, Tensor]:
    """The target of the pictures that ``view`` shows, see ``tasks.boxes``.

    A box becomes the bounds of its four corners, cut to the picture. It is dropped where less than the share
    ``kept_share`` of it is left. Where a side is shorter than ``smallest`` pixels, it is too small to learn
    but no less there: it becomes a region to ignore. A class is known in a mosaic if it is known in all its
    pictures.
    """
    count, tiles = view.tiles.shape
    there = view.tiles >= 0
    out: dict[str, Tensor] = {}
    for key, value in target.items():
        held = view.holds(value)  # [n, t, m, ...], or [n, t, classes]
        if key == "labelled":
            out[key] = torch.where(there[:, :, None], held, torch.ones_like(held)).amin(dim=1)
        else:
            out[key] = held.flatten(1, 2)
    bounds = placed(out["box"].view(count, tiles, -1, 4), view)
    area = _area(bounds)
    sides = bounds.new_tensor([*view.canvas, *view.canvas])
    cut = torch.minimum(bounds.clamp(min=0), sides)
    short = torch.minimum(cut[..., 2] - cut[..., 0], cut[..., 3] - cut[..., 1])
    kept = (_area(cut) >= kept_share * area) & there[:, :, None]
    out["box"] = cut.flatten(1, 2)
    out["label"] = torch.where(kept.flatten(1, 2), out["label"], -1)
    out["ignore"] = out["ignore"] | ((short < smallest).flatten(1, 2) & (out["label"] >= 0))
    return out


def placed(box: Tensor, view: View) -> Tensor:
    """Boxes [n, t, m, 4] in pixels of the old pictures -> bounds in pixels of the new ones, not cut."""
    half = box.new_tensor(view.canvas) / 2
    corners = torch.stack([box[..., [0, 1]], box[..., [2, 1]], box[..., [2, 3]], box[..., [0, 3]]], dim=-2)
    scale = view.scale.view(-1, 1, 1, 1, 1)
    plane = (corners / half - 1) * scale + view.offset.view(1, -1, 1, 1, 2) * (scale < 1)
    turn, shift = view.motion[:, :, :2], view.motion[:, :, 2]
    back = torch.linalg.inv(turn).transpose(1, 2)[:, None, None]  # the motion leads from new to old
    new = ((plane - shift.view(-1, 1, 1, 1, 2)) @ back + 1) * half
    return torch.cat([new.amin(dim=-2), new.amax(dim=-2)], dim=-1)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2] - box[..., 0]).clamp(min=0) * (box[..., 3] - box[..., 1]).clamp(min=0)
