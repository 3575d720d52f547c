"""The answers to each kind of request."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from oneglance import __version__
from oneglance.data.images.memory_image import EncodedImage
from oneglance.errors import nearest
from oneglance.serving.corrections import Corrections
from oneglance.serving.dynamic_batching import DynamicBatcher
from oneglance.serving.limits import Bounds, ByteBudget, Refused, body_of
from oneglance.serving.model_pool import Asked, ModelPool, ServedAnswer, Why, as_json
from oneglance.serving.prometheus import Metrics
from oneglance.serving.request_body import json_of, picture_of, pictures_of, require_json

# Seconds that a thread may keep the others waiting: Python's own 0.005 is long beside a picture.
SWITCH_INTERVAL = 0.0005
QUESTION = 'send JSON: {"name": …, "data": …, "task": "kind", "answer": 0}'
CORRECTION = 'send JSON: {"name": …, "data": …, "answers": {…}}'
MOST_ANSWERS = 10_000  # to one picture
LARGE_BODY = 1_000_000  # bytes, from which parsing would hold up everybody else


class Service:
    """What the routes of the application call."""

    batcher: DynamicBatcher[Asked, ServedAnswer]  # while the application runs

    def __init__(self, pool: ModelPool, name: str, bounds: Bounds, corrections: Corrections | None) -> None:
        self._pool, self._name, self._bounds, self._corrections = pool, name, bounds, corrections
        self.metrics, self._budget = Metrics(), ByteBudget(bounds.inside * 1e6)

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """Take pictures while the application runs."""
        self.batcher = DynamicBatcher(self._pool, self._bounds)
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            yield
        finally:
            sys.setswitchinterval(before)
            await self.batcher.close()

    async def predict(self, request: Request) -> Response:
        """Files of a form, or JSON with base64, to ``{"pictures": [...]}``, a row per picture, in order."""
        with ExitStack() as arriving:
            arriving.enter_context(self.batcher.arriving())
            async with self._body(request) as body:
                kind = request.headers.get("content-type", "")
                pictures: list[EncodedImage] = await _call(
                    len(body), pictures_of, body, kind, self._bounds.pictures
                )
                arriving.close()
                answers = await self.batcher.answer(pictures)
        self._count(answers)
        rows = f'{{"pictures":[{",".join(answer.text for answer in answers)}]'
        if all(answer.error for answer in answers):
            error = as_json(f"{pictures[0].name or 'the picture'}: {answers[0].error}")
            return _json_text(f'{rows},"error":{error}}}', 422)
        return _json_text(rows + "}")

    async def explain(self, request: Request) -> Response:
        """``{"name", "data", "task", "answer"}``: what in the picture that answer rests on, as a map."""
        require_json(request.headers.get("content-type", ""), QUESTION)
        async with self._body(request) as body:
            value = await _call(len(body), json_of, body)
            if not isinstance(value, dict) or not isinstance(value.get("task"), str):
                raise Refused(422, "the JSON has another form", QUESTION)
            task, number = value.pop("task"), value.pop("answer", 0)
            if task not in self._pool.model.tasks:
                raise Refused(422, f'there is no task "{task}".{nearest(task, self._pool.model.tasks)}')
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MOST_ANSWERS:
                raise Refused(422, "is no number of an answer", QUESTION, location="answer")
            picture = picture_of(value, "the question")
            [answer] = await self.batcher.answer([Why(picture, task, number)])
        if answer.error:
            raise Refused(422, answer.error, location=picture.name)
        self.metrics.pictures["explained"] += 1
        return _json_text(answer.text)

    async def correct(self, request: Request) -> Response:
        """``{"name", "data", "answers"}``: keep a picture and what is right about it."""
        assert self._corrections is not None
        require_json(request.headers.get("content-type", ""), CORRECTION)
        async with self._body(request) as body:
            value = await _call(len(body), json_of, body)
            if not isinstance(value, dict) or not isinstance(value.get("answers"), dict):
                raise Refused(422, "the JSON has another form", CORRECTION)
            corrected = value.pop("answers")
            picture = picture_of(value, "the correction")
            [answer] = await self.batcher.answer([picture])
            if answer.error:
                raise Refused(422, answer.error, location=picture.name)
            name = await asyncio.to_thread(self._corrections.keep, picture, *answer.size, corrected)
        self.metrics.pictures["corrected"] += 1
        return json_response({"image": name, "table": self._corrections.path.name})

    async def describe_model(self, _: Request) -> Response:
        """What is served: tasks with their classes, and the limits."""
        bounds, model = self._bounds, self._pool.model
        return json_response(
            {
                "oneglance": __version__,
                "name": self._name,
                **model.described,
                "tasks": {
                    name: {"type": task.type, "classes": task.state().get("classes")}
                    for name, task in model.tasks.items()
                },
                "limits": {
                    "megabytes": bounds.megabytes,
                    "pictures": bounds.pictures,
                    "megapixels": bounds.megapixels,
                    "seconds": bounds.seconds,
                },
                "corrections": self._corrections.path.name if self._corrections else None,
            }
        )

    async def health(self, _: Request) -> Response:
        """Whether the service answers."""
        return json_response({"status": "ok"})

    async def show_metrics(self, _: Request) -> Response:
        """Counters and gauges for Prometheus."""
        batcher = self.batcher
        now = {
            "pictures_inside": ("Pictures admitted and not answered yet.", batcher.inside),
            "pictures_waiting": ("Of these, waiting for a process.", batcher.waiting),
            "body_bytes": ("Bytes of all bodies held.", self._budget.used),
            "batches": ("Forward passes so far.", batcher.batches),
            "batch_pictures": ("Pictures of all forward passes so far.", batcher.pictures),
        }
        return Response(self.metrics.text(now), media_type="text/plain; version=0.0.4")

    def _body(self, request: Request) -> AbstractAsyncContextManager[bytes]:
        return body_of(request.stream(), request.headers, self._bounds, self._budget)

    def _count(self, answers: Sequence[ServedAnswer]) -> None:
        for answer in answers:
            outcome = "unreadable" if answer.error else "unknown" if answer.unknown else "answered"
            self.metrics.pictures[outcome] += 1


async def _call(size: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """In a thread where it would hold up everybody else; a small body is parsed faster here."""
    return await asyncio.to_thread(function, *arguments) if size > LARGE_BODY else function(*arguments)


def json_response(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return _json_text(as_json(value), status)


def _json_text(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="application/json")
