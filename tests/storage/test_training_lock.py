"""One process at a time trains a run; another may ask it to finish, and none leaves a lock behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import toy
from support.toy import begin, results, train

from oneglance.errors import RunError, StoppedError
from oneglance.progress import Screen
from oneglance.storage.run_folder import FINISH_REQUEST, RunFolder
from oneglance.storage.training_lock import finished_by_its_process, is_being_trained, training_lock

HOLDER = """
import sys, time
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.training_lock import training_lock
with training_lock(RunFolder(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


class Heard(Screen):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of ``run``."""
    (tmp_path / "run").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_refused_until_the_first_is_gone(
    tmp_path: Path, held: subprocess.Popen[str]
) -> None:
    run = RunFolder(tmp_path / "run")
    assert is_being_trained(run)
    with pytest.raises(RunError) as caught, training_lock(run):
        pass
    assert str(caught.value) == (
        f"{run.path}: is being trained by another process right now — wait for it, or have it end with its "
        f"best epoch so far: oneglance finish {run.path}"
    )
    held.send_signal(signal.SIGKILL)
    held.wait()
    assert not is_being_trained(run), "kill -9 leaves no lock"
    with training_lock(run):
        assert is_being_trained(run)
    assert not is_being_trained(run)


def test_what_was_asked_of_a_process_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    (tmp_path / "run" / FINISH_REQUEST).touch()
    with training_lock(RunFolder(tmp_path / "run")):
        assert not (tmp_path / "run" / FINISH_REQUEST).exists()


def test_a_training_finishes_where_it_is_asked_to(tmp_path: Path) -> None:
    class Asking(Screen):
        """Asks in the step of that number."""

        def __init__(self, at: int) -> None:
            self.left = at

        def step(self, *place: int) -> None:
            self.left -= 1
            if not self.left:
                (tmp_path / "run" / FINISH_REQUEST).touch()

    begin(tmp_path / "run", "training.epochs=4", screen=Asking(2)).run()
    train(tmp_path / "whole", "training.epochs=4")
    run = RunFolder(tmp_path / "run")
    assert run.finished
    assert results(run.path)["history"] == results(tmp_path / "whole")["history"][:1], "not before that"


def test_who_asks_waits_for_the_process_that_trains(tmp_path: Path) -> None:
    """Here a thread of this one: the lock is the same."""
    trainer = begin(tmp_path / "run", "training.epochs=100000")

    def run() -> None:
        with training_lock(trainer.folder):
            trainer.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not is_being_trained(trainer.folder):
        time.sleep(0.01)
    screen = Heard()
    assert finished_by_its_process(trainer.folder, screen)
    assert screen.lines == [
        f"{trainer.folder.path} is being trained by another process, which is asked to finish; "
        "Ctrl-C takes it back"
    ]
    thread.join(60)
    assert trainer.folder.finished and not (trainer.folder / FINISH_REQUEST).exists()


def test_who_asks_takes_it_back(
    tmp_path: Path, held: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        assert (tmp_path / "run" / FINISH_REQUEST).exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("oneglance.storage.training_lock.time", SimpleNamespace(sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        finished_by_its_process(RunFolder(tmp_path / "run"), Screen())
    assert not (tmp_path / "run" / FINISH_REQUEST).exists()


def test_nobody_is_asked_where_nobody_trains(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        begin(tmp_path / "run", screen=toy.Interrupter(4)).run()
    assert not finished_by_its_process(RunFolder(tmp_path / "run"), Screen())
