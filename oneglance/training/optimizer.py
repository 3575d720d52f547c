"""The optimizer, and how its learning rates go up and down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import nn

from oneglance.config import PRETRAINED_DECAY, PRETRAINED_RATE, TrainingTable
from oneglance.network import Network
from oneglance.training.optimizers.eager import SGD, AdamW
from oneglance.training.optimizers.muon import Muon

DEFAULT_RATE = {"adamw": 0.002, "sgd": 0.05, "muon": 0.1}
BESIDE_MUON = 0.02  # of its rate, for what Muon leaves to AdamW
DEFAULT_DECAY = 0.05
PRETRAINED_SHARE = 0.25  # of the rate, with SGD and Muon, for a backbone that already knows something


def build_optimizer(network: Network, table: TrainingTable) -> torch.optim.Optimizer:
    """The optimizer of [training], with a learning rate for each stage of the backbone and no weight decay
    on biases and norms.
    """
    rate = table.learning_rate or default_rate(network, table)
    if table.optimizer == "muon":
        return Muon(_muon_groups(network, table, rate), momentum=table.momentum)
    groups = [
        {"params": parameters, "lr": rate * factor, "top": rate * factor, "weight_decay": decay}
        for factor, decay, parameters in _groups(network, table)
    ]
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    if table.optimizer == "sgd":
        nesterov = table.nesterov and table.momentum > 0
        return SGD(groups, momentum=table.momentum, nesterov=nesterov, fused=fused)
    return AdamW(groups, fused=fused)


def default_rate(network: Network, table: TrainingTable) -> float:
    return PRETRAINED_RATE if _tunes_with_adamw(network, table) else DEFAULT_RATE[table.optimizer]


def _tunes_with_adamw(network: Network, table: TrainingTable) -> bool:
    return table.optimizer == "adamw" and network.backbone.pretrained and not network.frozen


def _muon_groups(network: Network, table: TrainingTable, rate: float) -> Iterator[dict[str, Any]]:
    """Matrices and convolutions of the backbone turn, and those convolutions of the heads that have no bias,
    since a norm follows them; what gives the answers, biases, norms, and a transformer's positions and tokens
    are AdamW's.
    """
    inside = chain(network.backbone.modules(), network.branches.modules())
    layers: list[nn.Module] = [m for m in inside if isinstance(m, nn.Linear | nn.Conv2d)]
    layers += [m for m in network.heads.modules() if isinstance(m, nn.Conv2d) and m.bias is None]
    inner = {id(layer.weight) for layer in layers}
    for factor, decay, parameters in _groups(network, table):
        for is_matrix in (True, False):
            chosen = [parameter for parameter in parameters if (id(parameter) in inner) is is_matrix]
            top = rate * factor * (1.0 if is_matrix else BESIDE_MUON)
            if chosen:
                yield {"params": chosen, "lr": top, "top": top, "weight_decay": decay, "turns": is_matrix}


def _groups(network: Network, table: TrainingTable) -> Iterator[tuple[float, float, list[nn.Parameter]]]:
    """(factor of the rate, weight decay, parameters), every learning parameter once."""
    share = table.backbone_learning_rate_scale
    if share is None:
        share = PRETRAINED_SHARE if network.backbone.pretrained and table.optimizer != "adamw" else 1.0
    usual = PRETRAINED_DECAY if _tunes_with_adamw(network, table) else DEFAULT_DECAY
    wanted = usual if table.weight_decay is None else table.weight_decay
    stages = [stage for stage in network.backbone.stages() if list(stage.parameters())]
    factors = {id(p): share * table.layer_decay ** len(stages) for p in network.backbone.parameters()}
    for depth, stage in enumerate(stages):
        for parameter in stage.parameters():
            factors[id(parameter)] = share * table.layer_decay ** (len(stages) - 1 - depth)
    factors |= {id(p): share for p in network.branches.parameters()}  # copies of the last stage
    grouped: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            decay = wanted if parameter.ndim > 1 else 0.0
            grouped.setdefault((factors.get(id(parameter), 1.0), decay), []).append(parameter)
    for (factor, decay), parameters in grouped.items():
        yield factor, decay, parameters


def learning_rate_factor(
    step: int, steps: int, table: TrainingTable, changed: int = 0, share: float = 1.0
) -> float:
    """The share of the top rate in 0-based ``step`` of ``steps``: a linear warm-up, then a cosine to zero
    (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts), a straight line to zero or a constant.

    Args:
        changed: the step in which the training became longer or shorter, after a rate of ``share``. From
            there the rate is the one that a training of this length has; where it is higher, it climbs there
            in another warm-up, for a share of the steps that are left (as Gupta et al. 2023, arXiv
            2308.04014, found best for networks that learn on).
    """
    rate, climb = _planned_factor(step, steps, table), round(table.warmup * (steps - changed))
    if not changed or not changed <= step < changed + climb:
        return rate
    top = max(share, _planned_factor(changed + climb, steps, table))
    return min(rate, share + (top - share) * (step - changed + 1) / (climb + 1))


def _planned_factor(step: int, steps: int, table: TrainingTable) -> float:
    warmup = round(table.warmup * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if table.schedule == "constant":
        return 1.0
    if table.schedule == "linear":
        return 1 - (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def learning_rate_share(optimizer: torch.optim.Optimizer) -> float:
    """The share of the top rate that ``set_learning_rates`` gave last."""
    group = optimizer.param_groups[0]
    return min(1.0, float(group["lr"] / group["top"]))


def set_learning_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Every group's rate becomes ``share`` of its top rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["top"] * share
