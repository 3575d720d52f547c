"""Texts as Arrow holds them: a few bytes for each where Python takes fifty, and made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pyarrow as pa

AT_ONCE = 65_536  # texts of a piece, all but the last


@dataclass(frozen=True, slots=True)
class Piece:
    """Texts of which each is a head, such as a folder, and a tail."""

    heads: Sequence[str]
    codes: np.ndarray | None  # int32 [n], the head of each; None: all have the first
    tails: pa.Array  # of text, or of bytes where it holds halves of characters

    def __len__(self) -> int:
        return len(self.tails)

    def text(self, row: int) -> str:
        return self.heads[0 if self.codes is None else self.codes[row]] + _text(self.tails[row].as_py())

    def texts(self) -> Iterator[str]:
        tails = self.tails_of(None)
        if self.codes is None:
            head = self.heads[0] if len(self) else ""
            return (head + tail for tail in tails)
        heads = self.heads
        return (heads[code] + tail for code, tail in zip(self.codes.tolist(), tails, strict=True))

    def tails_of(self, rows: np.ndarray | None) -> list[str]:
        """The tails of some rows, or of all."""
        tails = (self.tails if rows is None else self.tails.take(pa.array(rows))).to_pylist()
        return tails if pa.types.is_string(self.tails.type) else list(map(_text, tails))


def piece(texts: Sequence[str], separator: str) -> Piece:
    """The piece of some texts, divided behind the last ``separator`` of each."""
    index: dict[str, int] = {}
    codes, tails = [], []
    for text in texts:
        head, mark, tail = text.rpartition(separator)
        head += mark
        codes.append(index.setdefault(head, len(index)))
        tails.append(tail)
    heads = list(index)
    return Piece(heads, None if len(heads) <= 1 else np.array(codes, dtype=np.int32), _array(tails))


class PackedText(Sequence[str]):
    """A sequence of texts. All pieces but the last have ``AT_ONCE``."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._count = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if row < 0:
            row += len(self)
        return self.pieces[row // AT_ONCE].text(row % AT_ONCE)

    def __iter__(self) -> Iterator[str]:
        for one in self.pieces:
            yield from one.texts()


def _array(texts: Sequence[str]) -> pa.Array:
    try:
        return pa.array(texts, type=pa.string())
    except UnicodeEncodeError:  # names of files may hold halves of characters
        return pa.array([text.encode("utf-8", "surrogatepass") for text in texts], type=pa.binary())


def _text(tail: str | bytes) -> str:
    return tail if isinstance(tail, str) else tail.decode("utf-8", "surrogatepass")
