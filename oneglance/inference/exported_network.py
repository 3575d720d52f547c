"""A network as it is written into a file: an ONNX model, or a program of torch.export."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from oneglance.backbone import Backbone, Features
from oneglance.inference.engine import Engine, EngineOutput
from oneglance.inference.engines.onnx import (
    INPUT,
    KEY,
    OnnxEngine,
    engine_output,
    open_session,
    output_names,
    packed,
    passes_for,
)
from oneglance.inference.engines.torch import plain
from oneglance.inference.familiarity.novelty import Novelty
from oneglance.inference.parallel_passes import threads_of_each
from oneglance.inference.predictor import Predictor
from oneglance.inference.quantization import in_int8
from oneglance.network import Network


@dataclass(frozen=True)
class Written:
    """A file that is still in memory."""

    content: Callable[[Novelty | None], bytes]  # given what it shall hold of unfamiliar pictures
    engine: Engine  # runs what will be in it
    full: Engine | None = None  # the same in fp32, where that was made on the way


class Exported(nn.Module):
    """Pictures uint8 [n, h, w, 3] to (feature vectors, raw output of each task in turn), and last the
    features from halfway up where the network gives them.
    """

    def __init__(self, network: Network, *, half: bool) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        if half:
            network.backbone = Halved(network.backbone)  # type: ignore[assignment]

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        output = self.network.forward_in_full(pictures.permute(0, 3, 1, 2).float())
        return output.vector, *output.raw.values(), *([] if output.middle is None else [output.middle])


class Halved(nn.Module):
    """A backbone in float16. The heads, which are small, and the normalisation stay as they are."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.gives_maps, self.gives_middle = backbone.gives_maps, backbone.gives_middle
        self.backbone = backbone.half()

    def forward(self, pictures: Tensor) -> Features:
        half = Features(*self.backbone(pictures.half()))
        below, middle = (None if each is None else each.float() for each in (half.below, half.middle))
        return Features(half.vector.float(), tuple(each.float() for each in half.maps), below, middle)


@dataclass(frozen=True)
class Program(Engine):
    """A torch.export program as an engine."""

    module: Any
    tasks: list[str]

    @torch.inference_mode()
    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """See ``Engine``."""
        return engine_output(self.tasks, [plain(one) for one in self.module(torch.from_numpy(canvases))])


def as_torch(exported: Exported, ours: Predictor, canvases: np.ndarray) -> Written:
    """A program of torch.export, with the metadata of the ONNX file as the extra file ``oneglance.json``."""
    program = traced(exported, canvases)

    def content(novelty: Novelty | None) -> bytes:
        file = io.BytesIO()
        extra = {f"{KEY}.json": packed(ours.config, ours.tasks, novelty)}
        torch.export.save(program, file, extra_files=extra)
        return file.getvalue()

    return Written(content, Program(program.module(), list(ours.tasks)))


def as_onnx(
    exported: Exported, ours: Predictor, canvases: np.ndarray, precision: str, location: str
) -> Written:
    """An ONNX model; the ranges of int8 are those of the pictures ``canvases``."""
    import onnx

    model = onnx_model(exported, canvases, output_names(ours.tasks, exported.network.backbone.gives_middle))

    def engine() -> Engine:
        passes = passes_for("cpu")
        session = open_session(model.SerializeToString(), "cpu", threads_of_each(passes), location=location)
        return OnnxEngine(session, list(ours.tasks), passes)

    full = None
    if precision == "int8":
        full = engine()
        model = in_int8(model, canvases)

    def content(novelty: Novelty | None) -> bytes:
        onnx.helper.set_model_props(model, {KEY: packed(ours.config, ours.tasks, novelty)})
        data: bytes = model.SerializeToString()
        return data

    return Written(content, engine(), full)


def onnx_model(exported: Exported, canvases: np.ndarray, outputs: list[str]) -> Any:
    """The network as a ModelProto, without metadata. This is what takes the time of an export."""
    program = torch.onnx.export(
        traced(exported, canvases),
        input_names=[INPUT],
        output_names=outputs,
        dynamo=True,
        verbose=False,
    )
    model = cast(Any, program).model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # where our own code lies on this machine
    return model


def traced(exported: Exported, canvases: np.ndarray) -> Any:
    """The network as a graph that takes any number of pictures."""
    for part in exported.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment] # the same answers; traced in three quarters of the time
    example = torch.from_numpy(np.resize(canvases, (2, *canvases.shape[1:])))  # a 1 would be taken for fixed
    shapes = ({0: torch.export.Dim("n", min=1)},)
    with torch.no_grad():
        return torch.export.export(exported, (example,), dynamic_shapes=shapes, strict=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporters log of their own insides, which is no help to a user."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
