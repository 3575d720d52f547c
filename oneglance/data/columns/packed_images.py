"""References to pictures, packed: the fields of many as columns, and each reference made when asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain, groupby, islice
from typing import Any, overload

import numpy as np

from oneglance.data.columns.packed_text import (
    AT_ONCE,
    MIXING,
    Piece,
    at_slash,
    piece,
    starts_of,
    text_array,
    text_keys,
)
from oneglance.data.images.references import FileImage
from oneglance.data.record import ImageRef

Column = Piece | np.ndarray | Any  # texts; int64 [n]; or the one value of all


@dataclass(frozen=True, slots=True)
class AlikeImages:
    """References of one class, whose fields are texts and numbers.

    Args:
        listed: of folders in which all of these pictures were seen: how many names there are in each.
    """

    kind: type[ImageRef]
    columns: tuple[Column, ...]
    count: int
    listed: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> ImageRef:
        return self.kind(*(_value(column, row) for column in self.columns))

    def __iter__(self) -> Iterator[ImageRef]:
        return map(self.kind, *(_values(column, self.count) for column in self.columns))


class PackedImages(Sequence[ImageRef]):
    """A sequence of references, in pieces."""

    def __init__(self, pieces: Sequence[AlikeImages | list[ImageRef]]) -> None:
        self._pieces = pieces
        self._starts = starts_of(pieces)

    @classmethod
    def joined(cls, parts: Iterable[PackedImages | list[ImageRef]]) -> PackedImages:
        """All references of all parts, one part after the other."""
        pieces: list[AlikeImages | list[ImageRef]] = []
        for is_packed, some in groupby(parts, lambda part: isinstance(part, PackedImages)):
            for part in some if is_packed else [packed(chain.from_iterable(some))]:
                pieces += part._pieces  # type: ignore[union-attr]
        return cls(pieces)

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, row: int) -> ImageRef: ...
    @overload
    def __getitem__(self, row: slice) -> list[ImageRef]: ...
    def __getitem__(self, row: int | slice) -> ImageRef | list[ImageRef]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if row < 0:
            row += len(self)
        number = bisect_right(self._starts, row) - 1
        return self._pieces[number][row - self._starts[number]]

    def __iter__(self) -> Iterator[ImageRef]:
        for one in self._pieces:
            yield from one

    def folders(self) -> Iterator[tuple[str, np.ndarray, int | None]]:
        """Each folder of a piece, with its last separator; the rows of its pictures, int64; and how many
        names there are in it, where these pictures were seen among them. Only pictures that are files have
        a folder; it may come again.
        """
        for start, one in zip(self._starts, self._pieces):  # noqa: B905 - the last start is the end
            if isinstance(one, AlikeImages) and one.kind is FileImage and isinstance(one.columns[0], Piece):
                paths = one.columns[0]
                if paths.codes is None:
                    head = paths.heads[0]
                    yield head, np.arange(start, start + len(paths)), one.listed.get(head)
                    continue
                order = np.argsort(paths.codes, kind="stable")
                ends = np.bincount(paths.codes, minlength=len(paths.heads)).cumsum()
                each = np.split(order + start, ends[:-1])
                yield from zip(paths.heads, each, map(one.listed.get, paths.heads), strict=True)
                continue
            rows: dict[str, list[int]] = {}
            for row, image in enumerate(one, start):
                if isinstance(image, FileImage):
                    rows.setdefault(at_slash(image.path)[0], []).append(row)
            yield from ((head, np.array(each, dtype=np.int64), None) for head, each in rows.items())

    def file_names(self, folder: str, rows: np.ndarray) -> list[str]:
        """The names of files in ``folder``, of rows that ``folders`` has given."""
        names: list[str] = []
        piece_of_row = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(piece_of_row).tolist():
            inside = rows[piece_of_row == number] - self._starts[number]
            one = self._pieces[number]
            paths = one.columns[0] if isinstance(one, AlikeImages) else None
            if isinstance(paths, Piece):
                names += paths.tails_of(inside)
            else:
                paths_of_rows = (one[row].path for row in inside.tolist())  # type: ignore[attr-defined,union-attr]
                names += [path[len(folder) :] for path in paths_of_rows]
        return names


def packed(images: Iterable[ImageRef]) -> PackedImages:
    """Some references, packed."""
    left, pieces = iter(images), []
    while some := list(islice(left, AT_ONCE)):
        pieces.append(image_piece(some))
    return PackedImages(pieces)


def image_piece(images: list[ImageRef]) -> AlikeImages | list[ImageRef]:
    """The references in columns, or as they are where they are of several classes or hold anything else."""
    kind = type(images[0])
    if not is_dataclass(kind) or any(type(image) is not kind for image in images):
        return images
    names = [one.name for one in fields(kind) if one.init and not one.kw_only]
    columns = [_column([getattr(image, name) for image in images]) for name in names]
    if len(names) < len(fields(kind)) or any(column is None for column in columns):
        return images
    return AlikeImages(kind, tuple(columns), len(images))


def _column(values: list[Any]) -> Column | None:
    """None: neither texts nor numbers."""
    kind = type(values[0])
    if any(type(value) is not kind for value in values):
        return None
    if kind is str:
        return piece(values, at_slash)
    if kind is int and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    return values[0] if kind is bool and len(set(values)) == 1 else None


def picture_keys(images: AlikeImages | list[ImageRef]) -> np.ndarray:
    """int64 [n]: equal pictures have equal keys, and others hardly ever; in this process."""
    if isinstance(images, AlikeImages) and images.kind is FileImage and isinstance(images.columns[0], Piece):
        path = images.columns[0]
        heads = np.array(list(map(hash, path.heads)), dtype=np.int64)
        return _mixed(heads if path.codes is None else heads[path.codes], text_keys(path.tails))
    parts = [at_slash(one.path) if type(one) is FileImage else None for one in images]
    tails = text_keys(text_array([part[1] if part else "" for part in parts]))
    hashes = [hash(part[0] if part else one) for part, one in zip(parts, images, strict=True)]
    return _mixed(np.array(hashes, dtype=np.int64), tails)


def _mixed(heads: np.ndarray, tails: np.ndarray) -> np.ndarray:
    return (heads * np.int64(MIXING)) ^ tails


def _value(column: Column, row: int) -> Any:
    if isinstance(column, Piece):
        return column.text(row)
    return int(column[row]) if isinstance(column, np.ndarray) else column


def _values(column: Column, count: int) -> Iterable[Any]:
    if isinstance(column, Piece):
        return column.texts()
    return column.tolist() if isinstance(column, np.ndarray) else [column] * count
