"""Files that the formats' own tools, or tools that many use, have written are read as they were meant."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from support.annotated import annotations_of, boxes, draw, kinds, read

from oneglance.data.record import Record

WIDTH, HEIGHT = 100, 80
THINGS = {
    "a.png": [("cat", (10, 20, 40, 60)), ("dog", (0, 0, 100, 80))],
    "b.png": [("cat", (55, 5, 95, 45))],
    "c.png": [],
}
EVERY = frozenset({"cat", "dog"})


def pictures(folder: Path) -> None:
    for name in THINGS:
        draw(folder / name, WIDTH, HEIGHT)


def boxes_by_name(records: list[Record]) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """By picture: the label and the corners of each box."""
    return {
        Path(record.image.name).name: [
            (box.label, tuple(round(edge, 3) for edge in (box.x0, box.y0, box.x1, box.y1)))
            for box in boxes(record)
        ]
        for record in records
    }


# globox writes what COCO, VOC, YOLO and CVAT read.


class Written(NamedTuple):
    save: str  # a method of globox' AnnotationSet
    at: str  # what it is to write
    read: str  # what we read
    images: str  # where the pictures lie
    options: dict[str, Any]
    expected_kinds: tuple[str, ...] = ()  # problems


GLOBOX = {
    "coco": Written("save_coco", "instances.json", "instances.json", "", {"auto_ids": True}),
    "voc": Written("save_pascal_voc", "Annotations", "", "JPEGImages", {}, expected_kinds=("pixels from 0",)),
    "yolo": Written("save_yolo_v5", "labels", "data.yaml", "images", {"label_to_id": {"cat": 0, "dog": 1}}),
    # It leaves out the list of labels: those that any shape names were looked for.
    "cvat": Written("save_cvat", "annotations.xml", "annotations.xml", "", {}),
}


@pytest.mark.parametrize("format", GLOBOX)
def test_what_globox_writes(tmp_path: Path, format: str) -> None:
    globox = pytest.importorskip("globox", reason="globox is not installed (a dev dependency)")
    how, folder = GLOBOX[format], tmp_path / "set"
    pictures(folder / how.images)
    annotation_set = globox.AnnotationSet(
        globox.Annotation(
            name,
            (WIDTH, HEIGHT),
            [
                globox.BoundingBox(label=label, xmin=x0, ymin=y0, xmax=x1, ymax=y1)
                for label, (x0, y0, x1, y1) in things
            ],
        )
        for name, things in THINGS.items()
    )
    getattr(annotation_set, how.save)(folder / how.at, **how.options)
    if format == "yolo":  # the list of names is not of its files
        (folder / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    records, problems = read(folder / how.read)
    assert kinds(problems) == [*how.expected_kinds]
    assert boxes_by_name(records) == THINGS
    assert {annotations_of(record).queried for record in records} == {EVERY}


def test_what_pascal_voc_writer_writes(tmp_path: Path) -> None:
    writer = pytest.importorskip("pascal_voc_writer", reason="pascal-voc-writer is not installed (dev)")
    folder = tmp_path / "set"
    pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for name, things in THINGS.items():
        one = writer.Writer(str(folder / "JPEGImages" / name), WIDTH, HEIGHT)
        for label, (x0, y0, x1, y1) in things:
            # VOC counts from 1, and the last pixel is part of the box.
            one.addObject(label, x0 + 1, y0 + 1, x1, y1, pose="Left", difficult=int(label == "dog"))
        one.save(str(folder / "Annotations" / name.replace(".png", ".xml")))
    records, problems = read(folder)
    assert kinds(problems) == []
    assert boxes_by_name(records) == THINGS
    by_name = {Path(record.image.name).name: boxes(record) for record in records}
    assert [(box.ignore, box.attributes["pose"]) for box in by_name["a.png"]] == [
        (False, "Left"),
        (True, "Left"),
    ]


def test_what_pycocotools_encodes(tmp_path: Path) -> None:
    """Regions as pycocotools compresses them have a box beside them, worked out by it."""
    mask = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed (a dev dependency)")
    pictures(tmp_path / "set")
    filled = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    filled[20:60, 10:40] = 1
    region = mask.encode(filled)
    crowd = {"size": region["size"], "counts": region["counts"].decode()}
    said = {
        "images": [{"id": 7, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "segmentation": crowd,
                "bbox": mask.toBbox(region).tolist(),
                "area": float(mask.area(region)),
                "iscrowd": crowded,
            }
            for crowded in (0, 1)
        ],
    }
    (tmp_path / "set" / "instances.json").write_text(json.dumps(said))
    (record,), problems = read(tmp_path / "set" / "instances.json")
    assert kinds(problems) == []
    assert [(box.x0, box.y0, box.x1, box.y1, box.ignore) for box in boxes(record)] == [
        (10, 20, 40, 60, False),
        (10, 20, 40, 60, True),
    ]


def writers() -> dict[str, Callable[[Any, str], Any]]:
    """How webdataset opens one tar, a compressed one, and a row of shards."""
    return {
        "set.tar": lambda tool, at: tool.TarWriter(at),
        "set.tar.gz": lambda tool, at: tool.TarWriter(at),
        "set": lambda tool, at: tool.ShardWriter(at, maxcount=2, verbose=0),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the tool
@pytest.mark.parametrize("name", writers())
def test_what_webdataset_writes(tmp_path: Path, name: str) -> None:
    tool = pytest.importorskip("webdataset", reason="webdataset is not installed (a dev dependency)")
    at = tmp_path / name
    if not at.suffix:
        at.mkdir()
    colours = np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3), dtype=np.uint8)
    with writers()[name](tool, str(at if at.suffix else at / "train-%04d.tar")) as sink:
        for number, pixels in enumerate(colours):
            sink.write(
                {
                    "__key__": f"{number:06d}",
                    "png": pixels / np.float32(255),
                    "cls": number,
                    "json": {"kind": "hat", "price": 2.5 * number, "style": ["long", "plain"]},
                    "txt": "a hät",
                }
            )
    records, problems = read(at)
    assert kinds(problems) == []
    assert [record.answers for record in records] == [
        {
            "kind": "hat",
            "price": 2.5 * number,
            "style": ["long", "plain"],
            "cls": str(number),
            "txt": "a hät",
        }
        | ({} if at.suffix else {"split": "train"})
        for number in range(3)
    ]
    assert {record.split for record in records} == ({""} if at.suffix else {"train"})
    for record, pixels in zip(records, colours, strict=True):
        assert np.array_equal(picture(record), pixels)


def picture(record: Record) -> np.ndarray:
    loaded = record.image.load()
    assert isinstance(loaded, bytes)
    with Image.open(io.BytesIO(loaded)) as image:
        return np.asarray(image)
