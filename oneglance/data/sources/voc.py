"""Pascal VOC: a folder with one XML file per picture."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal
from xml.etree.ElementTree import Element

from oneglance.data.images.header import header
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.box_geometry import NOTHING, Boxes, Corners, Drawn, bounds, number, rotated
from oneglance.data.parsing.folder_walk import files_below, folders_in
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.quoting import quoted
from oneglance.data.parsing.split_lists import PartLists, key_of
from oneglance.data.parsing.structured_files import beginning, children
from oneglance.data.record import SPLIT_NAMES
from oneglance.data.source import Found, Source
from oneglance.errors import DataError, Problem

ANNOTATIONS = ("Annotations", "annotations")
PICTURES = ("JPEGImages", "images", "Images")
MANY, FEW = 1000, 10  # names, and XML files, that are looked at before a folder is taken for another format
PLACES = frozenset(("name", "bndbox", "robndbox", "polygon", "part", "point", "difficult", "attributes"))


class Voc(Source):
    """A folder with ``Annotations`` and ``JPEGImages`` (or ``images``), or with the XML files beside the
    pictures, or one such folder for each of train, valid and test.

    The field ``objects`` holds the boxes; ``difficult`` makes a region to ignore. ``pose`` (unless it is
    "Unspecified"), ``truncated``, ``occluded``, ``actions`` and ``attributes`` are attributes of a box. The
    classes looked for are all that any file names. The part is that of the lists ``train.txt``, ``val.txt``,
    ``test.txt`` in ``ImageSets/Main`` or in the folder itself. A picture on a list without an XML file is
    one that nobody looked at. Lists of one class (``cat_val.txt``, with -1, 0, 1) and the parts of a thing
    are named and not used.

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

    def found(self) -> Iterator[Found | Problem]:
        places = _places(self.path)
        if not places:
            raise DataError(
                "holds no XML files of boxes", location=self.title, hint="name the folder above them"
            )
        boxes, lists = Boxes(), PartLists(self.path)
        books = [_Book(folder, part, self) for folder, part in places]
        for book in books:
            yield from book.problems
        pages = [page for book in books for page in book.pages]
        first = self._first_pixel(pages, boxes)
        every = frozenset(thing.label for page in pages for thing in page.things if thing.label)
        for book in books:
            for page in book.pages:
                part = book.part or lists.part(page.key, page.location)
                yield from self._picture(page, book, part, boxes, first, every)
            for key, location, part in lists.others() if not book.part else ():
                yield from self._unannotated(key, location, part, book, boxes)
        yield from lists.problems()
        yield from boxes.told.problems()

    def _first_pixel(self, pages: Sequence[_Page], boxes: Boxes) -> int:
        if self.first_pixel is not None:
            return self.first_pixel
        for page in pages:
            for thing in page.things:
                x0, y0, x1, y1 = thing.corners
                if x0 < x1 and y0 < y1 and 0 <= min(x0, y0) < 1:
                    what = "has a coordinate that is 0, so pixels are counted from 0 in all files here"
                    boxes.told.note(
                        "pixels from 0", thing.location, what, "if VOC's 1 holds: first_pixel = 1"
                    )
                    return 0
        return 1

    def _picture(
        self, page: _Page, book: _Book, part: str, boxes: Boxes, first: int, every: frozenset[str]
    ) -> Iterator[Found | Problem]:
        name = book.picture(page.key, page.filename)
        if page.filename and key_of(page.filename.rpartition("/")[2]) != page.key.rpartition("/")[2]:
            what = f"names another picture in it, {quoted(page.filename)}"
            boxes.told.note("filename", page.location, what, f"{quoted(name)} is taken")
        image = book.find(name, page.location)
        if isinstance(image, Problem):
            yield image
            return
        for location, what in page.remarks:
            boxes.told.note(what, location, what)
        answers: dict[str, Any] = {self.split: part} if part and self.split else {}
        drawn = [thing.drawn(first) for thing in page.things]
        seen, wrong = boxes.seen(page.location, header(image), page.size, drawn, every)
        yield from wrong
        if seen is not None:
            answers["objects"] = seen
        yield page.location, image, answers

    def _unannotated(
        self, key: str, location: str, part: str, book: _Book, boxes: Boxes
    ) -> Iterator[Found | Problem]:
        """A picture on a list that has no readable XML file."""
        name = book.picture(key, "")
        if not name:
            what = f"names {quoted(key)}, of which there is neither a picture nor an XML file"
            yield Problem(location, what, "it is left out", kind="picture not there", fatal=False)
            return
        image = book.find(name, location)
        if isinstance(image, Problem):
            yield image
            return
        boxes.told.note("no annotation", location, f"names {quoted(key)}, whose boxes nobody has told")
        yield location, image, {self.split: part} if self.split else {}


