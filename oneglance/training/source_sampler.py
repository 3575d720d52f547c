"""Which pictures come in an epoch, in what order, and in how many steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import numpy as np

from oneglance.data.columns.coded import Coded


class Sampler(ABC):
    """Draws the pictures of an epoch, each time anew."""

    # int64 [n], by picture: only those of one kind may take each other's place in the epoch; None: all may
    kinds: np.ndarray | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Pictures per epoch."""

    @abstractmethod
    def epoch(self, random: np.random.Generator) -> np.ndarray:
        """int64: the pictures of one epoch, in their order."""

    def steps(self, batch: int) -> int:
        """Of an epoch, where a step without quotas has ``batch`` pictures."""
        return -(-len(self) // batch)

    @abstractmethod
    def describe(self, batch: int) -> str:
        """What an epoch holds, in words; "" where that is each picture once."""


class SourceSampler(Sampler):
    """Which pictures an epoch holds. Source i is drawn with a probability that grows with its size n_i as
    n_i^(1 / temperature): at 1 every picture comes once; the higher, the more alike the sources' shares. The
    largest source sets the length: each of its pictures comes once.

    Args:
        sources: of each picture, in order.
    """

    def __init__(self, sources: Sequence[str | None], temperature: float = 1.0) -> None:
        column = sources if isinstance(sources, Coded) else Coded.of(sources)
        column = column.appearing() if column.known.all() else Coded.of(name or "" for name in column)
        self.names = list(column.values)
        self.rows = [np.flatnonzero(column.codes == code) for code in range(len(self.names))]
        sizes = np.array([len(rows) for rows in self.rows], dtype=np.float64)
        weight = sizes ** (1 / temperature)
        largest = int(sizes.argmax())
        self.counts = [int(n) for n in np.rint(sizes[largest] * weight / weight[largest])]

    def __len__(self) -> int:
        return sum(self.counts)

    def epoch(self, random: np.random.Generator) -> np.ndarray:
        """int64: the pictures of one epoch in random order. Of a source that comes more than once, none comes
        again before all others did.
        """
        chosen = []
        for rows, count in zip(self.rows, self.counts, strict=True):
            chosen += [rows] * (count // len(rows))
            chosen.append(random.choice(rows, count % len(rows), replace=False))
        order: np.ndarray = np.concatenate(chosen)
        random.shuffle(order)  # as ``permutation``, without a copy of millions of rows
        return order

    def describe(self, batch: int) -> str:
        """``a 1,200 pictures (60 %), b 400 pictures 2.0 times (40 %)``."""
        if len(self.names) == 1:
            return ""
        shares = []
        for name, rows, count in zip(self.names, self.rows, self.counts, strict=True):
            times = "" if count == len(rows) else f" {count / len(rows):.1f} times"
            shares.append(f"{name} {len(rows):,} pictures{times} ({count / len(self):.0%})")
        return ", ".join(shares)


class QuotaSampler(Sampler):
    """In every step each task has as many pictures with an answer to it, or one less, as a network of its own
    would have; more where they come along with those of a task that has fewer.

    A picture comes as often as the task among its own with the fewest answers needs it: each picture of the
    task with the most comes once in an epoch, which has the steps that a network of that task alone has.
    Pictures of a kind (those that answer the same tasks) are spread evenly over the epoch, by systematic
    sampling (Madow and Madow 1944), so that they are in each step by the same number, or one less.

    Args:
        answered: of each picture, in order, the tasks that it answers; those that answer none come once.
    """

    def __init__(self, answered: Sequence[Collection[str]]) -> None:
        kinds: dict[tuple[str, ...], list[int]] = {}
        for row, tasks in enumerate(answered):
            kinds.setdefault(tuple(sorted(tasks)), []).append(row)
        names = sorted({name for kind in kinds for name in kind})
        self.sizes = {name: sum(len(r) for kind, r in kinds.items() if name in kind) for name in names}
        self.largest = max(self.sizes.values(), default=len(answered))
        self.rows = [np.array(rows) for rows in kinds.values()]
        self.kinds = np.zeros(len(answered), dtype=np.int64)
        for kind, rows in enumerate(self.rows):
            self.kinds[rows] = kind
        self.counts = [
            round(len(rows) * max((self.largest / self.sizes[name] for name in kind), default=1.0))
            for kind, rows in kinds.items()
        ]
        pairs = list(zip(kinds, self.counts, strict=True))
        self.drawn = {name: sum(n for kind, n in pairs if name in kind) for name in names}

    def __len__(self) -> int:
        return sum(self.counts)

    def steps(self, batch: int) -> int:
        return -(-self.largest // batch)

    def epoch(self, random: np.random.Generator) -> np.ndarray:
        chosen, places = [], []
        for rows, count in zip(self.rows, self.counts, strict=True):
            whole = [random.permutation(rows) for _ in range(count // len(rows))]
            chosen += [*whole, random.choice(rows, count % len(rows), replace=False)]
            places.append((np.arange(count) + random.random()) / max(1, count))
        order: np.ndarray = np.concatenate(chosen)[np.argsort(np.concatenate(places), kind="stable")]
        return order

    def describe(self, batch: int) -> str:
        """``20 steps of 192 pictures: for kind 64, for price 128 (2.0 times)``."""
        steps = self.steps(batch)
        each = [
            f"for {name} {count / steps:.0f}"
            + ("" if count == self.sizes[name] else f" (each {count / self.sizes[name]:.1f} times)")
            for name, count in self.drawn.items()
        ]
        return f"{steps:,} steps of {len(self) / steps:.0f} pictures: {', '.join(each)}"


class RehearsalSampler(Sampler):
    """Every new picture once in an epoch, and for each of them ``share`` old ones, drawn anew for every epoch
    (a small memory of what was learned before, as Chaudhry et al. 2019, arXiv 1902.10486, found a strong
    baseline; here it is not even always the same).
    """

    def __init__(self, is_old: Sequence[bool], share: float) -> None:
        self.old, self.new = np.flatnonzero(is_old), np.flatnonzero(~np.array(is_old, dtype=bool))
        wanted = round(share * len(self.new)) if len(self.new) else len(self.old)
        self.count = min(wanted, len(self.old))

    def __len__(self) -> int:
        return len(self.new) + self.count

    def epoch(self, random: np.random.Generator) -> np.ndarray:
        drawn = random.choice(self.old, self.count, replace=False)
        return random.permutation(np.concatenate([self.new, drawn]))

    def describe(self, batch: int) -> str:
        return f"{len(self.new):,} new pictures and {self.count:,} of {len(self.old):,} old ones"
