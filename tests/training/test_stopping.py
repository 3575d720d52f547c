"""Ctrl-C and SIGTERM: heard between two steps, nothing lost, and a message that says how to go on."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from support.toy import Interrupter, begin, go_on, hidden_files, results, train

from oneglance.errors import RunError, StoppedError
from oneglance.storage.run_folder import RunFolder
from oneglance.training.stop_signals import Stop, stop_signals

ONE_STEP = "training.batch=24"  # an epoch is one step


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_the_step(tmp_path: Path, number: int) -> None:
    trainer = begin(tmp_path / "run", screen=Interrupter(5, number))
    with pytest.raises(StoppedError) as caught:
        trainer.run()
    assert str(caught.value) == (
        "stopped in epoch 2 after step 2; nothing is lost — "
        f"go on with: oneglance train {tmp_path / 'run'} --resume"
    )
    assert hidden_files(tmp_path / "run") == []
    assert not trainer.folder.finished
    place = go_on(tmp_path / "run").learner.position
    assert (place.epoch, place.step, place.updates) == (1, 2, 5)


def test_epochs_of_one_step_can_be_stopped_too(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="in epoch 3 after step 0"):
        begin(tmp_path / "run", ONE_STEP, "training.epochs=4", screen=Interrupter(2)).run()
    go_on(tmp_path / "run").run()
    train(tmp_path / "whole", ONE_STEP, "training.epochs=4")
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_in_the_very_last_step_it_is_too_late_to_stop(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run", screen=Interrupter(9))
    trainer.run()
    assert trainer.folder.finished


class Hurried(Interrupter):
    """Presses Ctrl-C ``times`` times within one step."""

    def __init__(self, at: int, times: int) -> None:
        super().__init__(at)
        self.times = times

    def step(self, *place: int) -> None:
        super().step(*place)
        if not self.left:
            for _ in range(self.times - 1):
                signal.raise_signal(signal.SIGINT)


def test_ctrl_c_twice_finishes_with_the_best_epoch(tmp_path: Path) -> None:
    begin(tmp_path / "run", screen=Hurried(5, 2)).run()
    train(tmp_path / "whole")
    run = RunFolder(tmp_path / "run")
    assert run.finished and [row["epoch"] for row in run.history()] == [1]
    assert results(tmp_path / "run")["history"] == results(tmp_path / "whole")["history"][:1]
    assert run.novelty() is not None


def test_ctrl_c_twice_before_the_first_epoch_only_stops(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", screen=Hurried(2, 2)).run()
    assert not RunFolder(tmp_path / "run").finished


def test_ctrl_c_three_times_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path / "run", screen=Hurried(5, 3)).run()
    assert hidden_files(tmp_path / "run") == []
    go_on(tmp_path / "run").run()
    train(tmp_path / "whole")
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_a_second_ctrl_c_is_waited_for_where_somebody_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stop, "may_be_pressed_again", True)
    monkeypatch.setattr(Stop, "wait_for_second", lambda _: signal.raise_signal(signal.SIGINT))
    begin(tmp_path / "run", screen=Interrupter(5)).run()
    assert RunFolder(tmp_path / "run").finished


def test_a_stopped_run_is_finished_later(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", screen=Interrupter(5)).run()
    go_on(tmp_path / "run").finish()
    begin(tmp_path / "at once", screen=Hurried(5, 2)).run()
    assert results(tmp_path / "run") == results(tmp_path / "at once")


def test_what_learned_nothing_cannot_be_finished(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", screen=Interrupter(2)).run()
    with pytest.raises(RunError, match="has not finished a single epoch"):
        go_on(tmp_path / "run").finish()


def test_the_signals_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_signals() as stop:
        assert signal.getsignal(signal.SIGINT) != before[0]
        assert not stop.requested
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("pauses", [[1], [2], [1, 2], [2, 1], [3]])
def test_a_training_that_pauses_goes_on_as_if_it_had_not(tmp_path: Path, pauses: list[int]) -> None:
    train(tmp_path / "whole")
    begin(tmp_path / "run")
    for until in pauses:
        go_on(tmp_path / "run").run(until)
    assert len(RunFolder(tmp_path / "run").history()) == max(pauses)
    go_on(tmp_path / "run").run()
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_a_pause_leaves_the_run_unfinished(tmp_path: Path) -> None:
    trainer = begin(tmp_path / "run")
    trainer.run(until=2)
    assert trainer.learner.position.epoch == 2 and not trainer.folder.finished
    assert (tmp_path / "run" / "resume.pt").exists()
    begin(tmp_path / "other").run(until=9)
    assert RunFolder.open(tmp_path / "other").finished, "it never goes on longer than it was to"


def test_a_thread_trains_without_signals(tmp_path: Path) -> None:
    """Only the main thread of a program may listen to them."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            train(tmp_path / "run")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    for error in failed:
        raise error
    assert (tmp_path / "run" / "tasks.json").exists()
