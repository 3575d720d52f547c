"""torch as the engine: the network of a run folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor

from oneglance.config import Config
from oneglance.data.images.decoding.decoded_cache import cache_folder
from oneglance.inference.engine import BATCH, Engine, EngineOutput
from oneglance.inference.parallel_passes import ParallelPasses, threads_of_each
from oneglance.network import Network
from oneglance.nn.allocator import keep_freed_memory
from oneglance.nn.device import faster_precision, pick_device, precise
from oneglance.nn.folding import folded
from oneglance.nn.threads import use_allowed_processors
from oneglance.parallel.cpus import threads
from oneglance.parallel.free_processors import FreeProcessors

TRIED = 8  # pictures of a pass by which precisions are compared: more take longer and say the same


class TorchEngine(Engine):
    """The network itself, on a device and in a precision.

    Args:
        passes: forward passes in parallel; 0: one per processor, or one on a GPU.
    """

    def __init__(
        self, network: Network, device: torch.device, precision: str = "fp32", passes: int = 0
    ) -> None:
        self.network, self.device, self.precision = network, device, precision
        self.on_gpu = device.type != "cpu"
        self.passes = passes or (threads() if device.type == "cpu" else 1)

    @classmethod
    def ready(
        cls, network: Network, config: Config, device: str = "auto", precision: str = "", passes: int = 0
    ) -> TorchEngine:
        """On the device, in the precision named; where none is, in the configuration's.

        Raises:
            ConfigError: no such device here.
        """
        keep_freed_memory()
        use_allowed_processors()
        location = pick_device(device)
        network = folded(network.to(location).eval(), partial(_noticed, config.backbone.canvas))
        wanted = precision or config.training.precision
        if wanted == "auto":
            width, height = config.backbone.canvas
            in_each = {
                name: ParallelPasses(cls(network, location, name, passes), FreeProcessors(1))
                for name in ("fp32", "bf16")
            }
            pictures = TRIED * in_each["fp32"].engine.passes if location.type == "cpu" else BATCH
            example = np.zeros((pictures, height, width, 3), np.uint8)
            wanted = faster_precision(
                lambda name: in_each[name].forward(example),
                location,
                key=f"predict in {in_each['fp32'].engine.passes} passes, folded | "
                f"{config.backbone.name} {config.backbone.options} {config.backbone.size}",
                memory=cache_folder(config.cache) / "precision.json",
            )
        return cls(network, location, wanted, passes)

    def prepare_thread(self) -> None:
        """See ``Engine``. How many threads torch takes is a setting of each thread, and of those yet to come:
        the latter stays as it was.
        """
        usual = torch.get_num_threads()
        torch.set_num_threads(threads_of_each(self.passes))
        after = threading.Thread(target=torch.set_num_threads, args=[usual])
        after.start()
        after.join()

    @contextmanager
    def few_threads(self, count: int) -> Iterator[None]:
        """See ``Parallel``."""
        usual = torch.get_num_threads()
        torch.set_num_threads(min(count, usual))
        try:
            yield
        finally:
            torch.set_num_threads(usual)

    @torch.inference_mode()
    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """See ``Engine``."""
        return EngineOutput.joined([self._pass(piece) for piece in self.pieces(canvases)])

    def _pass(self, canvases: np.ndarray) -> EngineOutput:
        pictures = torch.from_numpy(canvases).permute(0, 3, 1, 2).to(self.device)
        with precise(self.precision, self.device):
            output = self.network.forward_in_full(pictures)
        middle = None if output.middle is None else plain(output.middle)
        return EngineOutput(
            plain(output.vector), _plain_values(output.raw), _plain_values(output.own), middle
        )


def _plain_values(by_task: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: plain(values) for name, values in by_task.items()}


def _noticed(canvas: tuple[int, int], network: Network) -> object:
    """All that the network makes of a picture of noise."""
    width, height = canvas
    noise = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    return network.forward_with_features(torch.from_numpy(noise).permute(0, 3, 1, 2).to(network.mean.device))


def plain(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
