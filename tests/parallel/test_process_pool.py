from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.strange_refs import (
    Closed,
    Heavy,
    Numbered,
    ends,
    ends_at_first,
    leaves_behind,
    own_process,
    refuses,
    sleeps,
)

from oneglance.errors import DataError, RunError
from oneglance.parallel import process_pool
from oneglance.parallel.process_pool import ProcessesDoNotStart, ProcessPool


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def soon(true: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def failed_answer(item: object, what: str) -> Any:  # where any answer is wanted
    return f"{item} {what}"


def test_answers_keep_the_order_of_the_items_and_processes_end() -> None:
    with ProcessPool(abs, failed_answer, count=2, chunk=3) as pool:
        assert list(pool.map(range(-20, 0))) == list(range(20, 0, -1))
        assert len(children()) == 2
    assert children() == []


def test_several_processes_work_and_none_of_them_is_this_one() -> None:
    with ProcessPool(own_process, failed_answer, count=2, chunk=1) as pool:
        pids = set(pool.map(range(200)))
    assert len(pids) == 2 and os.getpid() not in pids
    with ProcessPool(own_process, failed_answer, count=0) as pool:
        assert set(pool.map(range(3))) == {os.getpid()}


def test_items_are_read_only_a_few_chunks_ahead() -> None:
    endless = itertools.count()
    with ProcessPool(abs, failed_answer, count=2, chunk=4) as pool:
        answers = pool.map(endless)
        assert [next(answers) for _ in range(50)] == list(range(50))
        assert next(endless) <= 50 + 4 * (3 * 2 + 1)


def test_what_the_function_raises_is_raised_here() -> None:
    with ProcessPool(refuses, failed_answer, count=1, chunk=2) as pool:
        assert list(pool.map([1, 2])) == [1, 2]
        with pytest.raises(OSError, match="No space left"):
            list(pool.map([1, 3]))
        with pytest.raises(EOFError, match="three is not five"):
            list(pool.map([5]))
        assert list(pool.map([6, 7])) == [6, 7]  # the same process goes on


def test_what_cannot_be_sent_is_an_error_and_not_a_crash() -> None:
    with ProcessPool(abs, failed_answer, count=1, chunk=1) as pool:
        with pytest.raises((AttributeError, TypeError, ValueError), match="pickle"):
            list(pool.map([lambda: None]))  # type: ignore[list-item]
        assert list(pool.map([-1])) == [1]


def test_an_item_that_takes_too_long_is_named_and_the_others_are_answered() -> None:
    with ProcessPool(sleeps, failed_answer, count=1, chunk=3, seconds=1) as pool:
        assert list(pool.map([0.01, 60, 0.02])) == [0.01, "60 takes longer than 1 seconds to decode", 0.02]


def test_closing_does_not_wait_for_what_is_under_way() -> None:
    pool = ProcessPool(sleeps, failed_answer, count=2, chunk=1)
    futures = [pool.submit([30]) for _ in range(4)]
    assert soon(lambda: len(children()) == 2)
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 5
    assert children() == []
    assert all(future.done() for future in futures)
    pool.close()  # twice is no harm


def test_a_forgotten_pool_ends_its_processes() -> None:
    answers = ProcessPool(abs, failed_answer, count=1, chunk=1).map(range(100))
    next(answers)
    assert len(children()) == 1
    del answers
    gc.collect()
    assert soon(lambda: children() == [])


def test_processes_that_do_not_start_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(sys.executable).with_name("no-such-python")))
    with ProcessPool(abs, failed_answer, count=1) as pool, pytest.raises(DataError, match="do not start"):
        list(pool.map([1]))


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
print("top level")
from oneglance.parallel.process_pool import ProcessPool
from support.strange_refs import sleeps
pool = ProcessPool(sleeps, print, count=2, chunk=1)
for answer in pool.map([0.01] * 4 + [float(sys.argv[1])] * 1000):
    print("answer", flush=True)
