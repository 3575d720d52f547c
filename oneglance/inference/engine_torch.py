"""torch as the engine: the network of a run folder."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from oneglance.config import Config
from oneglance.data.cache import cache_folder
from oneglance.inference.engine import Looked
from oneglance.machine import keep_freed_memory, pick_device, precise, prediction_precision
from oneglance.network import Network

BATCH = 64  # pictures of the batch by which the faster precision is found


class TorchEngine:
    """The network itself, on a device and in a precision."""

    def __init__(self, network: Network, device: torch.device, precision: str = "fp32") -> None:
        self.network, self.device, self.precision = network, device, precision

    @classmethod
    def ready(
        cls, network: Network, config: Config, device: str = "auto", precision: str = ""
    ) -> TorchEngine:
        """On the device, in the precision named; where none is, in the configuration's.

        Raises:
            ConfigError: no such device here.
        """
        keep_freed_memory()
        where = pick_device(device)
        network = network.to(where)
        wanted = precision or config.training.precision
        if wanted == "auto":
            width, height = config.backbone.canvas
            example = torch.zeros(BATCH, 3, height, width, device=where, dtype=torch.uint8)
            wanted = prediction_precision(
                network,
                example.contiguous(memory_format=torch.channels_last),
                where,
                key=f"{config.backbone.name} {config.backbone.options} {config.backbone.size}",
                memory=cache_folder(config.cache) / "precision.json",
            )
        return cls(network, where, wanted)

    @torch.inference_mode()
    def look(self, canvases: np.ndarray) -> Looked:
        """See ``Engine``."""
        pictures = torch.from_numpy(canvases).permute(0, 3, 1, 2).to(self.device)
        with precise(self.precision, self.device):
            vectors, raw = self.network.look(pictures)
        return Looked(plain(vectors), {name: plain(value) for name, value in raw.items()})


def plain(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
