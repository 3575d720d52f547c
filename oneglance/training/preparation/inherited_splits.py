"""Test pictures of a teacher are test pictures of who learns from it."""

from __future__ import annotations

from collections.abc import Sequence

from oneglance.data.dataset import Dataset
from oneglance.data.splitting.earlier_splits import names_after
from oneglance.data.splitting.split import SplitIndices
from oneglance.errors import DataError
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder


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
    earlier = dict.fromkeys(tests, "test")
    names = dataset.splits.names()
    after = names_after(dataset.splits, dataset.records, dataset.contents, earlier)
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
