"""Canvases that are decoded each time they are needed: for data sets too large for the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from oneglance.data.images.decode import Canvas, Limits
from oneglance.data.images.decoding.decode_pool import FEW, crashed, decoder, decoding_pool, processes
from oneglance.data.images.fetching import fetched
from oneglance.data.images.letterbox import Fit
from oneglance.data.record import ImageRef
from oneglance.errors import PictureError, Problem
from oneglance.parallel.process_pool import ProcessPool
from oneglance.progress import Progress

AHEAD_BYTES = 256_000_000  # of canvases decoded ahead
AHEAD_BATCHES = 8

Pending = list[Future[list[Canvas | PictureError]]]


class Stream:
    """The interface of ``Canvases``, decoding the rows anew each time.

    ``failures`` and ``sizes`` cover the rows that have been decoded so far.
    """

    def __init__(
        self,
        refs: Sequence[ImageRef],
        fit: Fit,
        limits: Limits,
        workers: int = 0,
        problem: Problem | None = None,
    ) -> None:
        self.failures: dict[int, PictureError] = {}
        self.problem = problem  # why this is no cache, where the user should know
        self._refs, self._fit = refs, fit
        self._sizes = np.zeros((len(refs), 2), np.int32)
        count = processes(workers) if len(refs) >= FEW else 0
        self._pool: ProcessPool[ImageRef, Canvas | PictureError]
        self._pool = decoding_pool(decoder(fit, limits, count), crashed, count)
        self._announced: Iterator[np.ndarray] = iter(())
        self._ahead: deque[tuple[np.ndarray, Pending]] = deque()

    def __len__(self) -> int:
        return len(self._refs)

    def announce(self, batches: Iterable[np.ndarray]) -> None:
        """Announce the rows that will be gathered next, batch by batch; some are decoded ahead.

        A new announcement replaces the one before.
        """
        for _, pending in self._ahead:
            for future in pending:
                future.cancel()
        self._ahead.clear()
        self._announced = iter(batches)
        self._start_ahead()

    def survey(self, progress: Progress | None = None) -> Stream:
        """Decode everything once: from then on ``failures`` and ``sizes`` are whole."""
        chunks = np.array_split(np.arange(len(self)), max(1, len(self) // 64))
        self.announce(chunks)
        done = 0
        for rows in chunks:
            self.gather(rows)
            done += len(rows)
            if progress is not None:
                progress(done, len(self), "looking at every picture")
        return self

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """uint8 [k, height, width, 3] for int64 ``rows`` [k]; zeros where a picture cannot be decoded, which
        ``readable`` and ``failures`` then report.
        """
        rows = np.asarray(rows)
        if self._ahead and np.array_equal(self._ahead[0][0], rows):
            _, pending = self._ahead.popleft()
            self._start_ahead()
        else:
            pending = self._start(rows)
        canvases = np.zeros((len(rows), *self._fit.shape), np.uint8)
        answers = (answer for future in pending for answer in future.result())
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
        self._pool.close()

    def _start(self, rows: np.ndarray) -> Pending:
        refs = list(fetched(self._refs[row] for row in rows.tolist()))
        chunk = self._pool.chunk
        return [self._pool.submit(refs[start : start + chunk]) for start in range(0, len(refs), chunk)]

    def _start_ahead(self) -> None:
        while self._pool.count and len(self._ahead) < AHEAD_BATCHES:
            held = sum(rows.size for rows, _ in self._ahead) * self._fit.nbytes
            if held > AHEAD_BYTES:
                return
            rows = next(self._announced, None)
            if rows is None:
                return
            rows = np.asarray(rows)
            self._ahead.append((rows, self._start(rows)))
