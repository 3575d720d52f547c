"""[training] teacher_features: the shared features also learn to predict those of each teacher.

A linear layer on the student's vector for each teacher (as the regressor of Romero et al. 2015, arXiv
1412.6550), so the widths may differ. The teacher's features are standardised, each by its mean and spread
over the training pictures, so that no teacher counts more for larger numbers (Ranzinger et al. 2024, arXiv
2410.01680). The layers belong to the training alone: see ``Network.projectors``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from oneglance.batch_transform import Mix, View
from oneglance.config import Config
from oneglance.errors import ConfigError
from oneglance.network import Network
from oneglance.task import Target
from oneglance.task.learning import by_share

FARTHEST = 5.0  # spreads from the mean; what lies farther counts as this far
WIDEST = 4096  # features of a teacher: two bytes each, for every picture


@dataclass(frozen=True)
class FeatureScale:
    """The mean and spread of each of a teacher's d features over the training pictures: float32 [d]."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, trust: np.ndarray) -> Self:
        """By the pictures that could be read.

        Args:
            vectors: float [n, d].
            trust: float32 [n]; 0 where nothing was seen.
        """
        seen = vectors[trust > 0].astype(np.float32)
        if not len(seen):
            return cls(np.zeros(vectors.shape[1], np.float32), np.ones(vectors.shape[1], np.float32))
        spread = seen.std(axis=0)
        return cls(seen.mean(axis=0), np.where(spread > 0, spread, 1).astype(np.float32))

    def target(self, vectors: np.ndarray, trust: np.ndarray) -> Target:
        """What a projector learns to give: ``value`` float16 [n, d], of mean 0 and spread 1."""
        value = (vectors.astype(np.float32) - self.mean) / self.spread
        return {"value": value.clip(-FARTHEST, FARTHEST).astype(np.float16), "trust": trust}


def narrow(vectors: np.ndarray, config: Config, title: str) -> np.ndarray:
    """A teacher's features [n, d] as they are kept: float16.

    Raises:
        ConfigError: there are too many of each picture.
    """
    if vectors.shape[1] > WIDEST:
        raise ConfigError(
            f"[training] teacher_features: {title} gives {vectors.shape[1]:,} features of each picture, more "
            f"than {WIDEST:,}",
            location=config.file,
            hint="set teacher_features = 0, and it teaches its answers alone",
        )
    largest = float(np.finfo(np.float16).max)
    return vectors.clip(-largest, largest).astype(np.float16)


def add_projectors(network: Network, widths: Mapping[str, int], config: Config) -> None:
    """A layer for each teacher, to as many features as it gives. They depend on the seed alone.

    Raises:
        ConfigError: the shared features learn nothing.
    """
    if not any(weight.requires_grad for weight in network.backbone.parameters()):
        raise ConfigError(
            "[training] teacher_features needs a backbone that learns, and this one does not",
            location=config.file,
            hint="set teacher_features = 0, or let the backbone learn",
        )
    device = network.mean.device
    with torch.random.fork_rng([]):
        torch.manual_seed(config.training.seed)
        for key, width in widths.items():
            layer = nn.Linear(network.backbone.shape.vector, width)
            nn.init.zeros_(layer.bias)
            network.projectors[key] = layer.to(device)


def seen_alone(target: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
    """The target of the pictures that ``view`` shows: nothing is known of several in one."""
    trust = target["trust"] * view.single_image.to(target["trust"])
    return {**target, "trust": trust}


def feature_loss(predicted: Tensor, target: Mapping[str, Tensor], mix: Mix | None) -> tuple[Tensor, Tensor]:
    """(loss, trust), each float32 [n]: the mean squared difference from a teacher's standardised features,
    which is 1 for a projector that gives their means.

    Args:
        predicted: [n, d].
        target: as ``FeatureScale.target`` gives it.
        mix: of pictures that were mixed after the teacher saw them.
    """
    return _loss(predicted, target) if mix is None else by_share(_loss, predicted, target, mix)


def _loss(predicted: Tensor, target: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    return (predicted.float() - target["value"].float()).square().mean(dim=1), target["trust"]
