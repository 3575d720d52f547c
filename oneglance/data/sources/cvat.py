"""CVAT for images 1.1: one XML file of boxes, polygons and tags, all with attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from oneglance.data.images.header import header
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    Fault,
    RawBox,
    bounds,
    number,
    rotated,
)
from oneglance.data.parsing.image_paths import find_nearby
from oneglance.data.parsing.structured_files import beginning, children
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import SPLIT_NAMES
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_folder, names_in


class Cvat(Source):
    """An ``annotations.xml`` as CVAT exports it "for images", versions 1.0 and 1.1, or a folder that holds it
    or one such file for each of train, val and test.

    The field ``objects`` holds the boxes, with their attributes and ``occluded``; polygons, ellipses, masks,
    cuboids and turned boxes are taken by their bounds. The tags of a picture are its ``tags``; the attribute
    ``age`` of the tag ``person`` is the field ``person.age``. The split is the picture's subset, unless that
    is "default", else the name of its file. The queried classes are all labels of the file that are not
    for tags only; where it has no other, it says nothing of boxes. Points, lines, skeletons and the tracks
    of videos are named and not used.
    """

    rank: ClassVar[int] = 10

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_files(path))

    def entries(self) -> Iterator[Entry | Problem]:
        for file in _files(self.path) or [self.path]:
            in_folder = file != self.path
            split = file.stem if self.split and in_folder and file.stem.lower() in SPLIT_NAMES else ""
            yield from self._file(file, f"{self.title}/{file.name}" if in_folder else self.title, split)

    def _file(self, path: Path, title: str, split: str) -> Iterator[Entry | Problem]:
        first = islice((child for child in children(path, "annotations") if child.tag == "image"), SAMPLE)
        names = [image.get("name", "") for image in first]
        find = find_nearby(self.images, path, names, (path.parent.parent,), exact=self.exact)
        box_reader, classes = BoxReader(), None
        for index, child in enumerate(children(path, "annotations")):
            if child.tag == "version" and not (child.text or "").strip().startswith("1."):
                what = f"is of version {quoted(child.text or '')}; 1.0 and 1.1 are read"
                raise DataError(what, location=title, hint='export it as "CVAT for images 1.1"')
            if child.tag == "meta":
                classes = _classes(child)
            elif child.tag == "track":
                what = "is the track of a video, and is not used"
                box_reader.counter.add("track", f"{title}: track {index}", what, 'export it "for images"')
            elif child.tag == "image":
                location = f"{title}: image {plain(child.get('id', str(index)))}"
                image = find(child.get("name", ""), location)
                if isinstance(image, Problem):
                    yield image
                    continue
                answers = ({self.split: split} if split else {}) | self._fields(child, location, box_reader)
                if classes is None:
                    classes = _named(path)
                if classes:
                    raw_boxes = list(_raw_boxes(child, location, box_reader, classes))
                    size = number(child.get("width")), number(child.get("height"))
                    annotations, wrong = box_reader.annotations(
                        location, header(image), size, raw_boxes, classes
                    )
                    yield from wrong
                    if annotations is not None:
                        answers["objects"] = annotations
                yield location, image, answers
        yield from find.problems(title)
        yield from box_reader.counter.problems()

    def _fields(self, image: Element, location: str, box_reader: BoxReader) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        tags = [(tag.get("label", "").strip(), tag) for tag in image.iterfind("tag")]
        if all(name for name, _ in tags):
            fields |= {"tags": list(dict.fromkeys(name for name, _ in tags))} if tags else {}
        else:
            box_reader.counter.add("tag", location, "has a tag without a label: its tags are unknown")
        for name, tag in tags:
            if name:
                fields |= {f"{name}.{key}": value for key, value in _attributes(tag).items()}
        split = image.get("subset", "").strip()
        if self.split and split and split.lower() != "default":
            fields[self.split] = split
        return fields


def _files(path: Path) -> list[Path]:
    """The file itself, or those directly in the folder."""
    try:
        files = names_in(path, "*.xml") if is_folder(path) else [path]
    except OSError:
        return []
    return [
        file for file in files if file.suffix.lower() == ".xml" and b"<annotations" in beginning(file, 4096)
    ]


def _classes(meta: Element) -> frozenset[str] | None:
    """The labels that are for more than tags; None where the file names no labels."""
    labels = [label for label in meta.iter("label") if label.find("parent") is None]
    names = [(label.findtext("name", "").strip(), label.findtext("type", "any").strip()) for label in labels]
    return frozenset(name for name, kind in names if name and kind != "tag") if names else None


def _named(path: Path) -> frozenset[str]:
    """The classes of a file that lists none: all that any of its shapes names."""
    shapes = (shape for child in children(path, "annotations") if child.tag == "image" for shape in child)
    return frozenset(shape.get("label", "").strip() for shape in shapes if shape.tag != "tag") - {""}


def _raw_boxes(
    image: Element, location: str, box_reader: BoxReader, classes: frozenset[str]
) -> Iterator[RawBox]:
    loose = [text.strip() for text in (image.text, *(shape.tail for shape in image)) if text and text.strip()]
    if loose:  # perhaps of a shape that lost its first character
        what = (
            f"holds the text {quoted(loose[0])}, where only shapes should be: all classes are unknown there"
        )
        box_reader.counter.add("text", location, what, "correct or remove it")
        yield RawBox(location, NOWHERE, "", place_fault=REPORTED)
    for index, shape in enumerate(image, 1):
        if shape.tag == "tag":
            continue
        shape_location = f"{location}, shape {index}"
        label, fault = shape.get("label", "").strip(), None
        if label and label not in classes:
            fault = Fault("label unknown", f"is of the label {quoted(label)}, which the file does not list")
            label = ""
        if shape.tag not in SHAPES:
            what = f"is no box but {quoted(shape.tag)}: nobody knows where it ends, and its class is unknown"
            box_reader.counter.add(plain(shape.tag), shape_location, f"{what} in its picture")
            yield RawBox(shape_location, NOWHERE, label, place_fault=REPORTED, class_fault=fault)
            continue
        if shape.tag != "box" or _turn(shape):
            kind = "turned box" if shape.tag == "box" else shape.tag
            box_reader.counter.add(
                kind, shape_location, f"is no upright box but a {plain(kind)}: its bounds are taken"
            )
        attributes = _attributes(shape)
        if shape.get("occluded"):
            attributes["occluded"] = shape.get("occluded", "")
        yield RawBox(
            shape_location,
            SHAPES[shape.tag](shape),
            label,
            attributes or NOTHING,
            edges=shape.tag == "box",
            class_fault=fault,
        )


def _attributes(element: Element) -> dict[str, str]:
    attributes = {one.get("name", ""): (one.text or "").strip() for one in element.iterfind("attribute")}
    return {name: value for name, value in attributes.items() if name and value}


def _numbers(shape: Element, *names: str) -> list[float]:
    return [number(shape.get(name)) for name in names]


def _turn(shape: Element) -> float:
    """Degrees, clockwise, about the middle."""
    return number(shape.get("rotation", "0"))


def _box(shape: Element) -> Corners:
    x0, y0, x1, y1 = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    turn = _turn(shape)
    return rotated((x0, y0, x1, y1), turn, ((x0 + x1) / 2, (y0 + y1) / 2)) if turn else (x0, y0, x1, y1)


def _polygon(shape: Element) -> Corners:
    pairs = [point.split(",") for point in shape.get("points", "").split(";")]
    return bounds((number(pair[0]), number(pair[-1]) if len(pair) == 2 else math.nan) for pair in pairs)


def _ellipse(shape: Element) -> Corners:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    turn = math.radians(_turn(shape))
    wide = math.hypot(across * math.cos(turn), down * math.sin(turn))
    high = math.hypot(across * math.sin(turn), down * math.cos(turn))
    return x - wide, y - high, x + wide, y + high


def _mask(shape: Element) -> Corners:
    left, top, width, height = _numbers(shape, "left", "top", "width", "height")
    return left, top, left + width, top + height


def _cuboid(shape: Element) -> Corners:
    corners = [f"{side}{face}" for side in ("tl", "bl", "tr", "br") for face in (1, 2)]
    return bounds((number(shape.get(f"x{corner}")), number(shape.get(f"y{corner}"))) for corner in corners)


SHAPES: dict[str, Callable[[Element], Corners]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
    "cuboid": _cuboid,
}  # what has an extent
