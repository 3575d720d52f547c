"""COCO: one JSON file of pictures, categories and boxes. Also its relatives LVIS and Roboflow's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

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
    flag,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import Spelled, identity, name_of, spelled_box
from oneglance.data.parsing.annotations.coco_files import is_coco, picture_folders, split_files
from oneglance.data.parsing.annotations.coco_rle import mask_bounds
from oneglance.data.parsing.image_paths import find_nearby
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.parsing.structured_files import read_json
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.quoting import plain, quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_folder

MOST_NAMED = 100_000  # entries that cannot be used; further ones are counted
# Keys that the format itself defines for a picture or a box; all other keys are fields or attributes.
OF_A_PICTURE = frozenset(
    (
        *("id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"),
        *("neg_category_ids", "not_exhaustive_category_ids", "extra"),
    )
)
OF_A_BOX = frozenset(
    (
        *("id", "image_id", "category_id", "bbox", "segmentation", "area", "iscrowd", "ignore"),
        *("keypoints", "num_keypoints", "attributes", "caption", "segments_info", "file_name"),
    )
)
# What an annotation has that is no category of a picture as a whole.
NO_TAG = frozenset(("caption", "segmentation", "keypoints", "segments_info"))
READ_SO = "text and objects are read where they hold four numbers; write [x, y, width, height]"


class Coco(Source):
    """An ``instances_….json``, or a folder of them (also in ``annotations`` there, or one per folder) whose
    names say train, val and test; ``instances.json`` belongs to no split, nor does the only file there,
    whatever its name.

    The field ``objects`` holds the boxes. ``iscrowd`` and ``ignore`` make a region to ignore; other keys
    of a box, in ``attributes`` or beside it, are its attributes. The queried classes are the
    categories; in LVIS, for each picture, those with boxes or in ``neg_category_ids``, and not those in
    ``not_exhaustive_category_ids``. Categories given to a picture as a whole are its ``tags``, as are
    Roboflow's ``user_tags``. Keys that COCO does not know are fields of the picture.

    Without the list ``annotations`` the boxes are unknown; an empty list means that there are none.
    A polygon or mask without a box is taken by its bounds; beside a box neither is used. Key points and
    captions are named and not used, supercategories, licences and other words about the set are left alone.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(split_files(path)) if is_folder(path) else is_coco(path)

    def entries(self) -> Iterator[Entry | Problem]:
        if not is_folder(self.path):
            yield from self._file(self.path, self.title, {})
            return
        for file, split in split_files(self.path):
            title = f"{self.title}/{file.relative_to(self.path).as_posix()}"
            yield from self._file(file, title, {self.split: split} if self.split and split else {})

    def _file(self, path: Path, title: str, common: Mapping[str, str]) -> Iterator[Entry | Problem]:
        file = _File(read_json(path, _drop_outlines), title)
        yield from file.problems
        sample = [picture.name for picture in file.pictures[:SAMPLE]]
        find = find_nearby(self.images, path, sample, picture_folders(path), exact=self.exact)
        box_reader = BoxReader()
        for picture in file.pictures:
            image = find(picture.name, picture.location)
            if isinstance(image, Problem):
                yield image
                continue
            known = {name: value for name, value in picture.fields.items() if value is not None}
            answers: dict[str, Any] = {**known, **common}
            queried = file.queried(picture)
            if queried is not None:
                annotations, wrong = box_reader.annotations(
                    picture.location, header(image), picture.size, picture.boxes, queried
                )
                yield from wrong
                if annotations is not None:
                    if partial := file.named(picture.partial):
                        annotations = replace(annotations, unplaced=annotations.unplaced | partial)
                    answers["objects"] = annotations
            yield picture.location, image, answers
        yield from find.problems(title)
        yield from file.counter.problems()
        yield from box_reader.counter.problems()


@dataclass
class _Picture:
    location: str
    name: str
    size: tuple[float, float]
    fields: dict[str, Any]
    negative: list[str] | None  # numbers of categories that are surely not there, in LVIS
    partial: list[str]  # numbers of categories of which not all are boxed
    boxes: list[RawBox] = field(default_factory=list)
    alone: bool = True  # whether no other picture has its id: else nobody knows whose the annotations are


