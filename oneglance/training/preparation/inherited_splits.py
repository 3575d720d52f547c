"""Pictures that an earlier run knows stay in the split that they had there.

The backbone of an extended run has learned from that run's training pictures: as test pictures they would
make every score look better than it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from oneglance.data.dataset import Dataset
from oneglance.data.splitting.split import SPLITS, SplitIndices, units_of
from oneglance.errors import DataError
from oneglance.progress import Screen
from oneglance.storage.fingerprint import short
from oneglance.storage.run_folder import RunFolder

Key = TypeVar("Key", bound=Hashable)


def keep_splits(dataset: Dataset, run: RunFolder, screen: Screen) -> None:
    """Put the pictures that ``run`` knows, by their content, and those of their groups, into their split
    there; of a group with several the one that has learned most, train before validation before test.

    Raises:
        DataError: nothing is left to learn from or to choose by.
    """
    then, kept = run.split(), run.fingerprint()
    if kept is None or not kept.fits(then):
        screen.say(f"{run.path} keeps no digests of its pictures: some of them may be test pictures here")
        return
    known = _first_splits((digest, row[2]) for digest, row in zip(kept.pictures, then, strict=True) if digest)
    units = units_of(dataset.records, dataset.contents).tolist()
    contents = ("" if content is None else short(content) for content in dataset.contents)
    wanted = _first_splits(
        (unit, known[content]) for unit, content in zip(units, contents, strict=True) if content in known
    )
    names = dataset.splits.names()
    after = [wanted.get(unit, name) for unit, name in zip(units, names, strict=True)]
    moved = sum(new != old for new, old in zip(after, names, strict=True))
    if moved:
        screen.say(f"{moved:,} pictures stay in the split that they had in {run.path}")
    for split in ("train", "validation", "test"):
        if split in names and split not in after:
            raise DataError(
                f"no picture is left for {split}: {run.path} knows them, and has them in other splits",
                location="[split]",
                hint="add answers for further pictures" + (", or set test = 0" if split == "test" else ""),
            )
    dataset.splits = SplitIndices.of(after)


def hold_back(dataset: Dataset, runs: Sequence[RunFolder], screen: Screen) -> None:
    """Put what are test pictures of one of ``runs``, by their content, and those of their groups, into the
    test split: by them a teacher and who learned from it can be compared.

    Raises:
        DataError: nothing is left to learn from or to choose by.
    """
    tests: set[str] = set()
    for run in runs:
        kept, then = run.fingerprint(), run.split()
        if kept is not None and kept.fits(then):
            pairs = zip(kept.pictures, then, strict=True)
            tests |= {digest for digest, row in pairs if digest and row[2] == "test"}
    if not tests:
        return
    units = units_of(dataset.records, dataset.contents).tolist()
    contents = ("" if content is None else short(content) for content in dataset.contents)
    held = {unit for unit, content in zip(units, contents, strict=True) if content in tests}
    names = dataset.splits.names()
    after = ["test" if unit in held else name for unit, name in zip(units, names, strict=True)]
    if after == names:
        return
    moved = sum(new != old for new, old in zip(after, names, strict=True))
    screen.say(f"{moved:,} pictures are held back for scores: they are test pictures of a teacher")
    for split in ("train", "validation"):
        if split not in after:
            raise DataError(
                f"no picture is left for {split}: all of them are test pictures of a teacher",
                location="[split]",
                hint="add further pictures",
            )
    dataset.splits = SplitIndices.of(after)


def _first_splits(pairs: Iterable[tuple[Key, str]]) -> dict[Key, str]:
    """Of each key its split; of several the first in the order of ``SPLITS``."""
    first: dict[Key, str] = {}
    for key, split in pairs:
        if key not in first or SPLITS.index(split) < SPLITS.index(first[key]):
            first[key] = split
    return first
