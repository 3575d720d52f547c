"""Pictures of many requests share a pass."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from oneglance.serving.dynamic_batching import DynamicBatcher
from oneglance.serving.limits import Bounds


class Doubling:
    """Processes that double numbers; ``count`` of them beside the one batch that is always ready."""

    def __init__(self, count: int = 0) -> None:
        self.count, self.closed = count, False
        self.asked: list[tuple[list[int], bool]] = []

    def answer(self, items: Sequence[int], alone: bool) -> Future[list[int]]:
        self.asked.append((list(items), alone))
        future: Future[list[int]] = Future()
        if 13 in items:
            future.set_exception(ValueError("thirteen"))
        else:
            future.set_result([2 * item for item in items])
        return future

    def close(self) -> None:
        self.closed = True


class Gated(Doubling):
    """The same; no answer comes before ``open``."""

    def __init__(self, count: int = 0) -> None:
        super().__init__(count)
        self.waiting: list[tuple[Future[list[int]], list[int]]] = []

    def answer(self, items: Sequence[int], alone: bool) -> Future[list[int]]:
        super().answer(items, alone)
        self.waiting.append((Future(), list(items)))
        return self.waiting[-1][0]

    def open(self) -> None:
        while self.waiting:
            future, items = self.waiting.pop(0)
            if future.set_running_or_notify_cancel():
                future.set_result([2 * item for item in items])


def run(work: Callable[[], object]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))  # type: ignore[arg-type]


def test_each_gets_its_own_answer_in_batches_of_at_most_so_many() -> None:
    async def ten() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(Doubling(), Bounds(wait=0.01), 4)
        assert await batcher.answer(range(10)) == [2 * item for item in range(10)]
        assert (batcher.batches, batcher.pictures, batcher.inside, batcher.waiting) == (3, 10, 0, 0)
        await batcher.close()

    run(ten)


def test_it_waits_for_what_is_coming_but_not_for_ever() -> None:
    async def two() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(Doubling(), Bounds(wait=5), 8)
        with ExitStack() as arriving:
            arriving.enter_context(batcher.arriving())
            first = asyncio.create_task(batcher.answer([1]))
            await asyncio.sleep(0.1)
            assert not first.done() and batcher.waiting == 1
            arriving.close()
            assert await batcher.answer([2]) == [4]
        assert await first == [2]
        assert batcher.batches == 1
        await batcher.close()

    async def one() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(Doubling(), Bounds(wait=0.05), 8)
        with batcher.arriving():
            assert await batcher.answer([1]) == [2]
        await batcher.close()

    run(two)
    run(one)


def test_it_does_not_wait_where_nothing_is_coming() -> None:
    async def one() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(Doubling(), Bounds(wait=3600), 8)
        assert await batcher.answer([1]) == [2]
        await batcher.close()

    run(one)


def test_passes_share_what_is_here_and_what_is_coming() -> None:
    pool = Gated(1)

    async def eight() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(pool, Bounds(wait=5), 64)
        arriving = [ExitStack() for _ in range(8)]
        for each in arriving:
            each.enter_context(batcher.arriving())
        answers: list[asyncio.Task[list[int]]] = []

        async def one(number: int, own: ExitStack) -> list[int]:
            own.close()
            return await batcher.answer([number])

        for number, each in enumerate(arriving, 1):
            answers.append(asyncio.create_task(one(number, each)))
            await asyncio.sleep(0.01)
        assert [len(items) for items, _ in pool.asked] == [4, 4]  # a pass that took all would leave none
        pool.open()
        assert await asyncio.gather(*answers) == [[2 * number] for number in range(1, 9)]
        await batcher.close()

    run(eight)


def test_requests_of_the_same_moment_share_a_pass() -> None:
    async def three() -> None:
        pool = Doubling()
        batcher: DynamicBatcher[int, int] = DynamicBatcher(pool, Bounds(wait=0), 8)
        await asyncio.gather(*(batcher.answer([number]) for number in range(3)))
        assert pool.asked == [([0, 1, 2], True)]
        await batcher.close()

    run(three)


def test_no_more_than_one_batch_waits_beyond_the_queue() -> None:
    """What waits here can still share a pass with what comes later, or be given up."""

    async def many() -> None:
        pool = Gated(2)
        batcher: DynamicBatcher[int, int] = DynamicBatcher(pool, Bounds(wait=0), 1)
        answers = asyncio.create_task(batcher.answer(range(9)))
        await asyncio.sleep(0.05)
        assert len(pool.waiting) == 3 and batcher.waiting == 6 and batcher.inside == 9
        while not answers.done():
            pool.open()
            await asyncio.sleep(0.01)
        assert await answers == [2 * item for item in range(9)]
        await batcher.close()

    run(many)


def test_a_fault_is_raised_for_its_batch_only() -> None:
    async def both() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(Doubling(), Bounds(wait=0), 8)
        with pytest.raises(ValueError, match="thirteen"):
            await batcher.answer([13])
        assert await batcher.answer([1]) == [2] and batcher.inside == 0
        await batcher.close()

    run(both)


def test_who_gave_up_is_not_answered() -> None:
    async def three() -> None:
        pool = Gated()
        batcher: DynamicBatcher[int, int] = DynamicBatcher(pool, Bounds(wait=0), 1)
        tasks = [asyncio.create_task(batcher.answer([item])) for item in range(3)]
        await asyncio.sleep(0.1)
        tasks[1].cancel()
        await asyncio.sleep(0)
        while not tasks[2].done():
            pool.open()
            await asyncio.sleep(0.01)
        assert await tasks[2] == [4] and batcher.inside == 0
        await batcher.close()
        assert [items for items, _ in pool.asked] == [[0], [2]]

    run(three)


def test_who_waits_when_it_closes_is_cancelled() -> None:
    async def two() -> None:
        pool = Gated()
        batcher: DynamicBatcher[int, int] = DynamicBatcher(pool, Bounds(wait=30), 1)
        under_way = asyncio.create_task(batcher.answer([1]))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(batcher.answer([2]))
        await asyncio.sleep(0.05)
        await batcher.close()
        assert pool.closed
        for each in (under_way, waiting):
            with pytest.raises(asyncio.CancelledError):
                await each

    run(two)


def test_a_picture_is_alone_only_while_nothing_else_is_here_or_on_its_way() -> None:
    class Later(Doubling):
        def answer(self, items: Sequence[int], alone: bool) -> Future[list[int]]:
            answers = super().answer(items, alone).result()
            future: Future[list[int]] = Future()
            threading.Timer(0.05, future.set_result, [answers]).start()
            return future

    pool = Later(1)

    async def some() -> None:
        batcher: DynamicBatcher[int, int] = DynamicBatcher(pool, Bounds(wait=0))
        await batcher.answer([1])
        await asyncio.gather(batcher.answer([1]), batcher.answer([1]))
        with batcher.arriving():
            await batcher.answer([1])
        await batcher.answer([1])
        await batcher.close()

    run(some)
    assert pool.asked == [([1], True), ([1], False), ([1], False), ([1], False), ([1], True)]
