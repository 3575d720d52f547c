"""What we use of uvicorn that it does not promise to keep.

`oneglance serve` ends connections whose request comes too slowly, for which uvicorn has no setting. The range
of versions in pyproject.toml may only be widened to versions that pass this.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from oneglance.serving.http_server import time_limited_protocol

REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabc"


class Wire(asyncio.Transport):
    """What a connection would send, and whether it is open."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.sent, self.open = b"", True

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return not self.open

    def close(self) -> None:
        self.open = False

    def abort(self) -> None:
        self.open = False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass


def opened(kind: Any) -> tuple[Any, Wire]:
    """A connection of that protocol. Call it in a running event loop."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    config = uvicorn.Config(app, log_config=None)
    config.load()
    wire = Wire()
    protocol = kind(config=config, server_state=uvicorn.Server(config).server_state, app_state={})
    protocol.connection_made(wire)
    return protocol, wire


@pytest.mark.parametrize("kind", [H11Protocol, HttpToolsProtocol])
def test_the_insides_that_we_use_are_there(kind: Any) -> None:
    async def connection() -> None:
        protocol, wire = opened(kind)
        assert protocol.cycle is None
        assert protocol.transport is wire
        assert protocol.loop is asyncio.get_running_loop()
        protocol.data_received(REQUEST)
        cycle: Any = protocol.cycle  # another one by now
        assert cycle.response_complete is False
        protocol.pause_writing()
        protocol.resume_writing()
        protocol.connection_lost(None)
        for name in ("send_400_response", "data_received", "connection_made", "connection_lost"):
            assert callable(getattr(kind, name)), name

    asyncio.run(connection())


def test_ours_is_one_of_them() -> None:
    assert AutoHTTPProtocol in (H11Protocol, HttpToolsProtocol)
    assert issubclass(time_limited_protocol(1), AutoHTTPProtocol)


@pytest.mark.parametrize(("sent", "answer"), [(b"GET / HT", b"408"), (b"", b"408"), (REQUEST, b"")])
def test_half_a_head_has_little_time_and_a_body_all_that_it_needs(sent: bytes, answer: bytes) -> None:
    async def connection() -> None:
        protocol, wire = opened(time_limited_protocol(0.05))
        protocol.data_received(sent)
        await asyncio.sleep(0.2)
        assert answer in wire.sent and bool(wire.sent) is bool(answer)
        protocol.connection_lost(None)

    asyncio.run(connection())


def test_who_reads_slowly_is_hung_up_on() -> None:
    async def connection() -> None:
        protocol, wire = opened(time_limited_protocol(0.05))
        protocol.data_received(REQUEST)
        protocol.pause_writing()
        assert wire.open
        await asyncio.sleep(0.2)
        assert not wire.open
        protocol.connection_lost(None)

    asyncio.run(connection())


@pytest.mark.parametrize(("sent", "status"), [(b"\x16\x03\x01 hello\r\n\r\n", b"400"), (b"GET / HT", b"431")])
def test_what_is_no_request_is_refused_once(sent: bytes, status: bytes) -> None:
    async def connection() -> None:
        protocol, wire = opened(time_limited_protocol(5))
        protocol.data_received(sent)
        if status == b"431":
            protocol.data_received(b"TP/1.1\r\nx: " + b"y" * 70_000)
        answered = wire.sent
        assert answered.startswith(b"HTTP/1.1 " + status) and b'{"error": "' in answered
        protocol.data_received(sent)
        assert wire.sent == answered
        protocol.connection_lost(None)

    asyncio.run(connection())
