"""How often the pictures of each source come in an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class SourceSampler:
    """Which pictures an epoch holds. Source i is drawn with a probability that grows with its size n_i as
    n_i^(1 / temperature): at 1 every picture comes once; the higher, the more alike the sources' shares. The
    largest source sets the length: each of its pictures comes once.

    Args:
        sources: of each picture, in order.
    """

    def __init__(self, sources: Sequence[str], temperature: float = 1.0) -> None:
        self.names = list(dict.fromkeys(sources))
        source_of = np.array(sources)
        self.rows = [np.flatnonzero(source_of == name) for name in self.names]
        sizes = np.array([len(rows) for rows in self.rows], dtype=np.float64)
        weight = sizes ** (1 / temperature)
        largest = int(sizes.argmax())
        self.counts = [int(n) for n in np.rint(sizes[largest] * weight / weight[largest])]

    def __len__(self) -> int:
        """Pictures per epoch."""
        return sum(self.counts)

    def epoch(self, random: np.random.Generator) -> np.ndarray:
        """int64: the pictures of one epoch in random order. Of a source that comes more than once, none comes
        again before all others did.
        """
        chosen = []
        for rows, count in zip(self.rows, self.counts, strict=True):
            chosen += [rows] * (count // len(rows))
            chosen.append(random.choice(rows, count % len(rows), replace=False))
        return random.permutation(np.concatenate(chosen))

    def describe(self) -> str:
        """``a 1,200 pictures (60 %), b 400 pictures 2.0 times (40 %)``."""
        shares = []
        for name, rows, count in zip(self.names, self.rows, self.counts, strict=True):
            times = "" if count == len(rows) else f" {count / len(rows):.1f} times"
            shares.append(f"{name} {len(rows):,} pictures{times} ({count / len(self):.0%})")
        return ", ".join(shares)
