"""The processes of the service hold the network, and may die."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.service import Painted, Strings, painted, picture, running

from oneglance.errors import RunError
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.parallel_passes import threads
from oneglance.inference.predictor import Predictor, open_predictor
from oneglance.serving.engine import Engine as Service
from oneglance.serving.limits import Bounds
from oneglance.serving.model_pool import MOST, MOST_ON_GPU, MOST_PROCESSES, ModelPool, Told
from oneglance.serving.request_body import UploadedImage

psutil = pytest.importorskip("psutil")

RED = picture("red")


def test_each_picture_is_told_in_its_place(tmp_path: Path) -> None:
    crew = ModelPool(partial(painted, tmp_path), Bounds(), 1)
    try:
        assert Strings(tmp_path).batches() == [MOST]  # so that later ones find their memory
        assert list(crew.contents.tasks) == ["kind", "style", "price", "objects"]
        sent = [
            UploadedImage("a.png", RED),
            UploadedImage("b.png", RED[:60]),
            UploadedImage("c.png", picture("white")),
        ]
        a, b, c = crew.answer(sent).result()
    finally:
        crew.close()
    assert a.size == (64, 48) and not a.error and not a.unknown
    assert json.loads(a.text)["answers"]["kind"]["value"] == "hat"
    assert b.error == "is cut short" and json.loads(b.text) == {"image": "b.png", "error": "is cut short"}
    assert c.unknown and json.loads(c.text)["unknown"] is True
    assert Strings(tmp_path).batches() == [MOST, 2]


def test_as_many_processes_as_are_of_use() -> None:
    crew = ModelPool(painted, Bounds())
    crew.close()
    assert crew.count == min(threads(), MOST_PROCESSES)


def on_gpu() -> Predictor:
    found = painted()
    found.engine.on_gpu = True
    return found


@pytest.mark.parametrize(
    ("opener", "asked", "count"), [(painted, 0, 3), (on_gpu, 0, MOST_ON_GPU), (on_gpu, 3, 3)]
)
def test_on_a_gpu_there_are_few_processes_unless_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, opener: Callable[[], Predictor], asked: int, count: int
) -> None:
    monkeypatch.setattr("oneglance.serving.model_pool.threads", lambda: 3)
    crew = ModelPool(opener, Bounds(), asked)
    try:
        assert crew.count == count == len(psutil.Process().children())
    finally:
        crew.close()


def test_what_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        ModelPool(partial(open_predictor, tmp_path / "nothing"), Bounds(), 1)
    assert psutil.Process().children() == []


def test_a_picture_that_kills_its_process_is_named_and_the_service_goes_on() -> None:
    with running() as service:
        before = {child.pid for child in psutil.Process().children()}
        service.strings.pull(dies=True)
        said = service.predict(("a.png", RED), ("b.png", RED)).refused(422)
        assert said == "a.png: makes the decoder crash"
        service.strings.pull()
        assert service.predict(("a.png", RED)).status == 200
        assert wait_for_two_others(before)


class Patient(Engine):
    """Takes so many seconds for a pass; with all processors to itself, so many others. Its prices tell how
    many processors it had.
    """

    def __init__(self, seconds: float, alone: float, processors: int = 1) -> None:
        self.seconds, self._alone, self._processors = seconds, alone, processors

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        time.sleep(self.seconds)
        looked = Painted().forward(canvases)
        looked.raw["price"][:] = self._processors
        return looked

    def latency_mode(self, threads: int) -> Engine:
        return Patient(self._alone, self._alone, threads)


def patient(seconds: float, alone: float) -> Predictor:
    found = painted()
    return Predictor(Patient(seconds, alone), found.tasks, found.config)


@pytest.mark.parametrize(("seconds", "alone"), [(0.02, 0), (0, 0.02)])
def test_a_picture_that_comes_alone_has_all_processors_where_that_is_sooner(
    monkeypatch: pytest.MonkeyPatch, seconds: float, alone: float
) -> None:
    monkeypatch.setattr("oneglance.serving.model_pool.threads", lambda: 3)
    crew = ModelPool(partial(patient, seconds, alone), Bounds(), 1)
    price = patient(0, 0).tasks["price"]
    few, all_of_them = (price.decode(np.float32([[n]]))[0]["value"] for n in (1, 3))
    assert abs(few - all_of_them) > 0.1

    def told(alone: bool) -> float:
        [answer] = crew.answer([UploadedImage("a.png", RED)], alone).result()
        value: float = json.loads(answer.text)["answers"]["price"]["value"]
        return value

    try:
        assert told(False) == pytest.approx(few, abs=1e-3)
        assert told(True) == pytest.approx(few if seconds < alone else all_of_them, abs=1e-3)
    finally:
        crew.close()


def test_it_is_alone_only_while_nothing_else_is_here_or_on_its_way() -> None:
    seen: list[tuple[int, bool]] = []

    class Noted:
        count = 1

        def answer(self, pictures: Sequence[UploadedImage], alone: bool) -> Future[list[Told]]:
            seen.append((len(pictures), alone))
            future: Future[list[Told]] = Future()
            threading.Timer(0.05, future.set_result, [[Told("")] * len(pictures)]).start()
            return future

        def close(self) -> None:
            pass

    async def some() -> None:
        engine = Service(Noted(), Bounds(wait=0))
        one = [UploadedImage("a.png", RED)]
        await engine.answer(one)
        await asyncio.gather(engine.answer(one), engine.answer(one))
        with engine.arrival():
            await engine.answer(one)
        await engine.answer(one)
        await engine.close()

    asyncio.run(some())
    assert seen == [(1, True), (1, False), (1, False), (1, False), (1, True)]


def wait_for_two_others(before: set[int]) -> bool:
    """Both processes died, and are there again though nobody asks."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        now = {child.pid for child in psutil.Process().children()}
        if len(now) == len(before) and now != before:
            return True
        time.sleep(0.05)
    return False
