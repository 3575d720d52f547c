"""What a batch takes, and that a training keeps below what is free."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.toy import PLAIN, begin

from oneglance.errors import ConfigError
from oneglance.progress import Screen
from oneglance.training.learner import Learner
from oneglance.training.resources import batch_memory
from oneglance.training.resources.batch_memory import BatchMemory, measured, no_memory


class Heard(Screen):
    """A screen that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def limited(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(batch_memory, "free", lambda device: size)


def test_the_fewest_parts_that_fit() -> None:
    need = BatchMemory(fixed=10, backbone=100, heads=1, features=2)
    assert need.of(32, 1) == 10 + 3200 + 32
    assert need.of(32, 4) == 10 + 800 + 32 + 64
    assert need.parts(32, 4000) == 1
    assert need.parts(32, 1000) == 4
    assert need.parts(32, 310) == 16
    assert need.parts(32, 300) is None


def test_it_is_told_from_few_pictures_what_many_take(tmp_path: Path) -> None:
    learner = begin(tmp_path / "run", *PLAIN).learner
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    need = measured(learner.network, torch.rand(1, 3, 16, 16), 4, "fp32")
    assert all(torch.equal(value, before[name]) for name, value in learner.network.state_dict().items())
    with batch_memory.kept_for_backward() as kept:
        learner.network(torch.rand(24, 3, 16, 16))
    assert sum(kept.values()) < 24 * (need.backbone + need.heads) < 2.2 * sum(kept.values())
    assert 24 * need.backbone > 0.7 * sum(kept.values())


def test_a_training_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Heard()
    trainer = begin(tmp_path / "run", "training.batch=24", "training.epochs=1", screen=screen)
    need = measured(trainer.learner.network, torch.rand(1, 3, 16, 16), 4, "fp32")
    limited(monkeypatch, need.of(24, 4))
    trainer.run()
    assert trainer.learner.parts == 4
    assert [line for line in screen.lines if line.startswith("batches of 24 in 4 parts: ")]
    assert trainer.folder.read_json("environment.json")["batch_parts"] == 4
    assert trainer.folder.finished


def test_where_all_fits_nothing_is_said(tmp_path: Path) -> None:
    screen = Heard()
    trainer = begin(tmp_path / "run", "training.epochs=1", screen=screen)
    trainer.run()
    assert trainer.learner.parts == 1
    assert not [line for line in screen.lines if "parts" in line]


def test_what_does_not_fit_at_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = begin(tmp_path / "run", "training.batch=24")
    need = measured(trainer.learner.network, torch.rand(1, 3, 16, 16), 4, "fp32")
    limited(monkeypatch, need.of(4, 2))
    with pytest.raises(ConfigError, match=r"24 pictures take .* even a few at a time") as caught:
        trainer.run()
    assert caught.value.hint == "take fewer pictures in a step: --set training.batch=4"
    limited(monkeypatch, 1000)
    with pytest.raises(ConfigError) as caught:
        trainer.run()
    assert "fewer pixels" in caught.value.hint


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: not enough memory"),
        MemoryError(),
    ],
)
def test_an_allocator_that_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    trainer = begin(tmp_path / "run")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Learner, "update", fail)
    with pytest.raises(ConfigError, match="memory does not suffice"):
        trainer.run()


def test_other_errors_are_not_about_memory() -> None:
    assert not no_memory(RuntimeError("shapes do not match"))
