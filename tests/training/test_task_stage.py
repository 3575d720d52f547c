"""[training] task_stage: a task with the backbone's last stage for itself."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from support.toy import PLAIN, SIZE, begin, learner, train

from oneglance.backbone import Backbone, Features, build_backbone
from oneglance.config import BackboneTable
from oneglance.errors import ConfigError
from oneglance.network import Network, copy_stages
from oneglance.storage.run_folder import RunFolder
from oneglance.training.data_loader import Batch
from oneglance.training.optimizer import build_optimizer
from oneglance.training.trainer import Trainer

PRIVATE = 'training.task_stage=["weight"]'
PARTED = ["small", "mobilenetv2_050", "resnet18", "convnext_atto", "regnety_002"]


def one_batch(trainer: Trainer) -> Batch:
    return next(trainer.loaders[0].in_order())


def grey(seed: int = 0, count: int = 3) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(seed)
    ).float()


def table(name: str) -> BackboneTable:
    options = {"width": 4, "depth": 2} if name == "small" else {}
    return BackboneTable(name=name, weights="none", size=64, options=options)


def backbone(name: str) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(table(name), Path())


@pytest.mark.parametrize("name", PARTED)
@pytest.mark.parametrize("maps", [True, False])
def test_a_branch_starts_the_same_and_goes_its_own_way(name: str, maps: bool) -> None:
    parted = backbone(name)
    parted.gives_maps, parted.gives_below = maps, True
    stage = parted.copy_last_stage()
    assert parted.training and stage.training and parted.gives_below
    x = torch.rand(2, 3, 64, 64)
    parted.eval(), stage.eval()
    ours = parted(x)
    theirs = Features(*stage(ours))
    torch.testing.assert_close(theirs.vector, ours.vector, rtol=1e-4, atol=1e-5)
    assert len(theirs.maps) == len(ours.maps)
    for own, shared in zip(theirs.maps, ours.maps, strict=True):
        torch.testing.assert_close(own, shared, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        for parameter in stage.parameters():
            parameter.mul_(1.5)
    assert not torch.allclose(Features(*stage(ours)).vector, ours.vector)
    torch.testing.assert_close(parted(x).vector, ours.vector)


@pytest.mark.parametrize("name", PARTED)
def test_a_branch_is_a_part_of_the_backbone(name: str) -> None:
    parted = backbone(name)
    size = sum(p.numel() for p in parted.copy_last_stage().parameters())
    assert 0 < size < sum(p.numel() for p in parted.parameters())


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "classical"])
def test_a_backbone_that_cannot_be_parted_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match="last stage"):
        copy_stages(backbone(name), ["a"], ["a"])


def test_an_unknown_task_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'task_stage names "wieght".*weight'):
        begin(tmp_path / "run", 'training.task_stage=["wieght"]')


def test_the_others_are_left_alone(tmp_path: Path) -> None:
    """Only its own loss reaches a task-specific stage, and it does not reach the shared one."""
    found = learner(tmp_path / "run", PRIVATE, "training.weight_decay=0")
    network = found.network.eval()
    raw = network(grey())
    raw["weight"].sum().backward()
    last = [parameter for parameter in network.backbone.parts[-1].parameters() if parameter.requires_grad]  # type: ignore[index, union-attr]
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in last)
    assert all(p.grad is not None for p in network.branches.parameters() if p.requires_grad)
    assert any(p.grad is not None for p in network.backbone.parameters())


@pytest.mark.parametrize("balancer", ["equal", "upgrad"])
def test_looking_changes_no_gradient(tmp_path: Path, balancer: str) -> None:
    trainer = begin(tmp_path / "run", *PLAIN, PRIVATE, f'training.balancer="{balancer}"')
    found, batch = trainer.learner, one_batch(trainer)
    told = []
    for updates in (0, 1):
        found.position.updates = updates
        torch.manual_seed(0)
        found.backward(batch.pictures.float(), batch.targets, None)
        told.append({n: p.grad.clone() for n, p in found.network.named_parameters() if p.grad is not None})
    assert any(name.startswith("branches") for name in told[0])
    assert told[0].keys() == told[1].keys()
    for name, gradient in told[0].items():
        torch.testing.assert_close(gradient, told[1][name], rtol=1e-4, atol=1e-6)


def test_it_learns_at_the_rate_of_the_last_stage(tmp_path: Path) -> None:
    trainer = begin(
        tmp_path / "run", PRIVATE, "training.backbone_learning_rate_scale=0.5", "training.layer_decay=0.1"
    )
    network = trainer.learner.network
    rates = {
        id(parameter): group["top"]
        for group in build_optimizer(network, trainer.config.training).param_groups
        for parameter in group["params"]
    }
    own = {rates[id(p)] for p in network.branches.parameters() if p.requires_grad}
    assert own == {rates[id(p)] for p in network.backbone.parts[-1].parameters() if p.requires_grad}  # type: ignore[index, union-attr]
    assert list(own) == [pytest.approx(0.005)]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("freeze", ["true", "false"])
def test_a_run_is_trained_and_read_again(tmp_path: Path, optimizer: str, freeze: str) -> None:
    path = tmp_path / "run"
    overrides = (PRIVATE, f"backbone.freeze={freeze}", f"training.optimizer={optimizer}")
    trained = train(path, *overrides, stops=[2])
    run = RunFolder.open(path)
    config = run.config()
    network = run.network(config, run.tasks(config))
    assert list(network.branches) == ["weight stage"]
    network.frozen = trained.learner.network.frozen
    with torch.inference_mode():
        ours, theirs = trained.learner.average(grey()), network(grey())
    for name, raw in ours.items():
        np.testing.assert_allclose(theirs[name], raw, rtol=1e-4, atol=1e-5)
    moved = network.branches["weight stage"].state_dict()
    shared = network.backbone.parts[-1].state_dict()  # type: ignore[index, union-attr]
    assert any(not torch.equal(moved[f"part.{name}"], value) for name, value in shared.items())


def test_a_copy_of_the_network_stands_alone(tmp_path: Path) -> None:
    network = learner(tmp_path / "run", PRIVATE).network.eval()
    twin = copy.deepcopy(network)
    before = network(grey())["weight"]
    with torch.no_grad():
        for parameter in twin.branches.parameters():
            parameter.zero_()
    torch.testing.assert_close(network(grey())["weight"], before)
    assert isinstance(twin, Network)
