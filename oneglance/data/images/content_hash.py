"""A digest of the content of each picture: two pictures with equal digests are the same picture.

Digests are stored beside the cache of decoded pictures, so that unchanged files are not read again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from oneglance.data.images.fetching import ahead
from oneglance.data.record import ImageRef
from oneglance.progress import Progress

BYTES = 16  # of a digest
SHORT = 8  # bytes of what a run folder keeps of it
BATCH = 2000  # pictures between two writes to the store
LARGEST = 1_000_000_000  # bytes of the store; a larger one is begun anew


def short(digest: bytes) -> str:
    """As a run folder keeps it of each picture."""
    return digest[:SHORT].hex()


def digests(refs: Sequence[ImageRef], folder: Path, progress: Progress | None = None) -> list[bytes | None]:
    """The digest of every picture's file or array, 16 bytes; None where it cannot be read.

    Only pictures whose ``stamp`` is not in the store of ``folder`` are read. An interruption keeps the
    digests so far; a store that cannot be used costs time, nothing else.
    """
    stamps = list(ahead(stamp_of, refs))
    store = DigestStore(folder / "digests.sqlite")
    stored = store.recall(stamp for stamp in stamps if stamp is not None)
    result = [stored.get(stamp) if stamp is not None else None for stamp in stamps]
    todo = [row for row, digest in enumerate(result) if digest is None and stamps[row] is not None]
    fresh: dict[bytes, bytes] = {}
    try:
        read = ahead(_digest_of, (refs[row] for row in todo))
        for done, (row, digest) in enumerate(zip(todo, read, strict=True), 1):
            stamp, result[row] = stamps[row], digest
            if digest is not None and stamp is not None:
                fresh[stamp] = digest
            if done % BATCH == 0:
                store.keep(fresh)
                fresh = {}
            if progress and (done % 64 == 0 or done == len(todo)):
                progress(done, len(todo), "reading pictures")
    finally:
        store.keep(fresh)
    return result


def content_digest(loaded: bytes | np.ndarray) -> bytes:
    """The digest of the result of ``ImageRef.load``; an array's shape and type count too."""
    digest = hashlib.blake2b(digest_size=BYTES)
    if isinstance(loaded, np.ndarray):
        digest.update(f"{loaded.dtype}{loaded.shape}".encode())
        loaded = loaded.tobytes()
    digest.update(loaded)
    return digest.digest()


def joint_digest(digests: Iterable[bytes | None], settings: object) -> str:
    """Of several pictures in their order, and of what is done to them."""
    joint = hashlib.blake2b(repr(settings).encode(), digest_size=BYTES)
    for digest in digests:
        joint.update(digest or bytes(BYTES))
    return joint.hexdigest()


def _digest_of(ref: ImageRef) -> bytes | None:
    try:
        return content_digest(ref.load())
    except Exception:  # decoding it raises the reason, with its name
        return None


def stamp_of(ref: ImageRef) -> bytes | None:
    """Of 16 bytes, another one whenever the picture may have changed; None where it is not there."""
    try:
        return hashlib.blake2b(repr((type(ref).__name__, ref.stamp())).encode(), digest_size=BYTES).digest()
    except Exception:
        return None


class DigestStore:
    """Stamp -> digest, both of 16 bytes, in a small SQLite file that several runs may use at once.

    It is only a cache: its errors are ignored. A damaged file is removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, stamps: Iterable[bytes]) -> dict[bytes, bytes]:
        """The digests of those of ``stamps`` that are stored."""
        stored: dict[bytes, bytes] = {}
        with self._errors_ignored(), closing(self._open()) as database:
            for batch in _batched(stamps, 500):  # SQLite allows 999 values in a question
                slots = ",".join("?" * len(batch))
                stored.update(
                    database.execute(f"SELECT stamp, digest FROM digests WHERE stamp IN ({slots})", batch)
                )
        return stored

    def keep(self, fresh: Mapping[bytes, bytes]) -> None:
        """Add digests."""
        if not fresh:
            return
        with self._errors_ignored(), closing(self._open()) as database, database:
            database.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?)", fresh.items())

    def _open(self) -> sqlite3.Connection:
        with suppress(OSError, ValueError):
            if self._path.stat().st_size > LARGEST:
                self._path.unlink()
        database = sqlite3.connect(self._path, timeout=30)  # another run may be writing
        try:
            database.execute("PRAGMA synchronous = OFF")  # after a power cut the pictures are read again
            database.execute(
                "CREATE TABLE IF NOT EXISTS digests (stamp BLOB PRIMARY KEY, digest BLOB) WITHOUT ROWID"
            )
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def _errors_ignored(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError:  # busy, read-only or a full disk
            pass
        except (sqlite3.Error, OSError, ValueError):  # damaged, or no name that a file can have
            for path in (self._path, self._path.with_name(self._path.name + "-journal")):
                with suppress(OSError, ValueError):
                    path.unlink()


def _batched(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    items = list(items)
    return (items[start : start + size] for start in range(0, len(items), size))
