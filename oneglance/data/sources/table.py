"""A table with a column of pictures and any number of columns of answers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from oneglance.data.columns.coded import Coded
from oneglance.data.columns.packed_text import Piece
from oneglance.data.columns.record_columns import RecordBlock
from oneglance.data.images.archives import is_hidden
from oneglance.data.images.references import is_picture
from oneglance.data.images.tail_search import loose_stem
from oneglance.data.parsing import separator
from oneglance.data.parsing.annotations.nested_boxes import with_boxes
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.parsing.image_paths import MOST_SEARCHED, Find, finder
from oneglance.data.parsing.layouts import PICTURE_FOLDERS, named_split, part_folders
from oneglance.data.parsing.parquet import Parquet
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.parsing.tables.rows import JsonLines, Row, Rows, TextBlock
from oneglance.data.parsing.text_tables import TextTable, is_text_table
from oneglance.data.quoting import nearest_of, plain, quoted
from oneglance.data.record import SPLIT_NAMES, Record
from oneglance.data.source import Entry, EntryBlock, Source
from oneglance.data.tag_rows import joined
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder, names_in, scan

# Taken for the column of the picture, whatever their case: the first of these that is there.
IMAGE_COLUMNS = (
    *("image", "image_path", "path", "file", "filename", "file_name", "fname", "image_name"),
    *("picture", "photo", "img"),
)


class Table(Source):
    """CSV, TSV, JSON lines, Parquet, or text with any space between the cells (``.txt``). One row is one
    picture; the other columns are the fields.

    A folder may stand for its tables, where their names begin with a split: ``train.parquet``,
    ``test-00000-of-00002.parquet`` (also in ``data`` there), or where each split's folder of pictures holds
    a ``metadata.csv``, ``.jsonl`` or ``.parquet``. It is then the split of all their pictures. With
    ``format = "table"`` there may be other folders beside tables of text, and each split's folder may hold a
    table of another name, which is the same in all (``_classes.csv``).

    A cell of JSON lines or Parquet may hold all boxes of its picture: ``{"bbox": [[x, y, width, height],
    …], "category": ["cat", …]}``. Such a field holds boxes.

    Relative picture names start at ``images``, which may be a zip or tar. Without that key they start
    beside the table, or in the folder ``images`` there if the first names are found only in it. Those of a
    table whose name says a split may also start in the folder of that split there.
    """

    image: str = ""  # the column of the picture; default: a usual name, or the one that looks like it
    encoding: str = "utf-8"  # of a text file; older ones from Excel are `"cp1252"`
    delimiter: str = Field("", max_length=1)  # between the cells; default: , ; | or tab, by the first rows

    # `"tags"`: a picture has a row for each of its tags; what differs between its rows is a list
    rows: Literal["pictures", "tags"] = "pictures"

    rank: ClassVar[int] = 5  # a folder of tables is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if is_folder(path):
            return bool(_split_files(path))
        ending = path.suffix.lower()
        return ending in READERS or (ending in TEXT_READERS and is_text_table(path))

    def entries(self) -> Iterator[Entry | Problem]:
        return joined(self._all_rows(), {self.split, self.group}) if self.rows == "tags" else self._all_rows()

    def read_blocks(self) -> Iterator[RecordBlock | Record | Problem]:
        files = self._files() if is_folder(self.path) else [(self.path, "")]
        may_hold_boxes = any(file.suffix.lower() not in TEXT for file, _ in files)
        if self.rows == "tags" or self.name_pattern or may_hold_boxes:
            yield from self.read()
        else:
            yield from self._as_records(self._blocks_of_files({}))

    def sampled(self) -> dict[str, list[str]]:
        """The text in the first rows of each column.

        Raises:
            DataError: it cannot be read.
        """
        table = self._first()
        return {column: table.sample(column) for column in table.columns}

    def usual_column(self) -> str:
        """The column of the picture where nothing names it; "" where it is not known.

        Raises:
            DataError: it cannot be read.
        """
        return _usual_column(self._first())[0]

    def _first(self) -> Rows:
        """The table, or the first one of a folder."""
        path = self._files()[0][0] if is_folder(self.path) else self.path
        return self._open(path, self.title)

    def _files(self) -> list[tuple[Path, str]]:
        """The tables of a folder, with their splits."""
        files = _split_files(self.path) or _tables_beside_folders(self.path) or _tables_in_parts(self.path)
        if not files:
            raise DataError("holds no tables whose names say a split", location=self.title)
        return files

    def _all_rows(self) -> Iterator[Entry | Problem]:
        class_names: dict[str, Sequence[str]] = {}
        return with_boxes(self._rows_of_files(class_names), self.title, class_names)

    def _rows_of_files(self, class_names: dict[str, Sequence[str]]) -> Iterator[Entry | Problem]:
        for item in self._blocks_of_files(class_names, at_once=False):
            assert not isinstance(item, EntryBlock)
            yield item

    def _blocks_of_files(
        self, class_names: dict[str, Sequence[str]], *, at_once: bool = True
    ) -> Iterator[EntryBlock | Entry | Problem]:
        if not is_folder(self.path):
            yield from self._blocks(self.path, self.title, {}, class_names, at_once)
            return
        for file, split in self._files():
            title = f"{self.title}/{file.relative_to(self.path).as_posix()}"
            common = {self.split: split} if self.split else {}
            yield from self._blocks(file, title, common, class_names, at_once)

    def _blocks(
        self,
        path: Path,
        title: str,
        common: dict[str, str],
        class_names: dict[str, Sequence[str]],
        at_once: bool,
    ) -> Iterator[EntryBlock | Entry | Problem]:
        table = self._open(path, title)
        class_names.update(table.nested_names)
        column = self._picture_column(table)
        sample = table.sample(column)
        find = finder(self._start(path, sample), path, sample, exact=self.exact)
        for item in table.blocks(column) if at_once else table.rows(column):
            if not isinstance(item, TextBlock):
                yield item if isinstance(item, Problem) else _entry(item, column, find, common)
            elif (images := find.many(item.names)) is None:
                yield from (_entry(row, column, find, common) for row in item.rows())
            else:
                lines = range(item.start, item.start + len(images))
                given = {name: Coded.constant(text, len(images)) for name, text in common.items()}
                yield EntryBlock(Piece([f"{title}:"], None, lines), images, {**item.fields, **given})
        yield from find.problems(title)

    def _start(self, path: Path, sample: Sequence[str]) -> Path | None:
        """``images``, or the folder of the split that the table's name says, where only there is a picture of
        the ``sample``.
        """
        split, start = named_split(path.stem), self.images or path.parent
        if not split or not is_folder(start):
            return self.images
        if any(is_file(folder / name) for folder in (start, start / "images") for name in sample):
            return self.images
        stems = {loose_stem(name.replace("\\", "/").rpartition("/")[2]) for name in sample}
        for folder, own in part_folders(start):
            if own == split and any(
                loose_stem(name.rpartition("/")[2]) in stems
                for name in files_below(folder, is_picture, MOST_SEARCHED)
            ):
                return folder
        return self.images

    def _open(self, path: Path, title: str) -> Rows:
        ending = path.suffix.lower()
        reader = READERS.get(ending) or TEXT_READERS.get(ending)
        if reader is None:
            raise DataError(
                f"is no table by its ending {quoted(path.suffix)}",
                location=title,
                hint=f"known: {', '.join(READERS)}",
            )
        return reader(self, path, title)

    def _picture_column(self, table: Rows) -> str:
        if self.image:
            if self.image not in table.columns:
                what = f"has no column {quoted(self.image)}.{nearest_of(self.image, table.columns)}"
                raise DataError(what, location=table.title)
            return self.image
        column, candidates = _usual_column(table)
        if not column:
            what = (
                "several columns look like pictures"
                if candidates
                else "no column looks like the pictures' names"
            )
            hint = f'name one: image = "…". Its columns: {plain(", ".join(candidates or table.columns), 300)}'
            if table.separator:
                hint += f", separated by {separator.shown(table.separator)} (`delimiter` says otherwise)"
            raise DataError(what, location=table.title, hint=hint)
        return column


def _entry(row: Row, column: str, find: Find, common: Mapping[str, str]) -> Entry | Problem:
    location, picture, answers = row
    if not picture:
        what, hint = f"{column} is empty", "the row is left out"
        return Problem(location, what, hint, kind="no picture named", fatal=False)
    image = find(picture, location) if isinstance(picture, str) else picture
    if isinstance(image, Problem):
        return image
    return location, image, {**answers, **common} if common else answers


def _usual_column(table: Rows) -> tuple[str, list[str]]:
    """The column of a usual name, or the only one that looks like pictures; else "" and those that do."""
    usual = {name.lower(): name for name in reversed(table.columns)}
    for name in IMAGE_COLUMNS:
        if name in usual:
            return usual[name], []
    candidates = [column for column in table.columns if table.looks_like_pictures(column)]
    return (candidates[0], []) if len(candidates) == 1 else ("", candidates)


TEXT = (".csv", ".tsv")
METADATA = "metadata"  # what hubs of data sets call the table beside the pictures of a split
READERS: dict[str, Callable[[Table, Path, str], Rows]] = {
    ".csv": lambda source, path, title: Delimited(path, title, source.encoding, source.delimiter),
    ".tsv": lambda source, path, title: Delimited(path, title, source.encoding, source.delimiter or "\t"),
    ".jsonl": lambda source, path, title: JsonLines(path, title, source.encoding),
    ".ndjson": lambda source, path, title: JsonLines(path, title, source.encoding),
    ".parquet": lambda source, path, title: Parquet(path, title),
}  # by ending
# The same of files that are mostly no tables.
TEXT_READERS: dict[str, Callable[[Table, Path, str], Rows]] = {
    ".txt": lambda source, path, title: TextTable(path, title, source.encoding, source.delimiter),
}


def _split_files(folder: Path) -> list[tuple[Path, str]]:
    """The tables of a folder that holds one per split, with their splits; none if it holds pictures too."""
    parts = [
        (file, split)
        for part, split in part_folders(folder)
        for file in names_in(part, f"{METADATA}.*")
        if file.suffix.lower() in READERS
    ]
    return parts or _tables_of_splits(folder) or _tables_of_splits(folder / "data")


def _tables_of_splits(folder: Path) -> list[tuple[Path, str]]:
    files: list[tuple[Path, str]] = []
    has_folders = False
    try:
        with scan(folder) as entries:
            for entry in entries:
                visible = not is_hidden(entry.name)
                if visible and (
                    is_picture(entry.name) or (entry.is_dir() and not _is_of_pictures(entry.name))
                ):
                    return []
                has_folders = has_folders or (visible and entry.is_dir())
                stem, ending = os.path.splitext(entry.name.lower())  # noqa: PTH122
                word = re.split(r"[^a-z]", stem, maxsplit=1)[0]
                if visible and ending in READERS and word in SPLIT_NAMES:
                    files.append((Path(entry.path), word))
    except OSError:
        return []
    # Beside folders of pictures, tables of text may be anything: each is looked at by itself.
    return [] if has_folders and any(file.suffix.lower() in TEXT for file, _ in files) else sorted(files)


def _tables_beside_folders(folder: Path) -> list[tuple[Path, str]]:
    """The tables directly in a folder whose names say a split."""
    files = [(file, named_split(file.stem)) for file in names_in(folder, "*.*")]
    return sorted((file, split) for file, split in files if split and file.suffix.lower() in READERS)


def _tables_in_parts(folder: Path) -> list[tuple[Path, str]]:
    """The tables of one name in folders of splits: the first name that all of them hold."""
    parts = part_folders(folder)
    names = [
        {file.name for file in names_in(part, "*.*") if file.suffix.lower() in READERS} for part, _ in parts
    ]
    shared = sorted(set.intersection(*names)) if names else []
    return [(part / shared[0], split) for part, split in parts] if shared else []


def _is_of_pictures(folder: str) -> bool:
    return folder.lower() in PICTURE_FOLDERS or bool(named_split(folder))
