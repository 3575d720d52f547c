"""A training that was stopped goes on as if nothing had happened: the same weights to the last bit."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.toy import begin, go_on, hidden_files, results, train

from oneglance.errors import RunError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.validation import Validation

STEPS = 9  # 3 epochs of 3

VARIANTS = {
    "sgd": ("training.optimizer=sgd", "training.momentum=0.5"),
    "bf16": ("training.precision=bf16",),
    "no average": ("training.ema=0",),
    "not mixed": ("augment.mixup=0",),
    "frozen": ("backbone.freeze=true",),
    "patience": ("training.patience=1", "training.learning_rate=1e-30", "backbone.freeze=true"),
}


class Crash(BaseException):
    """The end of a process that had no time to write anything."""


class Crashing(Screen):
    """Crashes in the step of that number."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self, epoch: int, epochs: int, step: int, steps: int, pictures: int) -> None:
        self.left -= 1
        if not self.left:
            raise Crash


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an uninterrupted training leaves behind."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(folder)
    return results(folder)


def finish(folder: Path) -> dict[str, Any]:
    torch.rand(17)  # whatever the process drew before must not matter
    go_on(folder).run()
    assert hidden_files(folder) == []
    return results(folder)


def test_the_same_seed_gives_the_same_result(tmp_path: Path, whole: dict[str, Any]) -> None:
    train(tmp_path / "again")
    assert results(tmp_path / "again") == whole
    assert [row["epoch"] for row in whole["history"]] == [1, 2, 3]


def test_another_seed_gives_another(tmp_path: Path, whole: dict[str, Any]) -> None:
    train(tmp_path / "other", "training.seed=1")
    assert results(tmp_path / "other")["weights"] != whole["weights"]


@pytest.mark.parametrize("stop", range(1, STEPS))
def test_stopped_after_any_step(tmp_path: Path, whole: dict[str, Any], stop: int) -> None:
    train(tmp_path / "run", stops=[stop])
    assert results(tmp_path / "run") == whole


@pytest.mark.slow  # a training that begins many times
@settings(max_examples=8, deadline=None)
@given(st.sets(st.integers(1, STEPS - 1), min_size=2))
def test_stopped_again_and_again(whole: dict[str, Any], places: set[int]) -> None:
    stops = np.diff([0, *sorted(places)]).tolist()
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder) / "run", stops=stops)
        assert results(Path(folder) / "run") == whole


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS.keys())
def test_stopped_with_other_settings(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    train(tmp_path / "whole", *overrides)
    train(tmp_path / "run", *overrides, stops=[2, 1])
    assert results(tmp_path / "run") == results(tmp_path / "whole")


@pytest.mark.parametrize("minutes", [3, 1e-9], ids=["by epoch", "by step"])
@pytest.mark.parametrize("at", range(1, STEPS + 1, 2))
def test_crashed_in_any_step(tmp_path: Path, whole: dict[str, Any], at: int, minutes: float) -> None:
    trainer = begin(tmp_path / "run", f"training.checkpoint_minutes={minutes}", screen=Crashing(at))
    with pytest.raises(Crash):
        trainer.run()
    resumed = go_on(tmp_path / "run")
    done = (at - 1) // 3 * 3 if minutes == 3 else at - 1
    assert resumed.learner.position.updates == done
    assert finish(tmp_path / "run") == whole


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("method", "call"),
    [("save_weights", 1), ("save_weights", 2), ("record", 2), ("save_checkpoint", 2), ("finish", 1)],
)
def test_crashed_before_or_after_any_file(
    tmp_path: Path,
    whole: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    written: bool,
    call: int,
) -> None:
    trainer, calls, write = begin(tmp_path / "run"), [], getattr(RunFolder, method)

    def crash(*args: object) -> None:
        calls.append(method)
        if len(calls) < call or written:
            write(*args)
        if len(calls) == call:
            raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, method, crash)
        with pytest.raises(Crash):
            trainer.run()
    assert finish(tmp_path / "run") == whole


def test_crashed_between_the_last_two_files(
    tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tasks.json says that a run is finished; resume.pt goes after that."""
    unlink = Path.unlink

    def crash(self: Path, missing_ok: bool = False) -> None:
        if self.name == "resume.pt":
            raise Crash
        unlink(self, missing_ok)

    trainer = begin(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", crash)
        with pytest.raises(Crash):
            trainer.run()
    assert trainer.folder.finished
    assert results(tmp_path / "run") == whole


def test_what_a_killed_writing_left_is_swept(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    left = tmp_path / "run" / ".resume.pt.4711.0a1b2c3d"
    left.write_bytes(b"half a checkpoint")
    (tmp_path / "run" / ".notes.txt").write_text("mine")
    go_on(tmp_path / "run")
    assert hidden_files(tmp_path / "run") == [".notes.txt"]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"learner": {}, "best": {}},
        {"learner": {"network": {"x": torch.zeros(3)}}, "best": {"epoch": 1}},
        {"learner": [1, 2], "best": None},
        "text",
    ],
    ids=["empty", "hollow", "of another network", "of another form", "no table"],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, state: object) -> None:
    begin(tmp_path / "run")
    torch.save(state, tmp_path / "run" / "resume.pt")
    with pytest.raises(RunError, match=r"resume\.pt: does not fit this run — train anew"):
        go_on(tmp_path / "run")


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        begin(tmp_path / "wide", "backbone.options.width=6", screen=Crashing(5)).run()
    begin(tmp_path / "run")
    (tmp_path / "wide" / "resume.pt").replace(tmp_path / "run" / "resume.pt")
    with pytest.raises(RunError, match="does not fit this run"):
        go_on(tmp_path / "run")


def test_the_history_of_a_resumed_run_has_no_row_twice(tmp_path: Path) -> None:
    train(tmp_path / "run", stops=[4, 3])
    rows = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert all(row["seconds"] > 0 for row in rows)


def wrong_shape(state: dict[str, Any]) -> None:
    moments = state["learner"]["optimizer"]["state"]
    for name, tensor in moments[next(iter(moments))].items():
        moments[next(iter(moments))][name] = torch.zeros(7, 3) if tensor.numel() > 1 else tensor


@pytest.mark.parametrize(
    "damage",
    [
        wrong_shape,
        lambda state: state["learner"].update(sums=torch.zeros(5)),
        lambda state: state["learner"].update(watch=torch.zeros(5)),
        lambda state: state["learner"].update(precision="fp7"),
        lambda state: state["learner"]["place"].update(epoch="one"),
        lambda state: state["learner"]["place"].update(step=-3),
        lambda state: state["choice"].update(skills="high"),
        lambda state: state["choice"].update(epoch=None),
    ],
    ids=["moments", "sums", "watch", "precision", "epoch", "step", "skills", "kept"],
)
def test_a_damaged_checkpoint_is_refused_before_it_is_used(tmp_path: Path, damage: Any) -> None:
    with pytest.raises(Crash):
        begin(tmp_path / "run", screen=Crashing(5)).run()
    state = torch.load(tmp_path / "run" / "resume.pt", weights_only=True)
    damage(state)
    torch.save(state, tmp_path / "run" / "resume.pt")
    with pytest.raises(RunError, match=r"resume\.pt: does not fit this run — train anew"):
        go_on(tmp_path / "run")


def test_a_run_that_could_not_be_scored_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Validation, "skill", lambda *_: float("nan"))
    with pytest.raises(Crash):
        begin(tmp_path / "run", screen=Crashing(5)).run()
    go_on(tmp_path / "run").run()
    assert [row["skill"] for row in RunFolder(tmp_path / "run").history()] == [None, None, None]
