"""The contract of an engine: it runs the network. All before and after it is the same code for each."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np


class Looked(NamedTuple):
    """What the network makes of n pictures."""

    vectors: np.ndarray  # float32 [n, d]: the features that all tasks share
    raw: dict[str, np.ndarray]  # float32 [n, ...]: the raw output of every task


class Engine(Protocol):
    """A network that can be asked, wherever it runs. Several threads may ask at once."""

    def look(self, canvases: np.ndarray) -> Looked:
        """One pass over pictures, uint8 [n, h, w, 3]."""
