"""What a request may cost: sizes, counts, times. All else is refused in plain words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from oneglance.errors import OneglanceError


@dataclass(frozen=True)
class Bounds:
    """What is refused, and how long is waited."""

    megabytes: float = 32  # of the body of one request
    pictures: int = 64  # in one request
    megapixels: float = 50  # of one picture; the configuration's [pictures] megapixels if that is smaller
    waiting: int = 256  # pictures inside, of all requests together
    inside: float = 256  # megabytes of all bodies together
    seconds: float = 30  # for a request, from its first byte to the last one of the answer
    head_seconds: float = 10  # until the head of a request has arrived
    connections: int = 512  # open at once
    wait: float = 0.005  # seconds that a picture waits for others to share its forward pass


class Refused(OneglanceError):  # noqa: N818 - not a fault of ours: what a client reads
    """A request that is refused. ``status`` is that of HTTP, ``retry`` seconds after which to try again."""

    def __init__(self, status: int, what: str, hint: str = "", *, location: str = "", retry: int = 0) -> None:
        super().__init__(what, location=location, hint=hint)
        self.status, self.retry = status, retry


def busy(what: str, retry: float = 1) -> Refused:
    """More is asked than can be answered just now."""
    return Refused(503, what, "try again later", retry=max(1, round(retry)))


class ByteBudget:
    """Bytes that all requests together may hold."""

    def __init__(self, most: float) -> None:
        self.most, self.used = int(most), 0

    def take(self, size: int) -> None:
        """
        Raises:
            Refused: the budget is spent.
        """
        if self.used + size > self.most:
            raise busy("the service holds as many pictures as fit into its memory")
        self.used += size

    def give(self, size: int) -> None:
        """The mirror of ``take``."""
        self.used -= size


@asynccontextmanager
async def body_of(
    stream: AsyncIterator[bytes], headers: Mapping[str, str], bounds: Bounds, budget: ByteBudget
) -> AsyncIterator[bytes]:
    """The body of a request; its bytes count in ``budget`` until the block ends.

    Raises:
        Refused: it is larger than allowed, compressed, or the budget is spent.
    """
    most = int(bounds.megabytes * 1e6)
    if headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "a compressed body is not read", "send it without Content-Encoding")
    if _declared(headers) > most:
        raise _too_large(bounds)
    body = bytearray()
    try:
        async for chunk in stream:
            if len(body) + len(chunk) > most:
                raise _too_large(bounds)
            budget.take(len(chunk))
            body += chunk
        yield bytes(body)
    finally:
        budget.give(len(body))


def _declared(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _too_large(bounds: Bounds) -> Refused:
    return Refused(413, f"the request is larger than {bounds.megabytes:g} megabytes", "send fewer at once")
