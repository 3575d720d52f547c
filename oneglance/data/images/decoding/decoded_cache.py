"""Pictures are decoded once: their canvases (letterboxed to the network's input size) are kept in one
memory-mapped file, named by their content.

Why no library does it: a cache of single pictures (``diskcache``, LMDB) copies and unpickles each of them;
here a batch is one ``np.take`` from a memory map that all processes share, and a file is complete or not
there at all.

The name of the file is a digest of the pictures in their order, the canvas and the limits. The file is
pixels, then sizes, then a line of JSON; it gets its name when it is complete, so a file with that name can
be trusted. Sets too large for the limit stream instead, through the same interface.
"""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from oneglance.config import CacheTable
from oneglance.data.images.content_hash import digests, joint_digest
from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import (
    FEW,
    DecodeInto,
    crashed_row,
    decode,
    decoder,
    decoding_pool,
    processes,
)
from oneglance.data.images.decoding.decoded_stream import Stream
from oneglance.data.images.decoding.streamed_order import StreamedOrder
from oneglance.data.images.fetching import fetched
from oneglance.data.images.letterbox import Fit
from oneglance.data.quoting import plain
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, PictureError, Problem
from oneglance.progress import Progress
from oneglance.storage.cache_home import cache_home

VERSION = 3  # of the file and of how pictures are decoded: a new number forgets all caches
DAY = 86_400  # seconds after which an unfinished file is a leftover


