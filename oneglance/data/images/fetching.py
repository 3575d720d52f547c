"""Pictures that lie elsewhere, fetched several at once and a few ahead: they go on as those in memory.

What waits for a server would hold up a decoding process, and each of these would need connections of its own.
A picture that cannot be fetched is one that cannot be read: it is named and no other takes its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from oneglance.data.images.decode import load
from oneglance.data.images.memory_image import EncodedImage, PixelImage, UnreadableImage
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError

THREADS = 8  # pictures under way at once
AHEAD = 32  # pictures that are fetched before they are needed
AHEAD_BYTES = 256_000_000  # of them, after which no more are begun

Answer = TypeVar("Answer")


def fetched(refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
    """``refs`` in their order; in the place of those that lie elsewhere, or can only be read after those
    before them, what was read: here and once, and not by each of several processes.
    """
    return ahead(_in_memory, refs, lambda image: len(image.data) if isinstance(image, EncodedImage) else 0)


def ahead(
    function: Callable[[ImageRef], Answer],
    refs: Iterable[ImageRef],
    size: Callable[[Answer], int] = lambda answer: 0,
) -> Iterator[Answer]:
    """What ``function`` gives for each of ``refs``, in order: begun ahead in threads for those elsewhere.

    Args:
        size: bytes that an answer holds.
    """
    waiting: deque[ImageRef | Future[Answer]] = deque()
    together = ThreadPoolExecutor(THREADS, "fetching")  # its threads start when they are needed
    in_turn = ThreadPoolExecutor(1, "fetching")  # files that are read from their beginning
    try:
        for ref in refs:
            if not (waiting or ref.is_remote):
                yield function(ref)
                continue
            if ref.is_remote:
                waiting.append((together if ref.random_access else in_turn).submit(function, ref))
            else:
                waiting.append(ref)
            while waiting and (not isinstance(waiting[0], Future) or _is_enough(waiting, size)):
                yield _answer(function, waiting.popleft())
        while waiting:
            yield _answer(function, waiting.popleft())
    finally:
        for pool in (together, in_turn):
            pool.shutdown(wait=False, cancel_futures=True)


def _answer(function: Callable[[ImageRef], Answer], one: ImageRef | Future[Answer]) -> Answer:
    return one.result() if isinstance(one, Future) else function(one)


def _is_enough(waiting: Iterable[ImageRef | Future[Answer]], size: Callable[[Answer], int]) -> bool:
    under_way = [one for one in waiting if isinstance(one, Future)]
    held = sum(size(one.result()) for one in under_way if one.done() and one.exception() is None)
    return len(under_way) > AHEAD or held > AHEAD_BYTES


def _in_memory(ref: ImageRef) -> ImageRef:
    if not ref.is_remote and ref.random_access:
        return ref
    try:
        loaded = load(ref)
    except PictureError as error:
        return UnreadableImage(ref.name, error.what)
    return EncodedImage(ref.name, loaded) if isinstance(loaded, bytes) else PixelImage(ref.name, loaded)
