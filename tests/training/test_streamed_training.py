"""A training whose pictures stream from tars: it says so, and goes on in the middle of an epoch."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.toy import Interrupter, results

import oneglance
from oneglance.data.images.archives import members
from oneglance.data.images.references import TarMember
from oneglance.errors import StoppedError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.preparation import building

CONFIG = """
[[sources]]
path = "shards"
[tasks.kind]
type = "label"
[backbone]
name = "small"
size = 16
options = { width = 4, depth = 2 }
[cache]
gigabytes = 0
shuffle_gigabytes = 0.00003
workers = 1
[training]
epochs = 2
batch = 16
device = "cpu"
precision = "fp32"
"""


class Lines(Screen):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def shards(folder: Path, count: int = 2, each: int = 60) -> None:
    """One class in each tar."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for shard in range(count):
        with tarfile.open(folder / f"{shard}.tar", "w") as archive:
            for number in range(each):
                file = io.BytesIO()
                pixels = draw.integers(0, 100, (16, 16, 3)) + 100 * shard
                Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
                answer = f'{{"kind": "kind {shard}"}}'.encode()
                for name, content in ((f"{number}.png", file.getvalue()), (f"{number}.json", answer)):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shards(tmp_path / "shards")
    path = tmp_path / "oneglance.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.slow  # three trainings
def test_stopped_in_an_epoch_the_rest_is_the_same(config: Path) -> None:
    said = Lines()
    oneglance.train(config, out=config.parent / "whole", screen=said)
    line = next(line for line in said.lines if "decoded in every epoch" in line)
    assert "mixed 39 at a time" in line and "first 96 are looked at" in line
    with pytest.raises(StoppedError):
        oneglance.train(config, out=config.parent / "run", screen=Interrupter(2))
    oneglance.train(config.parent / "run", resume=True, screen=Screen())
    whole = results(config.parent / "whole")
    assert results(config.parent / "run") == whole
    overrides = ["cache.shuffle_gigabytes=0"]
    oneglance.train(config, out=config.parent / "random", overrides=overrides, screen=Screen())
    assert results(config.parent / "random")["weights"] != whole["weights"]


def test_without_a_look_at_every_picture_training_begins_at_once(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check for identical pictures is left out, and that is said; `check` makes it all the same."""
    monkeypatch.chdir(config.parent)
    monkeypatch.setattr(building, "PREPARE_BY", 8)
    read: list[str] = []
    own = TarMember.load
    monkeypatch.setattr(TarMember, "load", lambda ref: read.append(ref.name) or own(ref))  # type: ignore[func-returns-value]

    def pictures() -> set[str]:
        return {name for name in read if name.endswith(".png")}

    class FirstStep(Lines):
        def step(self, *counts: int) -> None:
            numbers.append(len(pictures()))

    numbers: list[int] = []
    said = FirstStep()
    overrides = ["pictures.look_first=false", "pictures.value_range=[0, 255]", "training.epochs=1"]
    oneglance.train(config, out="run", overrides=overrides, screen=said)
    assert numbers[0] < 75 and numbers[-1] == 96
    assert any("look_first is false" in line and "identical" in line for line in said.lines)
    assert any("first 12 are looked at" in line for line in said.lines)  # the validation split
    shutil.copy("shards/0.tar", "shards/2.tar")
    problems = oneglance.check(config, overrides="pictures.look_first=false", pictures=False)
    assert any(
        "identical pictures" in problem.what for problem in problems if "look_first" not in problem.what
    )


def test_what_cannot_be_read_in_its_turn_is_named(config: Path) -> None:
    path = config.parent / "shards/0.tar"
    content = path.read_bytes()
    first = next(one for one in members(path) if isinstance(one, TarMember))
    path.write_bytes(content[: first.offset] + bytes(first.size) + content[first.offset + first.size :])
    for look_first in ("true", "false"):
        said, run = Lines(), config.parent / look_first
        overrides = [f"pictures.look_first={look_first}", "training.epochs=1", "split.seed=1"]
        oneglance.train(config, out=run, overrides=overrides, screen=said)
        assert any(line.startswith("1 of ") and "left out" in line for line in said.lines), said.lines
        assert [one["image"] for one in RunFolder.open(run).unreadable()] == ["0.tar/0.png"]
