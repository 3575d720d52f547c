"""What each picture holds, as a short digest: two pictures with equal digests are the same picture.

Digests are remembered beside the cache, so that files that have not changed are not read again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from oneglance.data.record import ImageRef

Progress = Callable[[int, int, str], None]  # done, of how many, what

BYTES = 16  # of a digest
BATCH = 2000  # pictures between two writes to the memory
LARGEST = 1_000_000_000  # bytes of the memory; a larger one is begun anew


def digests(refs: Sequence[ImageRef], folder: Path, progress: Progress | None = None) -> list[bytes | None]:
    """The digest of every picture's file or array, 16 bytes; None where it cannot be read.

    Only pictures whose ``stamp`` is not in the memory of ``folder`` are read. An interruption keeps what
    was digested so far; a memory that cannot be used costs time, nothing else.
    """
    stamps = [_stamp_of(ref) for ref in refs]
    memory = Memory(folder / "digests.sqlite")
    known = memory.recall(stamp for stamp in stamps if stamp is not None)
    found = [known.get(stamp) if stamp is not None else None for stamp in stamps]
    todo = [row for row, digest in enumerate(found) if digest is None and stamps[row] is not None]
    fresh: dict[bytes, bytes] = {}
    try:
        for done, row in enumerate(todo, 1):
            stamp = stamps[row]
            digest = found[row] = _digest_of(refs[row])
            if digest is not None and stamp is not None:
                fresh[stamp] = digest
            if done % BATCH == 0:
                memory.keep(fresh)
                fresh = {}
            if progress and (done % 64 == 0 or done == len(todo)):
                progress(done, len(todo), "reading pictures")
    finally:
        memory.keep(fresh)
    return found


def content(loaded: bytes | np.ndarray) -> bytes:
    """The digest of what ``ImageRef.load`` gave; an array's shape and type count too."""
    digest = hashlib.blake2b(digest_size=BYTES)
    if isinstance(loaded, np.ndarray):
        digest.update(f"{loaded.dtype}{loaded.shape}".encode())
        loaded = loaded.tobytes()
    digest.update(loaded)
    return digest.digest()


def _digest_of(ref: ImageRef) -> bytes | None:
    try:
        return content(ref.load())
    except Exception:  # decoding it will say why, by name
        return None


def _stamp_of(ref: ImageRef) -> bytes | None:
    try:
        return hashlib.blake2b(repr((type(ref).__name__, ref.stamp())).encode(), digest_size=BYTES).digest()
    except Exception:
        return None


class Memory:
    """Stamp -> digest, both of 16 bytes, in a small SQLite file that several runs may use at once.

    It is only a memory: what goes wrong with it is forgotten. A damaged file is removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, stamps: Iterable[bytes]) -> dict[bytes, bytes]:
        """Those of ``stamps`` that are known."""
        known: dict[bytes, bytes] = {}
        with self._forgiving(), closing(self._open()) as book:
            for some in _batched(stamps, 500):  # SQLite allows 999 values in a question
                marks = ",".join("?" * len(some))
                known.update(
                    book.execute(f"SELECT stamp, digest FROM digests WHERE stamp IN ({marks})", some)
                )
        return known

    def keep(self, fresh: Mapping[bytes, bytes]) -> None:
        """Add to the memory."""
        if not fresh:
            return
        with self._forgiving(), closing(self._open()) as book, book:
            book.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?)", fresh.items())

    def _open(self) -> sqlite3.Connection:
        with suppress(OSError):
            if self._path.stat().st_size > LARGEST:
                self._path.unlink()
        book = sqlite3.connect(self._path, timeout=30)  # another run may be writing
        try:
            book.execute("PRAGMA synchronous = OFF")  # after a power cut the pictures are read again
            book.execute(
                "CREATE TABLE IF NOT EXISTS digests (stamp BLOB PRIMARY KEY, digest BLOB) WITHOUT ROWID"
            )
        except BaseException:
            book.close()
            raise
        return book

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError:  # busy, read-only or a full disk
            pass
        except (sqlite3.Error, OSError):  # damaged
            for path in (self._path, self._path.with_name(self._path.name + "-journal")):
                with suppress(OSError):
                    path.unlink()


def _batched(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    items = list(items)
    return (items[start : start + size] for start in range(0, len(items), size))
