"""CelebA: text tables of attributes, identities and splits beside a folder of faces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.header import header
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.annotations.box_geometry import NOWHERE, BoxReader, Fault, RawBox
from oneglance.data.parsing.annotations.box_spellings import sized
from oneglance.data.parsing.folder_walk import folders_in
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.parsing.text_lines import lines
from oneglance.data.parsing.text_tables import TextTable
from oneglance.data.quoting import quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder

TABLES = ("list_attr_celeba", "list_eval_partition", "identity_CelebA", "list_bbox_celeba")
ATTRIBUTES, PARTITION, IDENTITY, BOXES = TABLES
TABLE_ENDINGS = (".txt", ".csv")
TABLE_FOLDERS = (".", "Anno", "Eval", "anno", "eval")
SPLITS = {"0": "train", "1": "validation", "2": "test"}
ALIGNED = re.compile(r"(?i)img_align_celeba.*")  # folders of faces that were cut out and turned
WHOLE = re.compile(r"(?i)img_celeba.*")  # folders of photographs
FACE = "face"


class Celeba(Source):
    """The folder of CelebA, flat or with its ``Anno``, ``Eval`` and ``Img``, its tables as text or as CSV.

    Each attribute of ``list_attr_celeba`` is a field, -1 or 1. The split is that of ``list_eval_partition``,
    the field ``person`` that of ``identity_CelebA``: pictures of one person belong together (``init`` makes
    it the group). Landmarks are not used.

    Pictures are those in ``img_align_celeba``, else in ``img_celeba``, else anywhere there. The boxes of
    ``list_bbox_celeba`` are those of whole photographs and not of aligned faces; there they are the field
    ``objects`` of one class, ``face``, which is looked for: each photograph has the face that it is about.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_folder(path) and ATTRIBUTES in _tables(path)

    def entries(self) -> Iterator[Entry | Problem]:
        tables = _tables(self.path)
        if ATTRIBUTES not in tables:
            raise DataError(
                f"holds no {ATTRIBUTES}.txt", location=self.title, hint="name the folder above it"
            )
        attributes = _open(tables[ATTRIBUTES])
        column = attributes.columns[0]
        sample = attributes.sample(column)
        folder, is_whole = self._pictures(sample)
        find = finder(folder, folder, sample, exact=self.exact)
        splits, persons, boxes = (
            _pairs(tables[name]) if name in tables else {} for name in (PARTITION, IDENTITY, BOXES)
        )
        box_reader = BoxReader()
        if is_whole and boxes:
            what = "has a box for the one face that a photograph is about: others there count as background"
            box_reader.counter.add("one face each", tables[BOXES].name, what, "look at some")
        ending = _other_ending(folder, sample)
        for row in attributes.rows(column):
            if isinstance(row, Problem):
                yield row
                continue
            location, name, cells = row
            if not isinstance(name, str) or not name:
                yield Problem(location, "names no picture", "the row is left out", "no picture named", False)
                continue
            image = find(f"{name.rpartition('.')[0]}{ending}" if ending else name, location)
            if isinstance(image, Problem):
                yield image
                continue
            fields: dict[str, Any] = dict(cells)
            if self.split and (partition := splits.get(name)):
                fields[self.split] = SPLITS.get(partition[0], partition[0])
            if person := persons.get(name):
                fields["person"] = person[0]
            if is_whole and name in boxes:
                raw_box = _raw_box(boxes[name], f"{tables[BOXES].name}: {name}")
                annotations, wrong = box_reader.annotations(
                    location, header(image), None, [raw_box], frozenset({FACE})
                )
                yield from wrong
                if annotations is not None:
                    fields["objects"] = annotations
            yield location, image, fields
        yield from find.problems(self.title)
        yield from box_reader.counter.problems()

    def _pictures(self, sample: list[str]) -> tuple[Path, bool]:
        """The folder of the pictures, and whether they are whole photographs."""
        if self.images is not None:
            return self.images, bool(WHOLE.fullmatch(self.images.name))
        near = [self.path, *folders_in(self.path)]
        for pattern in (ALIGNED, WHOLE):
            named = [
                folder for above in near for folder in folders_in(above) if pattern.fullmatch(folder.name)
            ]
            inner = [inside for folder in named for inside in folders_in(folder)]
            for folder in (*named, *inner):
                if _holds(folder, sample):
                    return folder, pattern is WHOLE
        return self.path, False


def _holds(folder: Path, sample: list[str]) -> bool:
    stems = {name.rpartition(".")[0] for name in sample}
    return any(is_file(folder / f"{stem}{ending}") for stem in stems for ending in (".jpg", ".png"))


def _other_ending(folder: Path, sample: list[str]) -> str:
    """The ending that the pictures have in the place of that in the tables; "" where it is the same."""
    if any(is_file(folder / name) for name in sample):
        return ""
    return ".png" if any(is_file(folder / f"{name.rpartition('.')[0]}.png") for name in sample) else ""


def _tables(folder: Path) -> dict[str, Path]:
    """Its tables by what they are called, without their endings."""
    places = [folder / name for name in TABLE_FOLDERS if is_folder(folder / name)]
    files = {name: [place / f"{name}{end}" for place in places for end in TABLE_ENDINGS] for name in TABLES}
    return {name: file for name in TABLES if (file := next(filter(is_file, files[name]), None))}


def _open(file: Path) -> Delimited:
    return (Delimited if file.suffix.lower() == ".csv" else TextTable)(file, file.name)


def _pairs(file: Path) -> dict[str, list[str]]:
    """What a table says of each picture, by its name; of two rows about one the first."""
    rows: dict[str, list[str]] = {}
    for line in lines(file):
        words = line.replace(",", " ").split()
        if len(words) > 1 and is_picture(words[0]):
            rows.setdefault(words[0], words[1:])
    return rows


def _raw_box(words: list[str], location: str) -> RawBox:
    if len(words) < 4:
        fault = Fault("box", f"is {quoted(' '.join(words))}, where four numbers should be")
        return RawBox(location, NOWHERE, FACE, place_fault=fault)
    return RawBox(location, sized(words[:4]), FACE)
