"""Networks that are traced for ONNX once, however often they are written: tracing takes seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from oneglance.inference import exported_network
from oneglance.inference.exported_network import Exported

_made: dict[str, bytes] = {}  # what the tests of all files share


@contextmanager
def traced_once() -> Iterator[None]:
    """A network of the same parts, weights, canvas and outputs as one before is not traced again."""
    trace = exported_network.onnx_model

    def once(exported: Exported, canvases: np.ndarray, outputs: list[str]) -> Any:
        key = hashlib.sha256(repr((exported, canvases.shape[1:], outputs)).encode())
        for name, value in exported.state_dict().items():
            key.update(name.encode() + value.cpu().numpy().tobytes())
        if key.hexdigest() not in _made:
            _made[key.hexdigest()] = trace(exported, canvases, outputs).SerializeToString()
        return ModelProto.FromString(_made[key.hexdigest()])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported_network, "onnx_model", once)
        yield
