"""With a frozen backbone each picture passes through it once; training then reads its features."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
import torch

from oneglance.backbone import Features
from oneglance.config import Config
from oneglance.data.images.decoding.streamed_order import StreamedOrder
from oneglance.errors import PictureError
from oneglance.network import Network
from oneglance.nn.device import precise
from oneglance.progress import Screen
from oneglance.training.data_loader import BatchLoader, Store
from oneglance.training.learner import Learner, raw_outputs

FAMILIAR = 2000  # pictures of each split whose feature vectors are kept


class HasRows(Protocol):
    rows: np.ndarray


class FeatureCache:
    """Features by the rows of the pictures they come from."""

    order: StreamedOrder | None = None
    failures: Mapping[int, PictureError] = MappingProxyType({})

    def __init__(self, rows: np.ndarray, features: np.ndarray, seconds: float = 0.0) -> None:
        self.seconds = seconds  # that the pass took
        self.index = {row: index for index, row in enumerate(rows.tolist())}
        self.features = features

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """float32 [k, d]."""
        return self.features[[self.index[row] for row in rows.tolist()]]

    def announce(self, batches: Sequence[np.ndarray], reading: np.ndarray | None = None) -> None:
        """Nothing is fetched: all lies in memory."""


def timing(store: Store) -> dict[str, float]:
    """``{"feature_seconds": 2.1}`` where all pictures have passed through a frozen backbone; else nothing."""
    return {"feature_seconds": round(store.seconds, 3)} if isinstance(store, FeatureCache) else {}


def cached_features(
    network: Network,
    store: Store,
    splits: Sequence[HasRows],
    config: Config,
    device: torch.device,
    screen: Screen,
) -> Store:
    """``store`` itself, or with [backbone] freeze the features of its pictures, unless a task reads maps
    or has a stage of its own: what these read is too large to be kept.
    """
    if not config.backbone.freeze:
        return store
    network.freeze()
    if network.backbone.gives_maps or network.backbone.gives_below:
        return store
    rows = np.concatenate([split.rows for split in splits])
    loader = BatchLoader(store, rows, {}, config.batch, device)
    features, done = np.empty((len(rows), network.backbone.shape.vector), dtype=np.float32), 0
    began = time.perf_counter()
    network.eval()
    with torch.inference_mode(), precise("fp32", device):
        for batch in loader.in_order():
            few = network.features(batch.pictures).vector.float().cpu().numpy()
            features[done : done + len(few)] = few
            screen.progress(done := done + len(few), len(rows), "features")
    return FeatureCache(rows, features, time.perf_counter() - began)


def familiar_features(
    network: Network, store: Store, rows: np.ndarray, batch: int, learner: Learner
) -> tuple[np.ndarray, np.ndarray | None]:
    """Features of at most ``FAMILIAR`` of ``rows``, evenly spread: vectors of length 1, float16 [n, d], and
    those from halfway up, float32 [n, m], where the backbone gives them. Where it is frozen its last features
    know as much.
    """
    chosen = rows[np.linspace(0, len(rows) - 1, min(FAMILIAR, len(rows))).astype(np.int64)]
    are_features = isinstance(store, FeatureCache)

    def forward(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        features = Features(pictures) if are_features else network.features(pictures)
        middle = {} if features.middle is None else {"middle": features.middle.float()}
        return {"vector": torch.nn.functional.normalize(features.vector.float()), **middle}

    loader = BatchLoader(store, chosen, {}, batch, learner.device)
    network.backbone.gives_middle = not network.frozen
    try:
        features = raw_outputs(forward, loader, learner.precision)
    finally:
        network.backbone.gives_middle = False
    return features["vector"].astype(np.float16), features.get("middle")
