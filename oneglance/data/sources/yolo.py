"""YOLO: a data.yaml, a folder of pictures, and a text file of boxes for each picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from oneglance.data.images.header import Header, header
from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.parsing.annotations import yolo_rows
from oneglance.data.parsing.annotations.box_geometry import (
    NOWHERE,
    REPORTED,
    BoxReader,
    Corners,
    Fault,
    RawBox,
    number,
)
from oneglance.data.parsing.annotations.paired_files import pairs, text_places, texts
from oneglance.data.parsing.annotations.yolo_rows import KeyPoints
from oneglance.data.parsing.annotations.yolo_yaml import (
    DARKNET,
    class_names,
    locate,
    names_beside,
    names_file,
    odd_names,
    of_another_machine,
    read_keys,
    without_data,
)
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.parsing.text_lines import lines, lines_or_none
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import ImageRef
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import exists, is_file, is_folder, resolved
from oneglance.storage.remote.addresses import is_remote

SPLITS = dict.fromkeys(("train", "val", "test")).keys()
ROWS = 100  # of a text file, that tell what lines hold
ENDINGS = (".yaml", ".yml", DARKNET)


class Yolo(Source):
    """A ``data.yaml``, or a folder that holds one, with ``names`` and, for ``train``, ``val`` and ``test``, a
    folder of pictures, a list of them (``.txt``), or several of these; they start at its ``path``, or at
    ``images`` where that is given. Where none of them is there, all pictures in the folder ``images`` beside
    it are taken, without a split.

    The boxes of ``…/images/a.jpg`` stand in ``…/labels/a.txt``, a line ``class x y width height`` each, in
    shares of the upright picture. A polygon (more than five numbers) is taken by its bounds; of key points,
    which ``kpt_shape`` announces or the numbers betray, only their box is read. The queried classes are all
    ``names``; a number without a name is of none of them.

    Older forms are read as well: darknet's ``obj.data`` (``names``, ``train`` and ``valid`` name files), and
    folders of pictures and such text files without a ``data.yaml``: ``images`` and ``labels``, each for
    train, val and test, or all beside each other. Their classes stand in ``classes.txt`` or ``obj.names``;
    without these they are called by their numbers, which is reported.

    What becomes of a line that cannot be used: see ``box_geometry.BoxReader``.

    An empty text file means that nothing is there. By the custom of YOLO, so does one that is missing, which
    is reported; only where all are missing is something wrong. A picture whose file cannot be read is one
    that nobody annotated.
    """

    rank: ClassVar[int] = 10

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return names_file(path) is not None or _holds_rows(path) if is_folder(path) else _is_set(path)

    def entries(self) -> Iterator[Entry | Problem]:
        box_reader = BoxReader()
        keys, root = self._keys(box_reader)
        names = class_names(keys, self.title)
        named = any(name != str(number) for number, name in names.items())
        for kind, what, hint in odd_names(keys, names) if named else ():
            box_reader.counter.add(kind, self.title, what, hint)
        labels = _Labels(names, yolo_rows.declared(keys.get("kpt_shape")), box_reader, self.title)
        classes = frozenset(names.values())
        pictures = 0
        items = self._pictures(keys, root, box_reader)
        first = list(islice(items, SAMPLE))
        if labels.key_points is None:
            labels.detect_key_points([item.text for item in first if not isinstance(item, Problem)])
        for item in chain(first, items):
            if isinstance(item, Problem):
                yield item
                continue
            image, text, split = item
            pictures += 1
            answers: dict[str, Any] = {self.split: split} if split and self.split else {}
            head = header(image)
            raw_boxes = labels.read(image, text, head) if head else None
            yield from labels.taken()
            if raw_boxes is not None:
                annotations, wrong = box_reader.annotations(image.name, head, None, raw_boxes, classes)
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            yield image.name, image, answers
        if pictures and not labels.files:
            what = f"has no text file of boxes for any of its {pictures:,} pictures"
            hint = "put them into a folder labels beside the folder images"
            yield Problem(self.title, what, hint, kind="no labels")
        else:
            yield from labels.missing.problems()
        yield from box_reader.counter.problems()

    def _keys(self, box_reader: BoxReader) -> tuple[dict[str, Any], Path]:
        """What the set says of itself, and where its folders start."""
        file = names_file(self.path)
        if file is not None:
            keys = read_keys(file, self.title)
            return keys, self._root(keys, file.parent)
        if not _holds_rows(self.path):
            what = "holds neither data.yaml nor classes.txt"
            raise DataError(what, location=self.title, hint="name the file with the names of the classes")
        places = text_places(self.path)
        file = names_beside(self.path, places)
        if file is not None:
            return read_keys(file, self.title), self.path
        files = (pair.file for pair in pairs(places, self.images) if pair.file is not None)
        numbers = yolo_rows.class_numbers(files)
        what = "has no file with the names of its classes: they are called by their numbers"
        hint = "write classes.txt into it, with a name in each line"
        box_reader.counter.add("no names", self.title, what, hint)
        return {"names": {str(one): str(one) for one in numbers}}, self.path

    def _root(self, keys: dict[str, Any], beside: Path) -> Path:
        """Where the pictures' folders start. A ``path`` that is not there was written on another machine."""
        if self.images is not None:
            return self.images
        written = keys.get("path")
        if isinstance(written, str) and written and "\0" not in written:
            folder = resolved(beside / written)
            if is_remote(beside) and not is_remote(folder):
                return beside  # a file from elsewhere names no folder of this machine
            if is_folder(folder) and (Path(written).is_absolute() or folder.is_relative_to(resolved(beside))):
                return folder
        return beside

    def _pictures(
        self, keys: dict[str, Any], root: Path, box_reader: BoxReader
    ) -> Iterator[_Labelled | Problem]:
        """Every picture with its text file and its split, each once."""
        seen: set[ImageRef] = set()
        missing: list[Problem] = []
        for split in SPLITS:
            written = keys.get(split)
            for entry in written if isinstance(written, list) else [written]:
                if not isinstance(entry, str) or not entry:
                    continue
                path = locate(root, entry)
                if (path is None or not exists(path)) and (path := of_another_machine(root, entry)):
                    inside = path.relative_to(root).as_posix()
                    what = f"{split} names {quoted(entry)}, which is not there: {quoted(inside)} is taken"
                    box_reader.counter.add("path of another machine", self.title, what, "correct it")
                if path is None or not exists(path):
                    what = f"{split} names {quoted(entry)}, which is not there"
                    missing.append(Problem(self.title, what, kind="part not there", fatal=False))
                    continue
                for item in self._images_at(path, root):
                    if isinstance(item, Problem):
                        yield item
                    elif item.image not in seen:
                        seen.add(item.image)
                        yield item._replace(split=split)
                    else:
                        what = f"names {quoted(item.image.name)}, which is of another split already"
                        box_reader.counter.add(
                            "twice", f"{self.title}: {split}", what, "the first split holds"
                        )
        if not seen:
            here = list(self._all_there(root))
            if not here:
                what = missing[0].what if missing else "names no pictures that are there"
                raise DataError(what, location=self.title, hint="correct its path, train and val")
            if SPLITS & keys.keys():
                parts = "folders of parts are" if any(item.split for item in here) else "all of images is"
                what = f"names no split that is there: {parts} taken"
                box_reader.counter.add("no parts", self.title, what)
            yield from here
        yield from missing

    def _all_there(self, root: Path) -> Iterator[_Labelled]:
        """All pictures of the folder, where nothing that is there is named."""
        places = text_places(root)
        if not places and is_folder(root / "images"):
            yield from _folder(root / "images", root)
        for pair in pairs(places, None):
            inside = Path(os.path.normpath(pair.image.path))
            name = inside.relative_to(root).as_posix() if inside.is_relative_to(root) else pair.image.name
            image = FileImage(pair.image.path, name)
            yield _Labelled(image, pair.file or _label_path(pair.image.path), pair.split)

    def _images_at(self, path: Path, root: Path) -> Iterator[_Labelled | Problem]:
        if is_folder(path):
            yield from _folder(path, root)
            return
        sample = [without_data(root, text.strip()) for text in islice(lines(path), SAMPLE)]
        # "./" is the folder of the list; all else starts where the data set does.
        own, others = (
            [name for name in sample if name.startswith("./") == dotted] for dotted in (True, False)
        )
        from_list = finder(path.parent, path, own, exact=self.exact)
        from_root = finder(root, path, list(filter(None, others)), exact=self.exact)
        for line, text in enumerate(lines(path), 1):
            name = without_data(root, text.strip())
            if name:
                image = (from_list if name.startswith("./") else from_root)(name, f"{path.name}:{line}")
                if isinstance(image, FileImage):
                    start = path.parent if name.startswith("./") else root
                    yield _Labelled(image, _text_of(image, start / name))
                elif isinstance(image, Problem):
                    yield image
        for find in (from_list, from_root):
            yield from find.problems(f"{self.title}: {path.name}")


