"""A training that becomes longer: from a checkpoint, or from a run that was finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support import toy
from support.toy import begin, hidden_files, results, train

from oneglance.config import TrainingTable
from oneglance.errors import RunError, StoppedError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.optimizer import learning_rate_factor
from oneglance.training.trainer import Trainer

STEADY = ("training.schedule=constant", "training.warmup=0", "augment.rest=0")  # no step knows of the end


class Crash(BaseException):
    """The end of a process that had no time to write anything."""


def longer(folder: Path, *overrides: str, screen: Screen | None = None) -> Trainer:
    """The run in ``folder``, about to go on with these changes."""
    run = RunFolder.open(folder)
    found = toy.trainer(run, run.config().with_changes(overrides), screen)
    found.go_on()
    return found


@pytest.mark.parametrize("stop", [3, 4])
def test_where_the_rate_is_constant_nothing_tells_that_it_was_shorter(tmp_path: Path, stop: int) -> None:
    train(tmp_path / "whole", *STEADY)
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", *STEADY, "training.epochs=2", screen=toy.Interrupter(stop)).run()
    longer(tmp_path / "run", "training.epochs=3").run()
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_a_training_that_became_longer_can_be_stopped_anywhere(tmp_path: Path) -> None:
    for name in ("whole", "run"):
        with pytest.raises(StoppedError):
            begin(tmp_path / name, "training.epochs=2", screen=toy.Interrupter(4)).run()
    longer(tmp_path / "whole", "training.epochs=4").run()
    stopped = longer(tmp_path / "run", "training.epochs=4", screen=toy.Interrupter(3))
    with pytest.raises(StoppedError):
        stopped.run()
    longer(tmp_path / "run").run()
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_a_shorter_one_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", screen=toy.Interrupter(7)).run()
    longer(tmp_path / "run", "training.epochs=1").run()
    assert RunFolder(tmp_path / "run").finished
    assert len(results(tmp_path / "run")["history"]) == 2


# A finished one.


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is left of three epochs that became six, in one go."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(folder)
    longer(folder, "training.epochs=6").run()
    return results(folder)


def test_it_goes_on_from_the_weights_that_it_kept(tmp_path: Path) -> None:
    trainer = train(tmp_path / "run")
    kept = trainer.folder.network_tensors()
    going = longer(tmp_path / "run", "training.epochs=6")
    for network in (going.learner.network, going.learner.average):
        found = network.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in kept.items())
    assert (going.selection.epoch, going.selection.validation) == (
        trainer.selection.epoch,
        trainer.selection.validation,
    )
    assert not going.folder.finished


@pytest.mark.slow  # a training for each step
def test_stopped_after_any_step(tmp_path: Path, whole: dict[str, Any]) -> None:
    assert [row["epoch"] for row in whole["history"]] == [1, 2, 3, 4, 5, 6]
    for stop in range(1, 9, 3):
        folder = tmp_path / f"after {stop}"
        train(folder)
        with pytest.raises(StoppedError):
            longer(folder, "training.epochs=6", screen=toy.Interrupter(stop)).run()
        longer(folder).run()
        assert results(folder) == whole


@pytest.mark.parametrize("said", [(), ("training.epochs=6",)], ids=["resumed", "same command"])
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", ["save_checkpoint", "change", "reopen"])
def test_killed_before_it_went_on(
    tmp_path: Path,
    whole: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    written: bool,
    said: tuple[str, ...],
) -> None:
    train(tmp_path / "run")
    three, write = results(tmp_path / "run"), getattr(RunFolder, method)

    def crash(*args: object) -> None:
        if written:
            write(*args)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, method, crash)
        with pytest.raises(Crash):
            longer(tmp_path / "run", "training.epochs=6")
    run = RunFolder(tmp_path / "run")
    if run.finished and not said:
        assert results(tmp_path / "run") == three, "nothing has happened to it"
        return
    longer(tmp_path / "run", *said).run()
    assert results(tmp_path / "run") == whole
    assert hidden_files(tmp_path / "run") == []


def test_patience_counts_anew(tmp_path: Path) -> None:
    """A run that ended by it would otherwise end again at once."""
    ending = ("training.patience=1", "training.learning_rate=1e-30", "training.epochs=9")
    train(tmp_path / "run", *ending)
    done = len(RunFolder(tmp_path / "run").history())
    assert done < 9
    longer(tmp_path / "run", "training.patience=2").run()
    assert done < len(RunFolder(tmp_path / "run").history()) <= 9


def test_damaged_weights_are_named_and_change_nothing(tmp_path: Path) -> None:
    train(tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(RunError, match=r"weights\.safetensors: cannot be read"):
        longer(tmp_path / "run", "training.epochs=6")
    assert RunFolder(tmp_path / "run").finished
    assert json.loads((tmp_path / "run" / "overrides.json").read_text())["overrides"] == {}


# The learning rate.


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("changed", "share"), [(50, 0.0), (50, 0.3), (30, 1.0)])
def test_the_rate_climbs_to_that_of_the_longer_training(schedule: Any, changed: int, share: float) -> None:
    table = TrainingTable(schedule=schedule, warmup=0.1)
    plan = [learning_rate_factor(step, 100, table) for step in range(100)]
    found = [learning_rate_factor(step, 100, table, changed, share) for step in range(100)]
    assert found[:changed] == plan[:changed]
    climb = round(0.1 * (100 - changed))
    assert found[changed + climb :] == plan[changed + climb :]
    assert all(one <= planned for one, planned in zip(found, plan, strict=True))
    if plan[changed] > share:
        rising = found[changed - 1 : changed + climb] if not share else found[changed : changed + climb]
        assert share < found[changed] < plan[changed]
        assert rising[1:] == sorted(rising[1:])
    else:
        assert found == plan
