"""[training] task_stage = {task = "adapter"}: a small part of a task's own before its head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toy import CONFIG, SIZE, begin, learner, results, train

import oneglance
from oneglance import config as configuration
from oneglance.backbone import Features, build_backbone
from oneglance.config import BackboneTable
from oneglance.data.record import Box, BoxAnnotations
from oneglance.errors import ConfigError
from oneglance.network import Network
from oneglance.nn.adapter import Adapter, Bottleneck
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import build_tasks
from oneglance.training.optimizer import build_optimizer

ADAPTED = 'training.task_stage={weight="adapter"}'


def grey(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).float()


def boxed(name: str, size: int, task_stage: dict[str, str]) -> Network:
    torch.manual_seed(0)
    tasks = build_tasks({"kind": {"type": "label"}, "things": {"type": "boxes", "levels": 1}})
    tasks["kind"].fit_target(["a", "b"])
    tasks["things"].fit_target([BoxAnnotations((Box(2, 2, 12, 12, "apple"),))])
    options = {"width": 4, "depth": 2} if name == "small" else {}
    table = BackboneTable(name=name, weights="none", size=size, options=options)
    return Network(build_backbone(table, Path()), tasks, task_stage=task_stage).eval()


@pytest.mark.parametrize("channels", [1, 7, 64])
def test_a_bottleneck_starts_as_the_identity_and_learns(channels: int) -> None:
    found, x = Bottleneck(channels), torch.randn(2, channels, 3, 5)
    assert found(x).equal(x)
    for _ in range(2):  # in the first step the way down has no gradient yet
        found.zero_grad()
        found(x).square().sum().backward()
        with torch.no_grad():
            for parameter in found.parameters():
                assert parameter.grad is not None
                parameter.sub_(0.01 * parameter.grad)
    assert all(parameter.grad.abs().sum() > 0 for parameter in found.parameters())  # type: ignore[union-attr]
    assert not found(x).equal(x)


@pytest.mark.parametrize(
    ("name", "size"), [("small", 16), ("mobilenetv2_050", 64), ("vit_tiny_patch16_224", 64)]
)
def test_it_fits_any_backbone_and_changes_nothing_at_first(name: str, size: int) -> None:
    network = boxed(name, size, {"kind": "adapter", "things": "adapter"})
    assert list(network.adapters) == ["kind adapter", "things adapter"] and not network.branches
    x = torch.randint(0, 256, (2, 3, size, size)).float()
    features = network.features(x)
    with_them = network.answer(features)
    adapters, network.adapters = network.adapters, torch.nn.ModuleDict()
    for task, raw in network.answer(features).items():
        assert raw.equal(with_them[task]), task
    network.adapters = adapters
    added = sum(parameter.numel() for parameter in adapters.parameters())
    assert 0 < added < sum(parameter.numel() for parameter in network.backbone.parameters())


@pytest.mark.parametrize("task", ["kind", "things"])
def test_it_is_the_task_s_own(task: str) -> None:
    network = boxed("small", 16, {task: "adapter"})
    x = torch.randint(0, 256, (2, 3, 16, 16)).float()
    before = network(x)
    with torch.no_grad():
        for parameter in network.adapters.parameters():
            parameter.add_(0.5)
    after = network(x)
    assert {name for name in before if not torch.allclose(before[name], after[name])} == {task}


def test_it_changes_what_the_task_looks_at_alone() -> None:
    shape = boxed("small", 16, {}).backbone.shape
    features = Features(torch.rand(2, shape.vector), tuple(torch.rand(2, *level[:3]) for level in shape.maps))
    of_vector, of_maps = Adapter(shape, spatial=False), Adapter(shape, spatial=True)
    for adapter in (of_vector, of_maps):
        for parameter in adapter.parameters():
            torch.nn.init.constant_(parameter, 0.3)
    seen, on_canvas = of_vector(features), of_maps(features)
    assert seen.maps is features.maps and not seen.vector.equal(features.vector)
    assert on_canvas.vector is features.vector
    assert all(not new.equal(old) for new, old in zip(on_canvas.maps, features.maps, strict=True))


def test_a_stage_and_an_adapter_stand_beside_each_other(tmp_path: Path) -> None:
    network = learner(tmp_path / "run", 'training.task_stage={weight="adapter", kind="stage"}').network
    assert (list(network.branches), list(network.adapters)) == (["kind stage"], ["weight adapter"])


def test_it_learns_at_the_rate_of_the_heads_also_with_muon(tmp_path: Path) -> None:
    """Muon keeps the size of a matrix: one that starts at zero would stay there."""
    for optimizer in ("adamw", "muon"):
        extra = (ADAPTED, "training.backbone_learning_rate_scale=0.5", f"training.optimizer={optimizer}")
        trainer = begin(tmp_path / optimizer, *extra)
        network = trainer.learner.network
        groups = build_optimizer(network, trainer.config.training).param_groups
        rates = {
            id(p): (group["top"], group.get("turns", False)) for group in groups for p in group["params"]
        }
        of_heads = {rates[id(parameter)] for parameter in network.heads.parameters()}
        assert {rates[id(parameter)] for parameter in network.adapters.parameters()} == of_heads


@pytest.mark.parametrize("overrides", [("backbone.freeze=true",), ("training.optimizer=muon",), ()])
def test_a_run_is_trained_and_read_again(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    path = tmp_path / "run"
    trained = train(path, ADAPTED, *overrides, stops=[2])
    run = RunFolder.open(path)
    config = run.config()
    network = run.network(config, run.tasks(config))
    assert list(network.adapters) == ["weight adapter"]
    with torch.inference_mode():
        ours, theirs = trained.learner.average(grey()), network(grey())
    for name, raw in ours.items():
        np.testing.assert_allclose(theirs[name], raw, rtol=1e-4, atol=1e-5)
    assert all(p.abs().sum() > 0 for p in network.adapters.parameters())


@pytest.mark.slow  # an export and its comparison
def test_the_exported_file_answers_alike(tmp_path: Path) -> None:
    """Which ``export`` sees for itself before it writes."""
    path = tmp_path / "run"
    train(path, ADAPTED)
    told = oneglance.export(path, screen=Screen())
    assert told["drawn"] and max(told["disagreement"].values()) < 1e-4


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    train(tmp_path / "whole", ADAPTED)
    train(tmp_path / "parts", ADAPTED, stops=[2, 3])
    assert results(tmp_path / "whole") == results(tmp_path / "parts")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{wieght="adapter"}', r'names "wieght".*weight'),
        ('{weight="adaptor"}', r'task_stage holds "adaptor" — write "stage" or "adapter"'),
        ("3", "task_stage is 3 — write a list in .* or a table"),
    ],
)
def test_what_means_nothing_is_told(tmp_path: Path, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        begin(tmp_path / "run", f"training.task_stage={value}")


def test_it_is_written_as_a_table() -> None:
    text = CONFIG + '\n[training.task_stage]\nweight = "adapter"\n'
    found: Any = configuration.parse(text, base=Path()).training.task_stage
    assert found == {"weight": "adapter"}
