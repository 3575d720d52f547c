"""Items of many askers share a call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from oneglance.serving.dynamic_batching import Batcher


async def double(items: Sequence[int]) -> list[int]:
    if 13 in items:
        raise ValueError("thirteen")
    return [2 * item for item in items]


async def asked(
    most: int, wait: float, coming: int, items: Sequence[int]
) -> tuple[list[int], Batcher[int, int]]:
    batcher: Batcher[int, int] = Batcher(double, 1, most, wait, lambda: coming)
    try:
        return await batcher.ask(items), batcher
    finally:
        await batcher.close()


def test_each_gets_its_own_answer_in_batches_of_at_most_so_many() -> None:
    answers, batcher = asyncio.run(asked(4, 0.01, 0, range(10)))
    assert answers == [2 * item for item in range(10)]
    assert (batcher.batches, batcher.items) == (3, 10)


def test_it_waits_for_what_is_coming_but_not_for_ever() -> None:
    async def two() -> int:
        batcher: Batcher[int, int] = Batcher(double, 1, 8, 5, lambda: coming)
        coming = 1
        first = asyncio.create_task(batcher.ask([1]))
        await asyncio.sleep(0.1)
        assert not first.done()
        coming = 0
        await asyncio.gather(first, batcher.ask([2]))
        await batcher.close()
        return batcher.batches

    assert asyncio.run(two()) == 1
    answers, _ = asyncio.run(asyncio.wait_for(asked(8, 0.05, 1, [1]), 30))
    assert answers == [2]


def test_it_does_not_wait_where_nothing_is_coming() -> None:
    answers, _ = asyncio.run(asyncio.wait_for(asked(8, 3600, 0, [1]), 30))
    assert answers == [2]


def test_lanes_share_what_is_here_and_what_is_coming() -> None:
    batches: list[int] = []
    both = asyncio.Event()

    async def together(items: Sequence[int]) -> list[int]:
        batches.append(len(items))
        if len(batches) == 2:
            both.set()
        await both.wait()  # a lane that had taken all would wait here for ever
        return list(items)

    async def eight() -> list[list[int]]:
        batcher: Batcher[int, int] = Batcher(together, 2, 64, 5, lambda: 8 - here)
        answers = []
        for here in range(1, 9):
            answers.append(asyncio.create_task(batcher.ask([here])))
            await asyncio.sleep(0.01)
        found = await asyncio.gather(*answers)
        await batcher.close()
        return found

    assert asyncio.run(asyncio.wait_for(eight(), 30)) == [[number] for number in range(1, 9)]
    assert batches == [4, 4]


def test_a_fault_is_told_to_its_batch_only() -> None:
    async def both() -> list[int]:
        batcher: Batcher[int, int] = Batcher(double, 1, 8, 0, lambda: 0)
        with pytest.raises(ValueError, match="thirteen"):
            await batcher.ask([13])
        answer = await batcher.ask([1])
        await batcher.close()
        return answer

    assert asyncio.run(both()) == [2]


def test_who_gave_up_is_not_asked_for() -> None:
    seen: list[int] = []
    gate = asyncio.Event()

    async def slow(items: Sequence[int]) -> list[int]:
        await gate.wait()
        seen.extend(items)
        return list(items)

    async def three() -> None:
        batcher: Batcher[int, int] = Batcher(slow, 1, 1, 0, lambda: 0)
        tasks = [asyncio.create_task(batcher.ask([item])) for item in range(3)]
        await asyncio.sleep(0.1)
        tasks[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        assert await tasks[2] == [2]
        await batcher.close()

    asyncio.run(three())
    assert seen == [0, 2]


def test_who_waits_when_it_closes_is_told() -> None:
    async def one() -> None:
        batcher: Batcher[int, int] = Batcher(double, 1, 8, 30, lambda: 1)
        waiting = asyncio.create_task(batcher.ask([1]))
        await asyncio.sleep(0.05)
        await batcher.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(one())
