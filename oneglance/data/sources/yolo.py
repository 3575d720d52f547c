"""YOLO: a data.yaml, a folder of pictures, and a text file of boxes for each picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.header import Header, header
from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.parsing.box_geometry import Boxes, Corners, Drawn, bounds, number
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.problem_counter import Tally
from oneglance.data.parsing.quoting import plain, quoted
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.parsing.text_lines import lines
from oneglance.data.parsing.yolo_yaml import DARKNET, file_of, names_in, place_in, said_in, without_data
from oneglance.data.record import ImageRef
from oneglance.data.source import Found, Source
from oneglance.errors import DataError, Problem

SPLITS = dict.fromkeys(("train", "val", "test")).keys()
MOST_SHARE = 2  # a box may reach beyond its picture, but not by as much again
ENDINGS = (".yaml", ".yml", DARKNET)


class Yolo(Source):
    """A ``data.yaml``, or a folder that holds one, with ``names`` and, for ``train``, ``val`` and ``test``, a
    folder of pictures, a list of them (``.txt``), or several of these; they start at its ``path``, or at
    ``images`` where that is given. Where none of them is there, all pictures in the folder ``images`` beside
    it are taken, of no part.

    The boxes of ``…/images/a.jpg`` stand in ``…/labels/a.txt``, a line ``class x y width height`` each, in
    shares of the upright picture. A polygon (more than five numbers) is taken by its bounds; of the key
    points that ``kpt_shape`` announces, only their box is read. The classes looked for are all ``names``.

    Two older forms are read as well: darknet's ``obj.data`` (``names``, ``train`` and ``valid`` name files),
    and a folder with ``classes.txt``, ``images`` and ``labels``, as tools for drawing boxes leave behind,
    which has no parts.

    An empty text file says that nothing is there. By the custom of YOLO, so does one that is missing, which
    is told; only where all are missing is something wrong. A picture whose file cannot be read is one that
    nobody looked at.
    """

    rank: ClassVar[int] = 10

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return file_of(path) is not None if path.is_dir() else _is_set(path)

    def found(self) -> Iterator[Found | Problem]:
        file = file_of(self.path)
        if file is None:
            what = "holds neither data.yaml nor classes.txt"
            raise DataError(what, location=self.title, hint="name the file with the names of the classes")
        said = said_in(file, self.title)
        names = names_in(said, self.title)
        root = self._root(said, file.parent)
        boxes = Boxes()
        labels = _Labels(names, "kpt_shape" in said, boxes)
        every = frozenset(names)
        pictures = 0
        for item in self._pictures(said, root, boxes):
            if isinstance(item, Problem):
                yield item
                continue
            image, part = item
            pictures += 1
            answers: dict[str, Any] = {self.split: part} if part and self.split else {}
            head = header(image)
            drawn = labels.read(image, head) if head else None
            yield from labels.taken()
            if drawn is not None:
                seen, wrong = boxes.seen(image.name, head, None, drawn, every)
                yield from wrong
                if seen is not None:
                    answers["objects"] = seen
            yield image.name, image, answers
        if pictures and not labels.files:
            what = f"has no text file of boxes for any of its {pictures:,} pictures"
            hint = "put them into a folder labels beside the folder images"
            yield Problem(self.title, what, hint, kind="no labels")
        else:
            yield from labels.missing.problems()
        yield from boxes.told.problems()

    def _root(self, said: dict[str, Any], beside: Path) -> Path:
        """Where the pictures' folders start. A ``path`` that is not there was written on another machine."""
        if self.images is not None:
            return self.images
        written = said.get("path")
        if isinstance(written, str) and written and "\0" not in written:
            place = (beside / written).resolve()
            if place.is_dir() and (Path(written).is_absolute() or place.is_relative_to(beside.resolve())):
                return place
        return beside

    def _pictures(
        self, said: dict[str, Any], root: Path, boxes: Boxes
    ) -> Iterator[tuple[FileImage, str] | Problem]:
        """Every picture with its part, each once."""
        seen: set[ImageRef] = set()
        missing: list[Problem] = []
        for part in SPLITS:
            written = said.get(part)
            for entry in written if isinstance(written, list) else [written]:
                if not isinstance(entry, str) or not entry:
                    continue
                place = place_in(root, entry)
                if place is None or not os.path.exists(place):  # noqa: PTH110 - it takes any name
                    what = f"{part} names {quoted(entry)}, which is not there"
                    missing.append(Problem(self.title, what, kind="part not there", fatal=False))
                    continue
                for item in self._place(place, root):
                    if isinstance(item, Problem):
                        yield item
                    elif item not in seen:
                        seen.add(item)
                        yield item, part
                    else:
                        what = f"names {quoted(item.name)}, which is of another part already"
                        boxes.told.note("twice", f"{self.title}: {part}", what, "the first part holds")
        if not seen:
            folder = root / "images"
            if not folder.is_dir():
                what = missing[0].what if missing else "names no pictures that are there"
                raise DataError(what, location=self.title, hint="correct its path, train and val")
            if SPLITS & said.keys():
                boxes.told.note("no parts", self.title, "names no part that is there: all of images is taken")
            for image in _folder(folder, root):
                yield image, ""
        yield from missing

    def _place(self, place: Path, root: Path) -> Iterator[FileImage | Problem]:
        if place.is_dir():
            yield from _folder(place, root)
            return
        here, there = finder(place.parent, place, []), finder(root, place, [])
        for line, text in enumerate(lines(place), 1):
            name = without_data(root, text.strip())
            if name:
                # "./" is the folder of the list; all else starts where the data set does.
                image = (here if name.startswith("./") else there)(name, f"{place.name}:{line}")
                if isinstance(image, FileImage | Problem):
                    yield image


