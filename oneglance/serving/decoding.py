"""Pictures of all requests, decoded by processes that may die."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence

from oneglance.data.images import Canvas
from oneglance.data.record import ImageRef
from oneglance.data.workers import Workers
from oneglance.errors import PictureError

AHEAD = 2  # pieces of work per process: the one that it does, and the next one
TOGETHER = 4  # pictures of a piece, at most: they wait for each other

Found = Canvas | PictureError
Asked = tuple[ImageRef, "asyncio.Future[Found]"]


class Decoder:
    """Hands pictures to processes as they come. Where more are waiting than there are processes free, several
    travel together, for each journey costs about as much as decoding a small picture.
    """

    def __init__(self, crew: Workers[ImageRef, Found]) -> None:
        self._crew, self._free = crew, AHEAD * crew.count
        self._waiting: deque[Asked] = deque()

    async def decode(self, picture: ImageRef) -> Found:
        """The canvas, or why there is none."""
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((picture, future))
        self._hand_out()
        return await future

    def close(self) -> None:
        """End the processes at once; whoever still waits is told so by a CancelledError."""
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._crew.close()

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            count = min(TOGETHER, math.ceil(len(self._waiting) / self._free))
            taken = [self._waiting.popleft() for _ in range(count)]
            # Who was given up in the meantime is not asked for.
            if piece := [(picture, future) for picture, future in taken if not future.done()]:
                self._free -= 1
                done = asyncio.wrap_future(self._crew.submit([picture for picture, _ in piece]))
                done.add_done_callback(lambda done, piece=piece: self._take(piece, done))  # type: ignore[misc]

    def _take(self, piece: Sequence[Asked], done: asyncio.Future[list[Found]]) -> None:
        self._free += 1
        self._hand_out()
        for row, (_, future) in enumerate(piece):
            if future.done():
                continue
            if done.cancelled():
                future.cancel()
            elif (error := done.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(done.result()[row])
