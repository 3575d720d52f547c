"""Near-duplicates of a data set: pairs that may be copies are looked up, compared, and joined to groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import Fit
from oneglance.data.inspection.near_duplicates.candidates import candidates
from oneglance.data.inspection.near_duplicates.registration import DIFFERENT, SAME, fitted
from oneglance.data.inspection.near_duplicates.signatures import WINDOWS
from oneglance.data.inspection.near_duplicates.thumbnails import Thumbnails
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.progress import Progress

BATCH = 512  # pairs that are compared together
UNCUT = 0.03  # of a side: less may be missing of a copy that is not called cropped
SAME_SIZE = 0.02  # relative difference of the sides of copies that are not called resized


@dataclass(frozen=True)
class Pair:
    """Two rows that show the same, and what was done to the one to make the other: "mirrored, cropped"."""

    first: int
    second: int
    changes: str
    is_copy: bool  # else they differ in one place: another thing in the same arrangement, or a frame later


class NearDuplicates:
    """Takes one picture after the other, with its row in the data set."""

    def __init__(self, fit: Fit) -> None:
        self._thumbnails = Thumbnails(fit)
        self._rows: list[int] = []

    def add(self, row: int, canvas: Canvas) -> None:
        """One more picture."""
        self._rows.append(row)
        self._thumbnails.add(canvas)

    def groups(self, digests: Sequence[bytes | None], progress: Progress) -> list[list[Pair]]:
        """The groups of pictures that show the same, each as the pairs that connect it, by copies where they
        do, in the order of the rows. Nothing can be added afterwards.

        Args:
            digests: by row, of the content: those that are equal are not compared.
        """
        equal, singles = self._equal(digests)
        pairs = sorted(equal + self._changed(singles, progress), key=lambda pair: not pair.is_copy)
        self._thumbnails.close()
        joined: DisjointSets[int] = DisjointSets()
        kept = []
        for pair in pairs:
            if joined.root(pair.first) != joined.root(pair.second):
                joined.join(pair.first, pair.second)
                kept.append(pair)
        groups: dict[int, list[Pair]] = {}
        for pair in sorted(kept, key=lambda pair: (pair.first, pair.second)):
            groups.setdefault(joined.root(pair.first), []).append(pair)
        return list(groups.values())

    def _equal(self, digests: Sequence[bytes | None]) -> tuple[list[Pair], np.ndarray]:
        """Pairs of rows whose files are equal, and the numbers of the pictures that are left to compare: one
        of each, none of one colour.
        """
        first: dict[bytes, int] = {}
        pairs, left = [], []
        for number, (row, flat) in enumerate(zip(self._rows, self._thumbnails.flat.tolist(), strict=True)):
            digest = digests[row] if digests else None
            other = row if digest is None else first.setdefault(digest, row)
            if other != row:
                pairs.append(Pair(other, row, "", is_copy=True))
            elif not flat:
                left.append(number)
        return pairs, np.array(left, dtype=np.int64)

    def _changed(self, numbers: np.ndarray, progress: Progress) -> list[Pair]:
        if len(numbers) < 2:
            return []
        take, sizes = self._thumbnails.take, self._thumbnails.sizes

        def count_done(done: int) -> None:
            progress(done, len(numbers), "looking for near-duplicates")

        alike = candidates(numbers, take, count_done)
        pairs = []
        for start in range(0, len(alike), BATCH):
            part = slice(start, start + BATCH)
            first, second, mirrored = alike.first[part], alike.second[part], alike.mirrored[part]
            copies = take(second)
            copies[mirrored] = copies[mirrored][:, :, ::-1]
            fits = fitted(take(first), copies, WINDOWS[alike.window[part]])
            for at in np.flatnonzero(fits.same > SAME).tolist():
                one, two = int(first[at]), int(second[at])
                changes = _changes(fits.place[at], bool(mirrored[at]), sizes[one], sizes[two])
                ends = self._rows[one], self._rows[two]
                pairs.append(
                    Pair(min(ends), max(ends), changes, is_copy=bool(fits.different[at] < DIFFERENT))
                )
            progress(min(len(alike), start + BATCH), len(alike), "comparing pictures that look alike")
        return pairs


def _changes(place: np.ndarray, mirrored: bool, first: tuple[int, int], second: tuple[int, int]) -> str:
    """What differs between two pictures that show the same, in words; "" where it is only their colours or
    their compression.
    """
    shares = place[::2]  # of the first picture's sides that the second shows
    cut = bool(np.abs(np.concatenate([place[1::2], place[1::2] + shares - 1])).max() > UNCUT)
    shown = np.array(second) / (np.array(first) * shares)
    words = {
        "mirrored": mirrored,
        "cropped": cut,
        "resized": bool(np.abs(shown - 1).max() > SAME_SIZE + UNCUT * cut),
    }
    return ", ".join(word for word, is_so in words.items() if is_so)
