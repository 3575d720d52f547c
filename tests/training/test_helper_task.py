"""A task with weight 0 is declared only because another is about its answers: it learns nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toy import CONFIG, begin, learner

from oneglance import config as configuration
from oneglance.errors import ConfigError
from oneglance.tasks.label import Label
from oneglance.training.preparation.early_checks import refuse_impossible

HELPER = "tasks.kind.weight=0"


@pytest.mark.parametrize("method", ["equal", "log_sum", "pcgrad"])
def test_its_head_does_not_move(tmp_path: Path, method: str) -> None:
    trainer = begin(tmp_path / "run", HELPER, "tasks.verdict.uses=[]", f"training.balancer={method}")
    heads = trainer.learner.network.heads
    before = {name: [parameter.clone() for parameter in head.parameters()] for name, head in heads.items()}
    trainer.run()
    moved = {
        name: any(not torch.equal(was, now) for was, now in zip(before[name], head.parameters(), strict=True))
        for name, head in heads.items()
    }
    assert moved == {"kind head": False, "weight head": True, "style head": True, "verdict head": True}
    assert trainer.folder.finished


def test_its_loss_is_never_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = begin(tmp_path / "run", HELPER, "training.epochs=1")
    kind, loss = trainer.tasks["kind"], Label.loss

    def checked(self: Label, raw: Any, target: Any) -> Any:
        assert self is not kind, "a loss that nobody needs"
        return loss(self, raw, target)

    monkeypatch.setattr(Label, "loss", checked)
    trainer.run()
    (row,) = trainer.history
    assert row["loss"]["kind"] is None and row["loss"]["verdict"] is not None


def test_the_others_have_the_weight_that_they_had_beside_it(tmp_path: Path) -> None:
    """So that a training with a task of tiny weight, and one with weight 0, are alike."""
    tiny = learner(tmp_path / "tiny", "tasks.kind.weight=1e-9", "tasks.verdict.uses=[]")
    none = learner(tmp_path / "none", HELPER, "tasks.verdict.uses=[]")
    trainers = {"tiny": tiny, "none": none}
    grads = {}
    for name, each in trainers.items():
        batch = next(begin(tmp_path / f"{name} batch", HELPER).loaders[0].in_order())
        torch.manual_seed(0)
        each.backward(batch.pictures.float(), batch.targets, None)
        grads[name] = {
            key: parameter.grad
            for key, parameter in each.network.named_parameters()
            if parameter.grad is not None and not key.startswith("heads.kind")
        }
    assert grads["tiny"].keys() == grads["none"].keys()
    for key, gradient in grads["tiny"].items():
        torch.testing.assert_close(gradient, grads["none"][key], rtol=1e-4, atol=1e-7)


def test_it_does_not_choose_the_epoch(tmp_path: Path) -> None:
    validation = begin(tmp_path / "run", HELPER).validation
    scores = {name: {task.primary_metric: 0.7} for name, task in validation.tasks.items()}
    good, bad = scores | {"kind": {"accuracy": 1.0}}, scores | {"kind": {"accuracy": 0.0}}
    assert validation.skill(good) == validation.skill(bad)
    assert np.isfinite(validation.skill(good))


def test_nothing_to_learn_is_refused() -> None:
    changes = [f"tasks.{name}.weight=0" for name in ("kind", "weight", "style", "verdict")]
    config = configuration.parse(CONFIG, base=Path(), overrides=changes)
    with pytest.raises(ConfigError, match="gives every task the weight 0, so there is nothing to learn"):
        refuse_impossible(config)
