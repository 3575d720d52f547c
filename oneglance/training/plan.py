"""The optimizer, and how its learning rates go up and down."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from oneglance.config import TrainingTable
from oneglance.network import Network

DEFAULT_RATE = {"adamw": 0.002, "sgd": 0.05}
PRETRAINED_SHARE = 0.25  # of the rate, for a backbone that already knows something


def build_optimizer(network: Network, table: TrainingTable) -> torch.optim.Optimizer:
    """The optimizer of [training], with a rate for each stage of the backbone and none of the weight decay
    on biases and norms.
    """
    rate = table.rate or DEFAULT_RATE[table.optimizer]
    groups = [
        {"params": parameters, "lr": rate * factor, "top": rate * factor, "weight_decay": decay}
        for factor, decay, parameters in _groups(network, table)
    ]
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    if table.optimizer == "sgd":
        nesterov = table.nesterov and table.momentum > 0
        return torch.optim.SGD(groups, momentum=table.momentum, nesterov=nesterov, fused=fused)
    return torch.optim.AdamW(groups, fused=fused)


def _groups(network: Network, table: TrainingTable) -> Iterator[tuple[float, float, list[nn.Parameter]]]:
    """(factor of the rate, weight decay, parameters), every learning parameter once."""
    share = table.backbone_rate
    if share is None:
        share = PRETRAINED_SHARE if network.backbone.pretrained else 1.0
    stages = [stage for stage in network.backbone.stages() if list(stage.parameters())]
    factors = {id(p): share * table.layer_decay ** len(stages) for p in network.backbone.parameters()}
    for depth, stage in enumerate(stages):
        for parameter in stage.parameters():
            factors[id(parameter)] = share * table.layer_decay ** (len(stages) - 1 - depth)
    grouped: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            decay = table.weight_decay if parameter.ndim > 1 else 0.0
            grouped.setdefault((factors.get(id(parameter), 1.0), decay), []).append(parameter)
    for (factor, decay), parameters in grouped.items():
        yield factor, decay, parameters


def rate_at(step: int, steps: int, table: TrainingTable) -> float:
    """The share of the top rate in 0-based ``step`` of ``steps``: a linear warm-up, then a cosine to zero
    (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts) or a constant.
    """
    warmup = round(table.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if table.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Every group's rate becomes ``share`` of its top rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["top"] * share
