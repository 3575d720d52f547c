"""The processes of the service hold the network, and may die."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.service import Painted, Reply, Strings, painted, picture, running

from oneglance.data.images.memory_image import EncodedImage
from oneglance.errors import RunError
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.predictor import Predictor
from oneglance.model import Model
from oneglance.parallel.cpus import threads
from oneglance.serving.dynamic_batching import BATCH
from oneglance.serving.limits import Bounds
from oneglance.serving.model_pool import MOST_ON_GPU, MOST_PROCESSES, ModelPool, open_model

pytestmark = pytest.mark.slow  # processes that load torch

psutil = pytest.importorskip("psutil")

RED = picture("red")


def test_each_picture_is_answered_in_order(tmp_path: Path) -> None:
    pool = ModelPool(partial(painted, tmp_path), Bounds(), 1)
    try:
        assert Strings(tmp_path).batches() == [BATCH]  # so that later ones find their memory
        assert list(pool.model.tasks) == ["kind", "style", "price", "objects"]
        sent = [
            EncodedImage("a.png", RED),
            EncodedImage("b.png", RED[:60]),
            EncodedImage("c.png", picture("white")),
        ]
        a, b, c = pool.answer(sent).result()
    finally:
        pool.close()
    assert a.size == (64, 48) and not a.error and not a.unknown
    assert json.loads(a.text)["answers"]["kind"]["value"] == "hat"
    assert b.error == "is cut short" and json.loads(b.text) == {"image": "b.png", "error": "is cut short"}
    assert c.unknown and json.loads(c.text)["unknown"] is True
    assert Strings(tmp_path).batches() == [BATCH, 2]


def test_as_many_processes_as_are_of_use() -> None:
    pool = ModelPool(painted, Bounds())
    pool.close()
    assert pool.count == min(threads(), MOST_PROCESSES)


def on_gpu() -> Model:
    model = painted()
    assert isinstance(model.predictor, Predictor)
    model.predictor.engine.on_gpu = True
    return model


@pytest.mark.parametrize(
    ("opener", "asked", "count"), [(painted, 0, 3), (on_gpu, 0, MOST_ON_GPU), (on_gpu, 3, 3)]
)
def test_on_a_gpu_there_are_few_processes_unless_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, opener: Callable[[], Model], asked: int, count: int
) -> None:
    monkeypatch.setattr("oneglance.serving.model_pool.threads", lambda: 3)
    pool = ModelPool(opener, Bounds(), asked)
    try:
        assert pool.count == count == len(psutil.Process().children())
    finally:
        pool.close()


def test_what_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run folder"):
        ModelPool(partial(open_model, tmp_path / "nothing", device="cpu"), Bounds(), 1)
    assert psutil.Process().children() == []


def test_a_picture_that_kills_its_process_is_named_and_the_service_goes_on() -> None:
    with running() as service:
        before = {child.pid for child in psutil.Process().children()}
        service.strings.pull(dies=True)
        error = service.predict(("a.png", RED), ("b.png", RED)).refused(422)
        assert error == "a.png: makes the decoder crash"
        service.strings.pull()
        assert service.predict(("a.png", RED)).status == 200
        assert wait_for_two_others(before)


def test_processes_that_do_not_start_are_a_matter_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(processes=1) as service:
        before = psutil.Process().children()
        monkeypatch.setattr("oneglance.parallel.process_pool._START", "import os; os._exit(9)")
        for process in before:
            process.kill()
        late = service.predict(("a.png", RED))
        assert "started again" in late.refused(503)
        assert int(late.headers["retry-after"]) >= 1
        monkeypatch.undo()
        assert service.predict(("a.png", RED)).status == 200


def test_while_processes_are_killed_every_request_is_answered_or_asked_to_come_again() -> None:
    with running(processes=2) as service, ThreadPoolExecutor(6) as clients:
        end = time.monotonic() + 10
        rng = random.Random(0)

        def asks() -> list[Reply]:
            replies = []
            while time.monotonic() < end:
                replies.append(service.predict(("a.png", RED), ("b.png", RED)))
            return replies

        asked = [clients.submit(asks) for _ in range(5)]
        kills = 0
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.1, 1))
            for process in rng.sample(psutil.Process().children(), 1):
                process.kill()
                kills += 1
        replies = [reply for each in asked for reply in each.result()]
        for reply in replies:
            if reply.status != 200:
                reply.refused(503)
        assert kills > 10 and len(replies) > 20
        assert sum(reply.status == 200 for reply in replies) > len(replies) / 2
        assert service.predict(("a.png", RED)).status == 200


class SlowEngine(Engine):
    """Takes so many seconds for a pass; with all processors to itself, so many others. Its prices say how
    many processors it had.
    """

    def __init__(self, seconds: float, alone: float, processors: int = 1) -> None:
        self.seconds, self._alone, self._processors = seconds, alone, processors

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        time.sleep(self.seconds)
        output = Painted().forward(canvases)
        output.raw["price"][:] = self._processors
        return output

    def latency_mode(self, threads: int) -> Engine:
        return SlowEngine(self._alone, self._alone, threads)


def slow(seconds: float, alone: float) -> Model:
    predictor = painted().predictor
    assert isinstance(predictor, Predictor)
    return Model(Predictor(SlowEngine(seconds, alone), predictor.tasks, predictor.config))


@pytest.mark.parametrize(("seconds", "alone"), [(0.02, 0), (0, 0.02)])
def test_a_picture_that_comes_alone_has_all_processors_where_that_is_sooner(
    monkeypatch: pytest.MonkeyPatch, seconds: float, alone: float
) -> None:
    monkeypatch.setattr("oneglance.serving.model_pool.threads", lambda: 3)
    pool = ModelPool(partial(slow, seconds, alone), Bounds(), 1)
    price = slow(0, 0).tasks["price"]
    few, all_of_them = (price.decode(np.array([[n]], np.float32))[0]["value"] for n in (1, 3))
    assert abs(few - all_of_them) > 0.1

    def price_of(alone: bool) -> float:
        [answer] = pool.answer([EncodedImage("a.png", RED)], alone).result()
        value: float = json.loads(answer.text)["answers"]["price"]["value"]
        return value

    try:
        assert price_of(False) == pytest.approx(few, abs=1e-3)
        assert price_of(True) == pytest.approx(few if seconds < alone else all_of_them, abs=1e-3)
    finally:
        pool.close()


def wait_for_two_others(before: set[int]) -> bool:
    """Both processes died, and are there again though nobody asks."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        now = {child.pid for child in psutil.Process().children()}
        if len(now) == len(before) and now != before:
            return True
        time.sleep(0.05)
    return False
