"""Pictures travel to the processes together where many wait, and each gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, cast

import pytest

from oneglance.data.record import ImageRef
from oneglance.serving.decoding import AHEAD, TOGETHER, Decoder
from oneglance.serving.sent import SentImage


class Crew:
    """Processes that answer when they are told to; a picture is its own answer."""

    count = 2

    def __init__(self) -> None:
        self.pieces: list[tuple[Sequence[ImageRef], Future[Any]]] = []
        self.closed = False

    def submit(self, items: Sequence[ImageRef]) -> Future[Any]:
        self.pieces.append((items, Future()))
        return self.pieces[-1][1]

    def finish(self, number: int) -> None:
        items, future = self.pieces[number]
        future.set_result(list(items))

    def close(self) -> None:
        self.closed = True


PICTURES = [SentImage(f"{number}.png", b"") for number in range(40)]


def tried(use: Callable[[Decoder, Crew], Awaitable[None]]) -> Crew:
    async def whole() -> None:
        await asyncio.wait_for(use(Decoder(cast(Any, crew)), crew), 30)

    crew = Crew()
    asyncio.run(whole())
    return crew


async def soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_many_travel_together_and_get_their_own_answers() -> None:
    async def use(decoder: Decoder, crew: Crew) -> None:
        tasks = [asyncio.create_task(decoder.decode(picture)) for picture in PICTURES]
        done = 0
        while done < len(crew.pieces) or not done:
            await soon()
            while done < len(crew.pieces):
                crew.finish(done)
                done += 1
            await soon()
        found: list[Any] = await asyncio.gather(*tasks)
        assert [picture.name for picture in found] == [picture.name for picture in PICTURES]

    sizes = [len(items) for items, _ in tried(use).pieces]
    free = AHEAD * Crew.count
    assert sizes[:free] == [1] * free  # nobody waits while there is somebody free
    assert max(sizes) == TOGETHER and sum(sizes) == len(PICTURES)
    assert len(sizes) == free + -(-(len(PICTURES) - free) // TOGETHER)


def test_who_gave_up_does_not_travel() -> None:
    async def use(decoder: Decoder, crew: Crew) -> None:
        tasks = [asyncio.create_task(decoder.decode(picture)) for picture in PICTURES[:8]]
        await soon()
        tasks[5].cancel()
        await soon()
        for number in range(4):
            crew.finish(number)
        await soon()
        for number in range(4, len(crew.pieces)):
            crew.finish(number)
        await asyncio.gather(*tasks[:5], *tasks[6:])

    names = [item.name for items, _ in tried(use).pieces for item in items]
    assert sorted(names) == [f"{number}.png" for number in (0, 1, 2, 3, 4, 6, 7)]


def test_a_fault_is_told_to_its_piece_and_the_rest_goes_on() -> None:
    async def use(decoder: Decoder, crew: Crew) -> None:
        first, *others = [asyncio.create_task(decoder.decode(picture)) for picture in PICTURES[:5]]
        await soon()
        crew.pieces[0][1].set_exception(ValueError("no process"))
        with pytest.raises(ValueError, match="no process"):
            await first
        for number in range(1, 5):
            crew.finish(number)
        assert len(await asyncio.gather(*others)) == 4

    tried(use)


def test_who_waits_when_it_closes_is_told() -> None:
    async def use(decoder: Decoder, crew: Crew) -> None:
        tasks = [asyncio.create_task(decoder.decode(picture)) for picture in PICTURES[:6]]
        await soon()
        decoder.close()
        for _, future in crew.pieces:
            future.cancel()  # as the true one does
        for task in tasks:
            with pytest.raises(asyncio.CancelledError):
                await task

    crew = tried(use)
    assert crew.closed and len(crew.pieces) == 4
