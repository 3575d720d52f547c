"""The HTTP server: its socket, bounds on connections and slow clients, its log, and a graceful end."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from oneglance.errors import OneglanceError
from oneglance.serving.limits import Bounds
from oneglance.serving.middleware import LOOPBACK

HEAD = 65_536  # bytes of the head of a request
LINGERING = 256  # connections that are already refused and are about to be closed
FULL = "there are as many connections as this service takes — try again later"
GRACE = 20  # seconds for requests under way when the service is asked to stop


class Server(uvicorn.Server):
    """One that remembers only the first signal to stop: uvicorn sends itself all of them again at its end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)
        elif sig == signal.SIGINT:  # asked again by a person: what is under way is answered with 503
            for task in tuple(self.server_state.tasks):
                task.get_loop().call_soon_threadsafe(task.cancel)


def server(app: Any, bounds: Bounds) -> uvicorn.Server:
    """The HTTP server of an application. Its ``run`` takes an open socket."""
    logging.getLogger("uvicorn.access").disabled = True  # it would log whatever is asked
    return Server(
        uvicorn.Config(
            app,
            http=limited_protocol(bounds),
            h11_max_incomplete_event_size=HEAD,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE,
        )
    )


def until_stopped(running: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, and then answer what is under way.

    Raises:
        OneglanceError: the service does not start.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        running.run(sockets=[listener])
    except KeyboardInterrupt:  # raised when all is done
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    if not running.started:
        raise OneglanceError("the service does not start", hint="its log says why")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_socket(host: str, port: int) -> socket.socket:
    """An open socket.

    Raises:
        OneglanceError: the address cannot be used.
    """
    listener = None
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        if sys.platform != "win32":  # there it would let two services share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise OneglanceError(
            f"cannot be listened at ({reason})",
            location=f"{host}:{port}",
            hint="name another with --port or --host",
        ) from None
    return listener


def limited_protocol(bounds: Bounds) -> type[asyncio.Protocol]:
    """uvicorn's protocol, which by itself waits for ever for the head of a request and for whoever reads
    slowly, takes heads of any length, hangs up on clients that have said all (a half-closed connection), and
    counts connections that ask for nothing. Here each of these has a bound, and every refusal is JSON.

    uvicorn has no setting for any of it. What is used of it here is not public (``cycle``, ``loop``,
    ``transport``, ``send_400_response``, ``on_response_complete``), so pyproject.toml names the versions that
    are known to have it, and tests/serving/test_http_server.py fails when one of them is gone.
    """

    taken: set[LimitedProtocol] = set()  # connections that are neither refused nor about to be closed
    idle: dict[LimitedProtocol, None] = {}  # of these, those without a request, the longest idle first
    lingering: set[LimitedProtocol] = set()  # refused, and not closed yet

    class LimitedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        _late: asyncio.TimerHandle | None = None
        _head = 0  # bytes of a head that is not whole yet
        _refused = False  # nothing more is read
        _since = 0.0  # when the head of its last request was whole, by the loop's clock

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            taken.add(self)
            idle[self] = None
            self._expect()
            self._make_room()

        def data_received(self, data: bytes) -> None:
            while data and not self._refused:
                most = HEAD - self._head if self._reads_head() else len(data)
                piece, data = data[:most], data[most:]
                before = self.cycle
                super().data_received(piece)
                if self.cycle is not before or not self._reads_head():
                    if self.cycle is not before:
                        self._since = self.loop.time()
                    idle.pop(self, None)
                    self._forget()
                    continue
                self._head += len(piece)
                if self._head >= HEAD:
                    self._refuse(431, f"the head of the request is longer than {HEAD:,} bytes")
                elif self._late is None:
                    self._expect()

        def eof_received(self) -> bool:
            """Whether the connection stays open: the client says no more, but waits for its answer."""
            if self._is_idle() or self.cycle.more_body:
                return False
            self.cycle.keep_alive = False
            return True

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self._is_idle() and self in taken:
                idle[self] = None

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            self._leave()
            lingering.discard(self)
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.loop.call_later(bounds.head_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._unread.cancel()
            super().resume_writing()

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, "this is not an HTTP request")

        def _is_idle(self) -> bool:
            """Whether no request is under way."""
            return self.cycle is None or self.cycle.response_complete

        def _reads_head(self) -> bool:
            """Whether what comes next belongs to the head of a request."""
            return self.cycle is None or not self.cycle.more_body

        def _make_room(self) -> None:
            """One connection too many: the one that has asked for nothing for longest goes; where there is no
            such, the one whose request has been arriving for longest, if for long; else this.
            """
            if len(taken) > bounds.connections:
                oldest = next(iter(idle))
                if oldest is self:
                    late = self.loop.time() - bounds.head_seconds
                    slow = (each for each in taken - {self} if each.cycle.more_body and each._since < late)
                    oldest = min(slow, key=lambda each: each._since, default=self)
                if not oldest._is_idle() or oldest is self or oldest._head:
                    oldest._refuse(503, FULL)
                else:
                    oldest._leave()
                    oldest.transport.close()

        def _leave(self) -> None:
            taken.discard(self)
            idle.pop(self, None)

        def _expect(self) -> None:
            self._late = self.loop.call_later(
                bounds.head_seconds, self._refuse, 408, "the request came too slowly"
            )

        def _forget(self) -> None:
            self._head = 0
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _refuse(self, status: int, what: str) -> None:
            """Answer by hand and close; a moment later, or what is still coming would lose the answer. While
            an answer is under way, nothing may come between.
            """
            self._forget()
            if self._refused or self.transport.is_closing():
                return
            self._refused = True
            self._leave()
            if not self._is_idle():
                self.cycle.keep_alive = False
                if self.cycle.response_started or not self.cycle.more_body or getattr(self, "pipeline", None):
                    return
                self.cycle.disconnected = True  # its body is broken: nobody waits for the rest
                self.cycle.message_event.set()
            if len(lingering) >= LINGERING:
                self.transport.abort()
                return
            lingering.add(self)
            body = json.dumps({"error": what}).encode()
            head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\n"
            head += "retry-after: 1\r\n" if status == 503 else ""
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            self.loop.call_later(1, self.transport.close)

    return LimitedProtocol


class JsonLines(logging.Formatter):
    """A log record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["fault"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr() -> None:
    """Lines of JSON on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name in ("oneglance.serving", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name.startswith("oneglance") else logging.WARNING)
