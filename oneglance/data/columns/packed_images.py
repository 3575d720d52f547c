"""References to pictures, packed: the fields of many as columns, and each reference made when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, overload

import numpy as np

from oneglance.data.columns.packed_text import AT_ONCE, Piece, piece
from oneglance.data.images.references import FileImage
from oneglance.data.record import ImageRef

Column = Piece | np.ndarray | Any  # texts; int64 [n]; or the one value of all


@dataclass(frozen=True, slots=True)
class _Alike:
    """References of one class, whose fields are texts and numbers."""

    kind: type[ImageRef]
    columns: tuple[Column, ...]
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> ImageRef:
        return self.kind(*(_value(column, row) for column in self.columns))

    def __iter__(self) -> Iterator[ImageRef]:
        return map(self.kind, *(_values(column, self.count) for column in self.columns))


class PackedImages(Sequence[ImageRef]):
    """A sequence of references. All pieces but the last have ``AT_ONCE``."""

    def __init__(self, pieces: Sequence[_Alike | list[ImageRef]]) -> None:
        self._pieces = pieces
        self._count = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> ImageRef: ...
    @overload
    def __getitem__(self, row: slice) -> list[ImageRef]: ...
    def __getitem__(self, row: int | slice) -> ImageRef | list[ImageRef]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if row < 0:
            row += len(self)
        return self._pieces[row // AT_ONCE][row % AT_ONCE]

    def __iter__(self) -> Iterator[ImageRef]:
        for one in self._pieces:
            yield from one

    def folders(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each folder of a piece, with its last separator, and the rows of its pictures: int64. Only pictures
        that are files have one; a folder may come again.
        """
        for number, one in enumerate(self._pieces):
            start = number * AT_ONCE
            if isinstance(one, _Alike) and one.kind is FileImage and isinstance(one.columns[0], Piece):
                paths = one.columns[0]
                if paths.codes is None:
                    yield paths.heads[0], np.arange(start, start + len(paths))
                    continue
                order = np.argsort(paths.codes, kind="stable")
                ends = np.bincount(paths.codes, minlength=len(paths.heads)).cumsum()
                yield from zip(paths.heads, np.split(order + start, ends[:-1]), strict=True)
                continue
            rows: dict[str, list[int]] = {}
            for row, image in enumerate(one, start):
                if isinstance(image, FileImage):
                    head = image.path[: max(image.path.rfind(os.sep), image.path.rfind("/")) + 1]
                    rows.setdefault(head, []).append(row)
            yield from ((head, np.array(each, dtype=np.int64)) for head, each in rows.items())

    def file_names(self, folder: str, rows: np.ndarray) -> list[str]:
        """The names of files in ``folder``, of rows that ``folders`` has given."""
        names: list[str] = []
        for number in np.unique(rows // AT_ONCE).tolist():
            inside = rows[rows // AT_ONCE == number] - number * AT_ONCE
            one = self._pieces[number]
            paths = one.columns[0] if isinstance(one, _Alike) else None
            if isinstance(paths, Piece):
                names += paths.tails_of(inside)
            else:
                names += [one[row].path[len(folder) :] for row in inside.tolist()]  # type: ignore[attr-defined]
        return names


class ImagePacker:
    """Makes ``PackedImages`` reference by reference."""

    def __init__(self) -> None:
        self._pieces: list[_Alike | list[ImageRef]] = []
        self._latest: list[ImageRef] = []

    def append(self, image: ImageRef) -> None:
        """One more."""
        self._latest.append(image)
        if len(self._latest) == AT_ONCE:
            self._pieces.append(_packed(self._latest))
            self._latest = []

    def images(self) -> PackedImages:
        """All so far."""
        latest = [_packed(self._latest)] if self._latest else []
        return PackedImages([*self._pieces, *latest])


def packed(images: Iterable[ImageRef]) -> PackedImages:
    """Some references, packed."""
    packer = ImagePacker()
    for image in images:
        packer.append(image)
    return packer.images()


def _packed(images: list[ImageRef]) -> _Alike | list[ImageRef]:
    """The references in columns, or as they are where they are of several classes or hold anything else."""
    kind = type(images[0])
    if not is_dataclass(kind) or any(type(image) is not kind for image in images):
        return images
    names = [one.name for one in fields(kind) if one.init and not one.kw_only]
    columns = [_column([getattr(image, name) for image in images]) for name in names]
    if len(names) < len(fields(kind)) or any(column is None for column in columns):
        return images
    return _Alike(kind, tuple(columns), len(images))


def _column(values: list[Any]) -> Column | None:
    """None: neither texts nor numbers."""
    kind = type(values[0])
    if any(type(value) is not kind for value in values):
        return None
    if kind is str:
        return piece(values, os.sep if os.sep in values[0] else "/")
    if kind is int and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    return values[0] if kind is bool and len(set(values)) == 1 else None


def _value(column: Column, row: int) -> Any:
    if isinstance(column, Piece):
        return column.text(row)
    return int(column[row]) if isinstance(column, np.ndarray) else column


def _values(column: Column, count: int) -> Iterable[Any]:
    if isinstance(column, Piece):
        return column.texts()
    return column.tolist() if isinstance(column, np.ndarray) else [column] * count
