"""The faster precision of a training, measured in steps of a copy of the network."""

from __future__ import annotations

import copy

from oneglance.config import Config
from oneglance.data.images.decoding.decoded_cache import cache_folder
from oneglance.nn.device import faster_precision
from oneglance.training.data_loader import BatchLoader
from oneglance.training.learner import Learner


def measured_precision(learner: Learner, loader: BatchLoader, config: Config) -> str:
    """``fp32`` or ``bf16``; nothing of the training changes."""
    batch = next(loader.in_order())
    trial = copy.deepcopy(learner)
    pictures = batch.pictures.float()

    def step(precision: str) -> None:
        trial.precision = precision
        trial.backward(pictures, batch.targets, None)

    backbone = config.backbone
    what = "heads" if backbone.freeze else f"{backbone.name} {backbone.options} {backbone.size}"
    key = f"train | {what} | batch {len(pictures)}"
    memory = cache_folder(config.cache) / "precision.json"
    return faster_precision(step, learner.device, key=key, memory=memory)