@dataclass(frozen=True, slots=True)
class _Thing:
    """An object as its file has it."""

    location: str
    label: str
    corners: Corners  # xmin, ymin, xmax, ymax
    attributes: dict[str, str]
    difficult: bool

    def drawn(self, first: int) -> Drawn:
        x0, y0, x1, y1 = self.corners
        if x0 < x1 and y0 < y1:
            x0, y0 = x0 - first, y0 - first
        return Drawn(self.location, (x0, y0, x1, y1), self.label, self.attributes or NOTHING, self.difficult)


@dataclass
class _Page:
    """One XML file."""

    location: str
    key: str  # its path from the folder of the annotations, without the ending
    filename: str = ""
    size: tuple[float, float] | None = None
    things: list[_Thing] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)  # where, what


class _Book:
    """The XML files of one folder and the pictures that belong to them."""

    def __init__(self, folder: Path, part: str, said: Voc) -> None:
        self.part = part
        self.pages: list[_Page] = []
        self.problems: list[Problem] = []
        base = folder if part else said.path
        places = [said.images] if said.images else [*(base / name for name in PICTURES), folder]
        found = next(((place, names) for place in places if (names := files_below(place, is_picture))), None)
        pictures, names = found or (places[0] if said.images else folder, [])
        self.find = finder(pictures, folder, [])
        self._names: dict[str, list[str]] = {}
        for name in names:
            self._names.setdefault(key_of(name), []).append(name)
        for name in files_below(folder, _is_xml):
            location = f"{said.title}/{(folder / name).relative_to(said.path).as_posix()}"
            try:
                self.pages.append(_page(folder / name, _Page(location, name[: -len(".xml")])))
            except DataError as error:
                what = f"{error.what}: the boxes of its picture are unknown"
                self.problems.append(Problem(location, what, error.hint, kind="annotation file", fatal=False))

    def picture(self, key: str, filename: str) -> str:
        """The name of the picture: the one called like the XML file, else the one that stands in it."""
        names = self._names.get(key, [])
        return filename if not names or filename in names else names[0]


def _page(file: Path, page: _Page) -> _Page:
    """``page`` filled.

    Raises:
        DataError: the file is damaged or something else.
    """
    for child in children(file, "annotation"):
        if child.tag == "filename":
            page.filename = _text(child).replace("\\", "/")
        elif child.tag == "size":
            page.size = number(child.findtext("width")), number(child.findtext("height"))
        elif child.tag == "object":
            _read_object(child, page)
    page.filename = page.filename or f"{page.key}.jpg"
    return page


def _read_object(found: Element, page: _Page) -> None:
    location = f"{page.location}: object {len(page.things) + len(page.remarks) + 1}"
    corners = _corners(found)
    if corners is None:
        page.remarks.append((location, "has no box and is not used"))
        return
    if found.find("bndbox") is None:
        page.remarks.append((location, "is no upright box: its bounds are taken"))
    if found.find("part") is not None:
        page.remarks.append((location, "has parts, which are not used"))
    difficult = number(found.findtext("difficult", "0").strip()) > 0
    page.things.append(_Thing(location, _text(found.find("name")), corners, _attributes(found), difficult))


def _corners(found: Element) -> Corners | None:
    box, turned, outline = (found.find(tag) for tag in ("bndbox", "robndbox", "polygon"))
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


def _attributes(found: Element) -> dict[str, str]:
    """What is said of an object beside its name and place."""
    said = {child.tag: _text(child) for child in found if child.tag not in PLACES and len(child) == 0}
    if said.get("pose") == "Unspecified":
        del said["pose"]
    said |= {action.tag: _text(action) for action in found.iterfind("actions/*")}
    for attribute in found.iterfind("attributes/attribute"):
        said[_text(attribute.find("name"))] = _text(attribute.find("value"))
    return {name: value for name, value in said.items() if name and value}


def _text(found: Element | None) -> str:
    return (found.text or "").strip() if found is not None else ""


def _places(path: Path) -> list[tuple[Path, str]]:
    """The folders of XML files, each with its part where that is the name of a folder."""
    for name in ANNOTATIONS:
        if any(map(_is_page, _below(path / name))):
            return [(path / name, "")]
    places = [
        (path, ""),
        *((place, place.name) for place in folders_in(path) if place.name.lower() in SPLIT_NAMES),
    ]
    found = [(place, part) for place, part in places if any(map(_is_page, _directly_in(place)))]
    return found[:1] if found and not found[0][1] else found


def _below(folder: Path) -> Iterator[Path]:
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names if _is_xml(name))
    return islice(files, FEW)


def _directly_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry) for entry in islice(entries, MANY) if _is_xml(entry.name)][:FEW]
    except OSError:
        return []


def _is_page(file: Path) -> bool:
    return re.search(rb"<annotation[\s>/]", beginning(file, 4096)) is not None  # CVAT's is <annotations>


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml")
