"""Passes of ONNX Runtime within limits of time and memory.

The graph in a file may be a stranger's: it may hold an endless loop, or ask for more memory than there is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from oneglance.errors import RunError
from oneglance.parallel.cpus import threads

SECONDS = 8.0  # that a pass may take at least
SLOWER = 20.0  # times what it took at first, so much longer it may take on a busy machine
MEMORY = 1_000_000_000, 250_000_000  # bytes of all passes together, and more for each thread


class TimedOut(Exception):  # noqa: N818 - it stays in this file
    """A pass was ended."""


class BoundedPasses:
    """Runs a session; each pass ends when its time is over, and takes fewer pictures where memory is short.

    Args:
        session: of ONNX Runtime, opened with ``bounded_memory(options)``.
        location: the file, for messages.
    """

    def __init__(self, session: Any, location: str) -> None:
        self._session, self._location = session, location
        self._each = 0.0  # seconds per picture of the first pass
        self._most = 0  # pictures of a pass that fit the memory; 0: any number so far

    def run(self, outputs: Sequence[str], name: str, canvases: np.ndarray) -> list[np.ndarray]:
        """The outputs for the input ``name``; see ``run_all``."""
        return self.run_all(outputs, {name: canvases})

    def run_all(self, outputs: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for all inputs by name, of which each holds the same pictures, at least one.

        Raises:
            RunError: one picture alone takes too much time or memory, or cannot be passed.
        """
        count, most = len(next(iter(feeds.values()))), self._most
        if not most or count <= most:
            try:
                return self._timed(lambda options: self._session.run(outputs, dict(feeds), options), count)
            except TimedOut:
                raise RunError(
                    "a pass of the network does not end in time", location=self._location, hint=ELSEWHERE
                ) from None
            except Exception:  # its errors have no common class, nor a word of their own for memory
                if count == 1:
                    raise RunError(
                        "the network cannot pass one picture within the memory that it may use",
                        location=self._location,
                        hint=ELSEWHERE,
                    ) from None
                most = self._most = min(count, self._most or count) // 2 or 1
        parts = [
            self.run_all(outputs, {name: each[start : start + most] for name, each in feeds.items()})
            for start in range(0, count, most)
        ]
        return [np.concatenate(columns) for columns in zip(*parts, strict=True)]

    def _timed(self, work: Callable[[Any], list[np.ndarray]], count: int) -> list[np.ndarray]:
        """Once more where it was ended: the process may have been halted in between."""
        limit = SECONDS + SLOWER * count * self._each
        for _ in range(2):
            began = time.monotonic()
            options = _run_options()
            with WATCH.until(began + limit, options):
                try:
                    result = work(options)
                except Exception:
                    if not options.terminate:
                        raise
                    continue
            self._each = self._each or (time.monotonic() - began) / count
            return result
        raise TimedOut


ELSEWHERE = "use it only if you know where it comes from; then run it with ONNX Runtime itself"


def _run_options() -> Any:
    import onnxruntime

    return onnxruntime.RunOptions()


class Watch:
    """One thread that ends what takes too long."""

    def __init__(self) -> None:
        self._deadlines: dict[int, tuple[float, Any]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def until(self, deadline: float, options: Any) -> Iterator[None]:
        """A block during which ``options.terminate`` becomes true at ``deadline``, of ``time.monotonic``."""
        with self._lock:
            self._deadlines[id(options)] = deadline, options
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="passes in time", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._deadlines[id(options)]

    def _look(self) -> None:
        while True:
            time.sleep(0.5)
            with self._lock:
                now = time.monotonic()
                for deadline, options in self._deadlines.values():
                    if now > deadline:
                        options.terminate = True


WATCH = Watch()


def bounded_memory(options: Any) -> None:
    """Sessions with these options share one arena of this process, which does not grow beyond ``MEMORY``.
    Weights lie outside: they take what the file takes.
    """
    _make_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")


@lru_cache(maxsize=1)
def _make_arena() -> None:
    import onnxruntime

    least, each = MEMORY
    settings = onnxruntime.OrtArenaCfg({"max_mem": least + each * threads()})
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(place, settings)