def open_canvases(
    refs: Sequence[ImageRef], fit: Fit, limits: Limits, table: CacheTable, progress: Progress | None = None
) -> Canvases | Stream:
    """The decoded pictures ``refs``: from the cache, built there first if need be, or streamed where they are
    larger than [cache] gigabytes or the folder cannot be written (then ``problem`` holds the reason). What is
    streamed tells of ``failures`` and ``sizes`` after ``survey``.

    Raises:
        DataError: the disk is full.
    """
    folder, waiting = cache_folder(table), table.shuffle_gigabytes * 1e9
    if _bytes_of(len(refs), fit) > table.gigabytes * 1e9:
        return Stream(refs, fit, limits, table.workers, buffer=waiting, folder=folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no folder can have such a name"
        problem = Problem(
            plain(str(folder)),
            f"cannot be written ({reason}), so pictures are decoded again each time",
            hint="name another folder in [cache] folder",
            fatal=False,
        )
        return Stream(refs, fit, limits, table.workers, problem, waiting)
    return Canvases.build(refs, fit, limits, folder, table.workers, progress, table.gigabytes)


def cache_folder(table: CacheTable) -> Path:
    """[cache] folder, else ONEGLANCE_CACHE, else the user's cache folder; it may not exist yet."""
    return cache_home(table.folder)


class Canvases:
    """Decoded pictures in a memory-mapped file."""

    problem: Problem | None = None
    order: StreamedOrder | None = None  # a batch may hold any pictures

    def __init__(self, pixels: np.ndarray, sizes: np.ndarray, failures: dict[int, PictureError]) -> None:
        self._pixels, self._sizes = pixels, sizes  # uint8 [n, height, width, 3]; int32 [n, 2]
        self.failures = failures  # by row: pictures that cannot be decoded, left out by the caller

    @classmethod
    def build(
        cls,
        refs: Sequence[ImageRef],
        fit: Fit,
        limits: Limits,
        folder: Path,
        workers: int = 0,
        progress: Progress | None = None,
        gigabytes: float = math.inf,
    ) -> Canvases:
        """The canvases of ``refs`` in ``folder``, decoded only where no complete file of them is there.

        Raises:
            DataError: the disk is full.
        """
        contents = digests(refs, folder, progress)
        path = folder / f"{joint_digest(contents, (VERSION, fit, limits))}.canvases"
        for _ in range(3):  # another run may remove the file in between, to make room for its own
            canvases = cls._read(path, refs, fit)
            if canvases and not canvases._decodes_better(refs, fit, limits, workers):
                with suppress(OSError):
                    os.utime(path)  # the least recently used file goes first
                return canvases
            _make_room(folder, _bytes_of(len(refs), fit), gigabytes, keep=path)
            _write(path, refs, fit, limits, workers, progress)
            if (canvases := cls._read(path, refs, fit)) is not None:
                return canvases
        raise DataError("does not keep its files", location=str(folder), hint="name another [cache] folder")

    @classmethod
    def _read(cls, path: Path, refs: Sequence[ImageRef], fit: Fit) -> Canvases | None:
        """The file at ``path``, or None where there is none that is whole."""
        count = len(refs)
        start = count * fit.nbytes
        try:
            with path.open("rb") as file:
                file.seek(start)
                sizes = np.frombuffer(file.read(count * 8), "<i4").reshape(count, 2).astype(np.int32)
                end = json.loads(file.read())
            if (end["version"], end["pictures"], end["canvas"]) != (VERSION, count, [fit.width, fit.height]):
                return None
            failures = {
                int(row): PictureError(what, location=refs[row].name, hint=hint)
                for row, what, hint in end["failures"]
            }
            shape = (count, *fit.shape)
            pixels = np.memmap(path, np.uint8, "r", shape=shape) if count else np.zeros(shape, np.uint8)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return cls(np.asarray(pixels), sizes, failures)

    def _decodes_better(self, refs: Sequence[ImageRef], fit: Fit, limits: Limits, workers: int) -> bool:
        """Whether a picture that failed when the file was made can be decoded now: a drive came back."""
        failed = [refs[row] for row in self.failures]
        return any(isinstance(canvas, Canvas) for canvas in decode(failed, fit, limits, workers, few=1))

    def __len__(self) -> int:
        return len(self._pixels)

    def describe(self) -> str:
        """Nothing that a user should know."""
        return ""

    def survey(self, rows: np.ndarray, progress: Progress | None = None) -> None:
        """All were decoded."""

    def announce(self, batches: Iterable[np.ndarray], reading: np.ndarray | None = None) -> None:
        """The rows that will be gathered next; of use to a ``Stream`` only."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """uint8 [k, height, width, 3] for int64 ``rows`` [k]; zeros where a picture cannot be decoded."""
        return np.take(self._pixels, rows, axis=0)

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """Width and height in pixels of upright pictures: int32 [k, 2] for int64 ``rows`` [k]; zeros where
        one cannot be decoded.
        """
        return self._sizes[rows]

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """bool [k]: which of ``rows`` could be decoded."""
        return np.isin(rows, list(self.failures), invert=True)

    def close(self) -> None:
        """Release the file."""
        self._pixels = np.zeros((0, *self._pixels.shape[1:]), np.uint8)


def _bytes_of(count: int, fit: Fit) -> int:
    return count * (fit.nbytes + 8)


# ---- writing


def _write(
    path: Path, refs: Sequence[ImageRef], fit: Fit, limits: Limits, workers: int, progress: Progress | None
) -> None:
    count = len(refs)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.unfinished")
    sizes = np.zeros((count, 2), "<i4")
    failures: list[tuple[int, str, str]] = []
    try:
        _allocate(unfinished, _bytes_of(count, fit))
        workers_started = processes(workers) if count >= FEW else 0
        job = DecodeInto(decoder(fit, limits, workers_started), unfinished)
        with decoding_pool(job, crashed_row, workers_started) as pool:
            for row, answer in enumerate(pool.map(enumerate(fetched(refs)))):
                if isinstance(answer, PictureError):
                    failures.append((row, answer.what, answer.hint))
                else:
                    sizes[row] = answer
                if progress and ((row + 1) % 64 == 0 or row + 1 == count):
                    progress(row + 1, count, "decoding pictures")
        with unfinished.open("rb+") as file:
            file.seek(count * fit.nbytes)
            file.write(sizes.tobytes())
            canvas = [fit.width, fit.height]
            end = {"version": VERSION, "pictures": count, "canvas": canvas, "failures": failures}
            file.write(json.dumps(end).encode())
            file.flush()
            os.fsync(file.fileno())  # or a power cut leaves a trusted name on empty pixels
        try:
            unfinished.replace(path)
        except PermissionError:  # Windows: another run made the same file and is using it
            if not path.exists():
                raise
    except OSError as error:
        raise _explained(error, path.parent, _bytes_of(count, fit)) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _allocate(path: Path, size: int) -> None:
    """A file of zeros whose room on the disk is really there.

    Raises:
        OSError: it is not.
    """
    with path.open("xb") as file:
        try:
            if size:
                os.posix_fallocate(file.fileno(), 0, size)
        except (AttributeError, OSError) as error:  # not on macOS, Windows and some file systems
            if isinstance(error, OSError) and error.errno not in (
                errno.EINVAL,
                errno.EOPNOTSUPP,
                errno.ENOSYS,
            ):
                raise
            piece = bytes(1 << 23)
            for start in range(0, size, len(piece)):
                file.write(piece[: size - start])


def _explained(error: OSError, folder: Path, needed: int) -> DataError:
    what = f"cannot be written ({error.strerror})"
    if error.errno == errno.EFBIG:
        what = f"may not hold a file of {needed:,} bytes, as the decoded pictures need (ulimit -f)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
            what = f"has {free / 1e9:.2f} GB free, but the decoded pictures need {needed / 1e9:.2f} GB"
    hint = "name another [cache] folder, or decode each time with [cache] gigabytes = 0"
    return DataError(what, location=str(folder), hint=hint)


# ---- room


def _make_room(folder: Path, needed: int, gigabytes: float, keep: Path) -> None:
    """Remove leftovers of runs that were killed, and the least recently used caches beyond the limit."""
    for leftover in folder.glob("*.unfinished"):
        with suppress(OSError):
            if leftover.stat().st_mtime < time.time() - DAY:
                leftover.unlink()
    caches = []
    for path in folder.glob("*.canvases"):
        with suppress(OSError):
            status = path.stat()
            caches.append((status.st_mtime, status.st_size, path))
    total = needed + sum(size for _, size, path in caches if path != keep)
    for _, size, path in sorted(caches):
        if total <= gigabytes * 1e9:
            return
        if path != keep:
            with suppress(OSError):  # in use, on Windows
                path.unlink()
                total -= size
