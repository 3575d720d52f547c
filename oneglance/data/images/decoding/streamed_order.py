"""The order of an epoch whose pictures lie in large files: read in turn, and mixed all the same.

To read pictures of a tar or a Parquet file in random order is to look for each, and to unpack a group of rows
for one of them. So stretches of neighbours come in random order, each is read from its beginning, and some of
what was read waits in a buffer. The ``i``-th picture that is read is used at ``i + u``, with ``u`` drawn
between 0 and the size of the buffer: none waits longer, so the buffer never holds more.

Why no library does it: webdataset and torchdata shuffle a stream as it comes by, so that to go on in the
middle they need the content of their buffers back. Here the order is drawn beforehand from seed and epoch, as
that of a training whose pictures are cached.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneglance.data.record import ImageRef

STRETCH = 64  # neighbours that are read in turn, of a file in which each can be reached by itself


class StreamedOrder:
    """Which pictures of a store are neighbours, and how they are mixed.

    Args:
        places: of each picture the file and the part of it that is read from its beginning, and where in it;
            None: it is a file of its own.
        in_turn: bool [n]: whether its part can only be read from its beginning.
        buffer: pictures that wait, at most.
    """

    def __init__(
        self, places: Sequence[tuple[str, int, int] | None], in_turn: Sequence[bool], buffer: int
    ) -> None:
        self.buffer = buffer
        parts: dict[tuple[str, int] | int, int] = {}
        self._part, self._at = np.zeros((2, len(places)), dtype=np.int64)
        for row, place in enumerate(places):
            key = row if place is None else place[:2]
            self._part[row] = parts.setdefault(key, len(parts))
            self._at[row] = 0 if place is None else place[2]
        self._in_turn = np.array(in_turn, dtype=bool)

    @classmethod
    def of(cls, refs: Sequence[ImageRef], buffer: int) -> StreamedOrder | None:
        """None where every picture is a file of its own, or none may wait."""
        if buffer < 1:
            return None
        facts = [(ref.place, not ref.random_access) for ref in refs]
        if all(place is None for place, _ in facts):
            return None
        return cls([place for place, _ in facts], [in_turn for _, in_turn in facts], buffer)

    def as_they_lie(self, rows: np.ndarray) -> np.ndarray:
        """``rows`` [k], file by file."""
        return rows[np.lexsort((self._at[rows], self._part[rows]))]

    def arranged(
        self, rows: np.ndarray, kinds: np.ndarray | None, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of an epoch in another order.

        Args:
            rows: int64 [n], in the order drawn; a picture may come more than once.
            kinds: int64 [n]: a picture only takes the place of one of its kind; None: all are of one.

        Returns:
            int64 [n] the places in ``rows`` of those that come one after the other, and int64 [n] which of
            these is read when: 0 first.
        """
        count = len(rows)
        kinds = np.zeros(count, dtype=np.int64) if kinds is None else kinds
        part, at = self._part[rows], self._at[rows]
        again = np.empty(count, dtype=np.int64)  # how often the picture came before
        same = np.argsort(rows, kind="stable")
        again[same] = _since(_changes(rows[same]))
        lying = np.lexsort((at, part, again, kinds))
        first = _changes(kinds[lying], again[lying], part[lying])
        free = ~self._in_turn[rows[lying]]
        first |= free & (_since(first) % STRETCH == 0)
        stretch = np.cumsum(first) - 1
        shuffled = random.permutation(count)[stretch]  # a number for each, all different
        read = lying[np.lexsort((shuffled, kinds[lying]))]  # stable: neighbours stay in their order
        of_kind = kinds[read]
        begins = _changes(of_kind)
        place, many = _since(begins), np.bincount(np.cumsum(begins) - 1)[np.cumsum(begins) - 1]
        used = place + random.random(count) * self.buffer * many / max(1, count)
        order = np.empty(count, dtype=np.int64)
        order[np.argsort(kinds, kind="stable")] = read[np.lexsort((used, of_kind))]
        # Kinds are read side by side, each some neighbours at a time.
        time = (place - place % STRETCH) / many
        rank = np.empty(count, dtype=np.int64)
        rank[read[np.argsort(time, kind="stable")]] = np.arange(count)
        return order, rank[order]


def _changes(*columns: np.ndarray) -> np.ndarray:
    """bool [n]: where a value differs from the one before, and at the beginning."""
    new = np.ones(len(columns[0]), dtype=bool)
    if len(new):
        new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return new


def _since(first: np.ndarray) -> np.ndarray:
    """int64 [n]: how many lie between each place and the last one before that is ``first``."""
    places = np.arange(len(first))
    since: np.ndarray = places - np.maximum.accumulate(np.where(first, places, 0))
    return since
