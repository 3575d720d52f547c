"""The contract of a store of files on other machines, and what all of them promise.

``facts``    size, and what changes with the file
``read``     its bytes, or some of them
``entries``  what lies in a folder
``send``     a file of this machine to it, as a whole; ``remove``

What a server sends may be slow, wrong or without end. Each attempt has its time, a failure that may pass is
tried again a few times, and then it is an ``OSError`` in plain words, as with files on this machine. Nothing
larger than was asked for is kept.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple, TypeVar

from oneglance.errors import MissingExtraError
from oneglance.storage.remote.addresses import path_text, refusal, scheme_of

TRIES = 4  # of one question, in all
PAUSE = 0.5  # seconds before the second; twice as long before each one after it
SECONDS = 60.0  # of one attempt, and of the time after which none begins any more
SILENCE = 20.0  # seconds in which nothing comes, after which an attempt is given up
MOST_NAMES = 1_000_000  # in one folder
WHOLE = 8_000_000  # bytes of a file that is read at once when it is opened
PIECE = 1 << 20  # bytes of a larger one that are read at once
UNMEASURED = 2_000_000_000  # bytes of a file whose server tells neither its size nor gives parts of it

Answer = TypeVar("Answer")


class Facts(NamedTuple):
    """What is known of a file without reading it."""

    size: int  # bytes; -1 where nobody tells
    version: int  # changes with the file; where nobody tells, with every process


class Entry(NamedTuple):
    """What lies in a folder, as ``os.scandir`` has it."""

    name: str
    path: str
    folder: bool

    def is_dir(self) -> bool:
        return self.folder

    def is_file(self) -> bool:
        return not self.folder


class Unavailable(OSError):  # noqa: N818 - as those of the system are called
    """A failure that may pass."""


class RemoteStore(ABC):
    """The files of one scheme. ``facts``, ``read`` and ``entries`` try again what may pass."""

    lists: ClassVar[bool] = True  # whether it knows folders

    @abstractmethod
    def _facts(self, address: str) -> Facts:
        """One attempt; see ``facts``.

        Raises:
            Unavailable: it may succeed later.
            OSError: it will not.
        """

    @abstractmethod
    def _read(self, address: str, start: int, most: int) -> bytes:
        """One attempt; see ``read``."""

    @abstractmethod
    def _entries(self, address: str) -> list[tuple[str, bool]]:
        """One attempt: the names in a folder, and whether each is a folder."""

    def _send(self, address: str, file: Path) -> None:
        """One attempt; see ``send``."""
        raise OSError(errno.EROFS, "nothing can be written there", address)

    def _remove(self, address: str) -> None:
        """One attempt; see ``remove``."""
        raise OSError(errno.EROFS, "nothing can be written there", address)

    @abstractmethod
    def is_folder(self, address: str) -> bool:
        """Whether pictures may lie in it."""

    def facts(self, address: str) -> Facts:
        """Size and version of a file.

        Raises:
            OSError: it is not there, or the store does not tell.
        """
        return persistently(address, lambda: self._facts(address))

    def read(self, address: str, start: int, most: int) -> bytes:
        """The bytes from ``start`` on, at most ``most``; fewer where the file ends.

        Raises:
            OSError: it cannot be read.
        """
        return persistently(address, lambda: self._read(address, start, most))

    def entries(self, address: str) -> list[Entry]:
        """What lies in a folder, sorted. Names that lead elsewhere are left out.

        Raises:
            OSError: it is not there, cannot be listed, or holds too many names.
        """
        names = persistently(address, lambda: self._entries(address))
        if len(names) > MOST_NAMES:
            raise OSError(errno.EFBIG, f"holds more than {MOST_NAMES:,} files", address)
        own = {name: folder for name, folder in names if _is_name(name)}
        return [Entry(name, path_text(f"{address}/{name}"), own[name]) for name in sorted(own)]

    def send(self, address: str, file: Path) -> None:
        """Write a file of this machine there: it is there as a whole or not at all, and takes the place of
        what was there.

        Raises:
            OSError: it cannot be written.
        """
        persistently(address, lambda: self._send(address, file))

    def remove(self, address: str) -> None:
        """Remove a file.

        Raises:
            OSError: it is not there, or cannot be removed.
        """
        persistently(address, lambda: self._remove(address))

    def open(self, address: str, most: int) -> BinaryIO:
        """A file of at most ``most`` bytes. What is read of a large one is asked for when it is needed.

        Raises:
            OSError: it cannot be read, or is larger.
        """
        size = self.facts(address).size
        if size > most:
            raise too_large(address, most)
        if size > WHOLE:
            return io.BufferedReader(_Parts(self, address, size), PIECE)
        if size >= 0:
            content = self.read(address, 0, size)
            if len(content) != size:
                raise OSError(errno.EIO, f"ends after {len(content):,} of {size:,} bytes", address)
            return io.BytesIO(content)
        return self._measured(address, min(most, UNMEASURED))

    def _measured(self, address: str, most: int) -> BinaryIO:
        """A file of unknown size, fetched to where there is room."""
        content = self.read(address, 0, most + 1)
        if len(content) > most:
            raise too_large(address, most)
        if len(content) <= WHOLE:
            return io.BytesIO(content)
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(content)
        file.seek(0)
        return file  # type: ignore[return-value]


class _Parts(io.RawIOBase):
    """A file of which parts are read when they are needed."""

    def __init__(self, store: RemoteStore, address: str, size: int) -> None:
        self._store, self._address, self._size, self._at = store, address, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "is before the beginning", self._address)
        self._at = start + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        content = self._store.read(self._address, self._at, wanted)
        if len(content) != wanted:
            raise OSError(errno.EIO, "is shorter than it was when it was opened", self._address)
        buffer[:wanted] = content
        self._at += wanted
        return wanted


def store_of(address: str) -> RemoteStore:
    """The store of an address.

    Raises:
        OSError: such an address is not opened.
        MissingExtraError: a package that it needs is not installed.
    """
    if why := refusal(address):
        raise OSError(errno.EINVAL, why, address)
    return _store(scheme_of(address), os.getpid())


@lru_cache(maxsize=16)
def _store(scheme: str, process: int) -> RemoteStore:
    """One for each process: a fork has connections of its own."""
    member = "web" if scheme in ("http", "https") else "buckets"
    package, extra = NEEDED[scheme]
    try:
        import_module(package)
        module = import_module(f"oneglance.storage.remote.stores.{member}")
        store: RemoteStore = module.opened(scheme)
    except ImportError:
        raise MissingExtraError(
            f"{scheme}:// needs the package {package}", hint=f'pip install "oneglance[{extra}]"'
        ) from None
    return store


NEEDED = {
    "http": ("aiohttp", "storage"),
    "https": ("aiohttp", "storage"),
    "s3": ("s3fs", "storage"),
    "hf": ("huggingface_hub", "storage"),
    "memory": ("fsspec", "storage"),
    "gs": ("gcsfs", "gs"),
    "az": ("adlfs", "az"),
}  # scheme -> its package, and the extra that holds it


def persistently(address: str, attempt: Callable[[], Answer]) -> Answer:
    """What ``attempt`` gives, tried again where it is ``Unavailable``, within limits of time and number."""
    begun = time.monotonic()
    for number in range(1, TRIES + 1):
        try:
            return attempt()
        except Unavailable as error:
            reason = error.strerror or "does not answer"
        pause = PAUSE * 2 ** (number - 1)
        if number == TRIES or time.monotonic() - begun + pause > SECONDS:
            break
        time.sleep(pause)
    times = "once" if number == 1 else f"{number} times"
    raise OSError(errno.EIO, f"{reason}; tried {times}", address)


def version_of(*known: object) -> int:
    """A number that changes when one of ``known`` does; one of this process alone where none is known."""
    given = [repr(one) for one in known if one]
    text = "\n".join(given) or _UNKNOWN
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


_UNKNOWN = secrets.token_hex(16)


def too_large(address: str, most: int) -> OSError:
    return OSError(errno.EFBIG, f"is larger than {most:,} bytes", address)


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
