"""How a batch of training pictures was changed, so that answers follow their pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class View(NamedTuple):
    """Which part of which pictures each of n new pictures shows.

    A new picture shows a plane of one or four old ones; all positions are in -1 to 1 from edge to edge.
    """

    motion: Tensor  # float32 [n, 2, 3]: positions in the new picture to positions in the plane
    tiles: Tensor  # int64 [n, t]: the old pictures that lie in the plane; -1: none
    scale: Tensor  # float32 [n]: of the old pictures on the plane, 1 or 0.5
    offset: Tensor  # float32 [t, 2]: where the middle of each of four lies; one alone lies at 0
    canvas: tuple[int, int]  # width and height of a picture in pixels

    @property
    def single_image(self) -> Tensor:
        """bool [n]: it shows one picture only."""
        return self.scale == 1

    def to(self, device: torch.device) -> View:
        """The same on ``device``."""
        motion, tiles, scale, offset = (part.to(device) for part in self[:4])
        return View(motion, tiles, scale, offset, self.canvas)

    def holds(self, target: Tensor) -> Tensor:
        """``target`` [old pictures, ...] of the pictures in the plane: [n, t, ...]."""
        return target[self.tiles.clamp(min=0)]


class Mix(NamedTuple):
    """Mixup of a batch with itself: picture i is ``share`` of i and the rest of ``partner[i]``."""

    partner: Tensor  # int64 [n]
    share: float  # in 0.5 to 1
