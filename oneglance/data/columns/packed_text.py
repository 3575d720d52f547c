"""Texts as Arrow holds them: a few bytes for each where Python takes fifty, and made when asked for."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import accumulate
from typing import overload

import numpy as np
import pyarrow as pa

AT_ONCE = 65_536  # texts of a piece, where they come one by one
MOST_KEYED = 1024  # bytes of a text that its key is made of
MIXING = 0x5851F42D4C957F2D  # odd and large (Knuth, MMIX): a and b are not b and a


@dataclass(frozen=True, slots=True)
class Piece:
    """Texts of which each is a head, such as a folder, and a tail."""

    heads: Sequence[str]
    codes: np.ndarray | None  # int32 [n], the head of each; None: all have the first
    tails: pa.Array | range  # text, bytes where it holds halves of characters, or numbers

    def __len__(self) -> int:
        return len(self.tails)

    def text(self, row: int) -> str:
        tail = self.tails[row]
        end = str(tail) if isinstance(tail, int) else _text(tail.as_py())
        return self.heads[0 if self.codes is None else self.codes[row]] + end

    def texts(self) -> Iterator[str]:
        tails = self.tails_of(None)
        if self.codes is None:
            head = self.heads[0] if len(self) else ""
            return (head + tail for tail in tails)
        heads = self.heads
        return (heads[code] + tail for code, tail in zip(self.codes.tolist(), tails, strict=True))

    def tails_of(self, rows: np.ndarray | None) -> list[str]:
        """The tails of some rows, or of all."""
        if isinstance(self.tails, range):
            return list(map(str, self.tails if rows is None else np.array(self.tails)[rows].tolist()))
        tails = (self.tails if rows is None else self.tails.take(pa.array(rows))).to_pylist()
        return tails if pa.types.is_string(self.tails.type) else list(map(_text, tails))


def piece(texts: Sequence[str], divided: Callable[[str], tuple[str, str]]) -> Piece:
    """The piece of some texts, each ``divided`` into its head and its tail."""
    index: dict[str, int] = {}
    codes, tails = [], []
    for head, tail in map(divided, texts):
        codes.append(index.setdefault(head, len(index)))
        tails.append(tail)
    heads = list(index)
    return Piece(heads, None if len(heads) <= 1 else np.array(codes, dtype=np.int32), text_array(tails))


def at_colon(location: str) -> tuple[str, str]:
    """``t.csv:`` and ``17`` of ``t.csv:17``."""
    head, mark, tail = location.rpartition(":")
    return head + mark, tail


def at_slash(path: str) -> tuple[str, str]:
    """The folder of a path, with its last separator, and the name in it."""
    head, mark, tail = path.rpartition(os.sep if os.sep in path else "/")
    return head + mark, tail


class PackedText(Sequence[str]):
    """A sequence of texts, in pieces."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._starts = starts_of(pieces)

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if row < 0:
            row += len(self)
        number = bisect_right(self._starts, row) - 1
        return self.pieces[number].text(row - self._starts[number])

    def __iter__(self) -> Iterator[str]:
        for one in self.pieces:
            yield from one.texts()


def starts_of(pieces: Iterable[Sized]) -> list[int]:
    """The first row of each piece, and the number of all rows."""
    return list(accumulate(map(len, pieces), initial=0))


def text_array(texts: Sequence[str]) -> pa.Array:
    """Texts as Arrow has them."""
    try:
        return pa.array(texts, type=pa.string())
    except UnicodeEncodeError:  # names of files may hold halves of characters
        return pa.array([text.encode("utf-8", "surrogatepass") for text in texts], type=pa.binary())


def printable_ascii(texts: pa.StringArray) -> bytes | None:
    """All texts in a row, where each character is printable ASCII: millions are looked at at once."""
    _, ends, data = texts.buffers()
    first, last = np.frombuffer(ends, dtype=np.int32)[[texts.offset, texts.offset + len(texts)]]
    inside = memoryview(data or b"")[first:last]
    characters = np.frombuffer(inside, dtype=np.uint8)
    is_printable = characters.min(initial=32) >= 32 and characters.max(initial=32) < 127
    return inside.tobytes() if is_printable else None


def text_keys(texts: pa.Array) -> np.ndarray:
    """int64 [n]: equal texts have equal keys, and others hardly ever, if they differ in their first bytes."""
    _, ends, data = texts.buffers()
    bounds = np.frombuffer(ends, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(
        np.int64
    )
    starts, sizes = bounds[:-1], np.diff(bounds)
    padded = np.zeros(int(bounds[-1]) + 8, dtype=np.uint8)
    padded[:-8] = np.frombuffer(data or b"", dtype=np.uint8)[: bounds[-1]]
    words = np.ndarray(len(padded) - 7, dtype="<u8", buffer=padded, strides=(1,))  # eight bytes from each on
    keys = sizes.astype(np.uint64)
    for start in range(0, min(int(sizes.max(initial=0)), MOST_KEYED), 8):
        rows = np.flatnonzero(sizes > start)
        left = np.minimum(sizes[rows] - start, 8).astype(np.uint64)
        eight = words[starts[rows] + start] << (np.uint64(64) - 8 * left)  # without those of the next text
        mixed = (keys[rows] ^ eight) * np.uint64(MIXING)
        keys[rows] = mixed ^ (mixed >> np.uint64(32))
    return keys.view(np.int64)


def _text(tail: str | bytes) -> str:
    return tail if isinstance(tail, str) else tail.decode("utf-8", "surrogatepass")
