"""WIDER FACE: one text file for all pictures of a split: a name, a number of boxes, a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.header import header
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.annotations.box_geometry import (
    NOWHERE,
    REPORTED,
    BoxReader,
    Fault,
    RawBox,
)
from oneglance.data.parsing.annotations.box_spellings import sized
from oneglance.data.parsing.folder_walk import folders_in
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.layouts import named_split
from oneglance.data.parsing.tables.rows import SAMPLE
from oneglance.data.parsing.text_lines import lines, lines_or_none
from oneglance.data.quoting import quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder, names_in

ENDING = "_bbx_gt.txt"
FACE = "face"
ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")


class Wider(Source):
    """WIDER FACE: the folder with ``wider_face_split`` and ``WIDER_train``, ``WIDER_val``, or one of the text
    files such as ``wider_face_train_bbx_gt.txt``.

    The field ``objects`` holds the faces, with ``blur``, ``expression``, ``illumination``, ``occlusion`` and
    ``pose``; one that is ``invalid`` makes a region to ignore. The one class is ``face``. The folder
    ``0--Parade`` of a picture is its field ``event``. The split is in the name of the file.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return any(map(_is_list, _files(path)))

    def entries(self) -> Iterator[Entry | Problem]:
        files = _files(self.path) or ([self.path] if is_file(self.path) else [])
        if not files:
            what = f"holds no file such as wider_face_train{ENDING}"
            raise DataError(what, location=self.title, hint="name the folder above it")
        for file in files:
            location = file.name if file == self.path else f"{self.title}/{file.name}"
            yield from self._file(file, location)

    def _file(self, file: Path, title: str) -> Iterator[Entry | Problem]:
        box_reader, split = BoxReader(), named_split(file.name.removesuffix(ENDING).replace("wider_face", ""))
        pictures = list(_pictures(file, title, box_reader))
        sample = [picture.name for picture in pictures[:SAMPLE]]
        find = finder(self.images or _pictures_of(file, split, sample), file, sample, exact=self.exact)
        for picture in pictures:
            image = find(picture.name, picture.location)
            if isinstance(image, Problem):
                yield image
                continue
            answers: dict[str, Any] = {self.split: split} if split and self.split else {}
            folder, slash, event = picture.name.rpartition("/")[0].rpartition("/")[2].partition("--")
            if slash and folder.isdecimal():
                answers["event"] = event
            annotations, wrong = box_reader.annotations(
                picture.location, header(image), None, picture.boxes, frozenset({FACE})
            )
            yield from wrong
            if annotations is not None:
                answers["objects"] = annotations
            yield picture.location, image, answers
        yield from find.problems(title)
        yield from box_reader.counter.problems()


@dataclass
class _Picture:
    location: str
    name: str
    boxes: list[RawBox] = field(default_factory=list)


def _pictures(file: Path, title: str, box_reader: BoxReader) -> Iterator[_Picture]:
    """Every picture with as many boxes as its count says; one box of zeros stands for none."""
    picture: _Picture | None = None
    count: int | None = None  # of its boxes; None: its line comes next
    rows: list[tuple[str, list[str]]] = []
    for number, text in enumerate(lines(file), 1):
        location, line = f"{title}:{number}", text.strip()
        if is_picture(line):
            if picture is not None:
                yield _whole(picture, count, rows, box_reader)
            picture, count, rows = _Picture(location, line), None, []
        elif picture is None:
            if line:
                box_reader.counter.add("line", location, f"is {quoted(line)}, which belongs to no picture")
        elif count is None and line.isdecimal() and len(line) < 10:
            count = int(line)
        elif line:
            rows.append((location, line.split()))
    if picture is not None:
        yield _whole(picture, count, rows, box_reader)


def _whole(
    picture: _Picture, count: int | None, rows: Sequence[tuple[str, list[str]]], box_reader: BoxReader
) -> _Picture:
    if count == 0 and all(set(words) <= {"0"} for _, words in rows):
        return picture
    picture.boxes = [_raw_box(words, location) for location, words in rows]
    if count != len(rows):
        what = f"should have {count} boxes" if count is not None else "has no number of boxes"
        box_reader.counter.add(
            "number of boxes",
            picture.location,
            f"{what}, and {len(rows)} lines follow: its faces are unknown",
        )
        picture.boxes.append(RawBox(picture.location, NOWHERE, FACE, place_fault=REPORTED))
    return picture


def _raw_box(words: list[str], location: str) -> RawBox:
    if len(words) < 4:
        fault = Fault("line of no box", f"is {quoted(' '.join(words))}, where four numbers should be")
        return RawBox(location, NOWHERE, FACE, place_fault=fault)
    attributes = dict(zip(ATTRIBUTES, words[4:], strict=False))
    ignore = attributes.pop("invalid", "0") != "0"
    return RawBox(location, sized(words[:4]), FACE, attributes, ignore)


def _pictures_of(file: Path, split: str, sample: Sequence[str]) -> Path | None:
    """The folder in which the names of a file start; None where none of the usual ones holds any."""
    near = [above / inside for above in (file.parent, file.parent.parent) for inside in ("", "images")]
    parts = [part for above in near for part in folders_in(above) if named_split(part.name) == split]
    nested = [one for part in parts for one in folders_in(part)]
    folders = [outer / inside for outer in (*near, *parts, *nested) for inside in ("images", "")]
    return next(
        (folder for folder in folders if any(is_file(folder / name) for name in sample[:10])),
        None,
    )


def _files(path: Path) -> list[Path]:
    """The file itself, or those in the folder or in a folder there."""
    if not is_folder(path):
        return [path] if path.name.lower().endswith(ENDING) else []
    here = names_in(path, f"*{ENDING}")
    return here or names_in(path / "wider_face_split", f"*{ENDING}")


def _is_list(file: Path) -> bool:
    first = [line.strip() for line in islice(lines_or_none(file), 2)]
    return len(first) == 2 and is_picture(first[0]) and first[1].isdecimal()
