"""One process at a time trains a run. Another one may ask it to finish.

The lock is one of the system, which ends with its process however that ends. The file ``lock`` in the run
folder says nothing by being there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from oneglance.errors import RunError, command
from oneglance.progress import Screen
from oneglance.storage.atomic_files import write_text
from oneglance.storage.folder_lock import is_locked
from oneglance.storage.run_folder import FINISH_REQUEST, RunFolder

EVERY = 0.5  # seconds between two looks


@contextmanager
def training_lock(run: RunFolder) -> Iterator[None]:
    """A block in which no other process trains or finishes the run.

    Raises:
        RunError: one does so now.
    """
    lock = _locked(run.path)
    if lock is None and is_being_trained(run):
        raise RunError(
            "is being trained by another process right now",
            location=run.address,
            hint=f"wait for it, or have it end with its best epoch so far: {command('finish', run.address)}",
        )
    try:
        (run / FINISH_REQUEST).unlink(missing_ok=True)  # to a process that is gone
        yield
    finally:
        if lock is not None:
            lock.release()


def is_being_trained(run: RunFolder) -> bool:
    """Whether a process trains it now."""
    return is_locked(run.path)


def _locked(folder: Path) -> BaseFileLock | None:
    """None where another process has it, or where the file system knows no locks."""
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError, NotImplementedError):
        return None
    return lock


def finished_by_its_process(run: RunFolder, screen: Screen) -> bool:
    """Ask the process that trains the run to finish it, and wait until it is done; False where there is none,
    or where it ends without finishing.
    """
    if not is_being_trained(run):
        return False
    screen.say(
        f"{run.address} is being trained by another process, which is asked to finish; Ctrl-C takes it back"
    )
    try:
        while is_being_trained(run):
            if not run.finished and not (run / FINISH_REQUEST).exists():
                write_text(run / FINISH_REQUEST, "")
            time.sleep(EVERY)
    finally:
        (run / FINISH_REQUEST).unlink(missing_ok=True)
    return run.finished
