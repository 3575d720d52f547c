"""Pictures of 12 bits in files of 16, from check through training to answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import oneglance
from oneglance.config import parse
from oneglance.data.inspection.likeness import Likeness
from oneglance.inference.engines.onnx import packed, unpacked
from oneglance.inference.predictor import open_predictor
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder


class Said(Screen):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def drawn(folder: Path, top: int) -> Path:
    """Two classes that differ in brightness, in values up to ``top`` of 16 bits."""
    rng = np.random.default_rng(0)
    for name, level in {"dim": 0.3, "light": 0.9}.items():
        (folder / name).mkdir(parents=True)
        for number in range(24):
            values = np.clip(level + rng.normal(0, 0.05, (24, 24)), 0, 1) * top
            values[0, 0] = top
            Image.fromarray(values.astype(np.uint16)).save(folder / name / f"{number}.png")
    return folder


def written(place: Path, folder: Path) -> dict[str, Any]:
    return {
        "sources": [{"path": str(folder)}],
        "tasks": {"kind": {"type": "label", "from": "folder"}},
        "backbone": {"size": 16},
        "training": {"epochs": 8, "batch": 8, "precision": "fp32"},
        "cache": {"folder": str(place / "cache"), "workers": 1},
    }


@pytest.mark.slow  # a training, and answers by run and file
def test_a_training_measures_and_its_answers_keep_to_it(tmp_path: Path) -> None:
    tables, screen = written(tmp_path, drawn(tmp_path / "photos", 4095)), Said()
    problems = oneglance.check(tables, screen=screen)
    (told,) = [problem for problem in problems if problem.kind == "value_range"]
    assert "0 is black and 4095 white" in told.what and not told.fatal
    assert not [problem for problem in problems if problem.kind == "alike"]

    run = oneglance.train(tables, out=tmp_path / "run", screen=screen)
    assert any("0 is black and 4095 white" in line for line in screen.lines)
    kept = RunFolder(run.path)
    assert kept.config().overrides == {"pictures.value_range": {"16-bit": [0.0, 4095.0]}}
    predictor = open_predictor(run.path)
    assert predictor.limits.values.of("16-bit") == (0, 4095)
    content = unpacked(packed(predictor.config, predictor.tasks, predictor.novelty), "model.onnx")
    assert content.config.pictures.value_range == predictor.config.pictures.value_range

    from_file = run.predict(tmp_path / "photos", screen=screen)
    right = [answer.to_dict()["answers"]["kind"]["value"] in answer.image for answer in from_file]
    assert np.mean(right) > 0.9
    name = tmp_path / "photos/light/0.png"
    in_memory = run.predict([name.read_bytes(), Image.open(name)], screen=screen)
    whole = {answer.image: answer.to_dict()["answers"] for answer in from_file}
    expected = next(answers for image, answers in whole.items() if image.endswith("light/0.png"))
    for answer in in_memory:
        assert answer.to_dict()["answers"]["kind"]["value"] == expected["kind"]["value"] == "light"

    again = oneglance.train(
        tables, overrides=["pictures.value_range=[0, 65535]"], out=tmp_path / "dark", screen=screen
    )
    assert open_predictor(again.path).limits.values.of("16-bit") == (0, 65535)


def test_pictures_of_8_bits_leave_no_trace(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "photos", 255)
    for path in folder.rglob("*.png"):
        with Image.open(path) as picture:
            eight = Image.fromarray(np.asarray(picture).astype(np.uint8))
        eight.save(path)
    screen = Said()
    tables = written(tmp_path, folder)
    assert not [p for p in oneglance.check(tables, screen=screen) if p.kind in ("value_range", "alike")]
    run = oneglance.train(
        {**tables, "training": {**tables["training"], "epochs": 1}}, out=tmp_path / "run", screen=screen
    )
    assert RunFolder(run.path).config().overrides == {}


def test_check_names_pictures_that_look_alike(tmp_path: Path) -> None:
    tables = written(tmp_path, drawn(tmp_path / "photos", 120))
    dark = oneglance.check(tables, overrides=["pictures.value_range=[0, 65535]"], screen=Said())
    (alike,) = [problem for problem in dark if problem.kind == "alike"]
    assert "all 48 pictures look alike" in alike.what and "value_range" in alike.hint


@pytest.mark.parametrize(("differ", "expected"), [(0, 1), (40, 0)])
def test_likeness(differ: int, expected: int) -> None:
    likeness = Likeness()
    for number in range(6):
        pixels = np.full((21, 30, 3), 100, np.uint8)
        pixels[:9, :9] += np.uint8(differ * (number % 2))
        likeness.add("photos", pixels)
    assert len(list(likeness.problems())) == expected


def test_a_run_of_before_guesses_as_it_did() -> None:
    text = '[[sources]]\npath = "photos"\n[tasks.kind]\ntype = "label"\n'
    assert parse(text, base=Path(), earlier=True).pictures.value_range == "auto"
