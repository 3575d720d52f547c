"""References to pictures on disk: a file, a member of an archive, a row of an array. The cell of a Parquet
file is in ``parsing/parquet.py``, pictures in memory are in ``memory_image.py``.

What is opened to read one picture stays open for the next, at most a few files per process. Nothing open
is shared with another process, and a file that was replaced is opened anew.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import zlib
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from oneglance.data.picture_files.formats import PICTURE_ENDINGS
from oneglance.data.record import ImageRef
from oneglance.storage.plain_files import open_unpacked, plain_stat, read_part, read_plain
from oneglance.storage.remote.addresses import is_remote

# A guard for the memory. The limit the user sets ([pictures] megabytes) is kept where pictures are decoded.
MEMBER_LIMIT = 200_000_000  # bytes of one picture inside another file
FILE_LIMIT = 2_000_000_000  # bytes of one picture that is a file
REMOTE_LIMIT = 500_000_000  # the same of a file elsewhere, several of which are fetched at once


def is_picture(name: str) -> bool:
    """Whether a file of this name is taken for a picture."""
    return os.path.splitext(name)[1].lower() in PICTURE_ENDINGS  # noqa: PTH122 - a million names


_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and halves of characters


def printable(name: str) -> str:
    """``name`` as it may be printed and written to files: control characters are written as ``\\n``."""
    return name if name.isprintable() else _ODD.sub(lambda odd: repr(odd[0])[1:-1], name)


FileKey = tuple[str, int, int, int]  # path, size, version, process: when to open anew


def file_key(path: str) -> FileKey:
    """The key under which an open file is kept: it changes with the file at ``path`` and with the process."""
    return path, *file_stat(path), os.getpid()


def file_stat(path: str) -> tuple[int, int]:
    """Size, and a number that changes with the file: when it was modified.

    Raises:
        OSError: it is not there, or is no plain file (opening a pipe would wait for ever).
    """
    facts = plain_stat(path)
    return facts.size, facts.version


@dataclass(frozen=True, slots=True)
class FileImage(ImageRef):
    """A picture that is a file. ``path`` is absolute; ``name`` is how the source calls it."""

    path: str
    name: str = field(compare=False)

    @property
    def is_remote(self) -> bool:
        return is_remote(self.path)

    def load(self) -> bytes:
        return read_plain(self.path, REMOTE_LIMIT if self.is_remote else FILE_LIMIT)

    def stamp(self) -> tuple[Any, ...]:
        return self.path, *file_stat(self.path)


@dataclass(frozen=True, slots=True)
class MemberImage(ImageRef):
    """A picture inside an archive, read from its offset without unpacking the rest. ``archives.members``
    makes them.
    """

    path: str
    member: str  # with forward slashes
    offset: int
    size: int  # bytes of the picture itself

    @property
    def name(self) -> str:
        return printable(f"{Path(self.path).name}/{self.member}")

    @property
    def is_remote(self) -> bool:
        return is_remote(self.path)

    @property
    def place(self) -> tuple[str, int, int]:
        return self.path, 0, self.offset

    def stamp(self) -> tuple[Any, ...]:
        return self.path, *file_stat(self.path), self.member, self.offset

    def load(self) -> bytes:
        if self.size > MEMBER_LIMIT:
            raise OSError(27, f"is larger than {MEMBER_LIMIT:,} bytes", self.name)
        try:
            data = self._read()
        except (EOFError, zlib.error, struct.error):
            data = b""
        if len(data) != self.size:
            raise OSError(5, "the archive is damaged here", self.name)
        return data

    @abstractmethod
    def _read(self) -> bytes:
        """The bytes; not all of them where the archive is damaged."""


@dataclass(frozen=True, slots=True)
class TarMember(MemberImage):
    """In a plain tar: a piece of the file."""

    def _read(self) -> bytes:
        return read_part(self.path, self.offset, self.size)


@dataclass(frozen=True, slots=True)
class TarGzMember(MemberImage):
    """In a packed tar: fast in the order of the archive; each step back unpacks from the start again."""

    @property
    def random_access(self) -> bool:
        return False

    def _read(self) -> bytes:
        stream, lock = _unpacked(file_key(self.path))
        with lock:
            stream.seek(self.offset)
            return stream.read(self.size)


@lru_cache(maxsize=2)
def _unpacked(file: FileKey) -> tuple[BinaryIO, threading.Lock]:
    return open_unpacked(file[0]), threading.Lock()  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class ZipMember(MemberImage):
    """In a zip. Reading from the offset needs no table of contents in every process."""

    packed: int  # bytes in the archive
    deflated: bool  # else stored as it is
    crc: int

    def _read(self) -> bytes:
        signature, name, extra = struct.unpack("<4s22xHH", read_part(self.path, self.offset, 30))
        if signature != b"PK\3\4":
            return b""
        data = read_part(self.path, self.offset + 30 + name + extra, min(self.packed, 2 * MEMBER_LIMIT))
        if self.deflated:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, self.size + 1)
        return data if zlib.crc32(data) == self.crc else b""


@dataclass(frozen=True, slots=True)
class ArrayImage(ImageRef):
    """One picture of a file that holds many as bare numbers. Each format of such files has its own."""

    path: str
    index: int
    member: str = ""  # of the archive that `path` is

    @classmethod
    @abstractmethod
    def pixels(cls, path: Path, member: str) -> np.ndarray:
        """All pictures of the file, uint8 [n, h, w] or [n, h, w, 3].

        Raises:
            OSError: it is not there or not whole.
        """

    @property
    def name(self) -> str:
        inside = f"/{self.member}" if self.member else ""
        return f"{Path(self.path).name}{inside}:{self.index + 1}"

    @property
    def is_remote(self) -> bool:
        return is_remote(self.path)

    @property
    def random_access(self) -> bool:
        return False

    @property
    def place(self) -> tuple[str, int, int]:
        return f"{self.path}/{self.member}", 0, self.index

    def stamp(self) -> tuple[Any, ...]:
        return self.path, *file_stat(self.path), self.member, self.index

    def load(self) -> np.ndarray:
        pixels = _pixels(file_key(self.path), type(self), self.member)
        if self.index >= len(pixels):
            raise OSError(5, "the file holds fewer pictures now", self.name)
        return np.array(pixels[self.index], order="C")


@lru_cache(maxsize=8)
def _pixels(file: FileKey, kind: type[ArrayImage], member: str) -> np.ndarray:
    return kind.pixels(Path(file[0]), member)