class _Labels:
    """The text files of boxes."""

    def __init__(self, names: Sequence[str], key_points: bool, boxes: Boxes) -> None:
        self._names, self._key_points, self._boxes = names, key_points, boxes
        self._problems: list[Problem] = []
        self.files = 0  # that were there
        self.missing = Tally()

    def taken(self) -> list[Problem]:
        problems, self._problems = self._problems, []
        return problems

    def read(self, image: FileImage, head: Header) -> list[Drawn] | None:
        """The boxes of one picture in its pixels; None where its file cannot be read."""
        path = _label_path(image.path)
        if not path.is_file():
            what = f"has no text file {path.parent.name}/{path.name}: it counts as a picture of nothing"
            self.missing.note("no text file", image.name, what, "if nobody looked at it, take it out")
            return []
        self.files += 1
        drawn: list[Drawn] = []
        try:
            for line, text in enumerate(lines(path), 1):
                if words := text.split():
                    found = self._line(words, f"{path.parent.name}/{path.name}:{line}", head)
                    if isinstance(found, Problem):
                        self._problems.append(found)
                    else:
                        drawn.append(found)
        except DataError as error:
            what = f"{error.what}: the boxes of its picture are unknown"
            self._problems.append(Problem(error.location, what, error.hint, kind="label file", fatal=False))
            return None
        return drawn

    def _line(self, words: list[str], location: str, head: Header) -> Drawn | Problem:
        values = [number(word) for word in words]
        if any(map(math.isnan, values)) or len(values) < 5:
            return _useless(
                location, f"is {quoted(' '.join(words))}, not a class and four numbers", "line of no box"
            )
        place = int(values[0])
        if place != values[0] or not 0 <= place < len(self._names):
            what = f"is of class {plain(words[0])}, but there are names for 0 to {len(self._names) - 1}"
            return _useless(location, what, "class without name")
        if max(map(abs, values[1:5])) > MOST_SHARE:
            what = f"is {quoted(' '.join(words))}: no shares of the picture's sides, from 0 to 1, but pixels"
            return _useless(location, what, "pixels")
        corners = self._corners(values[1:], location)
        if corners is None:
            what = f"holds {len(values)} numbers, neither a box (5) nor a polygon (7, 9, …)"
            return _useless(location, what, "line of no box")
        width, height = head.upright
        x0, y0, x1, y1 = corners
        return Drawn(location, (x0 * width, y0 * height, x1 * width, y1 * height), self._names[place])

    def _corners(self, values: list[float], location: str) -> Corners | None:
        if len(values) == 4 or self._key_points:
            x, y, width, height = values[:4]
            return x - width / 2, y - height / 2, x + width / 2, y + height / 2
        if len(values) < 6 or len(values) % 2:
            return None
        self._boxes.told.note("polygons", location, "is a polygon: its bounds are taken")
        return bounds(zip(values[::2], values[1::2], strict=True))


def _is_set(file: Path) -> bool:
    """Other programs have files ``….data``, too."""
    ending = file.suffix.lower()
    return ending in ENDINGS and file.is_file() and (ending != DARKNET or b"names" in beginning(file))


def _useless(location: str, what: str, kind: str) -> Problem:
    return Problem(location, what, "the line is left out", kind=kind, fatal=False)


def _folder(folder: Path, root: Path) -> Iterator[FileImage]:
    find = finder(folder, folder, [])
    for name in files_below(folder, is_picture):
        image = find(name, "")
        if isinstance(image, FileImage):
            inside = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.as_posix()
            yield FileImage(image.path, f"{inside}/{name}".removeprefix("./"))


def _label_path(picture: str) -> Path:
    """The last folder ``images`` on the way becomes ``labels``; without one, the file lies beside."""
    before, slash, after = picture.rpartition(f"{os.sep}images{os.sep}")
    place = f"{before}{os.sep}labels{os.sep}{after}" if slash else picture
    return Path(place).with_suffix(".txt")
