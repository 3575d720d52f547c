"""Canvases that are decoded each time they are needed: for data sets too large for the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import FEW, crashed, decoder, decoding_pool, processes
from oneglance.data.images.decoding.streamed_order import StreamedOrder
from oneglance.data.images.decoding.surveyed_sizes import SurveyedSizes
from oneglance.data.images.fetching import fetched
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError, Problem
from oneglance.parallel.process_pool import ProcessPool
from oneglance.progress import Progress

AHEAD_BYTES = 256_000_000  # of canvases decoded ahead
AHEAD_BATCHES = 8
VERSION = 1  # of how a picture is opened: a new number forgets all that ``survey`` kept

Answer = Canvas | PictureError


class Stream:
    """The interface of ``Canvases``, decoding the rows anew each time.

    ``failures`` and ``sizes`` cover the rows that have been decoded so far.

    Args:
        problem: why this is no cache, where the user should know.
        buffer: bytes of canvases that wait until it is their turn, where pictures lie in large files.
        folder: the cache folder, where ``survey`` keeps what it has seen.
    """

    def __init__(
        self,
        refs: Sequence[ImageRef],
        fit: Fit,
        limits: Limits,
        workers: int = 0,
        problem: Problem | None = None,
        buffer: float = 0,
        folder: Path | None = None,
    ) -> None:
        self.failures: dict[int, PictureError] = {}
        self.problem = problem
        self.order = StreamedOrder.of(refs, int(buffer // fit.nbytes))
        self._refs, self._fit, self._limits, self._folder = refs, fit, limits, folder
        self._sizes = np.zeros((len(refs), 2), np.int32)
        count = processes(workers) if len(refs) >= FEW else 0
        self._pool: ProcessPool[ImageRef, Answer]
        self._pool = decoding_pool(decoder(fit, limits, count), crashed, count)
        self._reader = ThreadPoolExecutor(1, "reading")  # in it files are read in turn
        self._plan = _Plan([], None)
        self._begun = 0  # of the plan's rows, in their order: read, or about to be
        self._under_way: deque[Future[Future[list[Answer]]]] = deque()
        self._waiting: deque[Answer] = deque()
        self._held: dict[int, Answer] = {}  # by their place among all that was announced
        self._taken = 0  # of the plan's rows, those that are or were in ``_held``

    def __len__(self) -> int:
        return len(self._refs)

    def describe(self) -> str:
        """What that means for a training."""
        line = "each picture is decoded in every epoch"
        if self.problem is None:
            line = f"{len(self):,} decoded pictures are more than [cache] gigabytes: {line}"
        if self.order is not None:
            line += f"; those in large files are read in turn and mixed {self.order.buffer:,} at a time"
        return line

    def announce(self, batches: Iterable[np.ndarray], reading: np.ndarray | None = None) -> None:
        """Announce the rows that will be gathered next, batch by batch; some are decoded ahead.

        A new announcement replaces the one before.

        Args:
            reading: of each row of all batches, when it is best read: lower numbers first. Default: as they
                are gathered.
        """
        for future in self._under_way:
            if not future.cancel() and future.done() and future.exception() is None:
                future.result().cancel()
        self._under_way.clear()
        self._waiting.clear()
        self._held.clear()
        self._plan, self._begun, self._taken = _Plan(batches, reading), 0, 0
        if self._pool.count:
            self._begin(-1)

    def survey(self, rows: np.ndarray, progress: Progress | None = None) -> None:
        """Decode ``rows`` once: from then on ``failures`` and ``sizes`` are whole for them. What was decoded
        so before, and has not changed since, is not decoded again, but for pictures that could not be.
        """
        if self._folder is None:
            self._survey(rows, progress)
            return
        refs = [self._refs[row] for row in rows.tolist()]
        kept = SurveyedSizes(self._folder, refs, (VERSION, self._limits))
        self._sizes[rows] = kept.read()
        unknown = rows[~self._sizes[rows].any(axis=1)]
        self._survey(unknown, progress)
        if self._sizes[unknown].any():
            kept.write(self._sizes[rows])

    def _survey(self, rows: np.ndarray, progress: Progress | None) -> None:
        if not len(rows):
            return
        if self.order is not None:
            rows = self.order.as_they_lie(rows)
        chunks = np.array_split(rows, max(1, len(rows) // 64))
        self.announce(chunks)
        done = 0
        for chunk in chunks:
            self.gather(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, len(rows), "looking at every picture")

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """uint8 [k, height, width, 3] for int64 ``rows`` [k]; zeros where a picture cannot be decoded, which
        ``readable`` and ``failures`` then report.
        """
        rows = np.asarray(rows)
        answers = self._announced(rows) if self._plan.comes_next(rows) else self._at_once(rows)
        canvases = np.zeros((len(rows), *self._fit.shape), np.uint8)
        for index, (row, answer) in enumerate(zip(rows.tolist(), answers, strict=True)):
            if isinstance(answer, Canvas):
                canvases[index] = answer.pixels
                self._sizes[row] = answer.width, answer.height
                self.failures.pop(row, None)
            else:
                self.failures[row] = answer
        return canvases

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """Width and height in pixels of upright pictures: int32 [k, 2] for int64 ``rows`` [k]; zeros where
        one was not decoded yet, or cannot be.
        """
        return self._sizes[rows]

    def readable(self, rows: np.ndarray) -> np.ndarray:
        """bool [k]: which of ``rows`` could be decoded when last gathered."""
        return np.isin(rows, list(self.failures), invert=True)

    def close(self) -> None:
        """End the decoding processes."""
        self._reader.shutdown(wait=False, cancel_futures=True)
        self._pool.close()

    def _at_once(self, rows: np.ndarray) -> list[Answer]:
        futures = [_decoding(self._pool, refs) for refs in self._chunks(rows)]
        return [answer for future in futures for answer in future.result()]

    def _announced(self, rows: np.ndarray) -> list[Answer]:
        """The answers to the batch that comes next."""
        batch = self._plan.next
        self._plan.next += 1
        self._begin(batch)
        while self._taken < self._plan.needed[batch]:
            if not self._waiting:
                self._waiting.extend(self._under_way.popleft().result().result())
            self._held[int(self._plan.places[self._taken])] = self._waiting.popleft()
            self._taken += 1
        first = int(self._plan.starts[batch])
        return [self._held.pop(place) for place in range(first, first + len(rows))]

    def _begin(self, batch: int) -> None:
        """Have decoded what a batch needs, and what those after it need as far as they may be ahead."""
        end = needed = self._plan.reach(batch)
        if self._pool.count:
            ahead = needed + 1 + AHEAD_BYTES // self._fit.nbytes
            end = max(needed, min(self._plan.reach(batch + AHEAD_BATCHES), ahead))
        for refs in self._chunks(self._plan.rows[self._begun : end]):
            if self._pool.count:
                self._under_way.append(self._reader.submit(_decoding, self._pool, refs))
            else:
                decoded: Future[Future[list[Answer]]] = Future()
                decoded.set_result(_decoding(self._pool, refs))
                self._under_way.append(decoded)
        self._begun = max(self._begun, end)

    def _chunks(self, rows: np.ndarray) -> list[list[ImageRef]]:
        refs, size = [self._refs[row] for row in rows.tolist()], self._pool.chunk
        return [refs[start : start + size] for start in range(0, len(refs), size)]


def _decoding(pool: ProcessPool[ImageRef, Answer], refs: Sequence[ImageRef]) -> Future[list[Answer]]:
    """What has to be read in turn, or lies elsewhere, is read here."""
    return pool.submit(list(fetched(refs)))


class _Plan:
    """What was announced, and in which order it is read."""

    def __init__(self, batches: Iterable[np.ndarray], reading: np.ndarray | None) -> None:
        self._batches = [np.asarray(rows) for rows in batches]
        self.next = 0  # batch to be gathered
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *self._batches])
        places = np.arange(len(rows))
        self.places = places if reading is None else np.argsort(reading, kind="stable")
        self.rows = rows[self.places]  # in the order of reading
        read_at = np.empty(len(rows), dtype=np.int64)
        read_at[self.places] = places
        self.starts = np.cumsum([0, *(len(batch) for batch in self._batches)])
        read_so_far = np.concatenate([[0], np.maximum.accumulate(read_at + 1)])
        self.needed = read_so_far[self.starts[1:]]  # by batch: rows that have been read when it is whole

    def comes_next(self, rows: np.ndarray) -> bool:
        """Whether these are the next batch."""
        return self.next < len(self._batches) and np.array_equal(self._batches[self.next], rows)

    def reach(self, batch: int) -> int:
        """Rows that have been read once a batch is whole, or the last where there are not so many."""
        return int(self.needed[min(batch, len(self.needed) - 1)]) if batch >= 0 and len(self.needed) else 0
