"""Chunks go in order to the free worker with the smallest number. A broken dispatcher fails here, it hangs
nothing: whoever waits is a daemon thread, and nobody waits for it without a bound.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from oneglance.parallel.dispatcher import Chunk, Dispatcher

SECONDS = 10  # that a thread may take; each is over in milliseconds

Got = SimpleQueue[tuple[int, Chunk | None]]
"""What each worker got, in order."""


def chunk(number: int) -> Chunk:
    return Chunk([number], False, Future())


def ask(dispatcher: Dispatcher, worker: int, got: Got) -> threading.Thread:
    """A thread in which ``worker`` asks for its next chunk."""
    thread = threading.Thread(target=lambda: got.put((worker, dispatcher.get(worker))), daemon=True)
    thread.start()
    return thread


def waits(dispatcher: Dispatcher, count: int) -> None:
    """Return once ``count`` workers wait for a chunk."""
    end = time.monotonic() + SECONDS
    while len(dispatcher._free) < count:
        assert time.monotonic() < end, f"fewer than {count} workers wait"
        time.sleep(0.001)


def get(dispatcher: Dispatcher, worker: int) -> Chunk | None:
    """``dispatcher.get`` of a worker that is not to wait."""
    got: Got = SimpleQueue()
    ask(dispatcher, worker, got)
    try:
        return got.get(timeout=SECONDS)[1]
    except Empty:
        raise AssertionError(f"worker {worker} waits for ever") from None


def test_chunks_keep_their_order() -> None:
    dispatcher = Dispatcher(2)
    for number in range(3):
        dispatcher.put(chunk(number))
    chunks = [get(dispatcher, worker) for worker in (1, 0, 1)]
    assert [one.items for one in chunks if one] == [[0], [1], [2]]


def test_of_the_free_workers_the_first_gets_the_chunk() -> None:
    dispatcher = Dispatcher(3)
    got: Got = SimpleQueue()
    for count, worker in enumerate((2, 0, 1), 1):
        ask(dispatcher, worker, got)
        waits(dispatcher, count)
    for expected in (0, 1, 2):
        dispatcher.put(one := chunk(expected))
        assert got.get(timeout=SECONDS) == (expected, one)


def test_only_the_workers_that_are_kept_get_chunks() -> None:
    dispatcher = Dispatcher(3)
    got: Got = SimpleQueue()
    ask(dispatcher, 2, got)
    waits(dispatcher, 1)
    dispatcher.keep(1)
    assert got.get(timeout=SECONDS) == (2, None)
    assert get(dispatcher, 1) is None
    dispatcher.put(one := chunk(1))
    assert get(dispatcher, 0) == one


def test_closing_cancels_what_no_worker_has_begun_and_nobody_waits() -> None:
    dispatcher = Dispatcher(2)
    got: Got = SimpleQueue()
    dispatcher.put(one := chunk(1))
    dispatcher.close()
    assert one.future.cancelled()
    assert get(dispatcher, 0) is None and get(dispatcher, 1) is None
    dispatcher.put(late := chunk(2))
    assert late.future.cancelled()
    waiting = Dispatcher(2)
    for count, worker in enumerate((0, 1), 1):
        ask(waiting, worker, got)
        waits(waiting, count)
    waiting.close()
    assert sorted(got.get(timeout=SECONDS) for _ in range(2)) == [(0, None), (1, None)]
