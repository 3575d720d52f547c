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

from oneglance.serving.http_server import HEAD, limited_protocol
from oneglance.serving.limits import Bounds

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
        assert cycle.response_started is False
        assert cycle.more_body is True
        assert cycle.disconnected is False
        assert isinstance(cycle.keep_alive, bool)
        protocol.pause_writing()
        protocol.resume_writing()
        protocol.connection_lost(None)
        for name in ("send_400_response", "data_received", "connection_made", "connection_lost"):
            assert callable(getattr(kind, name)), name
        assert callable(kind.on_response_complete)

    asyncio.run(connection())


def test_ours_is_one_of_them() -> None:
    assert AutoHTTPProtocol in (H11Protocol, HttpToolsProtocol)
    assert issubclass(limited_protocol(Bounds()), AutoHTTPProtocol)


@pytest.mark.parametrize(("sent", "answer"), [(b"GET / HT", b"408"), (b"", b"408"), (REQUEST, b"")])
def test_half_a_head_has_little_time_and_a_body_all_that_it_needs(sent: bytes, answer: bytes) -> None:
    async def connection() -> None:
        protocol, wire = opened(limited_protocol(Bounds(head_seconds=0.05)))
        protocol.data_received(sent)
        await asyncio.sleep(0.2)
        assert answer in wire.sent and bool(wire.sent) is bool(answer)
        protocol.connection_lost(None)

    asyncio.run(connection())


def test_who_reads_slowly_is_hung_up_on() -> None:
    async def connection() -> None:
        protocol, wire = opened(limited_protocol(Bounds(head_seconds=0.05)))
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
        protocol, wire = opened(limited_protocol(Bounds(head_seconds=5)))
        protocol.data_received(sent)
        if status == b"431":
            protocol.data_received(b"TP/1.1\r\nx: " + b"y" * 70_000)
        answered = wire.sent
        assert answered.startswith(b"HTTP/1.1 " + status) and b'{"error": "' in answered
        protocol.data_received(sent)
        assert wire.sent == answered
        protocol.connection_lost(None)

    asyncio.run(connection())


class Served:
    """An application that answers once it is told to; its connections are of that protocol."""

    def __init__(self, kind: Any, bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("oneglance.serving.http_server.AutoHTTPProtocol", kind)
        self.kind, self.go, self.asked = limited_protocol(bounds), asyncio.Event(), 0
        self.config = uvicorn.Config(
            self.app, interface="asgi3", log_config=None, h11_max_incomplete_event_size=HEAD
        )
        self.config.load()
        self.state = uvicorn.Server(self.config).server_state

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        message: dict[str, Any] = await receive()
        while message.get("more_body"):
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self) -> tuple[Any, Wire]:
        wire = Wire()
        protocol: Any = self.kind(config=self.config, server_state=self.state, app_state={})  # type: ignore[call-arg]
        protocol.connection_made(wire)
        return protocol, wire


BOTH = pytest.mark.parametrize("kind", [H11Protocol, HttpToolsProtocol])
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def of_length(length: int) -> bytes:
    """A request with a head of that many bytes."""
    head = b"GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n"
    return head.replace(b"x: ", b"x: " + b"y" * (length - len(head)))


