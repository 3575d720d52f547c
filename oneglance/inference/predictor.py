"""From a run folder to answers: open upright, canvas, forward, decode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch

from oneglance.config import Config
from oneglance.data.cache import cache_folder
from oneglance.data.decoding import decode
from oneglance.data.images import Canvas, Fit, Limits
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.machine import keep_freed_memory, pick_device, precise, prediction_precision
from oneglance.network import Network
from oneglance.run import RunFolder
from oneglance.task import Prediction, Task

BATCH = 64  # pictures per forward pass


class Predictor:
    """A network that answers."""

    def __init__(
        self,
        network: Network,
        tasks: Mapping[str, Task],
        config: Config,
        device: torch.device,
        precision: str,
    ) -> None:
        self.network, self.tasks, self.config = network, tasks, config
        self.device, self.precision = device, precision

    @classmethod
    def open(cls, run: RunFolder, *, device: str = "auto", precision: str = "") -> Predictor:
        """The predictor of a finished run; ``precision`` is the configuration's if left out.

        Raises:
            RunError: the run is not finished or damaged.
        """
        keep_freed_memory()
        config = run.config()
        tasks = run.tasks(config)
        where = pick_device(device)
        network = run.network(config, tasks).to(where)
        wanted = precision or config.training.precision
        if wanted == "auto":
            side = config.backbone.size
            example = torch.zeros(BATCH, 3, side, side, device=where, dtype=torch.uint8)
            wanted = prediction_precision(
                network,
                example.contiguous(memory_format=torch.channels_last),
                where,
                key=f"{config.backbone.name} {config.backbone.options} {side}",
                memory=cache_folder(config.cache) / "precision.json",
            )
        return cls(network, tasks, config, where, wanted)

    @torch.inference_mode()
    def raw(self, canvases: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [n, s, s, 3] to the raw output of every task, float32 [n, ...]."""
        pictures = torch.from_numpy(canvases).permute(0, 3, 1, 2).to(self.device)
        with precise(self.precision, self.device):
            raw = self.network(pictures)
        return {name: value.float().cpu().numpy() for name, value in raw.items()}

    def answers(self, canvases: np.ndarray) -> list[dict[str, Prediction]]:
        """uint8 [n, s, s, 3] to n answers by task."""
        raw = self.raw(canvases)
        decoded = {name: task.decode(raw[name]) for name, task in self.tasks.items()}
        return [{name: rows[place] for name, rows in decoded.items()} for place in range(len(canvases))]

    def predict(self, refs: Iterable[ImageRef]) -> Iterator[dict[str, Any]]:
        """One object per picture, in order; a picture that cannot be read has an ``error`` in its place.

        Memory does not grow with the number of pictures.
        """
        config = self.config
        fit = Fit(config.backbone.size, config.pictures.fit)
        limits = Limits(config.pictures.megapixels, config.pictures.megabytes)
        names: list[str] = []

        def noted() -> Iterator[ImageRef]:
            for ref in refs:
                names.append(ref.name)
                yield ref

        found = decode(noted(), fit, limits, config.cache.workers)
        while chunk := list(islice(found, BATCH)):
            yield from self._told(names[: len(chunk)], chunk)
            del names[: len(chunk)]

    def _told(self, names: list[str], chunk: list[Canvas | PictureError]) -> Iterator[dict[str, Any]]:
        canvases = [item.pixels for item in chunk if isinstance(item, Canvas)]
        answers = iter(self.answers(np.stack(canvases)) if canvases else [])
        for name, item in zip(names, chunk, strict=True):
            if isinstance(item, Canvas):
                yield {"image": name, "width": item.width, "height": item.height, "answers": next(answers)}
            else:
                yield {"image": name, "error": item.what}
