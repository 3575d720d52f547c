"""Drawn photographs of things, their boxes written as people write them, in folders as people have them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

import oneglance
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.source import open_source
from oneglance.errors import Problem

WIDTH, HEIGHT = 100, 80
Thing = tuple[str, int, int, int, int]  # its class and its four edges in pixels
COLOURS = {"cat": (200, 60, 40), "dog": (40, 60, 200)}
CLASSES = ("cat", "dog")

THINGS: Mapping[str, Sequence[Thing]] = {
    "a": (("cat", 10, 20, 40, 60),),
    "b": (("dog", 5, 6, 50, 70), ("cat", 60, 10, 90, 30)),
    "c": (("dog", 20, 25, 33, 47),),
    "d": (("cat", 2, 3, 99, 77),),
}
PARTS = {"a": "train", "b": "train", "c": "train", "d": "test"}


def draw(path: Path) -> Path:
    """The photograph that its name says, ``…/a.png``."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (30 + 20 * list(THINGS).index(path.stem), 120, 90))
    brush = ImageDraw.Draw(image)
    for label, x0, y0, x1, y1 in THINGS[path.stem]:
        brush.rectangle((x0, y0, x1 - 1, y1 - 1), COLOURS[label])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def voc(stem: str, more: str = "") -> str:
    """The things of one photograph as XML; VOC counts pixels from 1."""
    things = "".join(
        f"<object><name>{label}</name>{more}<bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for label, x0, y0, x1, y1 in THINGS[stem]
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><filename>{stem}.png</filename>{size}{things}</annotation>"


def yolo(stem: str) -> str:
    """As lines of YOLO."""
    return "".join(
        f"{CLASSES.index(label)} {(x0 + x1) / 2 / WIDTH:.6f} {(y0 + y1) / 2 / HEIGHT:.6f} "
        f"{(x1 - x0) / WIDTH:.6f} {(y1 - y0) / HEIGHT:.6f}\n"
        for label, x0, y0, x1, y1 in THINGS[stem]
    )


def coco(stems: Sequence[str], start: str = "") -> dict[str, object]:
    """As the content of COCO's JSON."""
    boxes = [(n, *thing) for n, stem in enumerate(stems) for thing in THINGS[stem]]
    return {
        "images": [
            {"id": n, "file_name": f"{start}{stem}.png", "width": WIDTH, "height": HEIGHT}
            for n, stem in enumerate(stems)
        ],
        "annotations": [
            {"id": n, "image_id": of, "category_id": CLASSES.index(label), "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for n, (of, label, x0, y0, x1, y1) in enumerate(boxes)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CLASSES)],
    }


@dataclass(frozen=True)
class Proposed:
    """What ``init`` wrote, and what its sources hold."""

    text: str
    sources: Sequence[Mapping[str, object]]
    tasks: Mapping[str, Mapping[str, object]]
    records: Sequence[Record]
    problems: list[Problem]

    @property
    def things(self) -> dict[str, list[Thing]]:
        """By the name of the picture; whole pixels."""
        return {Path(record.image.name).stem: found_things(record) for record in self.records}

    @property
    def parts(self) -> dict[str, str]:
        return {Path(record.image.name).stem: record.split for record in self.records}


def found_things(record: Record) -> list[Thing]:
    held = record.answers.get("objects")
    boxes = held.boxes if isinstance(held, BoxAnnotations) else ()
    return [(box.label, round(box.x0), round(box.y0), round(box.x1), round(box.y1)) for box in boxes]


def proposed(folder: Path) -> Proposed:
    """What ``oneglance init`` makes of a folder."""
    file = oneglance.init(folder, out=folder.parent / "oneglance.toml", force=True)
    text = file.read_text()
    content = tomllib.loads(text)
    items = [item for table in content["sources"] for item in open_source(table, folder.parent).read()]
    records = [item for item in items if isinstance(item, Record)]
    problems = [item for item in items if isinstance(item, Problem)]
    assert all(record.image.stamp() for record in records)  # they are there
    return Proposed(text, content["sources"], content["tasks"], records, problems)


def check_things(found: Proposed, parts: bool = False) -> None:
    """Every thing is where it was drawn and is asked for; pictures belong to the split of their folder."""
    assert {name: sorted(things) for name, things in found.things.items()} == {
        name: sorted(things) for name, things in THINGS.items()
    }
    assert found.tasks["objects"]["type"] == "boxes"
    assert found.parts == (PARTS if parts else dict.fromkeys(THINGS, ""))
