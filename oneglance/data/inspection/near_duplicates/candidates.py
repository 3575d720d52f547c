"""Pairs of pictures that may be copies, by their signatures.

Not every picture is compared with every other: signatures lie in cells around centres (k-means), and a
picture looks into the few cells nearest to it, as the inverted file of Jégou, Douze and Schmid (2011,
"Product quantization for nearest neighbor search") does. Time grows as n·√n, with a very small factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from oneglance.data.inspection.near_duplicates.signatures import WINDOWS, Signatures

ALIKE = 0.75  # scalar product of the signatures of a pair; of 100 pictures cropped by a fifth, 92 reach it
NEAREST = 4  # pictures that one is compared with
IN_A_CELL = 3  # of each cell and window
EXACT = 4096  # so many pictures are one cell
VISITED = 6  # cells that a picture looks into
BATCH = 1024  # pictures
SAMPLE = 65_536  # pictures by which the centres are learned
ROUNDS = 6  # of k-means

Take = Callable[[np.ndarray], np.ndarray]  # numbers of pictures -> their thumbnails


@dataclass(frozen=True)
class Candidates:
    """Pairs: the ``window`` of picture ``first`` may be the whole of picture ``second``."""

    first: np.ndarray  # int64 [n]
    second: np.ndarray  # int64 [n]
    window: np.ndarray  # int64 [n], in WINDOWS
    mirrored: np.ndarray  # bool [n]

    def __len__(self) -> int:
        return len(self.first)


def candidates(numbers: np.ndarray, take: Take, progress: Callable[[int], None]) -> Candidates:
    """The pairs among the pictures ``numbers``, int64 [n], each pair once.

    Args:
        take: gives thumbnails of pictures, float32 [m, 48, 48].
        progress: is told how many pictures were looked at.
    """
    random = np.random.default_rng(0)
    sample = take(np.sort(random.permutation(numbers)[:SAMPLE]))
    signatures = Signatures(sample)
    vectors = np.concatenate([signatures.of(take(part)) for part in _parts(numbers)])
    index = _Index(vectors, random)
    parts = []
    for done, part in enumerate(_parts(np.arange(len(numbers)))):
        parts.append(_nearest(part, take(numbers[part]), signatures, index))
        progress(min(len(numbers), (done + 1) * BATCH))
    first, second, likeness, window, mirrored = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    pair = np.minimum(first, second) * len(numbers) + np.maximum(first, second)
    best = _first_of_each(pair, likeness)
    return Candidates(numbers[first[best]], numbers[second[best]], window[best], mirrored[best])


def _nearest(
    rows: np.ndarray, thumbnails: np.ndarray, signatures: Signatures, index: _Index
) -> tuple[np.ndarray, ...]:
    """(row, other, likeness, window, mirrored) of the NEAREST of each row."""
    queries, whose, windows, mirrors = [], [], [], []
    for window in range(len(WINDOWS)):
        for mirrored in (False, True):
            queries.append(signatures.of(thumbnails, window, mirrored))
            whose.append(rows)
            windows.append(np.full(len(rows), window))
            mirrors.append(np.full(len(rows), mirrored))
    query, other, likeness = index.search(np.concatenate(queries), np.concatenate(whose))
    row = np.concatenate(whose)[query]
    best = _first_of_each(row * len(index) + other, likeness)
    query, row, other, likeness = query[best], row[best], other[best], likeness[best]
    order = np.lexsort((-likeness, row))
    rank = np.arange(len(order)) - np.searchsorted(row[order], row[order])
    kept = order[rank < NEAREST]
    window, mirrored = np.concatenate(windows)[query[kept]], np.concatenate(mirrors)[query[kept]]
    return row[kept], other[kept], likeness[kept], window, mirrored


class _Index:
    def __init__(self, vectors: np.ndarray, random: np.random.Generator) -> None:
        self._vectors = vectors
        count = 1 if len(vectors) <= EXACT else int(1.5 * np.sqrt(len(vectors)))
        self._centres = _centres(random.permutation(vectors)[:SAMPLE], count)
        cells = np.concatenate([_best(part, self._centres, 1)[:, 0] for part in _parts(vectors)])
        order = np.argsort(cells, kind="stable")
        self._members = np.split(order, np.searchsorted(cells[order], np.arange(1, count)))

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, queries: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(query, row, likeness) of rows that are ALIKE, of each query none that is its ``own``."""
        visited = min(VISITED, len(self._centres))
        cells = np.concatenate([_best(part, self._centres, visited) for part in _parts(queries)])
        order = np.argsort(cells, axis=None, kind="stable")
        bounds = np.searchsorted(cells.reshape(-1)[order], np.arange(len(self._centres) + 1))
        parts = []
        for cell, members in enumerate(self._members):
            if len(members):
                asked = order[bounds[cell] : bounds[cell + 1]] // visited
                parts += [self._in_cell(queries, own, query, members) for query in _parts(asked)]
        query, row, likeness = (np.concatenate(column) for column in zip(*parts, strict=True))
        return query, row, likeness

    def _in_cell(
        self, queries: np.ndarray, own: np.ndarray, query: np.ndarray, members: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        likeness = queries[query] @ self._vectors[members].T
        likeness[own[query][:, None] == members] = -1
        count = min(IN_A_CELL, len(members))
        best = np.argpartition(likeness, -count, axis=1)[:, -count:]
        values = np.take_along_axis(likeness, best, axis=1)
        at, place = np.nonzero(values > ALIKE)
        return query[at], members[best[at, place]], values[at, place]


def _centres(vectors: np.ndarray, count: int) -> np.ndarray:
    """float32 [count, width]: spherical k-means, begun at random vectors."""
    centres = vectors[:count]
    for _ in range(ROUNDS if count > 1 else 0):
        cells = np.concatenate([_best(part, centres, 1)[:, 0] for part in _parts(vectors)])
        order = np.argsort(cells, kind="stable")
        starts = np.searchsorted(cells[order], np.arange(count))
        sizes = np.bincount(cells, minlength=count)
        filled = sizes > 0
        sums = np.add.reduceat(vectors[order], starts[filled])
        centres = centres.copy()
        centres[filled] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return centres


def _best(vectors: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """int64 [n, count]: the nearest centres."""
    if count == len(centres):
        return np.tile(np.arange(count), (len(vectors), 1))
    return np.argpartition(vectors @ centres.T, -count, axis=1)[:, -count:]


def _first_of_each(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of entries with equal keys, the index of the one with the largest value; in the order of the keys."""
    order = np.lexsort((-values, keys))
    ordered = keys[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return order[first]


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    """At least one, in order."""
    for start in range(0, max(1, len(rows)), BATCH):
        yield rows[start : start + BATCH]