"""  # as people write scripts: no guard around what runs


@contextmanager
def running_script(
    folder: Path, seconds: float
) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """The script, and its two processes busy with items of so many ``seconds``."""
    (folder / "script.py").write_text(SCRIPT)
    (folder / "pickle.py").write_text("raise SystemExit('a file of the current folder was imported')")
    places = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    script = subprocess.Popen(
        [sys.executable, "-P", str(folder / "script.py"), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": places},
        start_new_session=True,
    )
    with script:
        try:
            assert script.stdout is not None
            said = [script.stdout.readline().strip() for _ in range(5)]
            assert said == ["top level"] + ["answer"] * 4  # it ran once, not in every process
            pool = psutil.Process(script.pid).children(recursive=True)
            assert len(pool) == 2
            yield script, pool
        finally:
            script.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C would reach this process too")
def test_control_c_stops_a_script_without_guard_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with running_script(tmp_path, seconds=50) as (script, pool):
        start = time.monotonic()
        os.killpg(script.pid, signal.SIGINT)  # as a terminal does: to all of them
        assert script.wait(45) != 0
        assert time.monotonic() - start < 30  # a busy machine takes its time; the pictures would take 50
        assert script.stderr is not None and script.stderr.read().count("Traceback") == 1  # the script's own
        assert soon(lambda: not any(process.is_running() for process in pool))


def test_a_killed_script_leaves_nothing(tmp_path: Path) -> None:
    with running_script(tmp_path, seconds=0.5) as (script, pool):
        script.kill()
        script.wait()
        assert soon(lambda: not any(process.is_running() for process in pool))


def test_a_job_is_opened_once_and_answers_chunks_together() -> None:
    with ProcessPool(Heavy(), failed_answer, count=2, chunk=3, threads=5) as pool:
        assert children() == []
        seen: list[int] = []
        opened = pool.start(seen.append)
        assert seen == [0, 1, 2]
        assert opened in {f"open in {child.pid}" for child in children()} and len(children()) == 2
        assert list(pool.map([1, 2, 3, 4])) == [f"{n} MB of 3 with 5" for n in (1, 2, 3)] + [
            "4 MB of 1 with 5"
        ]
        assert len(children()) == 2


def test_what_comes_alone_is_done_by_the_first_process() -> None:
    with ProcessPool(Numbered(), failed_answer, count=3, chunk=1) as pool:
        assert soon(lambda: len(pool._dispatcher._free) == 3)
        for alone in (True, False, True):
            assert pool.submit([1], alone).result() == [(0, alone)]
            assert soon(lambda: len(pool._dispatcher._free) == 3)
        assert {number for number, _ in pool.map(range(100))} == {0, 1, 2}
    with ProcessPool(Numbered(), failed_answer, count=0) as pool:
        assert pool.submit([1], latency_mode=True).result() == [(0, True)]


def test_what_is_open_says_how_many_processes_are_wanted() -> None:
    with ProcessPool(Numbered(), failed_answer, count=3, chunk=1) as pool:
        seen: list[int] = []
        pool.start(seen.append, wanted=lambda opened: 2)
        assert pool.count == 2 and seen == [0, 1, 2]
        assert {number for number, _ in pool.map(range(100))} == {0, 1}
        assert len(children()) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the memory of a process")
def test_memory_is_bounded_beside_what_is_held_once_a_job_is_open() -> None:
    with ProcessPool(Heavy(), failed_answer, count=1, chunk=1, memory=300_000_000) as pool:
        assert list(pool.map([100, 900, 100])) == [
            f"{what} of 1 with 1" for what in ("100 MB", "too much", "100 MB")
        ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the memory of a process")
def test_what_earlier_items_left_behind_takes_no_memory_from_later_ones() -> None:
    with ProcessPool(leaves_behind, failed_answer, count=1, chunk=1, memory=300_000_000) as pool:
        sizes = [5_000_000, 20_000_000, 20_000_001, 1]
        answers = [pool.submit([b"x" * size]).result(timeout=30)[0] for size in sizes]
        assert answers == ["1 of 5000000", "2 of 20000000", "1 of 20000001", "1 of 1"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the memory of a process")
def test_a_request_that_does_not_fit_into_memory_costs_no_more_than_its_answer() -> None:
    with ProcessPool(len, failed_answer, count=1, chunk=1, memory=20_000_000) as pool:
        too_large = pool.submit([b"x" * 100_000_000]).result(timeout=60)
        assert str(too_large[0]).endswith("makes the decoder crash")
        assert pool.submit([b"x" * 1000]).result(timeout=30) == [1000]


def test_what_opening_raises_is_raised_here() -> None:
    with (
        ProcessPool(Closed(), failed_answer, count=2) as pool,
        pytest.raises(RunError, match=r"^a run: is not finished — go on with it$"),
    ):
        pool.start()
    assert children() == []


def test_no_item_is_blamed_for_a_process_that_died_before() -> None:
    with ProcessPool(ends, failed_answer, count=1, chunk=1) as pool:
        assert pool.submit([3]).result() == [3]
        (idle,) = children()
        idle.kill()
        assert soon(lambda: idle.status() == psutil.STATUS_ZOMBIE)
        assert pool.submit([4]).result() == [4]


def test_a_process_that_died_is_started_again_before_it_is_needed() -> None:
    with ProcessPool(ends, failed_answer, count=1, chunk=1) as pool:
        assert pool.submit([3]).result() == [3]
        (old,) = children()
        assert pool.submit([-1]).result() == ["-1 makes the decoder crash"]
        assert soon(lambda: len(children()) == 1 and children()[0].pid != old.pid)
        assert pool.submit([4]).result() == [4]


def test_no_item_is_blamed_for_a_process_that_was_killed_once(tmp_path: Path) -> None:
    with ProcessPool(ends_at_first, failed_answer, count=1, chunk=1) as pool:
        assert pool.submit([str(tmp_path / "alone")]).result() == ["read"]


def test_a_process_that_is_killed_while_it_starts_is_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed = "import os; os._exit(9)\n"
    monkeypatch.setattr("oneglance.parallel.process_pool._START", f"{killed}")
    with ProcessPool(abs, failed_answer, count=1, chunk=1) as pool:
        with pytest.raises(ProcessesDoNotStart, match="do not start"):
            pool.submit([-3]).result()
        once = f"import pathlib\nif not pathlib.Path({str(tmp_path / 'a')!r}).exists():\n"
        once += f"    pathlib.Path({str(tmp_path / 'a')!r}).touch(); {killed}"
        monkeypatch.undo()
        monkeypatch.setattr("oneglance.parallel.process_pool._START", once + process_pool._START)
        assert pool.submit([-3]).result() == [3]
