"""Pictures as rows of numbers: what baselines learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from oneglance.backbone import Backbone, build_backbone
from oneglance.config import BackboneTable, Config
from oneglance.evaluation.comparison.variants import chunks
from oneglance.network import Network
from oneglance.nn.device import pick_device
from oneglance.training.experiment_data import ExperimentData

SIDE = (
    24  # pixels of the pictures whose pixels are features: more cost much and tell classical methods little
)


See = Callable[[np.ndarray], np.ndarray]  # canvases uint8 [n, h, w, 3] of any pictures to their rows


@dataclass(frozen=True)
class Rows:
    """float32 [pictures, d] of each split; standardised by the training split."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    see: See = field(default=np.asarray, kw_only=True)

    def then(self, change: See) -> Rows:
        """The same pictures with other features."""
        parts = (change(split) for split in (self.train, self.validation, self.test))
        return standardised(*parts, see=lambda canvases: change(self.see(canvases)))

    @property
    def whole(self) -> np.ndarray:
        """All parts, in order."""
        return np.concatenate([self.train, self.validation, self.test])


def standardised(
    train: np.ndarray, validation: np.ndarray, test: np.ndarray, *, see: See = np.asarray
) -> Rows:
    """Mean 0 and variance 1 of every column in the training split; columns that never vary there are 0.

    Args:
        see: how the rows of the splits were made.
    """
    mean, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    varies = spread > 1e-6
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)

    def change(split: np.ndarray) -> np.ndarray:
        # A column that hardly varies in training may be far off elsewhere.
        return np.clip((split - mean) * scale, -10, 10).astype(np.float32)

    return Rows(change(train), change(validation), change(test), see=lambda canvases: change(see(canvases)))


def pixels(experiment: ExperimentData) -> Rows:
    """The pixels of the canvases, made small."""
    side = min(SIDE, *experiment.config.backbone.canvas)

    def features_of(pictures: Tensor) -> Tensor:
        return interpolate(pictures.float(), (side, side), mode="area").flatten(1) / 255

    return _rows(experiment, features_of)


def classical(experiment: ExperimentData) -> Rows:
    """What ``backbones/classical.py`` measures."""
    return of_backbone(experiment, BackboneTable(name="classical", size=experiment.config.backbone.size))


def starting(experiment: ExperimentData) -> Rows | None:
    """What the declared backbone sees before any training; None where it starts from nothing."""
    backbone = build_backbone(experiment.config.backbone, experiment.config.base)
    return _seen(experiment, backbone) if backbone.pretrained else None


def of_backbone(experiment: ExperimentData, table: BackboneTable) -> Rows:
    """The feature vectors of a backbone as it is built."""
    return _seen(experiment, build_backbone(table, Path()))


def _seen(experiment: ExperimentData, backbone: Backbone) -> Rows:
    network = Network(backbone, {}).to(device(experiment.config)).eval()
    return _rows(experiment, lambda pictures: network.features(pictures).vector)


def device(config: Config) -> torch.device:
    """Where baselines are computed."""
    return pick_device(config.training.device)


def _rows(experiment: ExperimentData, features_of: Callable[[Tensor], Tensor]) -> Rows:
    there = device(experiment.config)

    @torch.inference_mode()
    def see(canvases: np.ndarray) -> np.ndarray:
        return features_of(torch.from_numpy(canvases).permute(0, 3, 1, 2).to(there)).float().cpu().numpy()

    splits = (experiment.train, experiment.validation, experiment.test)
    parts = [[see(canvases) for _, canvases in chunks(experiment.store, split)] for split in splits]
    return standardised(*map(np.concatenate, parts), see=see)
