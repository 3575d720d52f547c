"""``s3://``, ``gs://``, ``az://``, ``hf://`` and ``memory://``: stores that list their files.

fsspec's members ask them. Where a store lies and who asks, they find by themselves: in the environment, in
the user's files of the store's own tools, and in fsspec's configuration (``FSSPEC_S3_ENDPOINT_URL``).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem, sync
from fsspec.config import conf

from oneglance.storage.remote import store
from oneglance.storage.remote.store import Facts, RemoteStore, Unavailable, version_of

LISTED_FOR = 60  # seconds for which what a listing says of a file is believed
SENDING, SLOWEST = 60.0, 100_000  # seconds for a file, and bytes of it for each one more
LISTING = 600.0  # seconds that a listing may take
# What changes with a file, the first that is known: listings tell times more finely than files do.
TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
VERSIONS = ("ETag", "etag", "md5Hash", "sha256", "blob_id", *TIMES)
# Each attempt has its own limits; what is tried again is tried here.
ATTEMPT = {"connect_timeout": 10, "read_timeout": 20, "retries": {"max_attempts": 0}}
OPTIONS: Mapping[str, Mapping[str, Any]] = {"s3": {"config_kwargs": ATTEMPT}}
LACKING = ("NoCredentials", "DefaultCredentials", "ClientAuthentication", "PartialCredentials")


class Buckets(RemoteStore):
    """One of these stores."""

    def __init__(self, scheme: str) -> None:
        options = {"listings_expiry_time": LISTED_FOR, **OPTIONS.get(scheme, {}), **conf.get(scheme, {})}
        self._files: Any = fsspec.filesystem(scheme, skip_instance_cache=True, **options)
        with suppress(AttributeError):
            self._files.retries = 1

    def is_folder(self, address: str) -> bool:
        try:
            return bool(store.persistently(address, lambda: self._info(address))["type"] == "directory")
        except OSError:
            return False

    def _facts(self, address: str) -> Facts:
        info = self._info(address)
        if info["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "is a folder", address)
        version = next((info[name] for name in VERSIONS if info.get(name)), None)
        size = int(info["size"]) if info.get("size") is not None else -1
        return Facts(size, version_of() if version is None else version_of(version, size))

    def _read(self, address: str, start: int, most: int) -> bytes:
        if not most:
            return b""
        try:
            return bytes(self._ask("cat_file", address, store.SECONDS, start=start, end=start + most))
        except Unavailable:
            if start and 0 <= self._facts(address).size <= start:  # stores refuse what lies behind the end
                return b""
            raise

    def _entries(self, address: str) -> list[tuple[str, bool]]:
        listed = self._ask("ls", address, LISTING, detail=True)
        if len(listed) == 1 and listed[0]["type"] == "file" and self._name(listed[0]) == self._own(address):
            raise NotADirectoryError(errno.ENOTDIR, "is no folder", address)
        start = f"{self._own(address)}/"
        names = [(self._name(info), info["type"] == "directory") for info in listed]
        return [(name.removeprefix(start), folder) for name, folder in names if name.startswith(start)]

    def _send(self, address: str, file: Path) -> None:
        seconds = SENDING + file.stat().st_size / SLOWEST
        if isinstance(self._files, AsyncFileSystem):
            self._ask("put_file", address, seconds, first=str(file))
        else:
            self._ask("pipe_file", address, seconds, value=file.read_bytes())

    def _remove(self, address: str) -> None:
        self._ask("rm_file", address, store.SECONDS)

    def _info(self, address: str) -> dict[str, Any]:
        info: dict[str, Any] = self._ask("info", address, store.SECONDS)
        return info

    def _own(self, address: str) -> str:
        """The address as the store writes it."""
        return str(self._files._strip_protocol(address)).rstrip("/")

    def _name(self, info: Mapping[str, Any]) -> str:
        return str(info["name"]).rstrip("/")

    def _ask(self, question: str, address: str, seconds: float, *, first: str = "", **how: Any) -> Any:
        """The answer, or what went wrong as an error of the system.

        Args:
            first: what stands before the address.
        """
        words = (first, self._own(address)) if first else (self._own(address),)
        try:
            if isinstance(self._files, AsyncFileSystem):
                asked = getattr(self._files, f"_{question}")(*words, **how)
                return sync(self._files.loop, asyncio.wait_for, asked, seconds)
            return getattr(self._files, question)(*words, **how)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", address) from None
        except PermissionError:
            raise PermissionError(errno.EACCES, "the store does not allow it", address) from None
        except NotADirectoryError:
            raise NotADirectoryError(errno.ENOTDIR, "is no folder", address) from None
        except TimeoutError:
            raise Unavailable(errno.ETIMEDOUT, "does not answer in time", address) from None
        except MemoryError:
            raise
        except Exception as error:  # each library has errors of its own
            if type(error).__name__.startswith(LACKING):
                what = "the store asks who you are, and no credentials are found"
                raise PermissionError(errno.EACCES, what, address) from None
            if any(word in type(error).__name__ for word in ("Endpoint", "Connect", "DNS")):
                raise Unavailable(errno.ECONNREFUSED, "cannot be reached", address) from None
            raise Unavailable(errno.EIO, "the store does not answer as it should", address) from None


def opened(scheme: str) -> Buckets:
    """The store of ``scheme``."""
    return Buckets(scheme)
