"""A finished run that learns further tasks: what it answered before stays the same to the bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.drawn import own_cache
from support.user import trained  # noqa: F401

import oneglance
from oneglance.inference.predictor import Predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder

OLD = ("digit", "background", "shapes", "covered")
NEW = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"
[tasks.ground]
type = "label"
from = "background"
uses = ["shapes"]
[training]
epochs = 2
"""


class Extended:
    def __init__(self, folder: Path) -> None:
        self.folder, self.old, self.new = folder, folder / "runs/a", folder / "runs/more"

    def photos(self) -> list[Path]:
        return sorted((self.folder / "scenes/images").iterdir())[:9]


_made: list[Extended] = []


@pytest.fixture(scope="session")
def extended(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Extended:  # noqa: F811
    """The finished run ``runs/a`` and what it was extended to, ``runs/more``; nobody changes them."""
    if not _made:
        folder = tmp_path_factory.mktemp("extended") / "home"
        shutil.copytree(trained, folder)
        (folder / "new.toml").write_text(NEW, encoding="utf-8")
        with own_cache(tmp_path_factory):
            oneglance.extend(
                folder / "runs/a", folder / "new.toml", out=folder / "runs/more", screen=Screen()
            )
        _made.append(Extended(folder))
    return _made[0]


def rows(model: str | Path, photos: list[Path]) -> list[dict[str, Any]]:
    """What is told of each picture, with every number as it is."""
    return oneglance.load(model).predict(photos, screen=Screen()).to_dict()


def without_new(rows: list[dict[str, Any]], name: str = "ground") -> list[dict[str, Any]]:
    for row in rows:
        assert row["answers"].pop(name)
    return rows


def test_old_answers_stay_the_same_to_the_bit(extended: Extended) -> None:
    before, after = rows(extended.old, extended.photos()), rows(extended.new, extended.photos())
    assert list(after[0]["answers"]) != list(before[0]["answers"])
    assert json.dumps(without_new(after), sort_keys=True) == json.dumps(before, sort_keys=True)


def test_so_do_raw_outputs_and_vectors(extended: Extended) -> None:
    canvases = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), np.uint8)
    runs = extended.old, extended.new
    before, after = (Predictor.open(RunFolder.open(run)).forward(canvases) for run in runs)
    assert before.vectors.tobytes() == after.vectors.tobytes()
    assert {name: raw.tobytes() for name, raw in before.raw.items()} == {
        name: after.raw[name].tobytes() for name in OLD
    }
    assert after.raw["ground"].std() > 0


def test_so_do_those_of_exported_files(extended: Extended, tmp_path: Path) -> None:
    files = []
    for run in (extended.old, extended.new):
        files.append(tmp_path / f"{run.name}.onnx")
        oneglance.export(run, out=files[-1], screen=Screen())
    before, after = (rows(file, extended.photos()) for file in files)
    assert json.dumps(without_new(after), sort_keys=True) == json.dumps(before, sort_keys=True)


def test_it_is_a_run_like_any_other(extended: Extended) -> None:
    report = oneglance.evaluate(extended.new, screen=Screen())
    assert set(report["tasks"]) == {*OLD, "ground"}
    assert report["tasks"]["ground"]["answered"] > 0
    assert (extended.new / "novelty.safetensors").read_bytes() == (
        extended.old / "novelty.safetensors"
    ).read_bytes()
