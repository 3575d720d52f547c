"""Answers that can be told without looking are reported, with what tells them; others are not."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

import oneglance
from oneglance.data.inspection.shortcuts.predictability import class_judge, number_judge
from oneglance.progress import Screen

COUNT = 90


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each task: pictures of noise, whose `size`, `make`, `paint`, `weight` and `luck` are
    told by their dimensions, their camera, their border, their quality and nothing.
    """
    folder = tmp_path_factory.mktemp("shortcuts")
    random = np.random.default_rng(0)
    rows = [("image", "size", "make", "paint", "marks", "weight", "luck")]
    for number in range(COUNT):
        size, make, paint, luck = random.integers(0, 2, 4).tolist()
        quality = int(random.integers(20, 95))
        pixels = random.integers(0, 255, (40, 40 + 10 * size, 3), dtype=np.uint8)
        pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = 255 * paint
        image = Image.fromarray(pixels)
        exif = Image.Exif()
        exif[271] = ("Alpha", "Beta")[make]
        image.save(folder / f"{number}.jpg", quality=quality, exif=exif)
        marks = "|".join(["any"] + ["beta"] * make + ["lucky"] * luck)
        rows.append(
            (
                f"{number}.jpg",
                ("small", "large")[size],
                ("a", "b")[make],
                ("dark", "light")[paint],
                marks,
                str(quality * 1.5),
                ("yes", "no")[luck],
            )
        )
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    kinds = {"size": "label", "make": "label", "paint": "label", "marks": "tags", "weight": "number"}
    config = {
        "sources": [{"path": str(folder / "labels.csv")}],
        "tasks": {name: {"type": kind} for name, kind in {**kinds, "luck": "label"}.items()},
        "backbone": {"name": "small", "size": 64},
        "cache": {"workers": 1},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEGLANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = oneglance.check(config, screen=Screen())
    said: dict[str, str] = {}
    for problem in found:
        if problem.kind == "shortcut":
            said[problem.location] = said.get(problem.location, "") + problem.what
    return said


def test_what_betrays_an_answer_is_said_with_an_example(problems: dict[str, str]) -> None:
    assert "from dimensions alone" in problems["size"] and "have size" in problems["size"]
    assert "from camera and software alone" in problems["make"] and "camera Beta" in problems["make"]
    assert "from border alone" in problems["paint"]
    assert "from file size and compression alone" in problems["weight"]
    assert ".jpg)" in problems["size"]


def test_each_tag_is_judged_alone(problems: dict[str, str]) -> None:
    assert 'marks "beta"' in problems
    assert 'marks "lucky"' not in problems


def test_what_nothing_tells_is_not_reported(problems: dict[str, str]) -> None:
    assert "luck" not in problems


def test_pictures_of_one_group_are_never_learned_from_and_asked() -> None:
    """The clue tells the group, and the group its class: of groups that were never seen it says nothing."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    classes = random.integers(0, 2, 40)[groups]
    clues = random.permutation(40)[groups][:, None].astype(np.float32)
    apart = class_judge(classes, groups)(clues)
    leaking = class_judge(classes, np.arange(400))(clues)
    assert apart is not None and leaking is not None
    assert apart.low < 0.25
    assert leaking.low > 0.5


def test_the_skill_of_numbers_is_that_of_their_ranks() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=200)
    values[0] = 1e9
    told = number_judge(values, np.arange(200))(values[:, None].astype(np.float32))
    untold = number_judge(values, np.arange(200))(random.normal(size=(200, 1)).astype(np.float32))
    assert told is not None and untold is not None
    assert told.low > 0.8
    assert untold.high < 0.3
