"""A network that cannot answer is refused when it is opened; numbers that are not finite are no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.toy import train

from oneglance import config as configuration
from oneglance.errors import OneglanceError, RunError
from oneglance.inference.engine import EngineOutput
from oneglance.inference.predictor import Predictor
from oneglance.inference.trial import refuse_unusable
from oneglance.parallel.cpus import processors
from oneglance.storage.run_folder import RunFolder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "toy"
    train(folder, "training.epochs=1")
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> RunFolder:
    for path in finished.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return RunFolder(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(copied: RunFolder, value: float) -> None:
    tensors = copied.network_tensors()
    tensors[
        "heads.kind head.layers.0.weight"
        if "heads.kind head.layers.0.weight" in tensors
        else next(n for n in tensors if n.startswith("heads.kind") and n.endswith("weight"))
    ][:] = value
    copied.save_weights(tensors)
    with pytest.raises(RunError, match="output for kind is not finite: its weights are damaged"):
        Predictor.open(copied, device="cpu")


def test_numbers_that_become_infinite_only_for_some_pictures_are_no_answer(copied: RunFolder) -> None:
    predictor = Predictor.open(copied, device="cpu")
    forward = predictor.engine.forward

    def wild(canvases: np.ndarray) -> EngineOutput:
        output = forward(canvases)
        output.raw["weight"][canvases.reshape(len(canvases), -1).max(axis=1) > 0] = np.inf
        return output

    predictor.engine.forward = wild  # type: ignore[method-assign]
    predictor.forward(np.zeros((2, 16, 16, 3), np.uint8))
    with pytest.raises(RunError, match="output for weight is not finite"):
        predictor.forward(np.full((2, 16, 16, 3), 9, np.uint8))


@pytest.mark.parametrize(
    "raw",
    [np.zeros((1, 3), np.float32), np.zeros(2, np.float32), np.zeros((2, 3), np.int64)],
    ids=["fewer rows", "no rows", "whole numbers"],
)
def test_output_of_another_form_is_refused(raw: np.ndarray) -> None:
    with pytest.raises(RunError, match="another output for kind than its tasks need"):
        refuse_unusable(EngineOutput(np.zeros((2, 3), np.float32), {"kind": raw}), 2)


def test_weights_of_another_kind_of_numbers_are_refused(copied: RunFolder) -> None:
    tensors = copied.network_tensors()
    name = next(n for n in tensors if n.startswith("heads.kind") and n.endswith("weight"))
    copied.save_weights({**tensors, name: tensors[name].view(torch.int32)})
    with pytest.raises(OneglanceError, match=r"has as another kind of numbers heads\.kind"):
        Predictor.open(copied, device="cpu")


def test_what_is_familiar_must_have_the_network_s_width(copied: RunFolder) -> None:
    copied.save_novelty(np.eye(3, dtype=np.float16), np.eye(4, 3, dtype=np.float16), None)
    with pytest.raises(RunError, match="is damaged, or of another version of oneglance — train anew"):
        Predictor.open(copied, device="cpu")
    bad = np.full((3, 3), np.nan, dtype=np.float16)
    copied.save_novelty(bad, bad.copy(), None)
    with pytest.raises(RunError, match=r"novelty\.safetensors: is damaged: it holds no finite numbers"):
        Predictor.open(copied, device="cpu")


# A stranger's run folder.


def test_a_stranger_chooses_neither_folders_nor_processes(copied: RunFolder, tmp_path: Path) -> None:
    overrides = {"cache.folder": str(tmp_path / "elsewhere"), "cache.workers": 5000}
    (copied / "overrides.json").write_text(json.dumps({"base": "/nowhere", "overrides": overrides}))
    assert copied.config().cache.workers == 5000
    predictor = Predictor.open(copied, device="cpu")
    cache = predictor.config.cache
    assert (cache.folder, cache.workers) == ("", processors())
    assert predictor.config.sources == []
    assert not (tmp_path / "elsewhere").exists()


def test_those_who_ask_open_no_path_of_the_configuration(
    copied: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named pipe in every place of a path: whoever opened one would wait for ever."""
    text = (copied / "config.toml").read_text()
    text = text.replace('path = "toy"', 'path = "secret"').replace(
        'name = "small"', 'name = "small"\nweights = "secret"'
    )
    (copied / "config.toml").write_text(text)
    (copied / "overrides.json").write_text(json.dumps({"base": str(tmp_path / "base"), "overrides": {}}))
    opened: list[str] = []
    import builtins
    import io

    real = io.open

    def noting(file: object, *args: object, **rest: object) -> object:
        opened.append(str(file))
        return real(file, *args, **rest)  # type: ignore[call-overload]

    monkeypatch.setattr(io, "open", noting)
    monkeypatch.setattr(builtins, "open", noting)
    Predictor.open(copied, device="cpu")
    assert any("config.toml" in path for path in opened)
    assert not any("secret" in path or "base" in path for path in opened)


@pytest.mark.parametrize(
    "change",
    [
        "backbone.options.width=100000",
        "backbone.name='vit_giant_patch14_224'",
    ],
)
def test_a_network_is_not_built_larger_than_its_weights(copied: RunFolder, change: str) -> None:
    key, _, value = change.partition("=")
    plain = value.strip("'")
    overrides: dict[str, Any] = {key: int(plain) if plain.isdigit() else plain, "backbone.options.depth": 2}
    if key == "backbone.name":
        overrides = {key: plain, "backbone.options": {}, "backbone.size": 224}
    (copied / "overrides.json").write_text(json.dumps({"base": "/", "overrides": overrides}))
    with pytest.raises(OneglanceError, match="has more weights than there are here"):
        Predictor.open(copied, device="cpu")


def test_a_canvas_that_takes_too_much_memory_is_refused(copied: RunFolder) -> None:
    overrides = {"backbone.size": 4096, "backbone.options.width": 64}
    text = (copied / "config.toml").read_text()
    config = configuration.parse(text, base=copied.path, overrides=["backbone.size=4096"])
    assert config.backbone.canvas == (4096, 4096)
    (copied / "overrides.json").write_text(json.dumps({"base": "/", "overrides": overrides}))
    with pytest.raises(OneglanceError):
        Predictor.open(copied, device="cpu")


def test_numbers_whose_squares_are_infinite_are_no_answer() -> None:
    wild = np.full((2, 3), 1e30, np.float32)
    with pytest.raises(RunError, match="output for kind is not finite"):
        refuse_unusable(EngineOutput(np.zeros((2, 3), np.float32), {"kind": wild}), 2)
