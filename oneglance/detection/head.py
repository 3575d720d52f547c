"""A dense detector: a light pyramid over the backbone's maps, and two towers that answer at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneglance.detection.anchor_points import points
from oneglance.nn.feature_shape import Level

NEVER = -50.0  # the logit of a class in rows of the part that does not tell it
LEAN = 0.3  # how much less likely each further bin is at first: boxes start at about three strides


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class DenseHead(nn.Module):
    """Maps to boxes with classes and attributes, one answer at each point of each level (after FCOS, Tian et
    al. 2019, arXiv 1904.01355; the pyramid is FPN's, Lin et al. 2017, arXiv 1612.03144).

    The raw output has a row per point: box x0 y0 x1 y1 in pixels of the canvas, class logits, what the
    attributes' heads say, and while training the logits of the four distances. While not training, only the
    ``most`` points with the highest class logits are given, best first.

    Args:
        levels: of the backbone's maps to look at, the last ones it gives.
        width: channels of the pyramid and the towers.
        depth: convolutions of each tower.
        prior: float [classes], how likely each class is at any point.
        bins: whole distances from a point to a side, in strides, that are distinguished.
        attributes: heads from [k, width] to (own features, raw [k, ...]).
        added: another head for further classes, with the same attributes, which looks at the same maps and
            learns while this one does not. While training only its output is given; else the rows of this
            one come first and then as many of its own, each with the classes of both, this one's first: in
            the rows of the other part they have the logit ``NEVER``.
    """

    x: Tensor  # of the points, see ``Points``
    y: Tensor
    stride: Tensor

    def __init__(
        self,
        levels: Sequence[Level],
        *,
        width: int,
        depth: int,
        prior: np.ndarray,
        bins: int,
        attributes: Mapping[str, nn.Module],
        most: int,
        added: DenseHead | None = None,
    ) -> None:
        super().__init__()
        self.added, self.gives_all = added, False  # all points, in their order, also while not training
        self.own, self.bins, self.most, self.classes = width + len(prior), bins, most, len(prior)
        self.lateral = nn.ModuleList(Conv(level.channels, width, 1) for level in levels)
        self.smooth = nn.ModuleList(Conv(width, width) for _ in levels)
        self.what = nn.ModuleList(nn.Sequential(*(Conv(width, width) for _ in range(depth))) for _ in levels)
        # Its name is part of the keys of weights.safetensors: run folders must stay readable.
        self.where = nn.ModuleList(nn.Sequential(*(Conv(width, width) for _ in range(depth))) for _ in levels)
        self.label = nn.ModuleList(nn.Conv2d(width, self.classes, 1) for _ in levels)
        self.side = nn.ModuleList(nn.Conv2d(width, 4 * bins, 1) for _ in levels)
        self.attributes = nn.ModuleDict({f"{name} head": head for name, head in attributes.items()})
        with torch.no_grad():
            for label, side in zip(self.label, self.side, strict=True):
                nn.init.normal_(label.weight, std=0.01)  # type: ignore[arg-type]
                label.bias.copy_(torch.as_tensor(np.log(prior / (1 - prior))))  # type: ignore[operator, union-attr]
                side.bias.copy_(lean(bins).repeat(4))  # type: ignore[operator, union-attr]
        for name, buffer in points(levels)._asdict().items():
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, vector: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(own features [n, width + classes], raw output [n, points, ...])."""
        own, known = self._known(maps)
        if self.added is None:
            return own, known
        new = self.added(vector, maps)[1]
        return own, new if self.training else _joined(known, new, self.classes, self.added.classes)

    def _known(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        what, labels, sides = [], [], []
        for level, seen in enumerate(self._pyramid(maps[-len(self.lateral) :])):
            features = self.what[level](seen)
            what.append(features)
            labels.append(_rows(self.label[level](features)))
            sides.append(_rows(self.side[level](self.where[level](seen))))
        label, side = torch.cat(labels, dim=1).float(), torch.cat(sides, dim=1).float()
        # What is there at all, and how much of it: the sum of what each point says of each class.
        most = torch.stack([features.amax(dim=(2, 3)) for features in what]).amax(dim=0)
        own = torch.cat([most, torch.log1p(label.sigmoid().sum(dim=1))], dim=1)
        rows = [torch.cat([_rows(features) for features in what], dim=1)] if self.attributes else []
        best = None
        if not self.training and not self.gives_all:
            best = label.amax(dim=2).topk(min(self.most, label.shape[1]), dim=1).indices
            label, side, *rows = (_chosen(given, best) for given in (label, side, *rows))
        parts = [self._boxes(side, best), label]
        for feature_rows in rows:
            flat = feature_rows.flatten(0, 1)
            raws = (head(flat)[1].float() for head in self.attributes.values())
            parts += [raw.view(*feature_rows.shape[:2], -1) for raw in raws]
        if self.training:
            parts.append(side)
        return own, torch.cat(parts, dim=2)

    def _pyramid(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps in one width, each knowing of the coarser ones; fine to coarse."""
        levels = [lateral(seen) for lateral, seen in zip(self.lateral, maps, strict=True)]
        for level in reversed(range(len(levels) - 1)):
            above = F.interpolate(levels[level + 1], size=levels[level].shape[2:], mode="nearest")
            levels[level] = levels[level] + above
        return [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]

    def _boxes(self, side: Tensor, best: Tensor | None) -> Tensor:
        """Logits of distances [n, k, 4 * bins] of the points ``best``, or all, to boxes [n, k, 4]."""
        whole = torch.arange(self.bins, device=side.device, dtype=side.dtype)
        share = side.reshape(*side.shape[:2], 4, self.bins).softmax(dim=3)
        at = [value if best is None else value[best] for value in (self.x, self.y, self.stride)]
        reach = (share * whole).sum(dim=3) * at[2][..., None]
        middle = torch.stack(at[:2], dim=-1)
        return torch.cat([middle - reach[..., :2], middle + reach[..., 2:]], dim=2)


def _joined(known: Tensor, new: Tensor, classes: int, added: int) -> Tensor:
    """The rows of both parts, with columns for the classes of both."""
    logits = F.pad(known[..., : 4 + classes], (0, added), value=NEVER)
    known = torch.cat([logits, known[..., 4 + classes :]], dim=2)
    new = torch.cat([new[..., :4], F.pad(new[..., 4:], (classes, 0), value=NEVER)], dim=2)
    return torch.cat([known, new], dim=1)


def lean(bins: int) -> Tensor:
    """The first logits of a distance: [bins]."""
    return -LEAN * torch.arange(bins, dtype=torch.float32)


def _rows(seen: Tensor) -> Tensor:
    """[n, c, h, w] to [n, h * w, c]."""
    return seen.flatten(2).transpose(1, 2)


def _chosen(rows: Tensor, best: Tensor) -> Tensor:
    return rows.gather(1, best[:, :, None].expand(-1, -1, rows.shape[2]))
