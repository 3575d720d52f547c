"""One text file of boxes per picture, a line per box, in any order of columns that is stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from oneglance.data.images.header import Header, header
from oneglance.data.parsing.annotations import yolo_rows
from oneglance.data.parsing.annotations.box_geometry import BoxReader, RawBox
from oneglance.data.parsing.annotations.pair_lists import has_pairs, listed_pairs
from oneglance.data.parsing.annotations.paired_files import Pair, pairs, text_places
from oneglance.data.parsing.annotations.text_columns import (
    EXAMPLES,
    Columns,
    Detected,
    detected,
    is_count,
    is_heading,
    words_of,
)
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.parsing.text_lines import lines, lines_or_none
from oneglance.data.quoting import quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_folder

FILES, ROWS = 40, 50  # text files, and lines of each, that tell the order of the columns


class TextBoxes(Source):
    """A folder of pictures and text files that are called alike, beside each other or in folders of usual
    names (``images`` and ``labels``), also in one folder for each split. A line is a box.

    ``columns`` says what stands in a line: ``class`` (or ``label``, ``name``, ``type``), and the four numbers
    in pixels from 0 as ``xmin``, ``ymin``, ``xmax``, ``ymax``, as ``x``, ``y``, ``w``, ``h``, as ``cx``,
    ``cy``, ``w``, ``h``, or as the corners of a turned box, ``x1``, ``y1`` … ``y4``, whose bounds are taken;
    ``ignore`` or ``difficult`` make a region to ignore, and so does ``valid`` where it is 0; ``-`` is left
    out; other names are attributes of the box. What stands behind the last column is left out. Without
    ``columns``, they are told by what fits into the pictures, if only one order does; ``init`` writes them
    down. KITTI is known by its 15 words, DOTA by its four corners, VisDrone by the numbers behind its boxes.

    The field ``objects`` holds the boxes. The queried classes are all that any line names. A line with a
    single whole number says how many follow. An empty file means that nothing is there; of a picture without
    a file nothing is known.
    """

    columns: list[str] = Field(default_factory=list)  # type: ignore[assignment]  # of a line, in their order
    separator: str = ""  # between the words of a line; default: commas or semicolons, or else spaces
    shares: bool = False  # whether the numbers are shares of the picture's sides, from 0 to 1
    # Classes that make a region to ignore: `["DontCare"]`
    ignore: list[str] = Field(default_factory=list)
    # What words of the class stand for: `{ 1 = "pedestrian", 4 = "car" }`; default: themselves
    classes: dict[str, str] = Field(default_factory=dict)
    encoding: str = "utf-8"  # of the text files

    rank: ClassVar[int] = 7  # its folder is also a folder, and YOLO's lines are lines of boxes

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if not is_folder(path):
            return False
        looks = _looks(list(_some(path, None)))
        return looks is not None

    @classmethod
    def proposes(cls, path: Path) -> Mapping[str, Any]:
        looks = _looks(list(_some(path, None)))
        return {"format": "text_boxes", **looks.keys} if looks is not None and looks.names else {}

    @property
    def field_names(self) -> Mapping[str, str | list[str]]:
        return {}  # here, columns are those of a line

    def entries(self) -> Iterator[Entry | Problem]:
        box_reader = BoxReader()
        columns, shares, ignore, classes_by_word = self._columns(box_reader)
        read: list[tuple[Pair, Header | None, list[RawBox] | None]] = []
        for pair in _pairs(self.path, self.images, box_reader.counter):
            head = header(pair.image)
            sides = head.upright if shares and head else None
            try:
                boxes = self._boxes(pair, columns, sides, ignore, classes_by_word)
            except DataError as error:
                what = f"{error.what}: the boxes of its picture are unknown"
                yield Problem(error.location, what, error.hint, kind="label file", fatal=False)
                boxes = None
            if pair.file is None:
                what = "has no text file of its name: its boxes are unknown"
                box_reader.counter.add(
                    "no text file", pair.image.name, what, "an empty one means nothing there"
                )
            read.append((pair, head, boxes))
        things = (box for _, _, boxes in read for box in boxes or ())
        classes = frozenset(box.label for box in things if box.label and box.has_place)
        for pair, head, boxes in read:
            answers: dict[str, Any] = {self.split: pair.split} if pair.split and self.split else {}
            if boxes is not None:
                annotations, wrong = box_reader.annotations(pair.image.name, head, None, boxes, classes)
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            yield pair.image.name, pair.image, answers
        yield from box_reader.counter.problems()

    def _columns(self, box_reader: BoxReader) -> tuple[Columns, bool, frozenset[str], Mapping[str, str]]:
        """What stands in a line, whether in shares, the classes to ignore, and what their words stand for.

        Raises:
            DataError: nobody can tell, or the columns name no box.
        """
        if self.columns:
            try:
                return Columns(self.columns), self.shares, frozenset(self.ignore), self.classes
            except ValueError as error:
                raise DataError(
                    f"columns: {error}", location=self.title, hint=f"such as {EXAMPLES}"
                ) from None
        some = list(_some(self.path, self.images))
        looks = _looks(some)
        if looks is None or not looks.names:
            what = looks.doubt if looks is not None else "holds no text files of boxes in a known order"
            example = f"a line is {quoted(' '.join(some[0][1]), 80)}; " if some else ""
            raise DataError(what, location=self.title, hint=f"{example}write columns, such as {EXAMPLES}")
        order = " ".join(looks.names) + (", in shares" if looks.shares else "")
        what = f"a line is taken for: {order}, since its numbers then fit into the pictures"
        box_reader.counter.add("columns", self.title, what, "look at some boxes, or say it with columns")
        return Columns(looks.names), looks.shares, frozenset(looks.ignore), self.classes or looks.classes

    def _boxes(
        self,
        pair: Pair,
        columns: Columns,
        sides: tuple[float, float] | None,
        ignore: frozenset[str],
        classes: Mapping[str, str],
    ) -> list[RawBox] | None:
        """
        Raises:
            DataError: the file cannot be read.
        """
        if pair.file is None:
            return None
        title, boxes = f"{pair.file.parent.name}/{pair.file.name}", []
        for line, text in enumerate(lines(pair.file, self.encoding), 1):
            words = words_of(text.strip(), self.separator)
            if words and not is_count(words) and not is_heading(text):
                boxes.append(columns.box(words, f"{title}:{line}", sides, ignore, classes))
        return boxes


def _pairs(path: Path, images: Path | None, counter: ProblemCounter) -> Iterator[Pair]:
    if has_pairs(path):
        return listed_pairs(path, images, counter)
    return pairs(text_places(path), images)


def _some(path: Path, images: Path | None) -> Iterator[tuple[Pair, list[str]]]:
    """The words of some lines, each with its picture."""
    with_file = (pair for pair in _pairs(path, images, ProblemCounter()) if pair.file is not None)
    for pair in islice(with_file, FILES):
        assert pair.file is not None
        for text in islice(lines_or_none(pair.file), ROWS):
            words = words_of(text.strip())
            if words and not is_count(words) and not is_heading(text):
                yield pair, words


def _looks(some: list[tuple[Pair, list[str]]]) -> Detected | None:
    """What lines hold by their looks; None for those of YOLO, which is another format."""
    if yolo_rows.are_rows(words for _, words in some):
        return None
    sizes = {pair.image: head.upright if (head := header(pair.image)) else None for pair, _ in some}
    return detected([(words, sizes[pair.image]) for pair, words in some])
