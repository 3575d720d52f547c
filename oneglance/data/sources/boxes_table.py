"""A table of boxes: a picture's name, a class and four numbers in each row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from oneglance.data.cell import as_text
from oneglance.data.images.header import Header, header
from oneglance.data.parsing.annotations.box_geometry import (
    NOTHING,
    NOWHERE,
    REPORTED,
    BoxReader,
    RawBox,
    Size,
    flag,
    number,
)
from oneglance.data.parsing.annotations.box_spellings import (
    EDGES,
    SIZES,
    TOGETHER,
    Spelled,
    sized,
    spelled_box,
    spelled_edges,
)
from oneglance.data.parsing.folder_walk import folders_in
from oneglance.data.parsing.image_paths import find_nearby, finder
from oneglance.data.parsing.layouts import (
    ANNOTATION_FOLDERS,
    PICTURE_FOLDERS,
    children_named,
    named_split,
    part_folders,
)
from oneglance.data.parsing.tables.box_lines import BoxLines, are_box_lines
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.parsing.tables.rows import LostRow, Rows
from oneglance.data.quoting import nearest_of, plain, quoted
from oneglance.data.record import Record
from oneglance.data.source import Entry, Source
from oneglance.data.sources.table import IMAGE_COLUMNS
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder, names_in

PICTURES = (*IMAGE_COLUMNS, "image_id", "imageid", "image id")
LABELS = (
    *("label", "name", "class", "class_name", "label_name", "category", "object", "classname", "labelname"),
    *("category_name", "class_id", "label_id", "category_id"),
)
ENDINGS = (".csv", ".tsv")
IGNORE = ("ignore", "difficult", "iscrowd")


class BoxesTable(Source):
    """CSV or TSV with one box per row, or a folder of such, one for each split (``train_labels.csv``,
    ``test/_annotations.csv``): ``image,label,xmin,ymin,xmax,ymax``, ``…,x,y,width,height`` or one
    column ``bbox`` of such four, ``[10, 20, 30, 40]``, in pixels from 0; further columns are attributes of
    the box. Without a column of classes the boxes have none. A row with only the name of a picture: it was
    annotated and holds nothing. Or text with a picture and all its boxes in each line,
    ``a.jpg 10,20,40,60,1 5,6,50,70,0``: edges and the number of a class, which ``classes.txt`` or
    ``_classes.txt`` beside it names.

    The field ``objects`` holds the boxes. ``ignore``, ``difficult`` or ``iscrowd`` make a region to ignore.
    ``width`` and ``height`` beside the four edges are the size of the picture. The columns named by ``group``
    and ``split`` are those of the picture. The queried classes are all that any row names, and ``classes``.
    """

    image: str = ""  # the column of the picture; default: a usual name
    classes: list[
        str
    ] = []  # looked for in all pictures, also where no row names them; default: those of any row
    label: str = ""  # the column of the class; default: a usual name: `label`, `name`, `class` …
    # The numbers are shares of the pictures' sides, from 0 to 1, as in Open Images, and not pixels
    shares: bool = False
    encoding: str = "utf-8"  # of the file; older ones from Excel are `"cp1252"`
    delimiter: str = Field("", max_length=1)  # between the cells; default: , ; | or tab, by the first row

    rank: ClassVar[int] = 8  # it is also a table

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if is_folder(path):
            return bool(_split_files(path))
        if not is_file(path) or path.suffix.lower() not in ENDINGS:
            return is_file(path) and are_box_lines(path)
        try:
            table = Delimited(path, path.name)
            image, (four, sized) = _image(table), _four(_lower(table.columns))
            if not image or not four:
                return False
            if len(four) == 4 and (not sized or _first(_lower(table.columns), LABELS)):
                return True
            # These names mean other things as well.
            names, cells = table.sample(image), [table.sample(column) for column in four]
            boxes = [spelled_box(" ".join(row)) for row in zip(*cells, strict=False)]
            are_boxes = bool(boxes) and all(box and not any(map(math.isnan, box.corners)) for box in boxes)
            return are_boxes and (len(four) == 1 or len(set(names)) < len(names))
        except DataError:
            return False

    def proposes_after(self, records: Sequence[Record]) -> tuple[Mapping[str, Any], Sequence[str]]:
        files = [file for file, _ in _split_files(self.path)] if is_folder(self.path) else [self.path]
        if not files or not all(map(_holds_shares, files)):
            return {}, ()
        return {"shares": True}, ["its numbers lie between 0 and 1: they are shares of the pictures' sides"]

    def entries(self) -> Iterator[Entry | Problem]:
        files = _split_files(self.path) if is_folder(self.path) else [(self.path, "")]
        parts = []
        for file, split in files:
            inside = f"/{file.relative_to(self.path).as_posix()}" if file != self.path else ""
            parts.append(_Part(file, self.title + inside, split))
            yield from self._read(parts[-1])
        boxes = [box for part in parts for picture in part.pictures.values() for box in picture.boxes]
        named = (box.label for box in boxes if box.label and box.has_place)
        classes = frozenset((*map(as_text, self.classes), *named))
        yield from self._warn_of_shares(boxes)
        box_reader = BoxReader()
        for part in parts:
            yield from self._entries(part, classes, box_reader)
        yield from box_reader.counter.problems()

    def _read(self, part: _Part) -> Iterator[Problem]:
        """Take the rows of one table into ``part``."""
        table = _open(part.file, part.title, self.encoding, self.delimiter)
        layout = self._layout(table)
        part.sample, pictures = table.sample(layout.image), part.pictures
        lost: list[LostRow] = []
        for row in table.rows(layout.image):
            if isinstance(row, Problem):
                lost += [row] if isinstance(row, LostRow) else []
                yield row
                continue
            location, name, cells = row
            if not isinstance(name, str) or not name:
                hint = "the row is left out"
                yield Problem(
                    location, f"{layout.image} is empty", hint, kind="no picture named", fatal=False
                )
                continue
            picture = pictures.setdefault(name, _Picture(location))
            yield from picture.add(location, cells, layout)
        for row in lost:
            for name in {cell.strip(' \t"') for cell in row.cells} & pictures.keys():
                pictures[name].boxes.append(RawBox(row.location, NOWHERE, "", place_fault=REPORTED))

    def _entries(
        self, part: _Part, classes: frozenset[str], box_reader: BoxReader
    ) -> Iterator[Entry | Problem]:
        if is_folder(self.path):
            others = _folders(part.file, self.path, part.split)
            whole = None if self.exact else self.path
            find = find_nearby(self.images, part.file, part.sample, others, whole=whole, exact=self.exact)
        else:
            find = finder(self.images, part.file, part.sample, exact=self.exact)
        common = {self.split: part.split} if part.split and self.split else {}
        for name, picture in part.pictures.items():
            image = find(name, picture.location)
            if isinstance(image, Problem):
                yield image
                continue
            yield from picture.contradictions()
            if self.shares:
                yield from picture.in_pixels(header(image))
            annotations, wrong = box_reader.annotations(
                picture.location, header(image), picture.size, picture.boxes, classes
            )
            yield from wrong
            answers = {**common, **picture.fields}
            if annotations is not None:
                answers["objects"] = annotations
            yield picture.location, image, answers
        yield from find.problems(part.title)

    def _layout(self, table: Rows) -> _Layout:
        columns = _lower(table.columns)
        for column in filter(None, (self.image, self.label)):
            if column not in table.columns:
                what = f"has no column {quoted(column)}.{nearest_of(column, table.columns)}"
                raise DataError(what, location=table.title)
        image = self.image or _image(table)
        four, sized = _four(columns)
        if not image or not four:
            lacks = "the four numbers of a box" if image else "the pictures' names"
            what = f"has no columns for {lacks}. Its columns: {plain(', '.join(table.columns), 300)}"
            raise DataError(what, location=table.title, hint="write image,label,xmin,ymin,xmax,ymax")
        label = self.label or _first(columns, LABELS)
        ignore = _first(columns, IGNORE)
        size = (
            ()
            if sized and len(four) == 4
            else tuple(columns[name] for name in ("width", "height") if name in columns)
        )
        whole = tuple(column for column in (self.group, self.split) if column in table.columns)
        return _Layout(image, label, four, sized, ignore, size if len(size) == 2 else (), whole)

    def _warn_of_shares(self, boxes: Sequence[RawBox]) -> Iterator[Problem]:
        if self.shares:
            return
        corners = [value for box in boxes for value in box.corners]
        if len(corners) > 4 and all(0 <= value <= 1 for value in corners):
            what = "has only numbers from 0 to 1: they seem to be shares of the pictures' sides"
            yield Problem(
                self.title, what, "write shares = true in its [[sources]], or pixels", kind="shares"
            )


@dataclass(frozen=True, slots=True)
class _Layout:
    """The meaning of each column."""

    image: str
    label: str  # "" where there is none
    four: Sequence[str]
    sized: bool  # the last two of the four, or of the numbers of a single column, are width and height
    ignore: str
    size: Sequence[str]  # of the picture; empty where there is none
    whole: Sequence[str]  # columns about the whole picture

    @property
    def taken(self) -> set[str]:
        return {self.label, *self.four, self.ignore, *self.size, *self.whole}


@dataclass
class _Picture:
    location: str
    boxes: list[RawBox] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    size: Size | None = None
    nothing: str = ""  # location of a row that says that the picture holds nothing

    def add(self, location: str, cells: Mapping[str, str], layout: _Layout) -> Iterator[Problem]:
        """One row."""
        for column in layout.whole:
            value = cells.get(column)
            if value is not None and self.fields.setdefault(column, value) != value:
                what = f"{column} is {quoted(value)}, but {quoted(self.fields[column])} in {self.location}"
                yield Problem(location, what, "correct one of the two", kind=f"contradiction: {column}")
        if layout.size and self.size is None:
            self.size = number(cells.get(layout.size[0])), number(cells.get(layout.size[1]))
        label, not_attributes = cells.get(layout.label, ""), layout.taken
        attributes = {name: cell for name, cell in cells.items() if name not in not_attributes}
        if not label and not any(name in cells for name in layout.four) and not attributes:
            self.nothing = self.nothing or location
            return
        four = [cells.get(name) for name in layout.four]
        edges = not layout.sized
        if len(four) == 1:
            corners, edges = spelled_box(four[0]) or Spelled(NOWHERE)
        else:
            corners = sized(four) if layout.sized else spelled_edges(four)
        ignore = flag(cells.get(layout.ignore))
        if ignore is None:
            what = f"{layout.ignore} is neither yes nor no: it counts as a region to ignore"
            yield Problem(location, what, "write 0 or 1", kind="mark", fatal=False)
        box = RawBox(
            location,
            corners,
            label,
            attributes or NOTHING,
            ignore is not False,
            edges=edges,
        )
        self.boxes.append(box)

    def in_pixels(self, head: Header | None) -> Iterator[Problem]:
        """The shares of the sides become pixels."""
        if head is None:  # the picture cannot be read, which is told elsewhere
            return
        width, height = head.upright
        for row, box in enumerate(self.boxes):
            x0, y0, x1, y1 = box.corners
            if any(not 0 <= value <= 1 for value in box.corners if not math.isnan(value)):
                what = "is no share of the sides from 0 to 1"
                yield Problem(
                    box.location, what, "correct it, or leave out shares", kind="shares", fatal=False
                )
                self.boxes[row] = replace(box, corners=NOWHERE, place_fault=REPORTED)
            else:
                corners = x0 * width, y0 * height, x1 * width, y1 * height
                self.boxes[row] = replace(box, corners=corners, edges=False)

    def contradictions(self) -> Iterator[Problem]:
        """A Problem where one row says that there is nothing, and another that there is something."""
        if self.nothing and self.boxes:
            what = f"names a picture without a box, which has one in {self.boxes[0].location}"
            hint = "give it a box, or remove it; all classes are unknown in this picture"
            yield Problem(self.nothing, what, hint, kind="row without a box", fatal=False)
            self.boxes.append(RawBox(self.nothing, NOWHERE, "", place_fault=REPORTED))


@dataclass
class _Part:
    """One of the tables: that of a split, or the only one."""

    file: Path
    title: str
    split: str
    sample: Sequence[str] = ()
    pictures: dict[str, _Picture] = field(default_factory=dict)


def _open(file: Path, title: str, encoding: str = "utf-8", delimiter: str = "") -> Rows:
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        return BoxLines(file, title, encoding)
    return Delimited(file, title, encoding, delimiter or "\t" * (ending == ".tsv"))


def _split_files(folder: Path) -> list[tuple[Path, str]]:
    """The tables of boxes of a folder that holds one per split, by its name or that of its folder; none where
    there is another table, which would be lost.
    """
    parts = dict(part_folders(folder))
    files = []
    for place in (folder, *children_named(folder, (*ANNOTATION_FOLDERS, "data", "csv")), *parts):
        for file in names_in(place, "*.[ctCT][sSxX][vVtT]"):
            if file.suffix.lower() not in ENDINGS and not are_box_lines(file):
                continue
            split = parts.get(place) or named_split(file.stem)
            if not split or not BoxesTable.recognises(file):
                return []
            files.append((file, split))
    return files


def _holds_shares(file: Path) -> bool:
    """Whether the first boxes of a table lie from 0 to 1."""
    try:
        table = _open(file, file.name)
        four, is_sized = _four(_lower(table.columns))
        rows = list(zip(*map(table.sample, four), strict=False))
    except DataError:
        return False
    if len(four) == 1:
        boxes = [box.corners for (cell,) in rows if (box := spelled_box(cell))]
    else:
        boxes = [sized(row) if is_sized else spelled_edges(row) for row in rows]
    values = [value for box in boxes for value in box if not math.isnan(value)]
    return len(values) > 4 and all(0 <= value <= 1 for value in values)


def _folders(file: Path, base: Path, split: str) -> Iterator[Path]:
    """Where the pictures of a table may lie: in the folder of its split, or in one of a usual name."""
    for start in dict.fromkeys((file.parent, base)):
        yield from (part for part, name in part_folders(start) if name == split)
        for folder in children_named(start, PICTURE_FOLDERS):
            yield folder
            yield from (part for part, name in part_folders(folder) if name == split)
    yield from folders_in(base)


def _image(table: Rows) -> str:
    """The column of the pictures, of a usual name or the only one that looks like it; "" without any."""
    columns = _lower(table.columns)
    if usual := _first(columns, IMAGE_COLUMNS):
        return usual
    likely = [column for column in table.columns if table.looks_like_pictures(column)]
    return likely[0] if len(likely) == 1 else _first(columns, PICTURES)


def _lower(columns: Sequence[str]) -> dict[str, str]:
    return {column.lower(): column for column in reversed(columns)}


def _first(columns: Mapping[str, str], usual: Sequence[str]) -> str:
    return next((columns[name] for name in usual if name in columns), "")


def _four(columns: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """The columns of the four numbers, or the one of all, and whether the last two are width and height."""
    for names in (*EDGES, *SIZES, *((name,) for name in TOGETHER)):
        if all(name in columns for name in names):
            return tuple(columns[name] for name in names), names not in EDGES
    return (), False
