"""The optimizer's groups, and how the learning rate goes up and down."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oneglance.backbone import build_backbone
from oneglance.config import BackboneTable, TrainingTable
from oneglance.data.record import Box, BoxAnnotations
from oneglance.detection.head import Conv
from oneglance.network import Network
from oneglance.task import build_tasks
from oneglance.training.optimizer import (
    BESIDE_MUON,
    PRETRAINED_SHARE,
    build_optimizer,
    learning_rate_factor,
    set_learning_rates,
)
from oneglance.training.optimizers.muon import Muon

BACKBONES: Mapping[str, dict[str, Any]] = {
    "small": {"name": "small", "options": {"width": 4, "depth": 2}},
    "resnet18": {"name": "resnet18", "weights": "none"},
    "vit_tiny_patch16_224": {"name": "vit_tiny_patch16_224", "weights": "none", "options": {"depth": 3}},
    "mobilenetv2_100": {"name": "mobilenetv2_100", "weights": "none"},
}
quick = settings(deadline=None, max_examples=50)
every_backbone = pytest.mark.parametrize("name", BACKBONES)
_made: dict[str, Network] = {}


def network(name: str) -> Network:
    if name not in _made:
        tasks = build_tasks({"amount": {"type": "number", "hidden": [4]}})
        tasks["amount"].fit_target([1.0, 2.0])
        _made[name] = Network(build_backbone(BackboneTable(size=32, **BACKBONES[name]), Path()), tasks)
    return _made[name]


def rates(found: Network, **settings: Any) -> dict[str, tuple[float, float]]:
    """Name of a parameter -> (rate, weight decay)."""
    optimizer = build_optimizer(found, TrainingTable(**settings))
    by_id = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    return {name: by_id[id(p)] for name, p in found.named_parameters() if id(p) in by_id}


@every_backbone
@pytest.mark.parametrize("kind", ["adamw", "sgd", "muon"])
def test_every_parameter_once(name: str, kind: str) -> None:
    optimizer = build_optimizer(network(name), TrainingTable(optimizer=kind, layer_decay=0.8))
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in network(name).parameters() if p.requires_grad)


@every_backbone
def test_no_decay_on_biases_and_norms(name: str) -> None:
    found = network(name)
    norms = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
    spared = {
        f"{place}.{own}"
        for place, module in found.named_modules()
        for own, parameter in module.named_parameters(recurse=False)
        if parameter.requires_grad and (isinstance(module, norms) or own == "bias")
    }
    decays = {parameter: decay for parameter, (_, decay) in rates(found, weight_decay=0.07).items()}
    assert spared and {decays[parameter] for parameter in spared} == {0.0}
    assert {decays[parameter] for parameter in decays.keys() - spared} == {0.07}


@every_backbone
def test_the_backbone_has_its_own_rate(name: str) -> None:
    found = rates(network(name), learning_rate=0.01, backbone_learning_rate_scale=0.5)
    for parameter, (rate, _) in found.items():
        assert rate == pytest.approx(0.005 if parameter.startswith("backbone.") else 0.01)


@pytest.mark.parametrize(
    ("optimizer", "pretrained", "share"),
    [("adamw", False, 1), ("adamw", True, 1), ("sgd", False, 1), ("sgd", True, PRETRAINED_SHARE)],
)
def test_a_pretrained_backbone_learns_slower_by_default_but_with_adamw(
    optimizer: str, pretrained: bool, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network("small").backbone, "pretrained", pretrained)
    found = rates(network("small"), optimizer=optimizer, learning_rate=0.01)
    assert found["backbone.parts.0.0.weight"][0] == pytest.approx(0.01 * share)
    assert found["heads.amount head.last.weight"][0] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("pretrained", "frozen", "rate", "decay"),
    [(False, False, 0.002, 0.05), (True, False, 0.001, 0.02), (True, True, 0.002, 0.05)],
)
def test_a_pretrained_backbone_that_learns_has_defaults_of_its_own(
    pretrained: bool, frozen: bool, rate: float, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network("small").backbone, "pretrained", pretrained)
    monkeypatch.setattr(network("small"), "frozen", frozen)
    assert rates(network("small"))["heads.amount head.last.weight"] == pytest.approx((rate, decay))
    own = rates(network("small"), learning_rate=0.3, weight_decay=0.0)
    assert own["heads.amount head.last.weight"] == pytest.approx((0.3, 0.0))


@every_backbone
def test_earlier_stages_learn_slower(name: str) -> None:
    found = network(name)
    told = rates(found, learning_rate=1, backbone_learning_rate_scale=0.5, layer_decay=0.5)
    by_id = {id(p): told[key][0] for key, p in found.named_parameters() if p.requires_grad}
    stages = [[p for p in stage.parameters() if p.requires_grad] for stage in found.backbone.stages()]
    steps = [{by_id[id(parameter)] for parameter in stage} for stage in stages if stage]
    assert steps == [{0.5 * 0.5**depth} for depth in reversed(range(len(steps)))]
    inside = {id(parameter) for stage in stages for parameter in stage}
    learning = [p for p in found.backbone.parameters() if p.requires_grad]
    outside = [p for p in learning if id(p) not in inside]  # a transformer's positions
    assert all(by_id[id(parameter)] < min(steps[0]) for parameter in outside)
    assert bool(outside) == name.startswith("vit")
    assert told["heads.amount head.last.weight"][0] == 1


def test_what_is_frozen_is_not_optimized() -> None:
    found = copy.deepcopy(network("small"))
    found.backbone.requires_grad_(False)
    assert rates(found) and all(name.startswith("heads.") for name in rates(found))


def test_defaults_and_settings_reach_the_optimizer() -> None:
    adamw = build_optimizer(network("small"), TrainingTable())
    assert isinstance(adamw, torch.optim.AdamW) and adamw.param_groups[0]["lr"] == 0.002
    table = TrainingTable(optimizer="sgd", momentum=0.8, nesterov=True)
    sgd = build_optimizer(network("small"), table)
    assert isinstance(sgd, torch.optim.SGD)
    group = sgd.param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"]) == (0.05, 0.8, True)
    plain = build_optimizer(network("small"), TrainingTable(optimizer="sgd", momentum=0))
    assert plain.param_groups[0]["nesterov"] is False
    muon = build_optimizer(network("small"), TrainingTable(optimizer="muon", momentum=0.7))
    assert isinstance(muon, Muon) and {group["momentum"] for group in muon.param_groups} == {0.7}


@every_backbone
def test_muon_turns_the_layers_of_the_backbone_and_not_those_that_answer(name: str) -> None:
    found = network(name)
    optimizer = build_optimizer(
        found, TrainingTable(optimizer="muon", learning_rate=0.5, backbone_learning_rate_scale=0.2)
    )
    turned = {id(p) for group in optimizer.param_groups if group["turns"] for p in group["params"]}
    layers = [m.weight for m in found.backbone.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert turned == {id(weight) for weight in layers if weight.requires_grad}
    heads = {id(parameter) for parameter in found.heads.parameters()}
    for group in optimizer.param_groups:
        rate = 0.5 * (1 if group["turns"] else BESIDE_MUON)
        of_head = bool(heads & {id(parameter) for parameter in group["params"]})
        assert group["lr"] == group["top"] == pytest.approx(rate if of_head else 0.2 * rate)


def test_muon_turns_what_a_norm_follows_within_a_detector() -> None:
    """It keeps the size of a matrix, which counts where no norm follows: there the answers are given."""
    tasks = build_tasks({"thing": {"type": "boxes", "width": 8, "levels": 2}})
    tasks["thing"].fit_target([BoxAnnotations((Box(4, 4, 20, 20, "apple"),))])
    found = Network(build_backbone(BackboneTable(size=32, **BACKBONES["small"]), Path()), tasks)
    groups = build_optimizer(found, TrainingTable(optimizer="muon")).param_groups
    turned = {id(p) for group in groups if group["turns"] for p in group["params"]}
    within = [m[0].weight for m in found.heads.modules() if isinstance(m, Conv)]
    assert len(within) > 5
    assert turned & {id(p) for p in found.heads.parameters()} == {id(weight) for weight in within}


def test_set_rate_is_a_share_of_each_groups_top() -> None:
    optimizer = build_optimizer(
        network("small"), TrainingTable(learning_rate=0.4, backbone_learning_rate_scale=0.5)
    )
    for _ in range(2):  # of the top, not of the rate before
        set_learning_rates(optimizer, 0.25)
        assert {group["lr"] for group in optimizer.param_groups} == {0.1, 0.05}


schedules = st.builds(
    TrainingTable, warmup=st.floats(0, 0.99), schedule=st.sampled_from(["cosine", "linear", "constant"])
)


@quick
@given(schedules, st.integers(1, 400))
def test_the_rate_rises_once_and_falls_once(table: TrainingTable, steps: int) -> None:
    found = [learning_rate_factor(step, steps, table) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in found)
    warmup = round(table.warmup * steps)
    rising, falling = found[: warmup + 1], found[warmup:]
    assert rising == sorted(set(rising))
    assert falling == sorted(falling, reverse=True)
    if falling:
        assert falling[0] == 1
    if table.schedule == "constant":
        assert set(falling) <= {1}


def test_the_warm_up_is_a_line_and_the_fall_a_cosine() -> None:
    table = TrainingTable(warmup=0.2)
    found = [learning_rate_factor(step, 50, table) for step in range(51)]
    assert found[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert found[10] == 1
    assert found[30] == pytest.approx(0.5)  # half way down
    assert found[20] + found[40] == pytest.approx(1)  # the two halves mirror each other
    assert found[50] == pytest.approx(0)


def test_a_straight_line_goes_to_zero() -> None:
    table = TrainingTable(warmup=0, schedule="linear")
    assert [learning_rate_factor(step, 4, table) for step in range(5)] == pytest.approx(
        [1, 0.75, 0.5, 0.25, 0]
    )
