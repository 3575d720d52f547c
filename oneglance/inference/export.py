"""One file that gives the same answers as the run folder: written, compared with torch, and refused if it
does not.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from oneglance.atomic_files import finite, write_bytes
from oneglance.backbone import Backbone, Features
from oneglance.data.dataset import load_dataset
from oneglance.data.images.decode import Canvas
from oneglance.data.images.decode_pool import decode
from oneglance.data.images.letterbox import Placement
from oneglance.data.record import Record
from oneglance.errors import ConfigError, OneglanceError, RunError, nearest
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.engines.onnx import (
    INPUT,
    KEY,
    VECTORS,
    OnnxEngine,
    open_session,
    output_name,
    packed,
    passes_for,
)
from oneglance.inference.engines.torch import TorchEngine, plain
from oneglance.inference.novelty import Novelty
from oneglance.inference.parallel_passes import threads_of_each
from oneglance.inference.predictor import BATCH, Predictor, novelty_of
from oneglance.inference.quantization import TOGETHER, in_int8
from oneglance.network import Network
from oneglance.progress import Screen
from oneglance.run_folder import RunFolder
from oneglance.task import Task

COMPARED = 256  # pictures of the validation part that both are asked about
CALIBRATED = 256  # pictures of the training part from which int8 learns its ranges
TURNS = 10  # of each engine where their speed is compared

TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.5}  # see ``disagreement``
FORMATS = {"onnx": ("fp32", "fp16", "int8"), "torch": ("fp32", "fp16")}  # and what each can be written in
ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}


class Pictures(NamedTuple):
    """Pictures to compare with, ready for the network."""

    canvases: np.ndarray  # uint8 [n, h, w, 3]
    placements: list[Placement]
    records: list[Record]  # what is known of them; none where they are drawn


@dataclass(frozen=True)
class Written:
    """A file that is still in memory."""

    content: Callable[[Novelty | None], bytes]  # once it is known what it holds of unfamiliar pictures
    engine: Engine  # that which will be in it
    whole: Engine | None = None  # the same in fp32, where that was made on the way


def export_run(
    run: RunFolder, out: Path | None, format: str, precision: str, screen: Screen
) -> dict[str, Any]:
    """Write the averaged network of a finished run; see ``api.export``."""
    refuse(format, precision)
    config = run.config()
    tasks = run.tasks(config)
    network = run.network(config, tasks)
    ours = Predictor(TorchEngine(network, torch.device("cpu")), tasks, config, novelty_of(run))
    path = out or run / f"model{'' if precision == 'fp32' else '-' + precision}{ENDINGS[format]}"
    parts = parts_of(run, ours, screen)
    compared = taken(ours, parts["validation"], COMPARED) or drawn(ours)
    seen = taken(ours, parts["train"], CALIBRATED) if precision == "int8" else compared
    if seen is None:
        raise RunError(
            "int8 needs training pictures, which are not where they were",
            location=str(run.path),
            hint="put them back, or choose --precision fp16 or fp32",
        )
    screen.say(f"writing {precision}, comparing it on {told(compared)}")
    looked = ask(ours.engine, compared.canvases)
    exported = Exported(run.network(config, tasks), half=precision == "fp16")
    with quiet():
        if format == "torch":
            written = as_torch(exported, ours, compared.canvases)
        else:
            written = as_onnx(exported, ours, seen.canvases, precision, str(path))
    theirs = ask(written.engine, compared.canvases)
    found = {name: disagreement(looked.raw[name], theirs.raw[name]) for name in tasks}
    refuse_other(found, precision, path)
    novelty = ours.novelty
    if novelty is not None and precision != "fp32" and compared.records:
        novelty = novelty.told_by(theirs.vectors)  # its rounding moves every picture a little
    with quiet():
        content = written.content(novelty)
    write_bytes(path, content)
    speed = None
    if written.whole is not None:
        speed = speed_over(written.engine, written.whole, compared.canvases[:TOGETHER])
        screen.say(advice(precision, speed))
    screen.close()
    before, after = (scores(ours, each.raw, compared) for each in (looked, theirs))
    return {
        "file": str(path),
        "format": format,
        "precision": precision,
        "bytes": len(content),
        "pictures": len(compared.canvases),
        "drawn": not compared.records,
        "disagreement": found,
        "speed": speed,
        "scores": {name: {**before[name], "file": after[name]["run"]} for name in before},
    }


def refuse(format: str, precision: str) -> None:
    """
    Raises:
        ConfigError: there is no such format or precision.
    """
    if format not in FORMATS:
        raise ConfigError(f'there is no format "{format}".{nearest(format, FORMATS)}')
    if precision not in FORMATS[format]:
        raise ConfigError(
            f'the format {format} has no precision "{precision}". Known: {", ".join(FORMATS[format])}.'
        )


# The network as it is written.


class Exported(nn.Module):
    """Pictures uint8 [n, h, w, 3] to (feature vectors, raw output of each task in turn)."""

    def __init__(self, network: Network, *, half: bool) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        if half:
            network.backbone = Halved(network.backbone)  # type: ignore[assignment]

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        vectors, raw = self.network.forward_with_features(pictures.permute(0, 3, 1, 2).float())
        return vectors, *raw.values()


class Halved(nn.Module):
    """A backbone in float16. The heads, which are small, and the normalisation stay as they are."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.gives_maps = backbone.gives_maps
        self.backbone = backbone.half()

    def forward(self, pictures: Tensor) -> Features:
        found = Features(*self.backbone(pictures.half()))
        below = None if found.below is None else found.below.float()
        return Features(found.vector.float(), tuple(seen.float() for seen in found.maps), below)


