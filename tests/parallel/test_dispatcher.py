"""Who does what is asked next."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from queue import SimpleQueue

from oneglance.parallel.dispatcher import Dispatcher, Task


def task(number: int) -> Task:
    return Task([number], False, Future())


def test_tasks_keep_their_order() -> None:
    turns = Dispatcher(2)
    for number in range(3):
        turns.put(task(number))
    assert [found.items for found in map(turns.get, [1, 0, 1]) if found] == [[0], [1], [2]]


def test_of_those_who_are_free_the_first_is_asked() -> None:
    turns = Dispatcher(3)
    begun: SimpleQueue[tuple[int, Task | None]] = SimpleQueue()

    def member(number: int) -> None:
        begun.put((number, turns.get(number)))

    threads = [threading.Thread(target=member, args=[number]) for number in (2, 0, 1)]
    for count, thread in enumerate(threads, 1):
        thread.start()
        while len(turns._free) < count and thread.is_alive():
            time.sleep(0.001)
    for expected in (0, 1, 2):
        turns.put(one := task(expected))
        assert begun.get(timeout=10) == (expected, one)


def test_only_those_who_are_kept_get_tasks() -> None:
    turns = Dispatcher(3)
    waits = threading.Thread(target=turns.get, args=[2])
    waits.start()
    while not turns._free and waits.is_alive():
        time.sleep(0.001)
    turns.keep(1)
    waits.join(10)
    assert not waits.is_alive()
    assert turns.get(1) is None
    turns.put(one := task(1))
    assert turns.get(0) == one


def test_at_the_end_what_nobody_has_begun_is_cancelled_and_nobody_waits() -> None:
    turns = Dispatcher(2)
    turns.put(one := task(1))
    turns.close()
    assert one.future.cancelled()
    assert turns.get(0) is None and turns.get(1) is None
    turns.put(late := task(2))
    assert late.future.cancelled()
