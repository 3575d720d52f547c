"""A training whose pictures stream from tars: it says so, and goes on in the middle of an epoch."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.toy import Interrupter, results

import oneglance
from oneglance.errors import StoppedError
from oneglance.progress import Screen

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


def test_stopped_in_an_epoch_the_rest_is_the_same(config: Path) -> None:
    said = Lines()
    oneglance.train(config, out=config.parent / "whole", screen=said)
    line = next(line for line in said.lines if "decoded in every epoch" in line)
    assert "mixed 39 at a time" in line
    with pytest.raises(StoppedError):
        oneglance.train(config, out=config.parent / "run", screen=Interrupter(2))
    oneglance.train(config.parent / "run", resume=True, screen=Screen())
    whole = results(config.parent / "whole")
    assert results(config.parent / "run") == whole
    overrides = ["cache.shuffle_gigabytes=0"]
    oneglance.train(config, out=config.parent / "random", overrides=overrides, screen=Screen())
    assert results(config.parent / "random")["weights"] != whole["weights"]
