"""A page of a training that goes on: it asks for the state every two seconds and draws it."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from oneglance.progress import Screen
from oneglance.screens.choice import default_screen
from oneglance.serving.http_server import open_socket, server
from oneglance.serving.limits import Bounds, Refused
from oneglance.serving.live.live_state import LiveScreen
from oneglance.serving.middleware import Access, RequestMiddleware
from oneglance.serving.prometheus import Metrics
from oneglance.serving.service import json_response

HOST = "127.0.0.1"  # reached from this machine only
LAST_LOOK = 3.0  # seconds for which the end waits until an open page has seen it
PAGES = {
    "/": ("oneglance.serving.live.page", "live.html", "text/html"),
    "/live.js": ("oneglance.serving.live.page", "live.js", "text/javascript"),
    "/live.css": ("oneglance.serving.live.page", "live.css", "text/css"),
    "/report.css": ("oneglance.evaluation.reports.page", "report.css", "text/css"),
}
# A report runs nothing, and has its style in itself.
REPORT_RULES = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"


def live_app(state: Callable[[], dict[str, Any]], folder: Callable[[], Path | None]) -> Starlette:
    """The ASGI application.

    Args:
        state: what the page shows now.
        folder: the run folder, once there is one.
    """

    def show(_: Request) -> Response:
        return json_response(state())

    def report(_: Request) -> Response:
        run = folder()
        path = run / "report.html" if run else None
        if path is None or not path.is_file():
            raise Refused(404, "there is no report yet", "run oneglance evaluate")
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_RULES})

    routes = [
        Route("/state", show),
        Route("/report.html", report),
        *(Route(path, _fixed(*page)) for path, page in PAGES.items()),
    ]
    guard = Middleware(
        RequestMiddleware,
        access=Access(),
        seconds=Bounds().seconds,
        metrics=Metrics(),
        paths=frozenset(["/state", "/report.html", *PAGES]),
    )
    return Starlette(routes=routes, middleware=[guard])


@contextmanager
def live_page(screen: Screen | None = None) -> Iterator[Screen]:
    """The screen for a training, with a page at a free port of this machine that shows it until the end.

    Raises:
        OneglanceError: no port can be had.
    """
    live = LiveScreen(screen or default_screen())
    asked = [0.0, 0.0]  # when the page asked last, and when it asked last after the end

    def state() -> dict[str, Any]:
        asked[0] = time.monotonic()
        over, now = live.over, live.state()
        if over:
            asked[1] = asked[0]
        return now

    with open_socket(HOST, 0) as listener:
        running = server(live_app(state, lambda: live.folder), Bounds())
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        live.say(f"look on at http://{HOST}:{listener.getsockname()[1]}/")
        try:
            yield live
        finally:
            live.over, ended = True, time.monotonic()
            while ended - asked[0] < 2 * LAST_LOOK and not asked[1] and time.monotonic() - ended < LAST_LOOK:
                time.sleep(0.05)
            running.should_exit = True
            thread.join(LAST_LOOK)


def _fixed(package: str, name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = files(package).joinpath(name).read_bytes()

    async def respond(_: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return respond
