"""A batch in parts teaches what the whole batch does."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from support.toy import PLAIN, begin
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from oneglance.balancer import names
from oneglance.training.data_loader import Batch
from oneglance.training.learner import Learner
from oneglance.training.task_gradients import EVERY

STILL = (*PLAIN, "tasks.style.dropout=0", "training.batch=24")
STEPS = 3


def taught(folder: Path, parts: int, *overrides: str, evaluating: bool = True, first: int = 0) -> Learner:
    """A learner after a few steps on whole batches, from step ``first`` on."""
    trainer = begin(folder / str(parts), *STILL, *overrides)
    learner, batches = trainer.learner, trainer.loaders[0]
    if evaluating:  # batch norms take their kept statistics
        learner.network.eval()
        learner.network.train = lambda mode=True: learner.network  # type: ignore[method-assign]
    learner.parts, learner.position.updates = parts, first
    for epoch in range(STEPS):
        (batch,) = batches.shuffled(0, epoch)
        learner.update(Batch(batch.pictures, copy.deepcopy(batch.targets)), 100)
    return learner


def weights(learner: Learner) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in learner.network.named_parameters()}


@pytest.mark.parametrize("balancer", names())
@pytest.mark.parametrize("parts", [5])
def test_the_weights_are_those_of_the_whole_batch(tmp_path: Path, balancer: str, parts: int) -> None:
    overrides = f"training.balancer={balancer}", "training.optimizer=sgd"
    whole, few = (taught(tmp_path, each, *overrides) for each in (1, parts))
    start = begin(tmp_path / "start", *STILL).learner
    moved = 0.0
    for name, weight in weights(few).items():
        torch.testing.assert_close(weight, weights(whole)[name], rtol=1e-3, atol=1e-5, msg=name)
        moved = max(moved, float((weight - weights(start)[name]).abs().max()))
    assert moved > 1e-3
    assert few.balancer.state().keys() == whole.balancer.state().keys()


def test_gradients_are_watched_alike(tmp_path: Path) -> None:
    whole, few = (taught(tmp_path, each, first=EVERY) for each in (1, 3))
    assert whole.monitor.sums.abs().sum() > 0
    torch.testing.assert_close(few.monitor.sums, whole.monitor.sums, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.task_stage=['weight']",),
        ("augment.mixup=0.4", "augment.flip=true", "augment.erase=0.5"),
        ("training.task_stage={kind = 'adapter'}", "training.balancer=upgrad"),
    ],
)
def test_own_stages_and_changed_pictures(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    whole, few = (taught(tmp_path, each, "training.optimizer=sgd", *overrides) for each in (1, 4))
    for name, weight in weights(few).items():
        torch.testing.assert_close(weight, weights(whole)[name], rtol=1e-3, atol=1e-5, msg=name)


def test_a_frozen_backbone_stays(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run", *STILL)
    learner = trainer.learner
    learner.network.freeze()
    learner.parts = 4
    before = copy.deepcopy(learner.network.backbone.state_dict())
    (batch,) = trainer.loaders[0].shuffled(0, 0)
    learner.update(batch, 100)
    assert all(
        torch.equal(value, before[key]) for key, value in learner.network.backbone.state_dict().items()
    )


def test_statistics_follow_the_whole_batch(tmp_path: Path) -> None:
    """Not twice for two passes, nor once for each part."""
    still = "training.learning_rate=1e-9"
    whole, few = (taught(tmp_path, each, still, evaluating=False) for each in (1, 3))
    pairs = zip(whole.network.backbone.modules(), few.network.backbone.modules(), strict=True)
    norms = [(a, b) for a, b in pairs if isinstance(a, _BatchNorm) and isinstance(b, _BatchNorm)]
    assert norms
    first = norms[0]
    assert first[0].running_mean is not None and first[1].running_mean is not None
    torch.testing.assert_close(first[1].running_mean, first[0].running_mean, rtol=0.05, atol=0.02)
    assert first[0].momentum == first[1].momentum