class _Labelled(NamedTuple):
    """A picture and its text file, which may not be there."""

    image: FileImage
    text: Path
    split: str = ""


class _Labels:
    """The text files of boxes."""

    def __init__(
        self, names: Mapping[int, str], key_points: KeyPoints | None, box_reader: BoxReader, title: str
    ) -> None:
        self._names, self.key_points, self._box_reader, self._title = names, key_points, box_reader, title
        self._problems: list[Problem] = []
        self.files = 0  # that were there
        self.missing = ProblemCounter()

    def taken(self) -> list[Problem]:
        problems, self._problems = self._problems, []
        return problems

    def read(self, image: FileImage, path: Path, head: Header) -> list[RawBox] | None:
        """The boxes of one picture in its pixels; None where its file cannot be read."""
        if not is_file(path):
            what = f"has no text file {path.parent.name}/{path.name}: it counts as a picture of nothing"
            self.missing.add("no text file", image.name, what, "if nobody looked at it, take it out")
            return []
        self.files += 1
        title, raw_boxes = f"{path.parent.name}/{path.name}", []
        try:
            for line, text in enumerate(lines(path), 1):
                if words := text.split():
                    raw_boxes.append(self._line(words, f"{title}:{line}", head))
        except DataError as error:
            what = f"{error.what}: the boxes of its picture are unknown"
            self._problems.append(Problem(error.location, what, error.hint, kind="label file", fatal=False))
            return None
        return raw_boxes

    def _line(self, words: list[str], location: str, head: Header) -> RawBox:
        values = [number(word) for word in words]
        class_number = values[0]
        label, class_fault = "", None
        if math.isnan(class_number):
            class_fault = _no_box(words)
        elif class_number in self._names:
            label = self._names[int(class_number)]
        else:
            what = f"is of class {plain(words[0])}, but there are names for {_numbers(self._names)}"
            class_fault = Fault("class without name", what)
        place = self._place(words, values[1:], location)
        if isinstance(place, Fault):
            class_fault = REPORTED if class_fault == place else class_fault
            return RawBox(location, NOWHERE, label, place_fault=place, class_fault=class_fault)
        width, height = head.upright
        x0, y0, x1, y1 = place
        corners = x0 * width, y0 * height, x1 * width, y1 * height
        return RawBox(location, corners, label, class_fault=class_fault)

    def _place(self, words: list[str], values: list[float], location: str) -> Corners | Fault:
        """The four edges in shares."""
        if any(map(math.isnan, values)) or len(values) < 4:
            return _no_box(words)
        if yolo_rows.in_pixels(values, self.key_points):
            what = f"is {quoted(' '.join(words))}: no shares of the picture's sides, from 0 to 1, but pixels"
            return Fault("pixels", what)
        corners = yolo_rows.corners(values, self.key_points)
        if corners is None:
            lengths = (
                f"5 or {self.key_points.length + 1}" if self.key_points else "5, or 7, 9, … of a polygon"
            )
            what = f"holds {len(words)} numbers, where a class and a box are {lengths}"
            return Fault("line of no box", what)
        if len(values) > 4 and not self.key_points:
            what, hint = "is a polygon: its bounds are taken", "if these are key points, write kpt_shape"
            self._box_reader.counter.add("polygons", location, what, hint)
        return corners

    def detect_key_points(self, files: Sequence[Path]) -> None:
        """Look whether lines hold key points that nothing announces."""
        rows: list[list[float]] = []
        for path in files:
            try:
                rows += [[number(word) for word in text.split()[1:]] for text in islice(lines(path), ROWS)]
            except DataError:
                continue  # it is reported when it is read
        self.key_points = yolo_rows.detected(rows)
        if self.key_points:
            shape = f"[{self.key_points.points}, {self.key_points.numbers}]"
            what = f"has lines of a box and {self.key_points.points} key points, by their numbers"
            hint = f"only the boxes are used; write kpt_shape: {shape} if that is so"
            self._box_reader.counter.add("key points", self._title, what, hint)


