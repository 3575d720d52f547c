"""From a run folder or an .onnx file to answers: open upright, canvas, one look, decode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oneglance.config import Config
from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decode_pool import decode
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.novelty import FALSE_ALARM, Novelty
from oneglance.inference.parallel_passes import ParallelPasses
from oneglance.task import Prediction, Task

if TYPE_CHECKING:
    from oneglance.run_folder import RunFolder

BATCH = 64  # pictures per forward pass


def open_predictor(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str = "",
    false_alarm: float | None = None,
    lanes: int = 0,
) -> Predictor:
    """The predictor of a finished run folder, or of an .onnx file, which needs no torch.

    Args:
        precision: of a run folder: ``fp32`` or ``bf16``; default: the configuration's.
        false_alarm: share of familiar pictures that may be called unknown.
        lanes: passes side by side, each with its part of the processors; 0: one per processor.

    Raises:
        RunError: it is neither, not finished, or damaged.
        ConfigError: no such device here, or a share of false alarms that cannot be told.
    """
    if Path(path).suffix.lower() == ".onnx" and not Path(path).is_dir():
        from oneglance.inference.engines.onnx import open_file

        engine, contents = open_file(Path(path), device, lanes)
        return Predictor(engine, contents.tasks, contents.config, contents.novelty, false_alarm)
    from oneglance.run_folder import RunFolder

    run = RunFolder.open(path)
    return Predictor.open(run, device=device, precision=precision, false_alarm=false_alarm, lanes=lanes)


class Predictor:
    """A network that answers, whatever engine runs it."""

    def __init__(
        self,
        engine: Engine,
        tasks: Mapping[str, Task],
        config: Config,
        novelty: Novelty | None = None,
        false_alarm: float | None = None,
    ) -> None:
        """Without ``novelty`` nothing is told of unfamiliar pictures.

        Raises:
            ConfigError: ``novelty`` cannot tell this share of false alarms.
        """
        self.engine, self.tasks, self.config, self.novelty = engine, tasks, config, novelty
        self._lanes = ParallelPasses(engine)
        self.false_alarm = FALSE_ALARM if false_alarm is None else false_alarm
        if novelty is not None and false_alarm is not None:
            novelty.refuse(false_alarm)

    @classmethod
    def open(
        cls,
        run: RunFolder,
        *,
        device: str = "auto",
        precision: str = "",
        false_alarm: float | None = None,
        lanes: int = 0,
    ) -> Predictor:
        """See ``open_predictor``."""
        from oneglance.inference.engines.torch import TorchEngine

        config = run.config()
        tasks = run.tasks(config)
        engine = TorchEngine.ready(run.network(config, tasks), config, device, precision, lanes)
        return cls(engine, tasks, config, novelty_of(run), false_alarm)

    @property
    def network(self) -> Any:
        """The network itself, where the engine has one that can be looked into."""
        return self.engine.network  # type: ignore[attr-defined]

    @property
    def fit(self) -> Fit:
        """How pictures become canvases."""
        return Fit.declared(self.config)

    @property
    def limits(self) -> Limits:
        """Which pictures are refused before they are decoded."""
        return Limits.declared(self.config)

    def latency_mode(self, threads: int) -> Predictor:
        """The same for passes that have so many processors to themselves; this one where the engine has no
        other way of using them.
        """
        engine = self.engine.latency_mode(threads)
        if engine is self.engine:
            return self
        found = copy(self)
        found.engine, found._lanes = engine, ParallelPasses(engine)
        return found

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """uint8 [n, h, w, 3] to feature vectors and the raw output of every task."""
        return self._lanes.forward(canvases)

    def raw(self, canvases: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [n, h, w, 3] to the raw output of every task, float32 [n, ...]."""
        return self.forward(canvases).raw

    def answers(self, canvases: np.ndarray, placements: Sequence[Placement]) -> list[dict[str, Prediction]]:
        """uint8 [n, h, w, 3] and how each picture lies on its canvas to n answers by task."""

        def work(canvases: np.ndarray, placements: Sequence[Placement]) -> list[dict[str, Prediction]]:
            return self.decoded(self.engine.forward(canvases).raw, placements)

        return list(chain.from_iterable(self._lanes.map(work, canvases, placements)))

    def decoded(
        self, raw: Mapping[str, np.ndarray], placements: Sequence[Placement]
    ) -> list[dict[str, Prediction]]:
        """The same from the raw output of every task."""
        rows = {name: task.decode(raw[name]) for name, task in self.tasks.items()}
        return [
            {name: task.to_image(rows[name][row], placement) for name, task in self.tasks.items()}
            for row, placement in enumerate(placements)
        ]

    def shown(self, answers: Mapping[str, Prediction]) -> dict[str, Prediction]:
        """What a user sees of the answers to one picture."""
        return {name: task.visible(answers[name]) for name, task in self.tasks.items()}

    def familiarity(self, vectors: np.ndarray) -> list[dict[str, Any]]:
        """What is told of how unfamiliar each of n pictures is: ``{"unfamiliar": 0.03}``, and
        ``"unknown": True`` beside it where so few familiar ones lie as far; nothing where nobody measured.
        """
        if self.novelty is None:
            return [{} for _ in vectors]
        shares = self.novelty.unfamiliar(vectors)
        unknown = self.novelty.is_unknown(shares, self.false_alarm)
        return [
            {"unfamiliar": round(share, 4), **({"unknown": True} if far else {})}
            for share, far in zip(shares.tolist(), unknown.tolist(), strict=True)
        ]

    def told(self, canvases: Sequence[Canvas]) -> list[dict[str, Any]]:
        """How unfamiliar each picture is and the answers to it, with all that scores need: at least one
        picture, in one pass, in this thread.
        """
        looked = self.engine.forward(np.stack([canvas.pixels for canvas in canvases]))
        places = [self.fit.place(canvas.width, canvas.height) for canvas in canvases]
        pairs = zip(self.familiarity(looked.vectors), self.decoded(looked.raw, places), strict=True)
        return [{**familiar, "answers": answers} for familiar, answers in pairs]

    def rows(self, names: Sequence[str], found: Sequence[Canvas | PictureError]) -> Iterator[dict[str, Any]]:
        """One object per picture as ``predict`` gives it, with all that scores need in its answers."""
        canvases = [item for item in found if isinstance(item, Canvas)]
        told: Iterator[dict[str, Any]] = iter(())
        if canvases:
            told = chain.from_iterable(self._lanes.map(self.told, canvases))
        for name, item in zip(names, found, strict=True):
            if isinstance(item, Canvas):
                yield {"image": name, "width": item.width, "height": item.height, **next(told)}
            else:
                yield {"image": name, "error": item.what}

    def predict(self, refs: Iterable[ImageRef], *, whole: bool = False) -> Iterator[dict[str, Any]]:
        """One object per picture, in order; a picture that cannot be read has an ``error`` in its place.

        Memory does not grow with the number of pictures.

        Args:
            whole: with all that scores need, more than a user sees.
        """
        names: list[str] = []

        def noted() -> Iterator[ImageRef]:
            for ref in refs:
                names.append(ref.name)
                yield ref

        found = decode(noted(), self.fit, self.limits, self.config.cache.workers)
        while chunk := list(islice(found, BATCH)):
            for row in self.rows(names[: len(chunk)], chunk):
                if not whole and "answers" in row:
                    row["answers"] = self.shown(row["answers"])
                yield row
            del names[: len(chunk)]

    def example(self) -> dict[str, Prediction]:
        """Values of every kind that a row may hold beside the picture's own, for the columns of a table."""
        own: dict[str, Prediction] = {}
        if self.novelty is not None:
            own = {"unfamiliar": {"value": 0.0}, "unknown": {"value": True}}
        return {**own, **{name: task.constant_baseline(1)[0] for name, task in self.tasks.items()}}


def novelty_of(run: RunFolder) -> Novelty | None:
    """What the run folder keeps for it; None for the run of a version that kept nothing."""
    vectors = run.novelty()
    return Novelty.learned(*vectors) if vectors else None
