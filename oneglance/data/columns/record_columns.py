"""Records as columns: what ten million of them say fits into memory, and a Record is made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, overload

import numpy as np

from oneglance.data.columns.coded import MISSING, Coded, Coder
from oneglance.data.columns.packed_images import AlikeImages, PackedImages, image_piece, picture_keys
from oneglance.data.columns.packed_text import AT_ONCE, PackedText, Piece, at_colon, piece
from oneglance.data.record import ImageRef, Record

DISTINCT = 100_000  # answers to a question that are looked for; classes repeat, free numbers do not


T = TypeVar("T")


class RecordColumns(Sequence[Record]):
    """A sequence of Records. Columns may be of more rows than it has: ``rows`` says which are its own.

    Args:
        answers: by task; a column of ``Coded`` for each, over the sequence's own rows, as are the next three.
        groups, splits: missing where a record has none.
        sources: titles.
        rows: int64 [n], the place of each record in ``locations`` and ``packed``; None: all of these.
    """

    def __init__(
        self,
        locations: PackedText,
        packed: PackedImages,
        answers: Mapping[str, Coded],
        groups: Coded,
        splits: Coded,
        sources: Coded,
        rows: np.ndarray | None = None,
    ) -> None:
        self._locations, self.packed, self.rows = locations, packed, rows
        self.answers, self.groups, self.splits, self.sources = dict(answers), groups, splits, sources

    def __len__(self) -> int:
        return len(self.packed) if self.rows is None else len(self.rows)

    @overload
    def __getitem__(self, row: int) -> Record: ...
    @overload
    def __getitem__(self, row: slice) -> RecordColumns: ...
    def __getitem__(self, row: int | slice) -> Record | RecordColumns:
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        row = range(len(self))[row]
        at = row if self.rows is None else int(self.rows[row])
        return Record(
            self._locations[at],
            self.packed[at],
            {name: value for name, column in self.answers.items() if (value := column[row]) is not None},
            self.groups[row] or "",
            self.splits[row] or "",
            self.sources[row] or "",
        )

    def __iter__(self) -> Iterator[Record]:
        if self.rows is not None and not (np.diff(self.rows) > 0).all():
            yield from (self[row] for row in range(len(self)))
            return
        names = list(self.answers)
        own = (self.groups, self.splits, self.sources, *self.answers.values())
        outer = zip(self._locations, self.packed, strict=True)
        for (location, image), (group, split, source, *answers) in zip(
            _chosen(outer, self.rows), zip(*own, strict=True), strict=True
        ):
            known = {name: value for name, value in zip(names, answers, strict=True) if value is not None}
            yield Record(location, image, known, group or "", split or "", source or "")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def take(self, rows: np.ndarray) -> RecordColumns:
        """The records of some rows: int64 [k], or bool [n]."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        columns = {name: column.take(rows) for name, column in self.answers.items()}
        groups, splits, sources = (one.take(rows) for one in (self.groups, self.splits, self.sources))
        inner = rows if self.rows is None else self.rows[rows]
        return RecordColumns(self._locations, self.packed, columns, groups, splits, sources, inner)

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        """int64 [k]: the rows of the pictures at these places of ``packed``; -1: none of its own."""
        return places if self.rows is None else self._row_of_place[places]

    @cached_property
    def _row_of_place(self) -> np.ndarray:
        row = np.full(len(self.packed), -1, dtype=np.int64)
        row[self.rows] = np.arange(len(self))
        return row

    def with_answers(self, answers: Mapping[str, Coded]) -> RecordColumns:
        """The same records with other answers."""
        return RecordColumns(
            self._locations, self.packed, answers, self.groups, self.splits, self.sources, self.rows
        )

    @property
    def images(self) -> Sequence[ImageRef]:
        """The pictures alone."""
        return self.packed if self.rows is None else _Images(self.packed, self.rows)


