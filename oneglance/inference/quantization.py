"""A backbone in whole numbers of 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from oneglance.inference.engines.onnx import INPUT, VECTORS

TOGETHER = 8  # pictures at once, for every value between the layers is kept


def in_int8(model: Any, canvases: np.ndarray) -> Any:
    """The same with the backbone in int8, and its ranges those of ``canvases``: what the heads make of it
    stays in float, for they are small and their outputs are compared number by number.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.parts = iter(np.array_split(canvases, -(-len(canvases) // TOGETHER)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            part = next(self.parts, None)
            return None if part is None else {INPUT: np.ascontiguousarray(part)}

    with TemporaryDirectory() as folder:
        whole, ready, done = (Path(folder) / f"{name}.onnx" for name in ("whole", "ready", "done"))
        onnx.save(model, whole)
        quant_pre_process(whole, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            done,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Of all pairs of types the one that processors multiply fastest; with 7 bits for the weights,
            # those without VNNI do not overflow either, and answer the same.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            nodes_to_exclude=list(above_the_vector(onnx.load(ready).graph)),
        )
        return onnx.load(done)


def above_the_vector(graph: Any) -> Iterator[str]:
    """The nodes that the feature vector does not come from: those of the heads."""
    needed = {VECTORS}
    for node in reversed(graph.node):
        if needed.isdisjoint(node.output):
            yield node.name
        else:
            needed.update(node.input)
