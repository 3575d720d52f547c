"""Trainings on a Ray cluster: one of several processes, and several beside each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch.distributed as dist
from support.ray_nodes import two_nodes
from support.user import home, trained  # noqa: F401

from oneglance.config import load
from oneglance.evaluation.comparison.on_ray import Trainer, Training
from oneglance.parallel.ray_cluster import own_version
from oneglance.storage.run_folder import RunFolder
from oneglance.training.distributed.process_group import ranks_of_environment

RECIPE = """
import oneglance
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer

TorchTrainer(
    lambda: oneglance.train({config!r}, out={out!r}),
    scaling_config=ScalingConfig(num_workers=2, resources_per_worker={{"CPU": 1}}),
).fit()
"""


def test_a_group_that_is_there_is_used_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=2)
    try:
        with ranks_of_environment() as ranks:
            assert (ranks.number, ranks.count) == (1, 2)
        assert dist.is_initialized()
    finally:
        dist.destroy_process_group()


def test_an_actor_says_what_is_wrong(home: Path) -> None:  # noqa: F811
    config = load("oneglance.toml")
    nowhere = Trainer(config, Path("runs"), str(home / "none"), own_version())
    name, error = nowhere.train(Training("a", config))
    assert name == "a" and "is not there on a machine of the cluster" in str(error)
    _, error = Trainer(config, Path("runs"), str(home), "0").train(Training("a", config))
    assert "install the same everywhere" in str(error)


@pytest.mark.skipif(find_spec("ray") is None, reason='needs Ray: pip install "oneglance[ray]"')
@pytest.mark.slow  # a cluster of two nodes, and eight processes that import torch: 40 s on a quiet machine
def test_a_cluster_of_two_machines(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:  # noqa: F811
    given = (home / "oneglance.toml").read_text()
    dropped = given.index("[tasks.shapes]"), given.index("[backbone]")
    (home / "two.toml").write_text(given[: dropped[0]] + given[dropped[1] :])
    words = [sys.executable, "-m", "oneglance", "compare", "two.toml", "--only", "joint,single"]
    words += ["--seeds", "1", "--set", "training.epochs=1", "--json", "--out"]
    recipe = RECIPE.format(config=str(home / "two.toml"), out=str(home / "runs/shared"))
    plain = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with two_nodes(tmp_path_factory.mktemp("r")) as environment:
        compared = subprocess.run([*words, "c", "--ray"], env=environment, capture_output=True, text=True)
        assert compared.returncode == 0, compared.stderr
        shared = subprocess.run(
            [sys.executable, "-c", recipe], env=environment, capture_output=True, text=True
        )
        assert shared.returncode == 0, shared.stderr
    assert "3 trainings, 2 at the same time" in compared.stderr
    run = RunFolder.open(home / "runs/shared")
    assert run.finished and len(run.history()) == 2
    alone = subprocess.run([*words, "d"], env=plain, capture_output=True, text=True)
    here, there = json.loads(alone.stdout), json.loads(compared.stdout)
    for name, entry in here["tasks"].items():
        for arm in ("joint", "single"):
            assert there["tasks"][name][arm] == entry[arm]
    assert any("on a cluster" in note for note in there["notes"])
    assert not any("on a cluster" in note for note in here["notes"])