@dataclass(frozen=True)
class Program(Engine):
    """A torch.export program as an engine."""

    module: Any
    tasks: list[str]

    @torch.inference_mode()
    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """See ``Engine``."""
        vectors, *raw = self.module(torch.from_numpy(canvases))
        return EngineOutput(plain(vectors), dict(zip(self.tasks, map(plain, raw), strict=True)))


def as_torch(exported: Exported, ours: Predictor, canvases: np.ndarray) -> Written:
    """A program of torch.export, with the metadata of the ONNX file as the extra file ``oneglance.json``."""
    program = traced(exported, canvases)

    def content(novelty: Novelty | None) -> bytes:
        whole = io.BytesIO()
        extra = {f"{KEY}.json": packed(ours.config, ours.tasks, novelty)}
        torch.export.save(program, whole, extra_files=extra)
        return whole.getvalue()

    return Written(content, Program(program.module(), list(ours.tasks)))


def as_onnx(
    exported: Exported, ours: Predictor, canvases: np.ndarray, precision: str, location: str
) -> Written:
    """An ONNX model; the ranges of int8 are those of the pictures ``canvases``."""
    import onnx

    names = [VECTORS, *map(output_name, ours.tasks)]
    program = torch.onnx.export(
        traced(exported, canvases),
        input_names=[INPUT],
        output_names=names,
        dynamo=True,
        verbose=False,
    )
    model = cast(Any, program).model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # where our own code lies on this machine

    def engine() -> Engine:
        passes = passes_for("cpu")
        session = open_session(model.SerializeToString(), "cpu", threads_of_each(passes), location=location)
        return OnnxEngine(session, list(ours.tasks), passes)

    whole = None
    if precision == "int8":
        whole = engine()
        model = in_int8(model, canvases)

    def content(novelty: Novelty | None) -> bytes:
        onnx.helper.set_model_props(model, {KEY: packed(ours.config, ours.tasks, novelty)})
        whole: bytes = model.SerializeToString()
        return whole

    return Written(content, engine(), whole)


def traced(exported: Exported, canvases: np.ndarray) -> Any:
    """The network as a graph that takes any number of pictures."""
    example = torch.from_numpy(np.resize(canvases, (2, *canvases.shape[1:])))  # a 1 would be taken for fixed
    shapes = ({0: torch.export.Dim("n", min=1)},)
    with torch.no_grad():
        return torch.export.export(exported, (example,), dynamic_shapes=shapes, strict=False)


