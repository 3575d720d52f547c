"""The application: its routes, and what stands before them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oneglance import __version__
from oneglance.errors import OneglanceError
from oneglance.parallel.process_pool import ProcessesDoNotStart
from oneglance.serving.corrections import Corrections
from oneglance.serving.limits import Bounds, Refused, busy
from oneglance.serving.middleware import Access, RequestMiddleware, error_body, error_headers, log
from oneglance.serving.model_pool import ModelPool, as_json
from oneglance.serving.service import Service, json_response

RESTART = 5  # seconds after which processes that did not start are asked for again
PAGE = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/docs": ("docs.html", "text/html"),
}


@dataclass(frozen=True)
class Settings:
    """How a network is served."""

    name: str = "oneglance"  # what the page calls the network
    access: Access = field(default_factory=Access)
    bounds: Bounds = field(default_factory=Bounds)
    corrections: Path | None = None  # the table that corrections go to; none: they are not taken


def build_app(pool: ModelPool, settings: Settings) -> Starlette:
    """The ASGI application for an opened network, which it closes at its end.

    Raises:
        OneglanceError: the folder of the corrections cannot be used.
    """
    corrections = Corrections(settings.corrections, pool.model.tasks) if settings.corrections else None
    service = Service(pool, settings.name, settings.bounds, corrections)
    openapi = as_json(openapi_document(pool.model.tasks if corrections else (), bool(settings.access.key)))
    routes = [
        Route("/predict", service.predict, methods=["POST"]),  # first: it is asked for most
        Route("/explain", service.explain, methods=["POST"]),
        *([Route("/corrections", service.correct, methods=["POST"])] if corrections else []),
        Route("/model", service.describe_model),
        Route("/health", service.health),
        Route("/metrics", service.show_metrics),
        Route("/openapi.json", _fixed(openapi.encode(), "application/json")),
        *(Route(path, _page(name, kind)) for path, (name, kind) in PAGE.items()),
    ]
    middleware = Middleware(
        RequestMiddleware,
        access=settings.access,
        seconds=settings.bounds.seconds,
        metrics=service.metrics,
        paths=frozenset(["/predict", "/explain", "/corrections", "/model", "/health", "/metrics", *PAGE]),
    )
    return Starlette(
        routes=routes,
        middleware=[middleware],
        exception_handlers={OneglanceError: _refuse, HTTPException: _refuse_path},
        lifespan=service.lifespan,
    )


def openapi_document(corrected: Iterable[str], has_key: bool) -> dict[str, Any]:
    """What ``/openapi.json`` gives; see the file of that name.

    Args:
        corrected: the tasks that corrections are taken for.
        has_key: whether programs send a key.
    """
    content = files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(content)
    document["info"]["version"] = __version__
    if has_key:
        document["security"] = [{name: []} for name in document["components"]["securitySchemes"]]
    paths = document["paths"]
    if names := list(corrected):
        body = paths["/corrections"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        body["properties"]["answers"]["propertyNames"] = {"enum": names}
    else:
        del paths["/corrections"]
    return document


def _page(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    return _fixed(files(f"{__package__}.page").joinpath(name).read_bytes(), f"{kind}; charset=utf-8")


def _fixed(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return respond


async def _refuse(_: Request, error: Exception) -> Response:
    """What a client or the person who runs the service can mend."""
    if isinstance(error, Refused):
        refused = error
    elif isinstance(error, ProcessesDoNotStart):  # killed meanwhile: there may be memory again in a moment
        refused = busy("the processes that hold the network are being started again", RESTART)
    else:  # such as a full disk: the whole message is for the log, a client need not know where things lie
        assert isinstance(error, OneglanceError)
        log.error("fault", extra={"fields": {"what": str(error)}})
        refused = Refused(500, error.what, error.hint, location=PurePath(error.location).name)
    response = json_response(error_body(refused), refused.status)
    response.headers.update(error_headers(refused))
    return response


async def _refuse_path(_: Request, error: Exception) -> Response:
    """A path or method that is not there."""
    assert isinstance(error, HTTPException)
    what = {404: "there is nothing here", 405: "this cannot be asked in that way"}
    refused = Refused(error.status_code, what.get(error.status_code, "the request is wrong"), "see /docs")
    response = json_response(error_body(refused), refused.status)
    response.headers.update(error.headers or {})
    return response
