"""The service: what can be asked over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from oneglance import __version__
from oneglance.errors import OneglanceError
from oneglance.serving.corrections import Corrections
from oneglance.serving.engine import Engine
from oneglance.serving.limits import Bounds, Refused, Room, body_of
from oneglance.serving.middleware import Access, Guard, refusal_headers, told
from oneglance.serving.model_pool import ModelPool, Told, as_json
from oneglance.serving.prometheus import Metrics
from oneglance.serving.request_body import UploadedImage, json_of, picture_of, pictures_of

TURN = (
    0.0005  # seconds that a thread may keep the others waiting: Python's own 0.005 is long beside a picture
)
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


def build_app(crew: ModelPool, settings: Settings) -> FastAPI:
    """The ASGI application for an opened network, which it closes at its end.

    Raises:
        OneglanceError: the place of the corrections cannot be used.
    """
    kept = Corrections(settings.corrections, crew.contents.tasks) if settings.corrections else None
    service = Service(crew, settings, kept)
    app = FastAPI(
        title="oneglance",
        version=__version__,
        description="One network looks at a picture once and answers everything.",
        docs_url=None,  # FastAPI's pages load scripts from another host
        redoc_url=None,
        lifespan=service.lifespan,
    )
    app.add_api_route("/predict", service.predict, methods=["POST"], openapi_extra=PREDICT, summary=TOLD[0])
    if kept:
        app.add_api_route(
            "/corrections", service.correct, methods=["POST"], openapi_extra=CORRECT, summary=TOLD[1]
        )
    app.add_api_route("/model", service.model, methods=["GET"], summary=TOLD[2])
    app.add_api_route("/health", service.health, methods=["GET"], summary=TOLD[3])
    app.add_api_route("/metrics", service.show_metrics, methods=["GET"], summary=TOLD[4])
    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _file(name, kind), methods=["GET"], include_in_schema=False)
    app.add_exception_handler(OneglanceError, _refusal)
    app.add_exception_handler(HTTPException, _plain)
    app.add_middleware(Shortcut, predict=service.predict)
    paths = frozenset(["/predict", "/corrections", "/model", "/health", "/metrics", *PAGE])
    app.add_middleware(
        Guard,  # type: ignore[arg-type]
        access=settings.access,
        seconds=settings.bounds.seconds,
        metrics=service.metrics,
        paths=paths,
    )
    return app


class Shortcut:
    """What is asked most goes straight to its answer: the framework works out anew for each request where it
    goes, which takes as long as all else that the service itself does with a small picture.
    """

    def __init__(self, app: Any, predict: Callable[[Request], Awaitable[Response]]) -> None:
        self.app, self.predict = app, predict

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/predict" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self.predict(request)
        except OneglanceError as error:
            response = await _refusal(request, error)
        await response(scope, receive, send)


class Service:
    """The answers to each kind of request."""

    engine: Engine  # while the application runs

    def __init__(self, crew: ModelPool, settings: Settings, kept: Corrections | None) -> None:
        self.crew, self.settings, self.kept = crew, settings, kept
        self.metrics, self.room = Metrics(), Room(settings.bounds.inside * 1e6)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Open the engine while the application runs."""
        self.engine = Engine(self.crew, self.settings.bounds)
        before = sys.getswitchinterval()
        sys.setswitchinterval(TURN)
        try:
            yield
        finally:
            sys.setswitchinterval(before)
            await self.engine.close()

    async def predict(self, request: Request) -> Response:
        """Files of a form, or JSON with base64, to ``{"pictures": [...]}``, a row per picture, in order."""
        with ExitStack() as arriving:
            arriving.enter_context(self.engine.arrival())
            async with self._body(request) as body:
                bounds = self.settings.bounds
                kind = request.headers.get("content-type", "")
                pictures: list[UploadedImage] = await _aside(
                    len(body), pictures_of, body, kind, bounds.pictures
                )
                arriving.close()
                answers = await self.engine.answer(pictures)
        self._count(answers)
        rows = f'{{"pictures":[{",".join(each.text for each in answers)}]'
        if all(each.error for each in answers):
            error = as_json(f"{pictures[0].name or 'the picture'}: {answers[0].error}")
            return _sent(f'{rows},"error":{error}}}', 422)
        return _sent(rows + "}")

    async def correct(self, request: Request) -> Response:
        """``{"name", "data", "answers"}``: keep a picture and what is right about it."""
        assert self.kept is not None
        async with self._body(request) as body:
            said = await _aside(len(body), json_of, body)
            if not isinstance(said, dict) or not isinstance(said.get("answers"), dict):
                raise Refused(422, "the JSON has another form", 'send {"name": …, "data": …, "answers": {…}}')
            answers = said.pop("answers")
            picture = picture_of(said, "the correction")
            [found] = await self.engine.answer([picture])
            if found.error:
                raise Refused(422, found.error, location=picture.name)
            name = await asyncio.to_thread(self.kept.keep, picture, *found.size, answers)
        self.metrics.pictures["corrected"] += 1
        return _json({"image": name, "table": self.kept.path.name})

    async def model(self) -> Response:
        """What is served: tasks with their classes, and the limits."""
        bounds, contents = self.settings.bounds, self.crew.contents
        return _json(
            {
                "oneglance": __version__,
                "name": self.settings.name,
                "backbone": contents.config.backbone.name,
                "canvas": list(contents.config.backbone.canvas),
                "tasks": {
                    name: {"type": task.type, "classes": task.state().get("classes")}
                    for name, task in contents.tasks.items()
                },
                "limits": {
                    "megabytes": bounds.megabytes,
                    "pictures": bounds.pictures,
                    "megapixels": bounds.megapixels,
                    "seconds": bounds.seconds,
                },
                "corrections": self.kept.path.name if self.kept else None,
            }
        )

    async def health(self) -> Response:
        """Whether the service answers."""
        return _json({"status": "ok"})

    async def show_metrics(self) -> Response:
        """Counters and gauges for Prometheus."""
        engine = self.engine
        now = {
            "pictures_inside": ("Pictures admitted and not answered yet.", engine.inside),
            "pictures_waiting": ("Of these, waiting for a process.", engine.batcher.waiting),
            "body_bytes": ("Bytes of all bodies held.", self.room.used),
            "batches": ("Forward passes so far.", engine.batcher.batches),
            "batch_pictures": ("Pictures of all forward passes so far.", engine.batcher.items),
        }
        return Response(self.metrics.text(now), media_type="text/plain; version=0.0.4")

    def _body(self, request: Request) -> Any:
        return body_of(request.stream(), request.headers, self.settings.bounds, self.room)

    def _count(self, answers: list[Told]) -> None:
        for each in answers:
            result = "unreadable" if each.error else "unknown" if each.unknown else "answered"
            self.metrics.pictures[result] += 1


