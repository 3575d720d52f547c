"""What tests of annotated data sets share: pictures of a given size, and reading a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from oneglance.data.record import Box, BoxAnnotations, Record
from oneglance.data.source import open_source
from oneglance.errors import Problem


def draw(path: Path, width: int = 100, height: int = 80, orientation: int = 1) -> Path:
    """A picture as a file stores it; ``orientation`` is its EXIF tag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height), (40, 80, 120)).save(path, exif=exif)
    return path


def read(path: Path, **keys: Any) -> tuple[list[Record], list[Problem]]:
    items = list(open_source({"path": path.name, **keys}, path.parent).read())
    return [i for i in items if isinstance(i, Record)], [i for i in items if isinstance(i, Problem)]


def annotations_of(record: Record) -> BoxAnnotations:
    found = record.answers["objects"]
    assert isinstance(found, BoxAnnotations)
    return found


def boxes(record: Record) -> tuple[Box, ...]:
    return annotations_of(record).boxes


def corners(record: Record) -> list[tuple[float, ...]]:
    return [(box.x0, box.y0, box.x1, box.y1) for box in boxes(record)]


def kinds(problems: list[Problem]) -> list[str]:
    """What was told, none of it fatal."""
    assert [str(problem) for problem in problems if problem.fatal] == []
    return sorted(problem.kind for problem in problems)
