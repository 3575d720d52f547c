"""Several processes of one training on this machine, started by torch's own launcher."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import psutil

from oneglance import errors
from oneglance.errors import OneglanceError, RunError, StoppedError, command

LOST = "lost"  # of the outcome of a process: another one ended first


def launch(count: int, words: Mapping[str, Any], folder: Path) -> None:
    """``oneglance.train(**words)`` in ``count`` processes; comes back when all are done.

    Args:
        words: values that JSON can hold.
        folder: of the run, for the message.

    Raises:
        OneglanceError: what one of them raised, or that one of them died.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with TemporaryDirectory(prefix="oneglance-") as kept, _passed_on(), _quiet():
        others_silent = dict.fromkeys(range(1, count), Std.ALL)
        settings = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            monitor_interval=0.2,
            logs_specs=DefaultLogsSpecs(log_dir=kept, redirects=others_silent),  # type: ignore[arg-type]
        )
        if hasattr(settings, "signals_to_handle"):
            settings.signals_to_handle = "SIGTERM"
        order = json.dumps({"outcome": kept, **words})
        started = "oneglance.cli.one_process"
        try:
            elastic_launch(settings, sys.executable)("-m", started, order)
        except ChildFailedError as failed:
            raise _what_happened(Path(kept), count, failed.get_first_failure(), folder) from None
        except SignalException:
            raise _what_happened(Path(kept), count, None, folder) from None


@contextmanager
def _passed_on() -> Iterator[None]:
    """Within the block Ctrl-C is for those that train, which the launcher keeps apart from the terminal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, frame: object) -> None:
        for child in psutil.Process().children():
            with suppress(psutil.Error):
                child.send_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block the launcher does not log what a message says in the end."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _what_happened(kept: Path, count: int, failure: Any, folder: Path) -> OneglanceError:
    """The error of the process that failed by itself."""
    outcomes = [kept / f"outcome-{number}.json" for number in range(count)]
    results = [json.loads(path.read_text(encoding="utf-8")) for path in outcomes if path.exists()]
    for one in results:
        if one["kind"] != LOST:
            kind = getattr(errors, one["kind"], RunError)
            error: OneglanceError = kind(one["what"], location=one["location"], hint=one["hint"])
            return error
    hint = f"go on with: {command('train', folder, '--resume', '--workers', count)}"
    if failure is None:
        return StoppedError("stopped", location=str(folder), hint=hint)
    number, first = failure
    died = f"was killed by signal {-first.exitcode}" if first.exitcode < 0 else f"ended with {first.exitcode}"
    what = f"process {number} of the {count} that train {died}, and the others ended with it"
    return RunError(what, location=str(folder), hint=hint)