def _is_set(file: Path) -> bool:
    """Other programs have files ``….data``, too."""
    ending = file.suffix.lower()
    return ending in ENDINGS and is_file(file) and (ending != DARKNET or b"names" in beginning(file))


def _no_box(words: list[str]) -> Fault:
    return Fault("line of no box", f"is {quoted(' '.join(words))}, not a class and four numbers")


def _numbers(names: Mapping[int, str]) -> str:
    """``0 to 3``, or ``0, 2 and others up to 7`` where there are gaps."""
    first, last = min(names), max(names)
    return f"{first} to {last}" if len(names) == last - first + 1 else f"some of {first} to {last}"


def _holds_rows(folder: Path) -> bool:
    """Whether there are pictures with text files that hold lines of YOLO."""
    files = [file for place in text_places(folder)[:1] for file in texts(place)]
    rows = [text.split() for file in files for text in islice(lines_or_none(file), ROWS) if text.strip()]
    return yolo_rows.are_rows(rows)


def _folder(folder: Path, root: Path) -> Iterator[_Labelled]:
    find = finder(folder, folder, [])
    for name in without_companions(files_below(folder, is_picture)):
        image = find(name, "")
        if isinstance(image, FileImage):
            inside = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.as_posix()
            named = FileImage(image.path, f"{inside}/{name}".removeprefix("./"))
            yield _Labelled(named, _text_of(image, folder / name))


def _text_of(image: FileImage, written: Path) -> Path:
    """The text file of a picture, by the folders that were written; or by those to which links lead."""
    path = _label_path(os.path.normpath(written))
    return path if is_file(path) or not is_file(real := _label_path(image.path)) else real


def _label_path(picture: str) -> Path:
    """The last folder ``images`` on the way becomes ``labels``; without one, the file lies beside."""
    head, slash, tail = picture.rpartition(f"{os.sep}images{os.sep}")
    path = f"{head}{os.sep}labels{os.sep}{tail}" if slash else picture
    return Path(path).with_suffix(".txt")
