"""Files that somebody else wrote, or only named: opened if they are plain files of a bearable size.

Every reader of data goes through here. A name in a table, a data.yaml or a configuration may lead to a pipe,
which would be waited for without end, to a device that never ends, through links that lead back to
themselves, or be longer than a name can be. All of these are errors of the system (``OSError``) in plain
words here, and to the questions below they are simply no file.

The same functions read files on other machines: an address such as ``s3://bucket/a.jpg`` is a path, and goes
to its store (``store.py``). There are no links there and no pipes.

Why no library does it: ``pathlib`` raises for names that are too long and for links in a circle, each in
another way by version of Python.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from gzip import GzipFile
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from oneglance.storage.remote.addresses import address_of
from oneglance.storage.remote.store import store_of

# A pipe is opened without waiting for its other end, to be refused then.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Digest(Protocol):
    """What ``hashlib`` gives."""

    def update(self, data: bytes, /) -> None: ...


PIECE = 1 << 20  # bytes that are read at once beyond the size of a file
LARGEST = 1_000_000_000_000  # bytes of any file


class FileFacts(NamedTuple):
    """What is known of a file without reading it."""

    size: int  # bytes; -1 where its server does not tell
    version: int  # changes with the file: when it was modified; of an address, what its store says


class FolderEntry(Protocol):
    """What lies in a folder, as ``os.scandir`` gives it."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...

    def is_dir(self) -> bool: ...


def plain_stat(path: str | Path) -> FileFacts:
    """What the system says of a file.

    Raises:
        OSError: it is not there, or is no plain file.
    """
    if (address := address_of(path)) is not None:
        return FileFacts(*store_of(address).facts(address))
    status = _local_stat(path)
    return FileFacts(status.st_size, status.st_mtime_ns)


def _local_stat(path: str | Path) -> os.stat_result:
    try:
        status = os.stat(path)  # noqa: PTH116 - a million times
    except ValueError:  # a NUL or half a character in the name
        raise FileNotFoundError(errno.ENOENT, "no file can have such a name", repr(path)) from None
    _refuse(path, status, LARGEST)
    return status


def open_plain(path: str | Path, most: int = LARGEST) -> BinaryIO:
    """A file of at most ``most`` bytes, to read.

    Raises:
        OSError: it is not there, is no plain file, or is larger.
    """
    if (address := address_of(path)) is not None:
        return store_of(address).open(address, most)
    _local_stat(path)  # before it is opened: to open some devices does something
    descriptor = os.open(path, _FLAGS)
    try:
        _refuse(path, os.fstat(descriptor), most)  # it may have been replaced
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: str | Path, most: int) -> bytes:
    """The content of a file.

    Raises:
        OSError: see ``open_plain``.
    """
    if (address := address_of(path)) is not None:
        content = store_of(address).read(address, 0, most + 1)
        if len(content) > most:
            raise _too_large(path, most)
        return content
    with open_plain(path, most) as file:
        # Not `read(most + 1)`, for which Python takes so much memory at once. A file may grow meanwhile, and
        # some of the system's say that they are empty.
        parts = [file.read(os.fstat(file.fileno()).st_size + 1)]
        while parts[-1] and sum(map(len, parts)) <= most:
            parts.append(file.read(PIECE))
    if sum(map(len, parts)) > most:
        raise _too_large(path, most)
    return parts[0] if len(parts) < 3 else b"".join(parts)


def add_to_digest(digest: Digest, path: str | Path) -> None:
    """Feed the content of a file to ``digest``, a piece at a time.

    Raises:
        OSError: see ``open_plain``.
    """
    with open_plain(path) as file:
        while piece := file.read(PIECE):
            digest.update(piece)


def read_part(path: str | Path, start: int, size: int) -> bytes:
    """``size`` bytes of a file from ``start`` on, and no others; fewer where it ends.

    Raises:
        OSError: see ``open_plain``.
    """
    if (address := address_of(path)) is not None:
        return store_of(address).read(address, start, size)
    with open_plain(path) as file:
        file.seek(start)
        return file.read(size)


def for_arrow(path: str | Path) -> str | Path | BinaryIO:
    """A file as pyarrow takes it: what lies on this machine it opens by itself, and maps into memory.

    Raises:
        OSError: see ``open_plain``.
    """
    return open_plain(path) if address_of(path) is not None else path


