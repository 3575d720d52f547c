"""Pictures that an earlier run knows stay in the split that they had there.

The backbone of an extended run has learned from that run's training pictures: as test pictures they would
make every score look better than it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from oneglance.data.images.content_hash import short
from oneglance.data.record import Record
from oneglance.data.splitting.split import SPLITS, SplitIndices, units_of
from oneglance.errors import Problem

Key = TypeVar("Key", bound=Hashable)


def as_earlier(
    splits: SplitIndices,
    records: Sequence[Record],
    contents: Sequence[bytes | None],
    earlier: Mapping[str, str],
) -> tuple[SplitIndices, list[Problem]]:
    """The same splits, but for pictures that ``earlier`` knows and those of their groups: of a group with
    several splits it is the one from which most was learned, train before validation before test.

    Args:
        contents: per record the digest of its picture.
        earlier: split by digest, as ``short`` has it.
    """
    before, after = splits.names(), names_after(splits, records, contents, earlier)
    return SplitIndices.of(after), list(_problems(before, after))


def names_after(
    splits: SplitIndices,
    records: Sequence[Record],
    contents: Sequence[bytes | None],
    earlier: Mapping[str, str],
) -> list[str]:
    """See ``as_earlier``: the split of each record then."""
    units = units_of(records, contents).tolist()
    known = ("" if content is None else short(content) for content in contents)
    wanted = first_splits(
        (unit, earlier[content]) for unit, content in zip(units, known, strict=True) if content in earlier
    )
    return [wanted.get(unit, name) for unit, name in zip(units, splits.names(), strict=True)]


def first_splits(pairs: Iterable[tuple[Key, str]]) -> dict[Key, str]:
    """Of each key its split; of several the first in the order of ``SPLITS``."""
    first: dict[Key, str] = {}
    for key, split in pairs:
        if key not in first or SPLITS.index(split) < SPLITS.index(first[key]):
            first[key] = split
    return first


def _problems(before: Sequence[str], after: Sequence[str]) -> Iterable[Problem]:
    if moved := sum(one != other for one, other in zip(before, after, strict=True)):
        what = f"{moved:,} pictures stay in the split that they had in the run that is extended"
        yield Problem("[split]", what, kind="earlier split", fatal=False)
    for split in SPLITS:
        if split in before and split not in after:
            what = f"no picture is left for {split}: the run that is extended knows them from other splits"
            hint = "add answers for further pictures" + (", or set test = 0" if split == "test" else "")
            yield Problem("[split]", what, hint, kind="earlier split")