class _Images(Sequence[ImageRef]):
    """Some of many references."""

    def __init__(self, packed: PackedImages, rows: np.ndarray) -> None:
        self._packed, self._rows = packed, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, row: int) -> ImageRef: ...
    @overload
    def __getitem__(self, row: slice) -> list[ImageRef]: ...
    def __getitem__(self, row: int | slice) -> ImageRef | list[ImageRef]:
        if isinstance(row, slice):
            return [self._packed[int(one)] for one in self._rows[row]]
        return self._packed[int(self._rows[row])]


def _chosen(items: Iterator[T], rows: np.ndarray | None) -> Iterator[T]:
    """The items at ascending places."""
    if rows is None:
        yield from items
        return
    chosen = np.zeros(int(rows[-1]) + 1 if len(rows) else 0, dtype=bool)
    chosen[rows] = True
    for start in range(0, len(chosen), AT_ONCE):
        for is_chosen in chosen[start : start + AT_ONCE].tolist():
            item = next(items)
            if is_chosen:
                yield item


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Records of one source at once, whose answers are still raw values by field."""

    locations: Piece
    images: AlikeImages | list[ImageRef]
    fields: Mapping[str, Coded]  # of each field the text in every row; missing where it is empty
    groups: Coded
    splits: Coded
    source: str

    def __len__(self) -> int:
        return len(self.images)


class RecordPacker:
    """Makes ``RecordColumns`` record by record or block by block. Answers are put into ``answers`` by the
    caller, into each column one for each record.

    Args:
        names: of the tasks.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.answers = {name: Coder(DISTINCT) for name in names}
        self._count = 0
        self._keys: list[np.ndarray] = []
        self._image_pieces: list[AlikeImages | list[ImageRef]] = []
        self._location_pieces: list[Piece] = []
        self._images: list[ImageRef] = []  # what is in no piece yet
        self._locations: list[str] = []
        self._groups, self._splits, self._sources = Coder(), Coder(), Coder()

    def __len__(self) -> int:
        return self._count

    def add(self, record: Record) -> None:
        """One more record."""
        self._count += 1
        self._images.append(record.image)
        self._locations.append(record.location)
        if len(self._images) == AT_ONCE:
            self._pack()
        self._groups.append(record.group or None)
        self._splits.append(record.split or None)
        self._sources.append(record.source or None)

    def add_block(self, block: RecordBlock) -> None:
        """All records of a block."""
        self._pack()
        self._count += len(block)
        self._add_pieces(block.locations, block.images)
        self._groups.extend(block.groups)
        self._splits.extend(block.splits)
        self._sources.extend(Coded.constant(block.source, len(block)))

    def columns(self) -> RecordColumns:
        """All records so far."""
        self._pack()
        return RecordColumns(
            PackedText(self._location_pieces),
            PackedImages(self._image_pieces),
            {name: coder.column() for name, coder in self.answers.items()},
            self._groups.column(),
            self._splits.column(),
            self._sources.column(),
        )

    def picture_keys(self) -> np.ndarray:
        """int64 [n]: see ``picture_keys``."""
        self._pack()
        self._keys = [np.concatenate([np.zeros(0, dtype=np.int64), *self._keys])]
        return self._keys[0]

    def _pack(self) -> None:
        if self._images:
            self._add_pieces(piece(self._locations, at_colon), image_piece(self._images))
            self._images, self._locations = [], []

    def _add_pieces(self, locations: Piece, images: AlikeImages | list[ImageRef]) -> None:
        self._location_pieces.append(locations)
        self._image_pieces.append(images)
        self._keys.append(picture_keys(images))


def columns_of(records: Sequence[Record]) -> RecordColumns:
    """Records, whose answers are by task, as columns; what is in columns already stays as it is."""
    if isinstance(records, RecordColumns):
        return records
    packer = RecordPacker([])
    answers: dict[str, Coder] = {}
    for row, record in enumerate(records):
        packer.add(record)
        for name in record.answers:
            if name not in answers:
                coder = answers[name] = Coder(DISTINCT)
                for _ in range(row):
                    coder.put(MISSING)
        for name, coder in answers.items():
            coder.append(record.answers.get(name))
    return packer.columns().with_answers({name: coder.column() for name, coder in answers.items()})
