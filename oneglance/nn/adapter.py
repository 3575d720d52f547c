"""A small part of a task's own between the shared features and its head."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from oneglance.backbone import Features
from oneglance.nn.feature_shape import Shape

NARROWER = 4  # the waist has so many times fewer channels ...
WIDEST = 64  # ... and no more than this, as in Houlsby et al.: some vectors have thousands


class Bottleneck(nn.Module):
    """What comes in, and beside it a way through a waist; at first that way gives zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        waist = min(WIDEST, max(1, channels // NARROWER))
        self.down, self.up = nn.Conv2d(channels, waist, 1), nn.Conv2d(waist, channels, 1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, h, w] to the same shape."""
        changed: Tensor = x + self.up(F.gelu(self.down(x)))
        return changed


class Adapter(nn.Module):
    """Features as one task wants them: a residual bottleneck after the shared backbone (Houlsby et al. 2019,
    arXiv 1902.00751; of 1×1 convolutions as in Rebuffi et al. 2017, arXiv 1705.08045). It starts as the
    identity, so that the task begins where it would without.

    Args:
        shape: of the features.
        spatial: the task asks where, so its maps are adapted; else its vector is.
    """

    def __init__(self, shape: Shape, *, spatial: bool) -> None:
        super().__init__()
        self.vector = None if spatial else Bottleneck(shape.vector)
        self.maps = nn.ModuleList(Bottleneck(level.channels) for level in shape.maps if spatial)

    def forward(self, features: Features) -> Features:
        if self.vector is not None:
            adapted = self.vector(features.vector[:, :, None, None]).flatten(1)
            return features._replace(vector=adapted)
        maps = (adapt(x) for adapt, x in zip(self.maps, features.maps, strict=True))
        return features._replace(maps=tuple(maps))
