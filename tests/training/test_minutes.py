"""[training] minutes: as many epochs as fit, counted once, and the same weights as with their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import toy
from support.toy import begin, go_on, results, train

from oneglance.errors import RunError, StoppedError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.training_length import EpochTime, Length, kept_length, steps_of_epoch
from oneglance.training.resources import epoch_timing, time_limit
from oneglance.training.trainer import Trainer

MINUTES = "training.minutes=0.02"


class Heard(Screen):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine gets, no training ends before its last epoch."""
    monkeypatch.setattr(time_limit, "LATEST", 1e9)


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch, patient: None) -> None:
    """An epoch is found to take 16 seconds."""
    monkeypatch.setattr("oneglance.training.trainer.time_of_epoch", lambda *_: EpochTime(8, 1.5, 4.0))


def longer(folder: Path, *overrides: str) -> Trainer:
    run = RunFolder.open(folder)
    found = toy.trainer(run, run.config().with_changes(overrides))
    found.go_on()
    return found


def epochs_of(folder: Path) -> int:
    return len(RunFolder(folder).history())


@pytest.mark.parametrize(
    "overrides", [(), ("training.balancer=mgda",), ("backbone.freeze=true",)], ids=["plain", "gram", "frozen"]
)
def test_the_same_weights_as_with_that_number_by_hand(
    tmp_path: Path, patient: None, overrides: tuple[str, ...]
) -> None:
    # Of both, the fewer count: here the minutes, whose epochs are quick with features that are kept.
    train(tmp_path / "minutes", MINUTES, "training.epochs=1000", *overrides)
    length = kept_length(RunFolder(tmp_path / "minutes"))
    assert length is not None and length.epoch_seconds > 0
    assert epochs_of(tmp_path / "minutes") == length.epochs
    assert length == Length.of(0.02, length.epoch_seconds)
    train(tmp_path / "epochs", f"training.epochs={length.epochs}", *overrides)
    assert results(tmp_path / "minutes") == results(tmp_path / "epochs")


def as_text(trainer: Trainer) -> str:
    """All that its steps change."""
    return json.dumps(trainer.learner.state(), default=lambda tensor: tensor.tolist())