class _File:
    """The content of one JSON file: its pictures, each with its boxes."""

    def __init__(self, content: Any, title: str) -> None:
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            hint = "give the instances file" if isinstance(content, list) else "export it as COCO"
            raise DataError('is no COCO file: it has no list "images"', location=title, hint=hint)
        self._title = title
        self.problems: list[Problem] = []
        self.counter = ProblemCounter()
        self._names = self._categories(content.get("categories", []))
        self._every = frozenset(filter(None, self._names.values()))
        self._pictures = self._images(content["images"])
        self.pictures = list(self._pictures.values())
        annotations = content.get("annotations")
        if annotations is not None and not isinstance(annotations, list):
            what = "is of a version that is not read: annotations is no list"
            raise DataError(what, location=title, hint="export it as COCO")
        self._unplaced: list[tuple[_Picture, RawBox, bool]] = []  # tags, and whether of a box that is empty
        for annotation in annotations or ():
            self._annotation(annotation)
        # Whether the pictures were annotated with boxes at all.
        self._boxes_annotated = annotations is not None and (
            not annotations
            or any(raw.place_fault is not REPORTED for picture in self.pictures for raw in picture.boxes)
        )
        for picture, raw, empty in self._unplaced:
            self._tag(picture, raw, empty)

    def queried(self, picture: _Picture) -> frozenset[str] | None:
        """The queried classes of one picture; None where it was not annotated with boxes."""
        if not self._boxes_annotated or not picture.alone:
            return None
        classes = self._every
        if picture.negative is not None:
            boxed = {box.label for box in picture.boxes if box.label}
            classes = frozenset(boxed | self.named(picture.negative))
            if not classes and not picture.boxes:
                return None
        partial = self.named(picture.partial)
        return classes - partial if partial else classes  # mostly one object for all

    def named(self, keys: list[str]) -> frozenset[str]:
        """The names of categories."""
        return frozenset(self._names[key] for key in keys if self._names.get(key))

    def _refuse(self, location: str, what: str, kind: str, hint: str = "it is left out") -> None:
        if len(self.problems) < MOST_NAMED:
            self.problems.append(Problem(location, what, hint, kind=kind, fatal=False))
        else:
            self.counter.add(f"{kind}, too", location, what, hint)

    def _categories(self, categories: Any) -> dict[str, str]:
        """Id -> name; "" where it has none, or two."""
        names: dict[str, str] = {}
        for index, category in enumerate(categories if isinstance(categories, list) else ()):
            category = category if isinstance(category, dict) else {}
            key, name = identity(category.get("id")), name_of(category, "name")
            if key is None or not name or names.get(key, name) != name:
                what = "has no name or no id of its own"
                hint = "the places of its boxes are ignored"
                self._refuse(f"{self._title}: category {index}", what, "category", hint)
                name = ""
            if key is not None:
                names[key] = name
        return names

    def _images(self, entries: list[Any]) -> dict[str, _Picture]:
        pictures: dict[str, _Picture] = {}
        for index, entry in enumerate(entries):
            key, name = identity(entry.get("id")) if isinstance(entry, dict) else None, _file_name(entry)
            location = f"{self._title}: image {index if key is None else plain(key)}"
            if key is None or not name:
                self._refuse(location, "has no id or no file_name", "picture without a name")
            elif key in pictures:
                first = pictures[key]
                first.alone = first.alone and first.name == name
                hint = "it is left out" + (
                    "" if first.alone else f"; the boxes of {quoted(first.name)} are unknown"
                )
                self._refuse(location, f"is there twice, again for {quoted(name)}", "picture id twice", hint)
            else:
                size = number(entry.get("width")), number(entry.get("height"))
                negative, partial = entry.get("neg_category_ids"), entry.get("not_exhaustive_category_ids")
                pictures[key] = _Picture(
                    location, name, size, self._fields(entry, location), _keys(negative), _keys(partial) or []
                )
        return pictures

    def _fields(self, entry: Mapping[str, Any], location: str) -> dict[str, Any]:
        fields = self._plain(entry, OF_A_PICTURE, location)
        extra = entry.get("extra")
        if isinstance(extra, dict) and isinstance(extra.get("user_tags"), list):
            tags = [tag if isinstance(tag, str) else identity(tag) for tag in extra["user_tags"]]
            if all(tags):
                fields["tags"] = tags
            else:
                what = "has a tag that is no word: its tags are unknown"
                self.counter.add("tag without a name", location, what, "correct it")
        return fields

    def _plain(self, entry: Mapping[str, Any], reserved: frozenset[str], location: str) -> dict[str, Any]:
        """The values of ``entry`` that are words, numbers or lists of them, without the ``reserved`` keys."""
        values = {}
        for key, value in entry.items():
            if key in reserved or value is None or value == "":
                continue
            if all(isinstance(one, str | int | float) for one in (value if type(value) is list else [value])):
                values[key] = value
            else:
                what = f"{quoted(key)} is neither a word nor a number, nor a list of them, and is not used"
                self.counter.add(f"nested {key}", location, what)
        return values

    def _annotation(self, annotation: Any) -> None:
        key = identity(annotation.get("id")) if isinstance(annotation, dict) else None
        location = f"{self._title}: annotation {'without id' if key is None else plain(key)}"
        if not isinstance(annotation, dict):
            self._refuse(location, "is no object", "annotation")
            return
        of = annotation.get("image_id")
        picture = self._pictures.get(identity(of) or "")
        if picture is None:
            what = f"is of an image {plain(str(of))} that is not there"
            self._refuse(location, what, "image id unknown")
            return
        category, label, fault = annotation.get("category_id"), "", None
        if category is not None:
            label = self._category(category, location)
            if not label:
                fault = Fault("category unknown", f"is of a category {plain(str(category))} without name")
        self._add_annotation(annotation, picture, label, fault, location)

    def _category(self, written: Any, location: str) -> str:
        """The name of a category from its id or, where no id is written so, from its name; "" without."""
        key = identity(written)
        if key in self._every and key not in self._names:
            what = "names its category where the id of one should be: the name is taken"
            self.counter.add("category by name", location, what)
            return str(key)
        return self._names.get(key or "", "")

    def _add_annotation(
        self,
        annotation: Mapping[str, Any],
        picture: _Picture,
        label: str,
        class_fault: Fault | None,
        location: str,
    ) -> None:
        place = self._place(annotation, location)
        if place is not None:
            if annotation.get("keypoints"):
                self.counter.add(
                    "key points", location, "has key points, which are not used: only its box is"
                )
            attributes = self._plain(annotation, OF_A_BOX, location) if annotation.keys() - OF_A_BOX else {}
            own = annotation.get("attributes")
            if isinstance(own, dict):
                attributes |= self._plain(own, frozenset(), location)
            raw = RawBox(
                location,
                place.corners,
                label,
                attributes or NOTHING,
                self._ignore(annotation, location),
                place.edges,
                class_fault=class_fault,
            )
            picture.boxes.append(raw)
            return
        raw = RawBox(location, NOWHERE, label, place_fault=REPORTED, class_fault=class_fault)
        if (label or class_fault) and not annotation.keys() & NO_TAG:
            self._unplaced.append((picture, raw, "bbox" in annotation))
            return
        self.counter.add("annotation without a box", location, "has no box and is not used")
        if label or class_fault or not annotation.keys() & {"caption", "segments_info"}:
            picture.boxes.append(raw)

    def _tag(self, picture: _Picture, raw: RawBox, empty: bool) -> None:
        """A category without any place: of the picture as a whole, unless a box should be there."""
        if self._boxes_annotated:
            what = "has a category and no box: nobody knows where it is in its picture"
            self.counter.add("category without a box", raw.location, what, "give it a box, or take it out")
            picture.boxes.append(raw)
            if empty:
                return
        elif raw.class_fault is not None:
            kind, what = raw.class_fault
            self._refuse(raw.location, what, kind, "the tags of its picture are unknown")
        tags = picture.fields.setdefault("tags", [])
        if not raw.label:
            picture.fields["tags"] = None
        elif tags is not None and type(tags) is not list:
            what = "is a tag of a picture whose tags are no list, and is not used"
            self.counter.add("tags", raw.location, what)
        elif tags is not None and raw.label not in tags:
            tags.append(raw.label)

    def _ignore(self, annotation: Mapping[str, Any], location: str) -> bool:
        flags = flag(annotation.get("iscrowd")), flag(annotation.get("ignore"))
        if None in flags:
            what = "has a mark iscrowd or ignore that is neither yes nor no: it counts as a region to ignore"
            self.counter.add("mark", location, what, "write 0 or 1")
        return any(mark is not False for mark in flags)

    def _place(self, annotation: Mapping[str, Any], location: str) -> Spelled | None:
        """The place of an annotation; None where it tells none."""
        box = spelled_box(annotation.get("bbox"))
        if box is not None and not isinstance(annotation["bbox"], list):
            self.counter.add("box in words", location, "has a box that is no list of four numbers", READ_SO)
        if box is None or any(map(math.isnan, box.corners)):
            outline = self._outline(annotation.get("segmentation"), location)
            return box if outline is None else Spelled(outline)
        return box

    def _outline(self, outline: Any, location: str) -> Corners | None:
        if isinstance(outline, list) and outline:
            self.counter.add("polygons", location, "is a polygon without a box: its bounds are taken")
            values = [number(value) for piece in outline if isinstance(piece, list) for value in piece]
            return bounds(zip(values[::2], values[1::2], strict=False))
        if isinstance(outline, dict) and (corners := mask_bounds(outline)):
            self.counter.add("masks", location, "is a mask without a box: its bounds are taken")
            return corners
        return None


def _drop_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    """Outlines fill most of a file and are not used where there is a box."""
    box = entry.get("bbox")
    if isinstance(box, list) and len(box) == 4 and "segmentation" in entry:
        del entry["segmentation"]
    return entry


def _keys(keys: Any) -> list[str] | None:
    return [key for one in keys if (key := identity(one))] if isinstance(keys, list) else None


def _file_name(entry: Any) -> str:
    """LVIS names pictures by their address alone: ``http://…/val2017/000000397133.jpg``."""
    if not isinstance(entry, dict):
        return ""
    name, address = entry.get("file_name"), entry.get("coco_url")
    if isinstance(name, str) and name.strip():
        return name.strip()
    return "/".join(address.split("/")[-2:]) if isinstance(address, str) else ""
