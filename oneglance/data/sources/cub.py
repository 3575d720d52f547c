"""CUB-200-2011 and NABirds: text files that say one thing each of numbered pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.header import header
from oneglance.data.parsing.annotations.box_geometry import NOWHERE, BoxReader, Fault, RawBox
from oneglance.data.parsing.annotations.box_spellings import sized
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.parsing.text_lines import lines
from oneglance.data.quoting import quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder

NAMES = "images.txt"  # number and name of every picture
CLASSES = "classes.txt"  # number and name of every class
OF_PICTURES = "image_class_labels.txt"
SPLITS = "train_test_split.txt"
BOXES = "bounding_boxes.txt"
SPLIT_WORDS = {"1": "train", "0": "test"}


class Cub(Source):
    """A folder with ``images.txt``, ``image_class_labels.txt``, ``classes.txt``, ``train_test_split.txt`` and
    ``bounding_boxes.txt``, as CUB-200-2011 and NABirds come; only the first two must be there.

    The class is the field ``class``; 1 in the file of splits is train, 0 is test. The field ``objects`` holds
    the one box of each picture, without a class. Parts, attributes and the tree of classes are not used.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_folder(path) and all(is_file(path / name) for name in (NAMES, OF_PICTURES))

    def entries(self) -> Iterator[Entry | Problem]:
        if not is_file(self.path / NAMES):
            raise DataError(f"holds no {NAMES}", location=self.title, hint="name the folder above it")
        box_reader = BoxReader()
        names, classes, classes_of, splits, boxes = (
            self._rows(name, box_reader) for name in (NAMES, CLASSES, OF_PICTURES, SPLITS, BOXES)
        )
        for file, rows in ((OF_PICTURES, classes_of), (SPLITS, splits), (BOXES, boxes)):
            for number in rows.keys() - names.keys() if names else ():
                what = f"names the picture {quoted(number)}, of which {NAMES} says nothing"
                box_reader.counter.add(f"no such picture in {file}", rows[number][1], what, "it is left out")
        sample = [name for name, _ in list(names.values())[:SAMPLE]]
        find = finder(self.images, self.path / NAMES, sample, exact=self.exact)
        for number, (name, location) in names.items():
            image = find(name, location)
            if isinstance(image, Problem):
                yield image
                continue
            fields: dict[str, Any] = {}
            if number in classes_of:
                label, of = classes_of[number]
                if not classes or label in classes:
                    fields["class"] = classes.get(label, (label, ""))[0]
                else:
                    what = f"is of the class {quoted(label)}, which {CLASSES} does not name: it is unknown"
                    box_reader.counter.add("class unknown", of, what)
            if self.split and number in splits:
                word = splits[number][0]
                fields[self.split] = SPLIT_WORDS.get(word, word)
            if number in boxes:
                annotations, wrong = box_reader.annotations(
                    location, header(image), None, [_raw_box(*boxes[number])]
                )
                yield from wrong
                if annotations is not None:
                    fields["objects"] = annotations
            yield location, image, fields
        yield from find.problems(self.title)
        yield from box_reader.counter.problems()

    def _rows(self, name: str, box_reader: BoxReader) -> dict[str, tuple[str, str]]:
        """Number -> what stands behind it, and where; nothing where the file is not there."""
        rows: dict[str, tuple[str, str]] = {}
        if not is_file(self.path / name):
            return rows
        for line, text in enumerate(lines(self.path / name), 1):
            number, _, rest = text.strip().partition(" ")
            location = f"{self.title}/{name}:{line}"
            if not rest.strip():
                if number:
                    what = f"is {quoted(number)}, where a number and more should be: it is left out"
                    box_reader.counter.add(f"line of {name}", location, what)
            elif number in rows:
                what = f"tells of {quoted(number)} again: the first time counts"
                box_reader.counter.add(f"twice in {name}", location, what)
            else:
                rows[number] = rest.strip(), location
        return rows


def _raw_box(text: str, location: str) -> RawBox:
    words = text.split()
    if len(words) != 4:
        fault = Fault("line of no box", f"is {quoted(text)}, where four numbers should be")
        return RawBox(location, NOWHERE, "", place_fault=fault)
    return RawBox(location, sized(words), "")