def test_measuring_changes_nothing(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run")
    before, random = as_text(trainer), torch.get_rng_state()
    check = epoch_timing.Check(trainer.validation, trainer._resamples, trainer.save)
    assert epoch_timing.time_of_epoch(trainer.learner, *trainer.loaders, check, 1.0).seconds > 0
    assert as_text(trainer) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_it_is_told_and_kept(tmp_path: Path, sixteen: None) -> None:
    screen = Heard()
    begin(tmp_path / "run", "training.minutes=1", screen=screen).run()
    assert screen.lines == ["1 minute: 3 epochs of 16 s"]
    assert json.loads((tmp_path / "run" / "length.json").read_text()) == {
        "minutes": 1.0,
        "epochs": 3,
        "epoch_seconds": 16.0,
        "steps": None,
    }
    assert epochs_of(tmp_path / "run") == 3


# Where hardly an epoch fits.


@pytest.mark.parametrize(
    ("minutes", "most", "expected"),
    [
        (10, 1000, Length(10, 6, 100.0)),
        (5, 1000, Length(5, 3, 100.0)),
        (4, 1000, Length(4, 3, 80.0, 70)),  # not two with a minute left
        (4, 2, Length(4, 2, 100.0)),
        (1, 1000, Length(1, 1, 60.0, 50)),  # validation takes a sixth of it
        (1 / 6, 1000, Length(1 / 6, 1, 15.0, 5)),  # it would take all of it
    ],
)
def test_parts_of_an_epoch(minutes: float, most: int, expected: Length) -> None:
    assert Length.fitting(minutes, EpochTime(90, 1.0, 10.0), most) == expected


@given(
    minutes=st.floats(1e-5, 1e5),
    steps=st.integers(1, 10**7),
    step=st.floats(1e-5, 1e3),
    rest=st.floats(0, 1e5),
    most=st.integers(1, 1000),
)
def test_what_is_planned_fits(minutes: float, steps: int, step: float, rest: float, most: int) -> None:
    length = Length.fitting(minutes, EpochTime(steps, step, rest), most)
    learned = steps if length.steps is None else length.steps
    assert 1 <= learned <= steps and length.epochs >= 1
    took = length.epochs * (learned * step + rest)
    # More than the minutes only for one step and one look at the validation split, or by half for that look.
    assert took <= 60 * minutes * 1.5 + rest + step or (learned, length.epochs) == (steps, 1)


def test_it_takes_parts_and_says_so(tmp_path: Path, sixteen: None) -> None:
    screen = Heard()
    begin(tmp_path / "run", "training.minutes=0.5", screen=screen).run()
    assert screen.lines == ["0.5 minutes: 1 epoch of 16 s"]
    screen = Heard()
    trainer = begin(tmp_path / "part", "training.minutes=0.25", screen=screen)
    whole = len(trainer.loaders[0])
    trainer.run()
    assert screen.lines == [
        f"0.25 minutes: 1 epoch of 14 s, {7 / whole:.0%} of the pictures: more do not fit"
    ]
    assert len(trainer.loaders[0]) == min(7, whole) and epochs_of(tmp_path / "part") == 1


def test_parts_follow_each_other_and_hold_all_pictures(tmp_path: Path) -> None:
    loader = begin(tmp_path / "run").loaders[0]

    def places(epoch: int, start: int = 0) -> list[np.ndarray]:
        return [batch.places for batch in loader.shuffled(0, epoch, start) if batch.places is not None]

    whole = places(0) + places(1) + places(2)
    steps = len(loader)
    loader.steps = steps - 1
    assert len(loader) == steps - 1 > 0
    parts = places(0) + places(1) + places(2)
    assert len(parts) == 3 * (steps - 1)
    for expected, part in zip(whole, parts, strict=False):
        np.testing.assert_array_equal(part, expected)
    for expected, part in zip(places(1)[1:], places(1, 1), strict=True):
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_parts_go_on_after_a_stop(
    tmp_path: Path, patient: None, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr("oneglance.training.trainer.time_of_epoch", lambda *_: EpochTime(9, 10.0, 0.0))
    monkeypatch.setattr("oneglance.storage.training_length.FEWEST", 4)
    train(tmp_path / "whole", "training.minutes=1.4", text=without_epochs())
    assert steps_of_epoch(RunFolder(tmp_path / "whole")) == 2 and epochs_of(tmp_path / "whole") == 4
    trainer = begin(
        tmp_path / "run", "training.minutes=1.4", text=without_epochs(), screen=toy.Interrupter(stop)
    )
    with pytest.raises(StoppedError):
        trainer.run()
    go_on(tmp_path / "run").run()
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_more_minutes_go_on_with_parts(
    tmp_path: Path, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneglance.training.trainer.time_of_epoch", lambda *_: EpochTime(9, 10.0, 0.0))
    train(tmp_path / "run", "training.minutes=1", text=without_epochs())
    run = RunFolder(tmp_path / "run")
    assert steps_of_epoch(run) == 2 and epochs_of(tmp_path / "run") == 3
    run.record([{**row, "elapsed": 20.0 * row["epoch"]} for row in run.history()])
    longer(tmp_path / "run", "training.minutes=1.7").run()
    assert kept_length(run) == Length(1.7, 5, 20.0, 2) and epochs_of(tmp_path / "run") == 5


@pytest.mark.parametrize(
    ("overrides", "epochs", "line"),
    [
        (["training.epochs=2"], 2, "1 minute: 2 epochs of 16 s, as many as epochs says; 3 would fit"),
        (["training.epochs=9"], 3, "1 minute: 3 epochs of 16 s"),
    ],
)
def test_the_fewer_of_both(
    tmp_path: Path, sixteen: None, overrides: list[str], epochs: int, line: str
) -> None:
    screen = Heard()
    begin(tmp_path / "run", "training.minutes=1", *overrides, screen=screen).run()
    assert (epochs_of(tmp_path / "run"), screen.lines) == (epochs, [line])


def without_epochs() -> str:
    return toy.CONFIG.replace("epochs = 3\n", "")


@pytest.mark.parametrize("stop", [1, 4])
def test_stopped_it_is_as_long_as_it_was_to_be(
    tmp_path: Path, sixteen: None, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    train(tmp_path / "whole", "training.minutes=1.1", text=without_epochs())
    assert epochs_of(tmp_path / "whole") == 4
    trainer = begin(
        tmp_path / "run", "training.minutes=1.1", text=without_epochs(), screen=toy.Interrupter(stop)
    )
    with pytest.raises(StoppedError):
        trainer.run()
    monkeypatch.setattr(
        "oneglance.training.trainer.time_of_epoch", lambda *_: EpochTime(1, 0.5, 0.5)
    )  # it is quicker now
    screen = Heard()
    go_on(tmp_path / "run", screen).run()
    assert results(tmp_path / "run") == results(tmp_path / "whole")
    assert screen.lines == []


class Crash(BaseException):
    """The end of a process that had no time to write anything."""


def test_killed_before_the_number_was_kept(
    tmp_path: Path, sixteen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise Crash

    train(tmp_path / "whole", "training.minutes=1.1", text=without_epochs())
    trainer = begin(tmp_path / "run", "training.minutes=1.1", text=without_epochs())
    with monkeypatch.context() as patch:
        patch.setattr("oneglance.training.trainer.keep_length", crash)
        with pytest.raises(Crash):
            trainer.run()
    go_on(tmp_path / "run").run()
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_more_minutes_are_counted_by_what_an_epoch_took(tmp_path: Path, sixteen: None) -> None:
    train(tmp_path / "run", "training.minutes=1", text=without_epochs())
    run = RunFolder(tmp_path / "run")
    rows = [{**row, "elapsed": 10.0 * row["epoch"]} for row in run.history()]
    run.record(rows)
    longer(tmp_path / "run", "training.minutes=0.9").run()
    assert kept_length(run) == Length(0.9, 5, 10.0)
    assert epochs_of(tmp_path / "run") == 5


def test_minutes_that_come_later(tmp_path: Path, sixteen: None) -> None:
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", text=without_epochs(), screen=toy.Interrupter(4)).run()
    run = RunFolder(tmp_path / "run")
    run.record([{**row, "elapsed": 20.0} for row in run.history()])
    trainer = longer(tmp_path / "run", "training.minutes=1.5")
    assert trainer.learner.position.changed == 4
    trainer.run()
    assert epochs_of(tmp_path / "run") == 4


def test_patience_may_end_it_earlier(tmp_path: Path, sixteen: None) -> None:
    train(tmp_path / "run", "training.minutes=9", "training.patience=1", "training.learning_rate=1e-30")
    assert epochs_of(tmp_path / "run") < 9 and RunFolder(tmp_path / "run").finished


# A machine that gets slower.


@pytest.mark.parametrize(
    ("elapsed", "late"),
    [([10.0], False), ([37.0], False), ([38.0], True), ([24, 50.0], False), ([24, 51.0], True), ([], False)],
)
def test_another_epoch_would_end_too_late(elapsed: list[float], late: bool) -> None:
    assert time_limit.is_too_late([{"elapsed": each} for each in elapsed], minutes=1) is late


def test_it_finishes_with_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneglance.training.trainer.time_of_epoch", lambda *_: EpochTime(1, 5e-5, 5e-5))
    screen = Heard()
    trainer = begin(tmp_path / "run", "training.minutes=1e-5", text=without_epochs(), screen=screen)
    trainer.run()
    assert trainer.folder.finished and epochs_of(tmp_path / "run") == 1
    assert screen.lines == [
        "1e-05 minutes: 6 epochs of 0.0001 s",
        "slower than at first, and 1e-05 minutes are over: finishing",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"minutes": 1, "epochs": 0, "epoch_seconds": 1}',
        '{"minutes": 1}',
        "[]",
        "",
        '{"minutes": -1, "epochs": 2}',
    ],
)
def test_a_damaged_length_is_named(tmp_path: Path, text: str) -> None:
    begin(tmp_path / "run", "training.minutes=1")
    (tmp_path / "run" / "length.json").write_text(text)
    with pytest.raises(RunError, match=r"length\.json: is damaged"):
        go_on(tmp_path / "run")
