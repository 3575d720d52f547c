"""Finished runs of different backbones and canvases on the same scenes, to be put together."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.drawn import own_cache, settings
from support.user import trained  # noqa: F401

import oneglance
from oneglance.progress import Screen

SOURCE = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"
"""
BOXES = """\
[[sources]]
path = "scenes/boxes.csv"
[tasks.things]
type = "boxes"
from = "objects"
width = 8
depth = 1
attributes.colour = { type = "label" }
""" + settings("[48, 40]", epochs=1)
CLASSICAL = (
    SOURCE
    + """\
[tasks.kind]
type = "label"
from = "digit"
[tasks.amount]
type = "number"
from = "covered"
uses = ["kind"]
"""
    + settings(32, epochs=1).replace('"small"\noptions = { width = 4, depth = 2 }', '"classical"')
)
RUNS = ("a", "boxes", "classical")

_made: dict[str, Path] = {}


@pytest.fixture(scope="session")
def several(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A folder with ``scenes/``, the finished runs ``runs/a``, ``runs/boxes`` and ``runs/classical`` and what
    was made of them, ``runs/all``; nobody changes it.
    """
    if "several" not in _made:
        folder = tmp_path_factory.mktemp("several") / "home"
        shutil.copytree(trained, folder)
        with own_cache(tmp_path_factory):
            for name, text in (("boxes", BOXES), ("classical", CLASSICAL)):
                (folder / f"{name}.toml").write_text(text, encoding="utf-8")
                oneglance.train(folder / f"{name}.toml", out=folder / "runs" / name, screen=Screen())
            runs = [folder / "runs" / name for name in RUNS]
            oneglance.combine(runs, out=folder / "runs" / "all", screen=Screen())
        _made["several"] = folder
    return _made["several"]


@pytest.fixture(scope="session")
def photos(several: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes, JPEGs so large that they are decoded smaller for some canvases, some of them on their side, one
    of 16 bits, one with transparent pixels, and one that cannot be read.
    """
    folder = tmp_path_factory.mktemp("photos")
    scenes = sorted((several / "scenes/images").iterdir())[:5]
    for scene in scenes:
        shutil.copyfile(scene, folder / scene.name)
    draw = np.random.default_rng(0)
    for name, size in (("wide", (700, 300)), ("high", (150, 400)), ("tiny", (3, 2))):
        pixels = Image.fromarray(draw.integers(0, 256, (9, 9, 3), np.uint8)).resize(size)
        pixels.save(folder / f"{name}.jpg", exif=Image.Exif())
        lying = Image.Exif()
        lying[0x0112] = 6
        pixels.save(folder / f"{name}-lying.jpg", exif=lying)
    Image.fromarray(draw.integers(0, 4096, (60, 80), np.uint16)).save(folder / "deep.png")
    Image.fromarray(draw.integers(0, 256, (60, 80, 4), np.uint8)).save(folder / "glass.png")
    (folder / "torn.png").write_bytes(scenes[0].read_bytes()[:150])
    return folder
