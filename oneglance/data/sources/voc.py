"""Pascal VOC: a folder with one XML file per picture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal
from xml.etree.ElementTree import Element

from oneglance.data.images.header import header
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    RawBox,
    bounds,
    flag,
    number,
    rotated,
)
from oneglance.data.parsing.folder_walk import files_below, walk
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.layouts import Place, annotated_places, class_folders, picture_folder
from oneglance.data.parsing.split_lists import SplitLists, key_of
from oneglance.data.parsing.structured_files import beginning, children
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import quoted
from oneglance.data.record import SPLIT_NAMES
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import scan

MANY, FEW = 1000, 10  # names, and XML files, that are tried before a folder is taken for another format
OUTLINES = frozenset(("bndbox", "robndbox", "polygon"))
NOT_ATTRIBUTES = frozenset(
    ("name", "bndbox", "robndbox", "polygon", "part", "point", "difficult", "attributes")
)


class Voc(Source):
    """A folder with ``Annotations`` and ``JPEGImages`` (or ``annots`` and ``images``, and other usual names),
    or with the XML files beside the pictures, or one such folder for each of train, valid and test. Files of
    XML without an ending are read, too, as Stanford Dogs has them.

    The field ``objects`` holds the boxes; ``difficult`` makes a region to ignore. ``pose`` (unless it is
    "Unspecified"), ``truncated``, ``occluded``, ``actions`` and ``attributes`` are attributes of a box. The
    queried classes are all that any file names. Where all files lie in folders of other names than splits,
    and in several, the folder is the field ``folder``. The split is that of the lists ``train.txt``,
    ``val.txt``, ``test.txt`` in ``ImageSets/Main`` or in the folder itself. A picture on a list without an
    XML file is one that nobody annotated. Lists of one class (``cat_val.txt``, with -1, 0, 1) and the parts
    of a thing are named and not used.

    VOC counts pixels from 1 and a box includes its last one: 1, 1, 10, 10 is 10 pixels wide. Where any
    coordinate of the folder is 0, they count from 0 and are edges: 0, 0, 10, 10 is as wide. A box that
    begins and ends in one pixel has no area: tools write such for a click without a drag.
    """

    # Whether pixels are counted from 1, as VOC says, or from 0; default: 1, or 0 where any coordinate is 0
    first_pixel: Literal[0, 1] | None = None

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_places(path))

    def entries(self) -> Iterator[Entry | Problem]:
        places = _places(self.path)
        if not places:
            raise DataError(
                "holds no XML files of boxes", location=self.title, hint="name the folder above them"
            )
        box_reader, lists = BoxReader(), SplitLists(self.path)
        folders = [_AnnotationFolder(place, self) for place in places]
        for folder in folders:
            yield from folder.problems
        files = [file for folder in folders for file in folder.files]
        first = self._first_pixel(files, box_reader)
        boxes = (box for file in files for box in file.boxes)
        classes = frozenset(box.label for box in boxes if box.label and box.has_place)
        named_folders = class_folders(file.key for file in files)
        for folder in folders:
            for file in folder.files:
                split = folder.split or lists.split(file.key, file.location) or folder.split_of(file)
                answers: dict[str, Any] = {self.split: split} if split and self.split else {}
                if file.key in named_folders:
                    answers["folder"] = named_folders[file.key]
                yield from self._picture(file, folder, answers, box_reader, first, classes)
            for key, location, split in lists.others() if not folder.split else ():
                yield from self._unannotated(key, location, split, folder, box_reader)
        yield from lists.problems()
        yield from box_reader.counter.problems()

    def _first_pixel(self, files: Sequence[_AnnotationFile], box_reader: BoxReader) -> int:
        if self.first_pixel is not None:
            return self.first_pixel
        for file in files:
            for box in file.boxes:
                x0, y0, x1, y1 = box.corners
                if x0 < x1 and y0 < y1 and 0 <= min(x0, y0) < 1:
                    what = "has a coordinate that is 0, so pixels are counted from 0 in all files here"
                    box_reader.counter.add(
                        "pixels from 0", box.location, what, "if VOC's 1 holds: first_pixel = 1"
                    )
                    return 0
        return 1

    def _picture(
        self,
        file: _AnnotationFile,
        folder: _AnnotationFolder,
        answers: dict[str, Any],
        box_reader: BoxReader,
        first: int,
        classes: frozenset[str],
    ) -> Iterator[Entry | Problem]:
        name = folder.picture(file.key, file.filename)
        if file.filename and key_of(file.filename.rpartition("/")[2]) != file.key.rpartition("/")[2]:
            what = f"names another picture in it, {quoted(file.filename)}"
            box_reader.counter.add("filename", file.location, what, f"{quoted(name)} is taken")
        image = folder.find(name, file.location)
        if isinstance(image, Problem):
            yield image
            return
        for location, what in file.notes:
            box_reader.counter.add(what, location, what)
        raw_boxes = [_counted(box, first) for box in file.boxes]
        annotations, wrong = box_reader.annotations(
            file.location, header(image), file.size, raw_boxes, classes
        )
        yield from wrong
        if annotations is not None:
            answers["objects"] = annotations
        yield file.location, image, answers

    def _unannotated(
        self, key: str, location: str, split: str, folder: _AnnotationFolder, box_reader: BoxReader
    ) -> Iterator[Entry | Problem]:
        """A picture on a list that has no readable XML file."""
        name = folder.picture(key, "")
        if not name:
            what = f"names {quoted(key)}, of which there is neither a picture nor an XML file"
            yield Problem(location, what, "it is left out", kind="picture not there", fatal=False)
            return
        image = folder.find(name, location)
        if isinstance(image, Problem):
            yield image
            return
        box_reader.counter.add(
            "no annotation", location, f"names {quoted(key)}, which has no boxes file: its boxes are unknown"
        )
        yield location, image, {self.split: split} if self.split else {}


def _counted(raw: RawBox, first: int) -> RawBox:
    """A box of a file, whose pixels are counted from ``first``, by its edges."""
    x0, y0, x1, y1 = raw.corners
    if not first or x0 == x1 or y0 == y1:
        return raw
    # A box includes its last pixel, and the smaller number is its first.
    x0, x1 = (x0 - first, x1) if x0 < x1 else (x0, x1 - first)
    y0, y1 = (y0 - first, y1) if y0 < y1 else (y0, y1 - first)
    return replace(raw, corners=(x0, y0, x1, y1))


@dataclass
class _AnnotationFile:
    """One XML file."""

    location: str
    key: str  # its path from the folder of the annotations, without the ending
    filename: str = ""
    size: tuple[float, float] | None = None
    boxes: list[RawBox] = field(default_factory=list)  # their pixels as the file counts them
    notes: list[tuple[str, str]] = field(default_factory=list)  # (location, what is not read as it is)


def _pictures(folder: Path) -> list[str]:
    return list(without_companions(files_below(folder, is_picture)))


class _AnnotationFolder:
    """The XML files of one folder and the pictures that belong to them."""

    def __init__(self, place: Place, source: Voc) -> None:
        folder, self.split = place.annotations, place.split
        self.files: list[_AnnotationFile] = []
        self.problems: list[Problem] = []
        pictures, names = picture_folder(place, source.images, _pictures)
        self.find = finder(pictures, folder, [])
        self._names: dict[str, list[str]] = {}
        self._bare: dict[str, list[str]] = {}  # by the name alone, without its folders
        for name in names:
            key = key_of(name)
            self._names.setdefault(key, []).append(name)
            self._bare.setdefault(key.rpartition("/")[2], []).append(name)
        for name in files_below(folder, _may_be_xml):
            location = f"{source.title}/{(folder / name).relative_to(source.path).as_posix()}"
            if not _is_xml(name) and not _is_voc(folder / name):
                continue
            try:
                self.files.append(_read_file(folder / name, _AnnotationFile(location, _without_xml(name))))
            except DataError as error:
                what = f"{error.what}: the boxes of its picture are unknown"
                self.problems.append(Problem(location, what, error.hint, kind="annotation file", fatal=False))

    def picture(self, key: str, filename: str) -> str:
        """The name of the picture: the one called like the XML file, else the one that the file names. Its
        folder may be another, where only one picture is called so.
        """
        names = self._names.get(key, [])
        if names:
            return filename if filename in names else names[0]
        bare = self._bare.get(key.rpartition("/")[2], [])
        return (
            bare[0] if len(bare) == 1 and filename not in self._names.get(key_of(filename), ()) else filename
        )

    def split_of(self, file: _AnnotationFile) -> str:
        """The split that the folder of the file or of its picture says; "" where it says none."""
        names = (file.key, self.picture(file.key, file.filename))
        return next((top for name in names if (top := name.partition("/")[0]).lower() in SPLIT_NAMES), "")


def _read_file(path: Path, file: _AnnotationFile) -> _AnnotationFile:
    """``file``, with everything that is in it filled in.

    Raises:
        DataError: the file is damaged or something else.
    """
    for child in children(path, "annotation"):
        if child.tag == "filename":
            file.filename = _text(child).replace("\\", "/")
        elif child.tag == "size":
            file.size = number(child.findtext("width")), number(child.findtext("height"))
        elif child.tag == "object" or any(one.tag in OUTLINES for one in child.iter()):
            _read_object(child, file)  # a misspelt one is a thing all the same
    file.filename = file.filename or f"{file.key}.jpg"
    return file


def _read_object(element: Element, file: _AnnotationFile) -> None:
    location = f"{file.location}: object {len(file.boxes) + 1}"
    corners, fault, label = _corners(element), None, _text(element.find("name"))
    if corners is None:
        corners, fault = NOWHERE, REPORTED
        file.notes.append((location, "has no box: nobody knows where it is in its picture"))
    elif element.find("bndbox") is None:
        file.notes.append((location, "is no upright box: its bounds are taken"))
    if element.find("part") is not None:
        file.notes.append((location, "has parts, which are not used"))
    difficult = flag(element.findtext("difficult"))
    if difficult is None:
        file.notes.append(
            (location, "is difficult neither with 0 nor with 1: it counts as a region to ignore")
        )
    attributes = _attributes(element) or NOTHING
    ignore = difficult is not False
    file.boxes.append(RawBox(location, corners, label, attributes, ignore, edges=True, place_fault=fault))


def _corners(element: Element) -> Corners | None:
    box, turned, outline = (element.find(tag) for tag in ("bndbox", "robndbox", "polygon"))
    if box is not None:
        x0, y0, x1, y1 = (number(_text(box.find(edge))) for edge in ("xmin", "ymin", "xmax", "ymax"))
        return x0, y0, x1, y1
    if turned is not None:
        x, y, w, h, angle = (number(_text(turned.find(tag))) for tag in ("cx", "cy", "w", "h", "angle"))
        return rotated((x - w / 2, y - h / 2, x + w / 2, y + h / 2), math.degrees(angle), (x, y))
    if outline is not None:
        values = [number(_text(value)) for value in outline.iter() if len(value) == 0]
        return bounds(zip(values[::2], values[1::2], strict=False))
    return None


def _attributes(element: Element) -> dict[str, str]:
    """The attributes of an object: all that its element holds beside its class and its box."""
    attributes = {
        child.tag: _text(child) for child in element if child.tag not in NOT_ATTRIBUTES and len(child) == 0
    }
    if attributes.get("pose") == "Unspecified":
        del attributes["pose"]
    attributes |= {action.tag: _text(action) for action in element.iterfind("actions/*")}
    for attribute in element.iterfind("attributes/attribute"):
        attributes[_text(attribute.find("name"))] = _text(attribute.find("value"))
    return {name: value for name, value in attributes.items() if name and value}


def _text(element: Element | None) -> str:
    return (element.text or "").strip() if element is not None else ""


def _places(path: Path) -> list[Place]:
    return annotated_places(
        path,
        lambda place: any(map(_is_voc, _below(place.annotations))),
        lambda folder: any(map(_is_voc, _directly_in(folder))),
    )


def _below(folder: Path) -> list[Path]:
    return _likeliest(Path(parent, name) for parent, _, names in walk(folder) for name in names)


def _directly_in(folder: Path) -> list[Path]:
    try:
        with scan(folder) as entries:
            return _likeliest(Path(entry.path) for entry in islice(entries, MANY))
    except OSError:
        return []


def _likeliest(paths: Iterable[Path]) -> list[Path]:
    """The first files of XML by their names, or else those without an ending."""
    without_ending: list[Path] = []
    named: list[Path] = []
    for path in paths:
        if _is_xml(path.name):
            named.append(path)
        elif _may_be_xml(path.name) and len(without_ending) < FEW:
            without_ending.append(path)
        if len(named) == FEW:
            break
    return named or without_ending


def _is_voc(file: Path) -> bool:
    return re.search(rb"<annotation[\s>/]", beginning(file, 4096)) is not None  # CVAT's is <annotations>


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml")


def _may_be_xml(name: str) -> bool:
    return _is_xml(name) or "." not in name


def _without_xml(name: str) -> str:
    return name[: -len(".xml")] if _is_xml(name) else name
