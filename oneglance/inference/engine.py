"""The contract of an engine: it runs the network. All before and after it is the same code for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np

BATCH = 64  # pictures per forward pass, and in the one by which precisions are timed
AT_ONCE = 16 * 320 * 320  # pixels of a pass on a CPU: more take more memory and hardly less time


class EngineOutput(NamedTuple):
    """What the network makes of n pictures."""

    vectors: np.ndarray  # float32 [n, d]: the features that all tasks share
    raw: dict[str, np.ndarray]  # float32 [n, ...]: the raw output of every task
    own: Mapping[str, np.ndarray] = {}  # float32 [n, k]: the tasks' own features, where the engine has them
    middle: np.ndarray | None = None  # float32 [n, m]: see ``Features``; None: the network has none

    @classmethod
    def joined(cls, parts: Sequence[EngineOutput]) -> EngineOutput:
        """The same for the pictures of all ``parts``, at least one."""
        if len(parts) == 1:
            return parts[0]
        middles = [part.middle for part in parts if part.middle is not None]
        return cls(
            np.concatenate([part.vectors for part in parts]),
            {name: np.concatenate([part.raw[name] for part in parts]) for name in parts[0].raw},
            {name: np.concatenate([part.own[name] for part in parts]) for name in parts[0].own},
            np.concatenate(middles) if middles else None,
        )


class Parallel(Protocol):
    """What may take several passes at once."""

    passes: int = 1  # forward passes in parallel that are faster than one after the other

    on_gpu: bool = False  # or on another device with a memory of its own

    def prepare_thread(self) -> None:
        """Called first in every thread that makes passes in parallel with others."""
        return

    def few_threads(self, count: int) -> AbstractContextManager[None]:
        """Within it, a pass of this thread computes on so many processors, where the engine can choose."""
        return nullcontext()


class Engine(Parallel, Protocol):
    """A network that is ready to run, wherever it runs. Several threads may call it at once."""

    network: Any = None  # the torch module, where it is one

    def forward(self, canvases: np.ndarray) -> EngineOutput:
        """One pass over pictures, uint8 [n, h, w, 3]."""
        ...

    def pieces(self, canvases: np.ndarray) -> Iterator[np.ndarray]:
        """Pictures, uint8 [n, h, w, 3], in runs that are passed one after the other, at least one. How they
        are cut depends on n, h and w alone, and so do the last bits of what comes out.
        """
        _, height, width, _ = canvases.shape
        most = max(1, len(canvases) if self.on_gpu else AT_ONCE // (height * width))
        yield from (canvases[start : start + most] for start in range(0, max(1, len(canvases)), most))

    def latency_mode(self, threads: int) -> Engine:
        """The same network for passes that have so many processors to themselves; this one where it has no
        other way of using them.
        """
        return self


class JointEngine(Parallel, Protocol):
    """Several networks that look at the same pictures, each at its canvas of them."""

    def forward(self, canvases: Sequence[np.ndarray]) -> list[EngineOutput]:
        """One pass of each network over the same pictures.

        Args:
            canvases: for each distinct canvas, the pictures on it, uint8 [n, h, w, 3].
        """
        ...

    def latency_mode(self, threads: int) -> JointEngine:
        """See ``Engine``."""
        return self
