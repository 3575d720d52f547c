"""From decoded pictures to the answers of one network, whatever engine runs it.

``forward``   canvases to features and raw outputs: the network alone
``decode``    raw outputs to answers about the upright pictures
``answer``    decoded pictures to rows as ``oneglance predict`` writes them
``predict``   references to pictures, any number of them, to such rows
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oneglance.config import Config
from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import Decode
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.errors import ConfigError, RunError, nearest
from oneglance.inference.answering import Answering, Part, stacked
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.familiarity.novelty import FALSE_ALARM, Novelty
from oneglance.inference.parallel_passes import ParallelPasses
from oneglance.inference.trial import refuse_unusable, try_once
from oneglance.storage.plain_files import is_folder
from oneglance.task import Prediction, Task

if TYPE_CHECKING:
    from oneglance.storage.run_folder import RunFolder


def open_predictor(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str = "",
    false_alarm: float | None = None,
    passes: int = 0,
) -> Predictor:
    """The predictor of a finished run folder, or of an .onnx file, which needs no torch.

    Args:
        precision: of a run folder: ``fp32`` or ``bf16``; default: the configuration's.
        false_alarm: share of familiar pictures that may be called unknown; default: ``FALSE_ALARM``.
        passes: forward passes in parallel, each with its share of the processors; 0: one per processor.

    Raises:
        RunError: it is neither, not finished, or damaged.
        ConfigError: no such device here, or a share of false alarms too small for the validation split.
    """
    if Path(path).suffix.lower() == ".onnx" and not is_folder(path):
        from oneglance.inference.engines.onnx import open_file

        engine, contents = open_file(Path(path), device, passes)
        return Predictor(engine, contents.tasks, contents.config, contents.novelty, false_alarm)
    from oneglance.storage.run_folder import RunFolder

    run = RunFolder.open(path)
    return Predictor.open(run, device=device, precision=precision, false_alarm=false_alarm, passes=passes)


class Predictor(Answering[Canvas]):
    """A network with all that turns its outputs into answers."""

    def __init__(
        self,
        engine: Engine,
        tasks: Mapping[str, Task],
        config: Config,
        novelty: Novelty | None = None,
        false_alarm: float | None = None,
    ) -> None:
        """Without ``novelty``, rows do not say how unfamiliar a picture is.

        Raises:
            ConfigError: ``novelty`` cannot keep to this share of false alarms.
        """
        self.engine, self.tasks, self.config, self.novelty = engine, tasks, config, novelty
        self._passes = ParallelPasses(engine)
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
        passes: int = 0,
    ) -> Predictor:
        """See ``open_predictor``."""
        from oneglance.inference.engines.torch import TorchEngine
        from oneglance.storage.run_folder import ANEW

        config = run.answering_config()
        tasks = run.tasks(config)
        engine = TorchEngine.ready(run.network(config, tasks), config, device, precision, passes)
        novelty = novelty_of(run)
        try_once(engine, tasks, config.backbone.canvas, novelty, location=run.address, hint=ANEW)
        return cls(engine, tasks, config, novelty, false_alarm)

    @property
    def network(self) -> Any:
        """The torch module, where the engine has one."""
        return self.engine.network

    @property
    def fit(self) -> Fit:
        """How pictures become canvases."""
        return Fit.declared(self.config)

    @property
    def limits(self) -> Limits:
        """Which pictures are refused before they are decoded."""
        return Limits.declared(self.config)

    @property
    def decoding(self) -> Decode:
        """See ``Answering``."""
        return Decode(self.fit, self.limits)

    @property
    def workers(self) -> int:
        """See ``Answering``."""
        return self.config.cache.workers

    @property
    def on_gpu(self) -> bool:
        """See ``Answering``."""
        return self.engine.on_gpu

    def described(self) -> dict[str, Any]:
        """See ``Answering``."""
        return {"backbone": self.config.backbone.name, "canvas": list(self.config.backbone.canvas)}

    def parts(self) -> list[Part]:
        """See ``Answering``."""
        return [Part(self, {name: name for name in self.tasks}, lambda canvas: canvas)]

    def latency_mode(self, threads: int) -> Predictor:
        """See ``Answering``."""
        engine = self.engine.latency_mode(threads)
        if engine is self.engine:
            return self
        other = copy(self)
        other.engine, other._passes = engine, ParallelPasses(engine)
        return other

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """uint8 [n, h, w, 3] to the feature vectors and the raw output of every task."""
        output = self._passes.forward(canvases)
        refuse_unusable(output, len(canvases))
        return output

    def decode(
        self, raw: Mapping[str, np.ndarray], placements: Sequence[Placement], *, complete: bool = True
    ) -> list[dict[str, Prediction]]:
        """The raw output of every task, and how each picture lies on its canvas, to n answers by task.

        Args:
            complete: with all that metrics need; else what a user does not see may be missing.
        """
        rows = {
            name: task.decode(raw[name]) if complete else task.decode_visible(raw[name])
            for name, task in self.tasks.items()
        }
        return [
            {name: task.to_image(rows[name][row], placement) for name, task in self.tasks.items()}
            for row, placement in enumerate(placements)
        ]

    def rows(self, decoded: Sequence[Canvas], *, complete: bool = False) -> Iterator[dict[str, Any]]:
        """See ``Answering``."""
        shares = self._passes.map(partial(self._answer_canvases, complete=complete), decoded)
        return (row if complete else self.seen(row) for row in chain.from_iterable(shares))

    def vectors(self, decoded: Sequence[Canvas], task: str = "") -> np.ndarray:
        """See ``Answering``."""
        return self.vectors_of(self.forward(np.stack([canvas.pixels for canvas in decoded])), task)

    def rows_and_vectors(
        self, decoded: Sequence[Canvas], task: str = ""
    ) -> tuple[list[dict[str, Any]], np.ndarray]:
        """See ``Answering``."""

        def both(canvases: Sequence[Canvas]) -> tuple[list[dict[str, Any]], np.ndarray]:
            output = self.engine.forward(stacked([canvas.pixels for canvas in canvases]))
            rows = [self.seen(row) for row in self.rows_of(output, canvases, complete=False)]
            return rows, self.vectors_of(output, task)

        shares = list(self._passes.map(both, decoded))
        return [row for rows, _ in shares for row in rows], np.concatenate([each for _, each in shares])

    def vectors_of(self, output: EngineOutput, task: str) -> np.ndarray:
        """The features that ``vectors`` is asked for, among what the network made of n pictures."""
        if not task:
            return output.vectors
        if task not in self.tasks:
            raise ConfigError(f'there is no task "{task}".{nearest(task, self.tasks)}')
        if task not in output.own:
            raise RunError(
                f"has the features that all tasks share, and not those of {task} alone",
                hint="name the run folder that it was exported from, or leave --task out",
            )
        return output.own[task]

    def seen(self, row: dict[str, Any]) -> dict[str, Any]:
        """What a user sees of a complete row."""
        answers = {name: self.tasks[name].visible(answer) for name, answer in row["answers"].items()}
        return {**row, "answers": answers}

    def example(self) -> dict[str, Prediction]:
        """See ``Answering``."""
        own: dict[str, Prediction] = {}
        if self.novelty is not None:
            own = {"unfamiliar": {"value": 0.0}, "unknown": {"value": True}}
        return {**own, **{name: task.example() for name, task in self.tasks.items()}}

    def _answer_canvases(self, canvases: Sequence[Canvas], complete: bool) -> list[dict[str, Any]]:
        """In one pass, in this thread."""
        output = self.engine.forward(stacked([canvas.pixels for canvas in canvases]))
        return self.rows_of(output, canvases, complete=complete)

    def rows_of(
        self, output: EngineOutput, canvases: Sequence[Canvas], *, complete: bool = True
    ) -> list[dict[str, Any]]:
        """A row for each picture, from what the network made of all of them; see ``decode``."""
        refuse_unusable(output, len(canvases))
        placements = [self.fit.placement(canvas.width, canvas.height) for canvas in canvases]
        answers = self.decode(output.raw, placements, complete=complete)
        parts = zip(canvases, self._familiarity(output), answers, strict=True)
        return [
            {"width": canvas.width, "height": canvas.height, **familiar, "answers": answers}
            for canvas, familiar, answers in parts
        ]

    def _familiarity(self, output: EngineOutput) -> list[dict[str, Any]]:
        """``{"unfamiliar": 0.03}`` for each of n pictures, with ``"unknown": True`` where so few familiar
        ones lie as far; nothing where nobody measured.
        """
        if self.novelty is None:
            return [{} for _ in output.vectors]
        shares = self.novelty.unfamiliar(output.vectors, output.middle)
        unknown = self.novelty.is_unknown(shares, self.false_alarm)
        return [
            {"unfamiliar": round(share, 4), **({"unknown": True} if far else {})}
            for share, far in zip(shares.tolist(), unknown.tolist(), strict=True)
        ]


def novelty_of(run: RunFolder) -> Novelty | None:
    """What the run folder keeps for it; None for the run of a version that kept nothing.

    Raises:
        RunError: it is damaged.
    """
    parts = run.novelty()
    if not parts:
        return None
    with run.whole("novelty.safetensors"):
        return Novelty.learned(**parts)
