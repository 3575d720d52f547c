"""What every request passes first: who may ask, how long it may take, what is counted and logged."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect

from oneglance.data.quoting import plain
from oneglance.serving.limits import Refused, busy
from oneglance.serving.prometheus import Metrics

log = logging.getLogger("oneglance.serving")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

DRAINED = 150_000_000  # bytes of a refused request that are read to its end
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
STOPPING = 5  # seconds after which another service may have taken the place of one that stops
LONGEST_ERROR = 500  # characters of a refusal: it may quote what was sent
OPEN = frozenset(
    ("/", "/style.css", "/page.js", "/docs", "/health", "/openapi.json")
)  # they hold nothing private
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may ask. Without a key, pages of other sites that are open in the user's browser must not."""

    key: str = field(default="", repr=False)  # "": everybody who reaches the service
    loopback: bool = True  # only programs of this machine reach it

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """
        Raises:
            Refused: who asks may not.
        """
        if self.key:
            given = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")
            if path not in OPEN and not hmac.compare_digest(given.encode("latin-1"), self.key.encode()):
                raise Refused(401, "the key is missing or wrong", "send it as Authorization: Bearer KEY")
            return
        host = headers.get("host", "")
        try:
            named = urlsplit(f"//{host}").hostname
            origin = urlsplit(headers.get("origin", f"//{host}")).netloc
        except ValueError:
            raise Refused(400, "the request names no host") from None
        # A name that an attacker's site lets point to this machine would make that site's pages ours.
        if self.loopback and named not in LOOPBACK:
            raise Refused(
                421, "this service is asked as localhost", "behind a proxy, give it a key: --api-key"
            )
        # Browsers say where a request comes from, old ones by Origin alone; programs send neither. A link
        # from elsewhere to what holds nothing private may be followed.
        elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if origin != host or (elsewhere and not (path in OPEN and method in ("GET", "HEAD"))):
            raise Refused(403, "pages of other sites may not ask")


class RequestMiddleware:
    """Wraps an ASGI application. Every refusal and every fault becomes JSON."""

    def __init__(
        self, app: App, access: Access, seconds: float, metrics: Metrics, paths: frozenset[str]
    ) -> None:
        self.app, self.access, self.seconds = app, access, seconds
        self.metrics, self.paths = metrics, paths

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        try:
            async with asyncio.timeout(self.seconds):
                await self._answer(scope, exchange)
        except TimeoutError:
            if exchange.status:  # half an answer is worse than none: the server closes the connection
                raise
            late = Refused(408, f"the request has not arrived whole within {self.seconds:g} seconds")
            exchange.ignores_rest = True
            slow = busy(f"there is no answer within {self.seconds:g} seconds", self.seconds)
            await exchange.refuse(slow if exchange.arrived else late)
        except asyncio.CancelledError:  # the service stops, and does not wait any longer
            if exchange.status:
                raise
            exchange.ignores_rest = True
            await exchange.refuse(busy("the service is stopping", STOPPING))
        finally:
            path = scope["path"] if scope["path"] in self.paths else "other"
            seconds = time.perf_counter() - exchange.began
            self.metrics.request(path, exchange.status, seconds)
            # Neither names nor pictures: only how the service does.
            fields = {"method": scope["method"], "path": path, "status": exchange.status}
            log.info("request", extra={"fields": {**fields, "milliseconds": round(1000 * seconds, 1)}})

    async def _answer(self, scope: Message, exchange: _Exchange) -> None:
        try:
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
            self.access.check(scope["method"], scope["path"], headers)
            await self.app(scope, exchange.receive, exchange.send)
        except Refused as refused:
            await exchange.refuse(refused)
        except ClientDisconnect:
            log.debug("client left")
        except Exception:  # a fault of ours: for the log, and for nobody else
            log.exception("fault")
            await exchange.refuse(Refused(500, "the service has failed at this request", "its log says why"))


class _Exchange:
    """One request and its answer, as far as they have come."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.began = time.perf_counter()
        self.arrived = False  # the whole request
        self.ignores_rest = False  # no more of the request is read
        self.status = 0  # of the answer, once it has begun
        self._receive, self._send = receive, send

    async def receive(self) -> Message:
        message = await self._receive()
        self.arrived = self.arrived or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._drain()
            self.status = message["status"]
            own = {key for key, _ in message.get("headers", ())}  # a page may have stricter rules of its own
            added = [
                (key.encode(), value.encode()) for key, value in HEADERS.items() if key.encode() not in own
            ]
            if not self.arrived:
                added.append((b"connection", b"close"))
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await self._send(message)

    async def _drain(self) -> None:
        """Read what is still coming and throw it away: a client that still sends often loses the answer."""
        left = DRAINED
        while left > 0 and not self.arrived and not self.ignores_rest:
            left -= len((await self.receive()).get("body", b""))

    async def refuse(self, refused: Refused) -> None:
        if self.status:
            raise refused
        body = json.dumps(error_body(refused), ensure_ascii=False).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(key.encode(), value.encode()) for key, value in error_headers(refused).items()]
        await self.send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def error_body(refused: Refused) -> dict[str, str]:
    """The body of a refusal: one line without control characters, whatever was sent."""
    return {"error": plain(str(refused), LONGEST_ERROR)}


def error_headers(refused: Refused) -> dict[str, str]:
    """The headers of a refusal."""
    return {"retry-after": str(refused.retry)} if refused.retry else {}