@BOTH
@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(("length", "status"), [(HEAD, b"200"), (HEAD + 1, b"431"), (70_000, b"431")])
def test_a_head_has_a_length(
    kind: Any, pieces: int, length: int, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it arrives, and on a connection that has answered before as well."""

    async def connection() -> None:
        served = Served(kind, Bounds(head_seconds=5), monkeypatch)
        served.go.set()
        protocol, wire = served.connect()
        protocol.data_received(GET)
        await asyncio.sleep(0.01)
        assert wire.sent.endswith(b"ok")
        wire.sent = b""
        sent = of_length(length)
        for start in range(0, length, -(-length // pieces)):
            protocol.data_received(sent[start : start - (-length // pieces)])
        await asyncio.sleep(0.01)
        assert wire.sent.startswith(b"HTTP/1.1 " + status)
        assert served.asked == 1 + (status == b"200")
        protocol.connection_lost(None)

    asyncio.run(connection())


@BOTH
def test_a_long_head_behind_a_request_does_not_disturb_its_answer(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connection() -> None:
        served = Served(kind, Bounds(head_seconds=5), monkeypatch)
        protocol, wire = served.connect()
        protocol.data_received(GET)
        for _ in range(20):
            protocol.data_received(of_length(100_000)[:-4])
        assert wire.sent == b""
        served.go.set()
        await asyncio.sleep(0.01)
        assert wire.sent.startswith(b"HTTP/1.1 200") and wire.sent.count(b"HTTP/1.1") == 1
        protocol.connection_lost(None)

    asyncio.run(connection())


@BOTH
def test_who_has_said_all_gets_the_answer(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connection() -> None:
        served = Served(kind, Bounds(), monkeypatch)
        protocol, wire = served.connect()
        protocol.data_received(GET)
        assert protocol.eof_received() is True
        served.go.set()
        await asyncio.sleep(0.01)
        assert wire.sent.startswith(b"HTTP/1.1 200") and wire.sent.endswith(b"ok")
        assert not wire.open
        for sent in (b"", GET[:10], REQUEST):
            other, wire = served.connect()
            other.data_received(sent)
            assert not other.eof_received()
            other.connection_lost(None)
        protocol.connection_lost(None)

    asyncio.run(connection())


@BOTH
def test_a_broken_body_is_refused_at_once(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connection() -> None:
        served = Served(kind, Bounds(), monkeypatch)
        protocol, wire = served.connect()
        protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n")
        await asyncio.sleep(0.01)
        assert wire.sent.startswith(b"HTTP/1.1 400") and b'{"error": "' in wire.sent
        assert wire.sent.count(b"HTTP/1.1") == 1
        protocol.connection_lost(None)

    asyncio.run(connection())


@BOTH
def test_idle_connections_make_room(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connection() -> None:
        served = Served(kind, Bounds(connections=3), monkeypatch)
        served.go.set()
        silent, kept, half = (served.connect() for _ in range(3))
        kept[0].data_received(GET)  # answered: it may ask again
        half[0].data_received(GET[:10])
        await asyncio.sleep(0.01)
        served.go.clear()
        busy = []
        for gone in (silent, half, kept):  # in the order in which they last asked for something
            busy.append(served.connect())
            busy[-1][0].data_received(GET)
            if gone is half:
                assert gone[1].sent.startswith(b"HTTP/1.1 503") and b'{"error": "' in gone[1].sent
            else:
                assert not gone[1].open
                gone[0].connection_lost(None)
        _, wire = refused = served.connect()  # all are busy
        assert wire.sent.startswith(b"HTTP/1.1 503") and b"retry-after" in wire.sent
        served.go.set()
        await asyncio.sleep(0.01)
        assert all(wire.sent.endswith(b"ok") for _, wire in busy)
        for protocol, _ in (half, *busy, refused):
            protocol.connection_lost(None)

    asyncio.run(connection())


@BOTH
def test_slow_bodies_make_room_too_but_not_at_once(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connection() -> None:
        served = Served(kind, Bounds(connections=2, head_seconds=0.1), monkeypatch)
        served.go.set()
        slow = [served.connect() for _ in range(2)]
        for protocol, _ in slow:
            protocol.data_received(REQUEST)
        _, wire = refused = served.connect()
        assert wire.sent.startswith(b"HTTP/1.1 503")
        await asyncio.sleep(0.15)
        slow[0][0].data_received(b"d")  # still not whole
        last, wire = served.connect()
        last.data_received(GET)
        await asyncio.sleep(0.01)
        assert wire.sent.endswith(b"ok")
        assert slow[0][1].sent.startswith(b"HTTP/1.1 503") and slow[1][1].sent == b""
        for protocol, _ in (*slow, refused, (last, wire)):
            protocol.connection_lost(None)

    asyncio.run(connection())


def test_connections_that_linger_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connection() -> None:
        monkeypatch.setattr("oneglance.serving.http_server.LINGERING", 2)
        served = Served(HttpToolsProtocol, Bounds(connections=1), monkeypatch)
        made = [served.connect()]
        made[0][0].data_received(GET)
        made += [served.connect() for _ in range(4)]
        assert [wire.open for _, wire in made] == [True, True, True, False, False]
        made[1][0].connection_lost(None)
        made.append(served.connect())
        assert made[-1][1].sent.startswith(b"HTTP/1.1 503")
        for protocol, _ in made:
            protocol.connection_lost(None)

    asyncio.run(connection())


def test_many_connections_at_once_make_room_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that go are closed in a moment only, and until then do not count."""

    async def connection() -> None:
        served = Served(HttpToolsProtocol, Bounds(connections=5), monkeypatch)
        made = [served.connect() for _ in range(1000)]
        assert [wire.open for _, wire in made] == [False] * 995 + [True] * 5
        for protocol, _ in made:
            protocol.connection_lost(None)

    asyncio.run(connection())