@contextmanager
def quiet() -> Iterator[None]:
    """What the exporters say of their own insides is no help to whoever exports."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


# Comparing.


def parts_of(run: RunFolder, ours: Predictor, screen: Screen) -> Mapping[str, Sequence[Record]]:
    """The records of each part as it was when the run was trained; none where the data are not there, or
    are others now.
    """
    parts: dict[str, list[Record]] = {"train": [], "validation": []}
    try:
        dataset = load_dataset(ours.config, list(ours.tasks.values()), screen.progress)
    except OneglanceError:
        return parts
    rows = run.split()
    if [row[:2] for row in dataset.rows()] == [row[:2] for row in rows]:
        for record, row in zip(dataset.records, rows, strict=True):
            parts.setdefault(row[2], []).append(record)
    return parts


def taken(ours: Predictor, records: Sequence[Record], count: int) -> Pictures | None:
    """At most ``count`` of the pictures, evenly spread; None where none can be read."""
    chosen = [records[row] for row in np.linspace(0, len(records) - 1, min(count, len(records))).astype(int)]
    refs = [record.image for record in chosen]
    found = decode(refs, ours.fit, ours.limits, ours.config.cache.workers)
    pairs = [(c, r) for c, r in zip(found, chosen, strict=True) if isinstance(c, Canvas)]
    if not pairs:
        return None
    placements = [ours.fit.placement(canvas.width, canvas.height) for canvas, _ in pairs]
    return Pictures(np.stack([c.pixels for c, _ in pairs]), placements, [record for _, record in pairs])


def drawn(ours: Predictor, count: int = 32) -> Pictures:
    """Patches of random colours, where there is no real picture."""
    height, width, _ = ours.fit.shape
    colours = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    down, across = (np.arange(side) * 8 // side for side in (height, width))
    canvases = colours[:, down[:, None], across]
    return Pictures(canvases, [ours.fit.placement(width, height)] * count, [])


def told(pictures: Pictures) -> str:
    count = len(pictures.canvases)
    return f"{count} validation pictures" if pictures.records else f"{count} drawn pictures"


def ask(engine: Engine, canvases: np.ndarray) -> EngineOutput:
    """What an engine makes of all of them, a batch at a time."""
    starts = range(0, len(canvases), BATCH)
    return EngineOutput.joined([engine.forward(canvases[start : start + BATCH]) for start in starts])


def speed_over(engine: Engine, whole: Engine, canvases: np.ndarray) -> float:
    """How many times as fast an engine is as another on these pictures, on this machine: both take turns, and
    the best of each counts, for whatever else the machine does only makes them slower.
    """
    best = dict.fromkeys((engine, whole), float("inf"))
    for _ in range(TURNS):
        for each in best:
            began = perf_counter()
            each.forward(canvases)
            best[each] = min(best[each], perf_counter() - began)
    return best[whole] / best[engine]


def advice(precision: str, speed: float) -> str:
    """What the speed says to whoever exports."""
    told = f"{precision} is {speed:.2g} times as fast as fp32 on this machine"
    return told if speed > 1 else f"{told}: not recommended here but for its size"


def disagreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference of two raw outputs, relative to the largest number of the first.

    Where a picture has many rows, surest first, two that are nearly as sure may change places, and the last
    may fall out: each of the surer half is then compared with the row that is nearest to it.
    """
    scale = max(float(np.abs(ours).max()), 1e-6)
    if ours.ndim == 3:
        pairs = zip(ours[:, : -(-ours.shape[1] // 2)], theirs, strict=True)
        worst = max(nearest_row(rows, others) for rows, others in pairs)
    else:
        worst = float(np.abs(ours - theirs).max())
    return worst / scale if np.isfinite(theirs).all() else float("inf")


def nearest_row(rows: np.ndarray, others: np.ndarray) -> float:
    """How far the row that is worst off is from the nearest of ``others``."""
    return max(float(np.abs(others - row).max(axis=1).min()) for row in rows)


def refuse_other(found: Mapping[str, float], precision: str, path: Path) -> None:
    """
    Raises:
        RunError: answers differ by more than rounding explains.
    """
    wrong = {name: value for name, value in found.items() if not value <= TOLERANCE[precision]}
    if wrong:
        most = max(wrong, key=lambda name: wrong[name])
        raise RunError(
            f"the file would answer {most} otherwise than the run: by {wrong[most]:.2g} of its largest "
            f"number, where {TOLERANCE[precision]:g} is allowed; nothing was written",
            location=str(path),
            hint="choose another precision" if precision != "fp32" else "another --format may do better",
        )


def scores(ours: Predictor, raw: Mapping[str, np.ndarray], pictures: Pictures) -> dict[str, dict[str, Any]]:
    """The deciding metric of each task on the pictures whose answer is known: ``{"metric", "n", "run"}``."""
    if not pictures.records:
        return {}
    predictions = ours.decode(raw, pictures.placements)
    found = {}
    for name, task in ours.tasks.items():
        known = [row for row, record in enumerate(pictures.records) if record.answers.get(name) is not None]
        if known:
            answers = [pictures.records[row].answers[name] for row in known]
            value = value_of(task, [predictions[row][name] for row in known], answers)
            found[name] = {"metric": task.primary_metric, "n": len(known), "run": value}
    return found


def value_of(task: Task, predictions: Sequence[Any], answers: Sequence[Any]) -> float | None:
    value = task.metrics(task.metric_state(predictions, answers), np.ones(len(answers)))[task.primary_metric]
    return finite(value)
