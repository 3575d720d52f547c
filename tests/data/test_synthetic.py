"""The drawn pictures are what their answers say."""

from __future__ import annotations

import csv
from collections import Counter
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneglance.data import synthetic as module
from oneglance.data.synthetic import COLOURS, GROUNDS, PER_SCENE, SHAPES, TASKS, Scene, scenes, write_scenes
from oneglance.errors import DataError, RunError


@pytest.fixture(scope="module")
def drawn() -> list[Scene]:
    return list(scenes(300, seed=3, size=32))


def test_the_first_pictures_do_not_depend_on_how_many_follow(drawn: list[Scene]) -> None:
    for few, many in zip(scenes(4, seed=3, size=32), drawn, strict=False):
        assert np.array_equal(few.pixels, many.pixels)
        assert (few.name, few.answers, few.things) == (many.name, many.answers, many.things)


def test_another_seed_draws_other_pictures(drawn: list[Scene]) -> None:
    other = next(scenes(1, seed=4, size=32))
    assert not np.array_equal(other.pixels, drawn[0].pixels)


def test_answers_are_right(drawn: list[Scene]) -> None:
    for scene in drawn:
        assert scene.pixels.shape == (32, 32, 3) and scene.pixels.dtype == np.uint8
        if "shapes" in scene.answers:
            assert scene.answers["shapes"] == sorted({thing.name for thing in scene.things})
        if "covered" in scene.answers:
            assert (scene.answers["covered"] > 0) == bool(scene.things)
            boxes = np.array([thing.box for thing in scene.things]).reshape(-1, 4)
            area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum() / 32**2 * 100
            assert 0.2 * area <= scene.answers["covered"] <= 1.1 * area


def test_covered_counts_the_pixels_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black shapes on white ground in full light: the share of dark is what ``covered`` says."""
    monkeypatch.setattr(module, "_light", lambda canvas, rng: canvas.astype(np.uint8))
    monkeypatch.setattr(module, "_ground", lambda ground, rng, size: np.full((size, size, 3), 200.0))
    monkeypatch.setattr(module, "_ink", lambda digit, card, size: np.zeros((size, size)))

    def black_or_white(canvas: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
        return module._blend(canvas, mask, (200,) * 3 if colour == COLOURS["white"] else (0,) * 3)

    monkeypatch.setattr(module, "_lay", black_or_white)
    compared = 0
    for scene in scenes(60, size=48):
        if "covered" in scene.answers and not any(thing.colour == "white" for thing in scene.things):
            dark = float((1 - scene.pixels[:, :, 0] / 200).mean()) * 100
            assert scene.answers["covered"] == pytest.approx(dark, abs=0.3)
            compared += scene.answers["covered"] > 0
    assert compared > 10


def test_boxes_lie_around_their_shapes(drawn: list[Scene]) -> None:
    for thing in (thing for scene in drawn for thing in scene.things):
        x0, y0, x1, y1 = thing.box
        assert 0 <= x0 < x1 <= 32 and 0 <= y0 < y1 <= 32
        assert thing.name in SHAPES and thing.colour in COLOURS


def test_every_answer_occurs_and_some_are_left_out(drawn: list[Scene]) -> None:
    for task in TASKS:
        unknown = sum(task not in scene.answers for scene in drawn) / len(drawn)
        assert 0.08 < unknown < 0.23
    assert {scene.answers.get("digit") for scene in drawn} == {*map(str, range(10)), None}
    assert {scene.answers.get("background") for scene in drawn} == {*GROUNDS, None}
    assert {name for scene in drawn for name in scene.answers.get("shapes", [])} == {*SHAPES}
    assert any(scene.answers.get("shapes") == [] for scene in drawn)


def test_a_scene_keeps_its_ground_and_its_shapes(drawn: list[Scene]) -> None:
    groups: dict[str, list[Scene]] = {}
    for scene in drawn:
        groups.setdefault(scene.scene, []).append(scene)
    assert {len(group) for group in groups.values()} == {PER_SCENE}
    for group in groups.values():
        assert len({scene.answers["background"] for scene in group if "background" in scene.answers}) <= 1
        kinds = [Counter((thing.name, thing.colour) for thing in scene.things) for scene in group]
        # A crowded picture may lack a shape, yet together they show no more than the scene has.
        assert reduce(or_, kinds).total() <= 3


@pytest.mark.parametrize("size", [8, 33, 200])
def test_any_size_will_do(size: int) -> None:
    assert [scene.pixels.shape for scene in scenes(4, size=size)] == [(size, size, 3)] * 4


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_what_was_drawn(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "set", 40, seed=3, size=32)
    labels, boxes = rows(folder / "labels.csv"), rows(folder / "boxes.csv")
    assert len(labels) == 40
    for scene, row in zip(scenes(40, seed=3, size=32), labels, strict=True):
        with Image.open(folder / row["image"]) as picture:
            assert np.array_equal(np.asarray(picture), scene.pixels)
        assert row["scene"] == scene.scene
        said = {task: row[task] for task in TASKS if row[task]}
        expected = {k: "|".join(v) or "none" if k == "shapes" else str(v) for k, v in scene.answers.items()}
        assert said == expected
        mine = [box for box in boxes if box["image"] == row["image"]]
        assert [box["name"] for box in mine] == ([thing.name for thing in scene.things] or [""])
    assert {"none", ""} <= {row["shapes"] for row in labels}
    assert {path.name for path in folder.iterdir()} == {"images", "labels.csv", "boxes.csv", "scenes.json"}


def test_the_same_again_is_left_as_it_is(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "set", 4, size=16)
    before = (folder / "labels.csv").stat().st_mtime_ns
    assert write_scenes(folder, 4, size=16) == folder
    assert (folder / "labels.csv").stat().st_mtime_ns == before


def test_nothing_of_the_user_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("mine")
    with pytest.raises(DataError, match="holds other files already"):
        write_scenes(tmp_path, 4)
    write_scenes(tmp_path / "set", 4, size=16)
    with pytest.raises(DataError, match="holds other files already"):
        write_scenes(tmp_path / "set", 5, size=16)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert len(rows(write_scenes(tmp_path / "set", 4, size=16) / "labels.csv")) == 4


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(RunError, match="disk is full"):
        write_scenes(tmp_path / "set", 4, size=16)
    assert list(tmp_path.iterdir()) == []
