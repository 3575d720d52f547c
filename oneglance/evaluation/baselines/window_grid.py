"""Windows that slide over a picture at several zooms: where they lie and what is seen in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from oneglance.backbones.classical import gradients

CELL = 4  # pixels of the zoomed picture
BLOCKS = 6  # of 2×2 cells along the side of a square window; others have about as many in all
STEP = 1.25  # from one zoom to the next
MANY = 10_000  # windows of one class in one picture, about, at most: the finest zooms are left out

Size = tuple[int, int]  # height and width


class Windows:
    """Those of every class, for pictures that are canvases of one size. A class has windows of one form, that
    of its mean thing, and its windows are numbered zoom by zoom, row by row.
    """

    def __init__(
        self, boxes: np.ndarray, labels: np.ndarray, classes: int, canvas: Size, device: torch.device
    ) -> None:
        """For things like ``boxes`` [n, 4] on the canvas, with an area, of the classes ``labels`` [n]; there
        is at least one.
        """
        self.canvas, self.device = canvas, device
        sides = np.asarray(boxes[:, 2:] - boxes[:, :2], np.float64)
        taller = np.sqrt(sides[:, 1] / sides[:, 0])
        zooms = _zooms(np.sqrt(sides.prod(axis=1)), canvas)
        self.sizes = [(max(1, round(canvas[0] * zoom)), max(1, round(canvas[1] * zoom))) for zoom in zooms]
        self.forms = [_form(taller[labels == label]) for label in range(classes)]  # in blocks
        windows = [self._lie(*form) for form in self.forms]
        self.places = [places for places, _ in windows]  # by class: zoom, row and column, int64 [p, 3]
        self.corners = [corners for _, corners in windows]  # by class: on the canvas, float64 [p, 4]

    def _lie(self, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        places, corners = [np.zeros((0, 3), np.int64)], [np.zeros((0, 4))]
        for number, (height, width) in enumerate(self.sizes):
            # One block less than cells; the padding adds two of these.
            y, x = (
                part.ravel()
                for part in np.indices(
                    (max(0, height // CELL + 2 - rows), max(0, width // CELL + 2 - columns))
                )
            )
            scale = np.array([self.canvas[1] / width, self.canvas[0] / height] * 2)
            box = CELL * np.stack([x - 1, y - 1, x + columns, y + rows], axis=1) * scale
            places.append(np.stack([np.full_like(x, number), y, x], axis=1))
            corners.append(np.clip(box, 0, [*self.canvas[::-1]] * 2))
        return np.concatenate(places), np.concatenate(corners)

    def maps(self, canvases: np.ndarray) -> list[Tensor]:
        """Gradients and mean colours by blocks, for each zoom: float32 [n, channels, rows, columns] of uint8
        [n, h, w, 3]. One cell of padding is added, for things at the edge.
        """
        pictures = torch.from_numpy(canvases).to(self.device).permute(0, 3, 1, 2).float() / 255
        maps_by_zoom = []
        for size in self.sizes:
            zoomed = F.interpolate(pictures, size, mode="bilinear", antialias=True)
            zoomed = F.pad(zoomed, [CELL] * 4, mode="replicate").clamp(0, 1)
            maps_by_zoom.append(
                torch.cat([gradients(zoomed, CELL), F.avg_pool2d(zoomed, 2 * CELL, CELL)], dim=1)
            )
        return maps_by_zoom

    def logits(self, maps: Sequence[Tensor], label: int, weight: np.ndarray) -> np.ndarray:
        """float32 [n, p]: ``weight`` [channels * rows * columns] times each window of one class."""
        rows, columns = self.forms[label]
        filters = torch.from_numpy(weight).to(self.device).view(1, -1, rows, columns)
        logits = [
            F.conv2d(zoomed_map, filters).flatten(1)
            for zoomed_map in maps
            if zoomed_map.shape[2] >= rows and zoomed_map.shape[3] >= columns
        ]
        return torch.cat([maps[0].new_zeros(len(maps[0]), 0), *logits], dim=1).cpu().numpy()

    def cut(self, maps: Sequence[Tensor], row: int, label: int, chosen: np.ndarray) -> list[np.ndarray]:
        """The contents of some windows of one picture: each float32 [channels * rows * columns]."""
        rows, columns = self.forms[label]
        return [
            maps[zoom][row, :, y : y + rows, x : x + columns].flatten().cpu().numpy()
            for zoom, y, x in self.places[label][chosen].tolist()
        ]


def _zooms(sizes: np.ndarray, canvas: Size) -> list[float]:
    """From that of the largest things to that of the smallest, but for 5 % at either end."""
    last, first = np.percentile(CELL * (BLOCKS + 1) / sizes, [95, 5])
    zooms = first * STEP ** np.arange(1 + np.ceil(np.log(last / first) / np.log(STEP)))
    count = np.cumsum(np.prod(canvas) * (zooms / CELL) ** 2)
    return [float(zoom) for zoom in zooms[: max(1, int((count <= MANY).sum()))]]


def _form(taller: np.ndarray) -> Size:
    """Rows and columns of a window, for things whose height is ``taller``² widths."""
    mean = np.exp(np.log(taller).mean()) if len(taller) else 1.0
    rows, columns = (int(np.clip(round(BLOCKS * k), 2, BLOCKS**2 // 2)) for k in (mean, 1 / mean))
    return rows, columns
