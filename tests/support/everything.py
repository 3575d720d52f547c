"""A finished run with every type of task, and what it means that two of its answers are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.drawn import own_cache, settings, trained_on_scenes
from support.traced import traced_once

from oneglance.data.images.references import FileImage
from oneglance.progress import Screen
from oneglance.results.exported import Exported

EVERYTHING = """\
[[sources]]
path = "scenes/labels.csv"
group = "scene"
annotates = ["digit", "background", "shapes", "covered"]
[[sources]]
path = "scenes/boxes.csv"
annotates = ["things"]

[tasks.digit]
type = "label"
[tasks.background]
type = "label"
uses = ["shapes"]
[tasks.shapes]
type = "tags"
none = ["none"]
[tasks.covered]
type = "number"
unit = "%"
low = 0
high = 100
[tasks.things]
type = "boxes"
from = "objects"
width = 8
depth = 1
attributes.colour = { type = "label" }
[tasks.look]
type = "embedding"
like = "background"
size = 8

""" + settings("[40, 32]", epochs=2)
NAMES = {"digit", "background", "shapes", "covered", "things", "look"}

# Engines add up in other orders, and so does one engine with batches of other sizes; float32 then differs in
# its sixth digit, and some layers later in its fifth. This is ten times less than what `export` allows, and
# less than anybody reads off an answer.
TOLERANCE = 1e-4  # of a number, or of 1 where that is more
EDGE = 0.0101  # pixels: edges of boxes are rounded to hundredths, and may lie between two


class Made(NamedTuple):
    """A finished run with every type of task, exported in full precision."""

    folder: Path
    run: Path
    file: Path
    report: Exported


_made: list[Made] = []  # what the tests of all files share


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    if not _made:
        run = trained_on_scenes(tmp_path_factory, "everything", EVERYTHING, count=60)
        with own_cache(tmp_path_factory), traced_once():
            report = run.export(screen=Screen())
        _made.append(Made(run.path.parents[1], run.path, Path(report["file"]), report))
    return _made[0]


def refs(made: Made, count: int = 70) -> list[FileImage]:
    paths = sorted((made.folder / "scenes/images").iterdir())[:count]
    return [FileImage(str(path), path.name) for path in paths]


def agree(one: Any, other: Any, within: float = TOLERANCE) -> None:
    """The same but for the rounding of float32."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            if key == "boxes":
                agree_on_boxes(one[key], other[key])
            else:
                agree(one[key], other[key], EDGE if key == "box" else within)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            agree(a, b, within)
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=TOLERANCE, abs=within)
    else:
        assert one == other


def agree_on_boxes(one: Sequence[Any], other: Sequence[Any]) -> None:
    """The same boxes, highest-scoring first; which of two of equal score comes first is left to rounding."""
    agree([box["confidence"] for box in one], [box["confidence"] for box in other])
    left = list(other)
    for box in one:
        same = next((row for row, each in enumerate(left) if is_same(box, each)), None)
        assert same is not None, box
        del left[same]


def is_same(one: Any, other: Any) -> bool:
    try:
        agree(one, other)
    except AssertionError:
        return False
    return True
