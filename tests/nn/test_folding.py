"""Batch norms in convolutions: the same answers, and where order deceives, nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from oneglance.config import BackboneTable
from oneglance.network import build_network
from oneglance.nn.folding import folded
from oneglance.task import build_tasks


def settle(network: nn.Module) -> None:
    """Statistics and scales as after a training."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
    network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])  # norms with activations, and without
@torch.no_grad()
def test_a_network_answers_alike_without_its_norms(name: str) -> None:
    tasks = build_tasks({"kind": {"type": "label"}})
    tasks["kind"].fit_target(["a", "b", "c"])
    network = build_network(BackboneTable(name=name, weights="none", size=64), tasks, Path())
    settle(network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pictures = torch.randint(0, 256, (2, 3, 64, 64)).float()
    other = folded(network, lambda one: one.forward_with_features(pictures[:1]))
    assert norms(network) > 15 and norms(other.backbone) == 0
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    ours, theirs = network(pictures), other(pictures)
    for task, value in ours.items():
        torch.testing.assert_close(theirs[task], value, rtol=1e-3, atol=1e-4 * float(value.abs().max()))


class Deceiving(nn.Module):
    """Has a norm after a convolution, but applies something in between, or both in another order."""

    def __init__(self, between: bool) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.between = between

    def forward(self, pictures: Tensor) -> Tensor:
        values: Tensor = self.conv(pictures)
        return self.norm(values.relu() if self.between else values)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("between", "same"), [(False, False), (True, True)])
def test_what_is_applied_in_another_order_stays_as_it_is(between: bool, same: bool) -> None:
    network = Deceiving(between)
    settle(network)
    pictures = torch.rand(1, 3, 8, 8)
    assert (folded(network, lambda one: one(pictures)) is network) is same


def test_a_norm_in_two_places_stays() -> None:
    norm = nn.BatchNorm2d(3)
    network = nn.Sequential(nn.Conv2d(3, 3, 3), norm, nn.Conv2d(3, 3, 3), norm)
    settle(network)
    pictures = torch.rand(1, 3, 8, 8)
    assert folded(network, lambda one: one(pictures)) is network


def test_nothing_to_fold_is_no_copy() -> None:
    network = nn.Sequential(nn.Linear(3, 3)).eval()
    assert folded(network, lambda one: one(torch.rand(1, 3))) is network
