"""The pictures in a zip or tar, each as its offset in the file. Nothing is ever unpacked to the disk.

Why no library does it: ``zipfile`` and ``tarfile`` list the members here, but read them through one object
with a lock and a table of contents; pictures are read by offset from many threads and processes. Against
bombs, sizes and ratios are checked before anything is unpacked.
"""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from oneglance.data.images.references import MEMBER_LIMIT, MemberImage, TarGzMember, TarMember, ZipMember
from oneglance.data.quoting import plain
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, open_plain, open_unpacked, plain_stat

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
LARGEST_RATIO = 200  # unpacked to packed; pictures hardly shrink, a bomb shrinks a thousandfold
SMALL = 1_000_000_000  # unpacked bytes that no ratio forbids
LONGEST_NAME = 4096  # bytes, as for a path on the disk
HEAD = 1_000_000  # bytes of all that a tar says of one member before it


def is_archive(path: Path) -> bool:
    """Whether ``path`` is a file with the ending of an archive that can be read."""
    return path.name.lower().endswith(ENDINGS) and is_file(path)


def members(path: Path) -> Generator[MemberImage | Problem, None, None]:
    """Every visible file in the archive, in its order, and a Problem for each that cannot be used.

    Raises:
        DataError: the archive is damaged or not what its ending says.
    """
    with _sound(path):
        yield from _zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path)


def _zip_members(path: Path) -> Iterator[MemberImage | Problem]:
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    unpacked = sum(info.file_size for info in infos if info.file_size <= MEMBER_LIMIT)
    if unpacked > max(SMALL, LARGEST_RATIO * plain_stat(path).size):
        raise zipfile.BadZipFile  # members that lie in each other, or shrink as no pictures do
    for info in infos:
        name = _clean(info.filename)
        if info.filename.endswith("/") or not name or _hidden(name):
            continue
        wrong = _wrong(name, info.file_size)
        if info.flag_bits & 1:
            wrong = "is locked with a password"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            wrong = "is packed by a method that is not read here"
        if wrong:
            yield _problem(path, name, wrong)
            continue
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        offset = info.header_offset
        yield ZipMember(str(path), name, offset, info.file_size, info.compress_size, deflated, info.CRC)


def _tar_members(path: Path) -> Iterator[MemberImage | Problem]:
    packed = path.suffix.lower() in (".gz", ".tgz")
    kind = TarGzMember if packed else TarMember
    with _open(path, packed) as file:
        careful = _Careful(path, file)
        with tarfile.open(fileobj=careful, mode="r:") as archive:  # type: ignore[call-overload]
            for info in archive:
                archive.members.clear()  # else every header ever read stays in memory
                careful.head = 0
                name = _clean(info.name)
                if not info.isfile() or not name or _hidden(name):
                    continue
                wrong = "has holes in it" if info.issparse() else _wrong(name, info.size)
                if wrong:
                    yield _problem(path, name, wrong)
                else:
                    yield kind(str(path), name, info.offset_data, info.size)


def _open(path: Path, packed: bool) -> BinaryIO:
    return open_unpacked(path) if packed else open_plain(path)  # type: ignore[return-value]


class _Careful:
    """A file as tarfile uses it, that refuses to be a bomb."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._file, self.head = file, 0  # bytes read since the last member
        self._end = max(SMALL, LARGEST_RATIO * plain_stat(path).size)

    def read(self, size: int) -> bytes:
        # A header may claim to be of any length, and go on in others without end. tarfile reads nothing else.
        self.head += size
        if self.head > HEAD or self.tell() > self._end:
            raise tarfile.ReadError
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        if offset > self._end:
            raise tarfile.ReadError
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


def _clean(name: str) -> str:
    names = name.replace("\\", "/").split("/")
    return "/".join(one for one in names if one not in ("", "."))


def _hidden(name: str) -> bool:
    return any(is_hidden(one) for one in name.split("/"))


def is_hidden(name: str) -> bool:
    """What a file manager does not show: ``.name`` and what macOS adds to archives."""
    return (name.startswith(".") and name != "..") or name == "__MACOSX"


def _wrong(name: str, size: int) -> str:
    if ".." in name.split("/"):
        return "leaves the archive"
    if len(name.encode(errors="replace")) > LONGEST_NAME:
        return "has a name that is too long"
    return f"is larger than {MEMBER_LIMIT:,} bytes" if size > MEMBER_LIMIT else ""


def _problem(path: Path, name: str, what: str) -> Problem:
    location = plain(f"{path.name}/{name}")
    return Problem(location, what, hint="left out", kind="archive member", fatal=False)


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError("is not there", location=path.name) from None
    except PermissionError:
        raise DataError("may not be read", location=path.name) from None
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
    ):
        raise DataError("is damaged or no such archive", location=path.name, hint="pack it again") from None
