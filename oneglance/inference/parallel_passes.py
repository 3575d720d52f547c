"""Forward passes in parallel.

On a CPU, passes at the same time, each on a processor of its own, are done sooner than the same pictures in
one pass on all processors: the layers of a network are short, and after each of them the threads of a pass
wait for each other. One picture alone is passed on all processors that other programs leave: a thread that
has none of its own keeps all others waiting, after every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from oneglance.inference.engine import Engine, EngineOutput, Parallel
from oneglance.parallel.cpus import threads
from oneglance.parallel.free_processors import FreeProcessors

Result = TypeVar("Result")


def threads_of_each(passes: int) -> int:
    """How many threads a pass may take where ``passes`` of them run in parallel."""
    return max(1, threads() // passes)


class SharedWork:
    """Shares work on pictures among as many parallel passes as an engine wants.

    Args:
        free: what other programs leave; looked at from now on by default.
    """

    def __init__(self, engine: Parallel, free: FreeProcessors | None = None) -> None:
        self.engine = engine
        self._free = free or FreeProcessors(1 if engine.on_gpu else 0)

    def map(self, work: Callable[..., Result], *columns: Sequence[Any] | np.ndarray) -> Iterator[Result]:
        """``work`` on each pass's share of ``columns`` of equal length, at least one share, in order."""
        count = len(columns[0])
        shares = min(self.engine.passes, max(1, count))
        edges = [count * share // shares for share in range(shares + 1)]
        cut = [[column[start:end] for start, end in pairwise(edges)] for column in columns]
        if shares == 1:
            return self._alone(work, *cut)
        return self._pool.map(work, *cut)

    def _alone(self, work: Callable[..., Result], *cut: Sequence[Any]) -> Iterator[Result]:
        """No pass of ours runs beside it: this thread takes what other programs leave."""
        if (free := self._free.count()) == self._free.most:
            yield from map(work, *cut)
            return
        with self.engine.few_threads(free):
            results = list(map(work, *cut))
        yield from results

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(
            self.engine.passes, thread_name_prefix="pass", initializer=self.engine.prepare_thread
        )


class ParallelPasses(SharedWork):
    """Takes pictures through one network."""

    def __init__(self, engine: Engine, free: FreeProcessors | None = None) -> None:
        super().__init__(engine, free)
        self._engine = engine

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """What the engine makes of uint8 [n, h, w, 3], in order."""
        return EngineOutput.joined(list(self.map(self._engine.forward, canvases)))