def open_unpacked(path: str | Path) -> GzipFile:
    """What a file packed by gzip holds, to read.

    Raises:
        OSError: see ``open_plain``.
    """
    packed = open_plain(path)
    unpacked = GzipFile(fileobj=packed)
    unpacked.myfileobj = packed  # type: ignore[assignment]  # closed with it, as if it had opened the file by itself
    return unpacked


def is_file(path: str | Path) -> bool:
    """Whether ``path`` is a plain file, or a link to one; never an error."""
    if (address := address_of(path)) is not None:
        return _is_remote_file(address)
    return os.path.isfile(path)  # noqa: PTH113 - Path's own raises for some names


def is_folder(path: str | Path) -> bool:
    """Whether ``path`` is a folder, or a link to one; never an error."""
    if (address := address_of(path)) is not None:
        return _is_remote_folder(address)
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: str | Path) -> bool:
    """Whether anything is at ``path``; a link that leads nowhere is not. Never an error."""
    if (address := address_of(path)) is not None:
        return _is_remote_folder(address) or _is_remote_file(address)
    return os.path.exists(path)  # noqa: PTH110


def why_absent(path: str | Path) -> str:
    """What there is to say of a path at which nothing ``exists``: a store may not answer or not allow it."""
    if (address := address_of(path)) is not None:
        try:
            store_of(address).facts(address)
        except FileNotFoundError:
            pass
        except OSError as error:
            return f"cannot be read: {error.strerror}"
    return "does not exist"


def resolved(path: str | Path) -> Path:
    """The absolute path without links; links in a circle stay as they are. Never an error."""
    if (address := address_of(path)) is not None:
        return Path(address)
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return Path(os.path.abspath(path))  # noqa: PTH100


def located(base: Path, path: str | Path) -> Path:
    """What a file in ``base`` calls ``path``: ``resolved``, and ``~`` is the user's folder."""
    return resolved(path) if address_of(path) is not None else resolved(base / Path(path).expanduser())


def scan(folder: str | Path) -> AbstractContextManager[Iterator[FolderEntry]]:
    """What lies directly in ``folder``, as ``os.scandir`` does it.

    Raises:
        OSError: it is not there, or cannot be listed.
    """
    if (address := address_of(folder)) is not None:
        return nullcontext(iter(store_of(address).entries(address)))
    return os.scandir(folder)


def entry_names(folder: str | Path) -> list[str]:
    """The names of what lies directly in ``folder``, in no order, as ``os.listdir`` gives them: in half the
    time of ``scan``.

    Raises:
        OSError: it is not there, or cannot be listed.
    """
    if address_of(folder) is None:
        return os.listdir(folder)  # noqa: PTH208
    with scan(folder) as entries:
        return [entry.name for entry in entries]


def names_in(folder: str | Path, pattern: str = "*") -> list[Path]:
    """What lies directly in ``folder`` under names that match ``pattern``, sorted; nothing where it cannot be
    read.
    """
    try:
        if address_of(folder) is not None:
            with scan(folder) as entries:
                return [Path(entry.path) for entry in entries if fnmatch.fnmatch(entry.name, pattern)]
        # Names are sorted, not paths: with 200,000 files that is a second instead of ten.
        return [Path(folder, name) for name in sorted(fnmatch.filter(entry_names(folder), pattern))]
    except (OSError, ValueError):
        return []


def folders_with(folder: Path, name: str) -> list[Path]:
    """``folder`` alone where it holds a file of this name, else those directly in it that do, sorted; hidden
    ones are left out.
    """
    every = [folder] if is_file(folder / name) else names_in(folder)
    return [path for path in every if is_file(path / name) and not path.name.startswith(".")]


def _is_remote_file(address: str) -> bool:
    try:
        store_of(address).facts(address)
    except OSError:
        return False
    return True


def _is_remote_folder(address: str) -> bool:
    try:
        return store_of(address).is_folder(address)
    except OSError:
        return False


def _refuse(path: str | Path, status: os.stat_result, most: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is no file but a pipe, a socket or a device", str(path))
    if status.st_size > most:
        raise _too_large(path, most)


def _too_large(path: str | Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
