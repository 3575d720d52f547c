"""From a run folder to answers."""

# ruff: noqa: F811 - a fixture is imported, and then the name of an argument

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.user import TASKS, home, trained  # noqa: F401

import oneglance
from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import decode
from oneglance.data.images.references import FileImage
from oneglance.data.record import ImageRef
from oneglance.errors import ConfigError, RunError
from oneglance.inference.engine import BATCH
from oneglance.inference.predictor import Predictor, open_predictor
from oneglance.storage.run_folder import RunFolder


def refs(folder: Path, count: int) -> list[ImageRef]:
    actual = sorted((folder / "scenes" / "images").iterdir())[:count]
    return [FileImage(str(path), path.name) for path in actual]


@pytest.fixture
def predictor(trained: Path) -> Predictor:
    return Predictor.open(RunFolder.open(trained / "runs" / "a"), device="cpu")


def test_answers_have_the_shape_that_the_docs_promise(trained: Path, predictor: Predictor) -> None:
    rows = list(predictor.predict(refs(trained, 3)))
    assert [row["image"] for row in rows] == ["00000.png", "00001.png", "00002.png"]
    for row in rows:
        assert list(row) == ["image", "width", "height", "unfamiliar", "answers"]
        assert 0 <= row["unfamiliar"] <= 1
        assert (row["width"], row["height"]) == (32, 32)
        assert tuple(row["answers"]) == TASKS
        digit, shapes, covered = (row["answers"][name] for name in ("digit", "shapes", "covered"))
        assert list(digit) == ["value", "confidence", "probabilities"]
        assert sum(digit["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        assert digit["confidence"] == digit["probabilities"][digit["value"]]
        assert digit["confidence"] == max(digit["probabilities"].values())
        assert list(shapes) == ["values", "probabilities"]
        assert set(shapes["values"]) <= set(shapes["probabilities"])
        assert list(covered) == ["value", "low", "high", "unit"]
        assert covered["unit"] == "%"
        assert np.isfinite(covered["value"])


def test_an_unreadable_picture_keeps_its_row(trained: Path, predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    bad = FileImage(str(tmp_path / "bad.png"), "bad.png")
    lost = FileImage(str(tmp_path / "lost.png"), "lost.png")
    good = refs(trained, 2)
    rows = list(predictor.predict([bad, good[0], lost, good[1], bad]))
    assert [row["image"] for row in rows] == ["bad.png", "00000.png", "lost.png", "00001.png", "bad.png"]
    assert [list(row) for row in rows if "error" in row] == [["image", "error"]] * 3
    assert "picture" in rows[0]["error"]
    alone = list(predictor.predict(good))
    for one, other in zip([rows[1], rows[3]], alone, strict=True):
        assert one["answers"]["digit"]["value"] == other["answers"]["digit"]["value"]
        actual, expected = (row["answers"]["covered"]["value"] for row in (one, other))
        assert actual == pytest.approx(expected, rel=1e-4)


def test_all_unreadable_is_no_error(predictor: Predictor, tmp_path: Path) -> None:
    lost = [FileImage(str(tmp_path / f"{number}.png"), f"{number}.png") for number in range(3)]
    assert [row["image"] for row in predictor.predict(lost)] == ["0.png", "1.png", "2.png"]
    assert list(predictor.predict([])) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1)])
def test_pictures_of_odd_sizes(predictor: Predictor, tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "odd.png")
    (row,) = predictor.predict([FileImage(str(tmp_path / "odd.png"), "odd.png")])
    assert (row["width"], row["height"]) == size
    assert np.isfinite(row["answers"]["covered"]["value"])


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_rectangle_from_files_to_answers(home: Path, precision: str) -> None:
    wanted = ["backbone.size=[40, 24]", "augment.rotate=20", "augment.erase=0.5", "training.epochs=1"]
    run = oneglance.train("oneglance.toml", overrides=wanted, out=home / "runs" / "wide")
    predictor = Predictor.open(run.folder, device="cpu", precision=precision)
    assert predictor.network.backbone.shape.canvas == (40, 24)
    (canvas, *_) = decode(refs(home, 1), predictor.fit, Limits())
    assert isinstance(canvas, Canvas) and canvas.pixels.shape == (24, 40, 3)
    (row,) = predictor.predict(refs(home, 1))
    assert (row["width"], row["height"]) == (32, 32) and set(row["answers"]) == set(TASKS)


def test_pictures_are_taken_as_they_are_needed(trained: Path, predictor: Predictor) -> None:
    """Memory does not grow with their number: the first answers come before the last picture is named."""
    taken = 0
    path = str(trained / "scenes" / "images" / "00000.png")

    def endless() -> Iterator[ImageRef]:
        nonlocal taken
        while True:
            taken += 1
            yield FileImage(path, f"{taken}.png")

    rows = predictor.predict(endless())
    for number in range(1, 2 * BATCH + 2):
        assert next(rows)["image"] == f"{number}.png"
    assert taken < 100 * BATCH


def test_answers_are_those_of_the_network(trained: Path, predictor: Predictor) -> None:
    canvas = np.zeros((2, 32, 32, 3), np.uint8)
    canvas[1, 8:24] = 200
    raw = predictor.forward(canvas).raw
    assert {name: value.dtype for name, value in raw.items()} == dict.fromkeys(TASKS, np.float32)
    with torch.inference_mode():
        expected = predictor.network.eval()(torch.from_numpy(canvas).permute(0, 3, 1, 2))
    for name in TASKS:
        np.testing.assert_allclose(raw[name], expected[name].numpy(), rtol=1e-4, atol=1e-5)
    answers = predictor.decode(raw, [predictor.fit.placement(32, 32)] * 2)
    assert [tuple(answer) for answer in answers] == [TASKS, TASKS]


def test_a_predictor_is_opened_by_its_path(trained: Path, predictor: Predictor) -> None:
    by_path = open_predictor(trained / "runs" / "a", device="cpu")
    assert list(by_path.predict(refs(trained, 2))) == list(predictor.predict(refs(trained, 2)))
    with pytest.raises(RunError, match="there is no such run folder"):
        open_predictor(trained / "runs" / "b")


def test_an_unfinished_run_is_refused(home: Path) -> None:
    (home / "runs" / "a" / "tasks.json").unlink()
    with pytest.raises(RunError, match="this run is not finished — continue it with: oneglance train"):
        Predictor.open(RunFolder.open(home / "runs" / "a"))


@pytest.mark.parametrize("name", ["weights.safetensors", "tasks.json", "overrides.json"])
def test_a_damaged_run_is_refused(home: Path, name: str) -> None:
    file = home / "runs" / "a" / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RunError) as raised:
        Predictor.open(RunFolder.open(home / "runs" / "a"))
    assert name in raised.value.location


def test_weights_of_another_network_are_refused(home: Path) -> None:
    config = home / "runs" / "a" / "config.toml"
    config.write_text(config.read_text().replace("width = 4", "width = 8"))
    with pytest.raises(Exception, match="these weights belong to another network"):
        Predictor.open(RunFolder.open(home / "runs" / "a"))


def test_a_device_that_is_not_there_is_refused(trained: Path) -> None:
    with pytest.raises(ConfigError, match='"gpu", which this machine does not have'):
        Predictor.open(RunFolder.open(trained / "runs" / "a"), device="gpu")