async def _aside(size: int, function: Callable[..., Any], *given: Any) -> Any:
    """A call that would hold up everybody else is done in a thread; a small one is faster here."""
    return await asyncio.to_thread(function, *given) if size > 1_000_000 else function(*given)


def _json(value: Any, status: int = 200) -> Response:
    return _sent(as_json(value), status)


def _sent(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="application/json")


def _file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    content = files(f"{__package__}.page").joinpath(name).read_bytes()

    async def page() -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return page


async def _refusal(_: Request, error: Exception) -> Response:
    """What a client or the person who runs the service can mend."""
    refused = error if isinstance(error, Refused) else Refused(500, str(error))
    answer = _json(told(refused), refused.status)
    answer.headers.update(refusal_headers(refused))
    return answer


async def _plain(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {404: "there is nothing here", 405: "this cannot be asked in that way"}
    refused = Refused(error.status_code, what.get(error.status_code, "the request is wrong"), "see /docs")
    answer = _json(told(refused), refused.status)
    answer.headers.update(error.headers or {})
    return answer


# ---- what /openapi.json says

TOLD = (
    "Answer every picture",
    "Keep a picture and what is right about it",
    "What is served",
    "Whether the service answers",
    "Counters and gauges for Prometheus",
)
_SENT = {
    "type": "object",
    "required": ["data"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "data": {"type": "string", "contentEncoding": "base64"}},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "pictures": {"type": "array"}},
}
_REFUSALS = {
    str(status): {"description": what, "content": {"application/json": {"schema": _ERROR}}}
    for status, what in {
        400: "The request cannot be read.",
        401: "The key is missing or wrong.",
        408: "The request came too slowly.",
        413: "Too much at once.",
        415: "A body of another type.",
        422: "No picture could be read, or the JSON has another form.",
        503: "Too much is asked just now; Retry-After says when to come again.",
    }.items()
}
PREDICT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "pictures": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["pictures"],
                    "properties": {"pictures": {"type": "array", "minItems": 1, "items": _SENT}},
                }
            },
        },
    },
    "responses": {
        "200": {
            "description": "A row per picture, in order; one that cannot be read has an error in its place.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"pictures": {"type": "array", "items": {"type": "object"}}},
                    }
                }
            },
        },
        **_REFUSALS,
    },
}
CORRECT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["data", "answers"],
                    "properties": {**_SENT["properties"], "answers": {"type": "object"}},  # type: ignore[dict-item]
                }
            }
        },
    },
    "responses": {"200": {"description": "How the tables name the picture."}, **_REFUSALS},
}
