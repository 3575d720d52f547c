"""A running service for tests: real tasks and real processes behind real sockets, and a network that costs
nothing: its answer to a picture follows from the picture's mean colour.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
from PIL import Image

from oneglance import config as configuration
from oneglance.data.record import Box, BoxAnnotations
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.inference.predictor import Predictor
from oneglance.model import Model
from oneglance.serving.app import Settings, build_app
from oneglance.serving.http_server import open_socket, server
from oneglance.serving.model_pool import ModelPool
from oneglance.task import build_tasks

CONFIG = """
sources = [{path = "none"}]
[tasks]
kind = {type = "label", from = "category"}
style = {type = "tags", none = ["plain"]}
price = {type = "number", unit = "EUR"}
objects = {type = "boxes", attributes = {colour = {type = "label"}}}
[backbone]
name = "small"
size = 32
"""


class Painted(Engine):
    """The engine: red pictures are hats, others are shirts; the middle of each holds a button."""

    def __init__(self, strings: Path | None = None) -> None:
        self.strings = Strings(strings) if strings else None

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        if self.strings:
            self.strings.pulled(len(canvases), blank=not canvases.any())
        count = len(canvases)
        red = canvases[:, 16, 16, 0].astype(np.float32) / 255
        boxes = np.full((count, 2, 8), -9, np.float32)
        boxes[:, 0] = [8, 8, 24, 24, 3, -3, 2, -2]
        raw = {
            "kind": np.stack([np.full(count, -3.0), 6 * red - 3, 3 - 6 * red], axis=1),
            "style": np.tile(np.array([2, -2], np.float32), (count, 1)),
            "price": red[:, None],
            "objects": boxes,
        }
        # A picture is as familiar as it is dark.
        return EngineOutput(
            np.stack([1 - canvases[:, 16, 16, 1] / 255, canvases[:, 16, 16, 1] / 255], axis=1), raw
        )


class Strings:
    """Pulls engines in other processes, by files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def pull(self, *, delay: float = 0, fault: str = "", dies: bool = False) -> None:
        """Every pass from now on takes ``delay`` seconds more, raises ``fault``, or ends its process, that
        last not before a picture has come.
        """
        new = self._folder / "new"
        new.write_text(json.dumps([delay, fault, dies]))
        new.replace(self._folder / "strings")
        (self._folder / "batches").write_text("")

    def pulled(self, count: int, blank: bool) -> None:
        """What the engine does before a pass over so many pictures."""
        if (file := self._folder / "strings").exists():
            delay, fault, dies = json.loads(file.read_text())
            if fault:
                raise RuntimeError(fault)
            if dies and not blank:
                os._exit(1)
            time.sleep(delay)
        with (self._folder / "batches").open("a") as batches:
            batches.write(f"{count}\n")

    def batches(self) -> list[int]:
        """The sizes of all passes since the strings were pulled."""
        return [int(line) for line in (self._folder / "batches").read_text().split()]


def painted(strings: Path | None = None) -> Model:
    """A network with that engine."""
    config = configuration.parse(CONFIG, base=Path())
    tasks = build_tasks(config.tasks)
    tasks["kind"].fit_target(["hat", "shirt", "<b>shoe</b>"])
    tasks["style"].fit_target([tasks["style"].read(word) for word in ("striped|dotted", "dotted")])
    tasks["price"].fit_target([1.0, 2.0, 3.0])
    tasks["objects"].fit_target(
        [
            BoxAnnotations((Box(1, 1, 2, 2, name, {"colour": c}),))
            for name, c in (("button", "red"), ("zip", "blue"))
        ]
    )
    familiar = np.tile(np.array([[1, 0]], np.float32), (500, 1))
    return Model(Predictor(Painted(strings), tasks, config, Novelty.learned(familiar, familiar)))


def opened(path: Path, *, device: str, false_alarm: float | None = None) -> Model:
    """In place of ``open_model``. Strings lie in the folder that is named by the environment, if any."""
    return painted(Path(os.environ["STRINGS"]) if "STRINGS" in os.environ else None)


@dataclass(frozen=True)
class Reply:
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def refused(self, status: int) -> str:
        """The one sentence of a refusal."""
        assert self.status == status, self
        assert self.headers["content-type"] == "application/json"
        text: str = self.json["error"]
        assert "Traceback" not in text
        return text


class Running:
    """A service that runs."""

    def __init__(self, port: int, strings: Strings) -> None:
        self.port, self.strings = port, strings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        kind: str = "",
        *,
        method: str = "",
        headers: Mapping[str, str | bytes] = {},
    ) -> Reply:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            all_headers = {**headers, **({"content-type": kind} if kind else {})}
            line.request(method or ("GET" if body is None else "POST"), path, body, all_headers)
            answer = line.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            line.close()

    def predict(self, *pictures: tuple[str, bytes], **more: Any) -> Reply:
        """Pictures as files of a form."""
        return self.ask("/predict", *form(*pictures), **more)

    def send(self, path: str, value: Any) -> Reply:
        """JSON."""
        return self.ask(path, json.dumps(value).encode(), "application/json")

    def metric(self, name: str) -> float:
        lines = self.ask("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"oneglance_{name}"))


@contextmanager
def running(
    settings: Settings = Settings(),  # noqa: B008
    opener: Callable[[], Model] | None = None,
    processes: int = 2,
) -> Iterator[Running]:
    """A service on a free port of this machine."""
    with TemporaryDirectory() as folder, open_socket("127.0.0.1", 0) as listener:
        pool = ModelPool(opener or partial(painted, Path(folder)), settings.bounds, processes)
        service = server(build_app(pool, settings), settings.bounds)
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not service.started:
            assert thread.is_alive(), "the service does not start"
            time.sleep(0.01)
        try:
            yield Running(listener.getsockname()[1], Strings(Path(folder)))
        finally:
            service.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the service does not stop"


def service_url(messages: IO[str]) -> str:
    """Where a service of another process listens, from what it writes on standard error. On a busy machine
    it first says how far it is.
    """
    for line in messages:
        if line.startswith("open http://127.0.0.1:"):
            return line.split()[1]
        assert line.startswith("opening the network"), line
    raise AssertionError("the service ended without a word")


def form(*pictures: tuple[str, bytes]) -> tuple[bytes, str]:
    """The body and content type of a form."""
    body = b"".join(
        b'--edge\r\ncontent-disposition: form-data; name="pictures"; filename="%s"\r\n\r\n%s\r\n'
        % (name.encode(), data)
        for name, data in pictures
    )
    return body + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def picture(
    colour: str | tuple[int, int, int] = "red", size: tuple[int, int] = (64, 48), kind: str = "PNG"
) -> bytes:
    """A picture of one colour, as a file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()
