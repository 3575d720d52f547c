"""An .onnx file whose metadata, now and then also its graph, were changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from damage import garbled
from strange_values import changed, predicted, trained, written

import oneglance
from oneglance.inference.engines.onnx import KEY
from oneglance.progress import Screen

KEPT: list[Any] = []  # the model, its metadata, the bytes of the file


def prepare(folder: Path) -> None:
    run = trained(folder)
    oneglance.export(run, screen=Screen())
    model = onnx.load(run / "model.onnx")
    metadata = json.loads(next(one.value for one in model.metadata_props if one.key == KEY))
    KEPT.extend((model, metadata, (run / "model.onnx").read_bytes()))
    assert predicted(run / "model.onnx") == "answered"


def attempt(folder: Path, rng: np.random.Generator) -> str:
    model, metadata, whole = KEPT
    path = folder / "strange.onnx"
    if rng.random() < 0.1:
        path.write_bytes(garbled(whole, rng))
        return predicted(path)
    text = written(changed(metadata, rng))
    if rng.random() < 0.15:
        text = garbled(text, rng).decode("utf-8", "ignore").encode()
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: text.decode()})
    path.write_bytes(model.SerializeToString())
    return predicted(path)
