"""Features that have never seen an answer, and heads on them, asked about what they have not learned from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oneglance.backbone import build_backbone
from oneglance.config import BackboneTable, Config
from oneglance.evaluation.baselines.estimators import head_at_end
from oneglance.evaluation.baselines.image_features import standardised
from oneglance.evaluation.kept_arrays import digest, keep, kept
from oneglance.evaluation.suspects.folds import Fold
from oneglance.inference.engine import BATCH
from oneglance.network import Network
from oneglance.nn.device import pick_device
from oneglance.nn.packaged_weights import PACKAGED
from oneglance.progress import Screen
from oneglance.task import Prediction, Task
from oneglance.training.data_loader import PictureStore

INSTALLED, SIDE = "efficientnet_lite0", 160  # what looks where nothing pretrained is declared, and its canvas


def for_features(config: Config) -> Config:
    """The configuration with a backbone whose features have not seen the answers: the declared one if it is
    pretrained, else one whose weights are installed, else the classical one.

    Raises:
        ConfigError: there is no such backbone.
        WeightsError: its weights are not there.
    """
    if build_backbone(config.backbone, config.base).pretrained:
        return config.with_changes({"training.from": ""}) if config.training.from_ else config
    name, size = "classical", config.backbone.size
    if INSTALLED in PACKAGED and PACKAGED[INSTALLED].path():
        name, size = INSTALLED, max(SIDE, *config.backbone.canvas)
    backbone: dict[str, Any] = {"name": name, "size": size, "weights": "", "options": {}}
    changes = {f"backbone.{key}": value for key, value in backbone.items()}
    return config.with_changes({**changes, "training.from": ""})


def described(table: BackboneTable) -> str:
    """``efficientnet_lite0 at 160 pixels``."""
    width, height = table.canvas
    return f"{table.name} at {width if width == height else f'{width}x{height}'} pixels"


@dataclass(frozen=True)
class Features:
    """What a backbone makes of pictures, and what names it: the backbone, its weights and the pictures."""

    vectors: np.ndarray  # float32 [n, d]
    key: str


def features_of(
    config: Config, store: PictureStore, rows: np.ndarray, contents: Sequence[str], out: Path, screen: Screen
) -> Features:
    """The feature vector of each of ``rows`` of ``store``; read from ``out`` where they are there already.

    Args:
        contents: a digest of each picture.
    """
    width, height = config.backbone.canvas
    named = [config.backbone.model_dump(mode="json"), width, height, config.pictures.model_dump(mode="json")]
    key = digest([*named, list(contents)])
    path = out / "features.npz"
    if (known := _kept(path, key, len(rows))) is not None:
        return Features(known, key)
    device = pick_device(config.training.device)
    network = Network(build_backbone(config.backbone, config.base), {}).to(device).eval()
    vectors = np.concatenate(list(_vectors(network, store, rows, device, screen)))
    keep(path, key, {"values": vectors})
    return Features(vectors, key)


def _kept(path: Path, key: str, count: int) -> np.ndarray | None:
    """``count`` rows that were kept for the same key; None where there are no such."""
    values = (kept(path, key) or {}).get("values")
    return values if values is not None and len(values) == count else None


@torch.inference_mode()
def _vectors(
    network: Network, store: PictureStore, rows: np.ndarray, device: torch.device, screen: Screen
) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), BATCH):
        pictures = torch.from_numpy(store.gather(rows[start : start + BATCH])).permute(0, 3, 1, 2).to(device)
        yield network.features(pictures).vector.float().cpu().numpy()
        screen.progress(min(start + BATCH, len(rows)), len(rows), "features")


def out_of_fold(
    task: Task,
    answers: Sequence[Any],
    features: Features,
    folds: Sequence[Fold],
    out: Path,
    screen: Screen,
) -> list[Prediction]:
    """What a head says of each answer that has not learned from it, calibrated on all of them together. Folds
    that are finished are kept in ``out`` and read again.

    Args:
        task: fitted to all of ``answers``; it is calibrated here.
        features: of the same pictures as ``answers``.
    """
    key = digest([features.key, task.model_dump(mode="json", by_alias=True), task.state()])
    key = digest([key, list(map(task.format, answers)), [fold.held_out.tolist() for fold in folds]])
    parts = []
    for number, fold in enumerate(folds):
        path = out / "folds" / f"{task.name}-{number + 1}.npz"
        raw = _kept(path, key, len(fold.held_out))
        if raw is None:
            raw = _fold(task, answers, features.vectors, fold)
            keep(path, key, {"values": raw})
        parts.append(raw)
        screen.progress(number + 1, len(folds), f"folds of {task.name}")
    whole = np.concatenate(parts)[np.argsort(np.concatenate([fold.held_out for fold in folds]))]
    task.calibrate(whole, answers)
    return task.decode(whole)


def _fold(task: Task, answers: Sequence[Any], vectors: np.ndarray, fold: Fold) -> np.ndarray:
    learned = np.sort(np.concatenate([fold.train, fold.validation]))
    rows = standardised(vectors[learned], vectors[fold.held_out], vectors[:0])
    return head_at_end(task, [answers[row] for row in learned.tolist()], rows.train, rows.validation)
