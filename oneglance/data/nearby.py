"""Where the pictures of an annotation file usually lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from oneglance.data.naming import Find, finder


def find_nearby(
    images: Path | None, beside: Path, sample: Sequence[str], others: Iterable[Path] = ()
) -> Find:
    """How names become pictures: as ``finder`` does it, but if none of the ``sample`` lies where that
    looks, names start at the first of the ``others`` that holds one of them.

    Raises:
        DataError: see ``finder``.
    """

    def holds(folder: Path) -> bool:
        return any((folder / name).is_file() for name in sample)

    if images is None and not holds(beside.parent) and not holds(beside.parent / "images"):
        images = next(filter(holds, others), None)
    return finder(images, beside, sample)
