"""The table that ``check --fix`` writes: near-duplicates with a group that keeps them in one part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneglance.data.csv_text import csv_text
from oneglance.data.images.references import FileImage
from oneglance.data.inspection.near_duplicates.find import Pair
from oneglance.data.inspection.near_duplicates.report import members
from oneglance.data.record import Record
from oneglance.errors import ConfigError, Problem
from oneglance.storage.atomic_files import write_text
from oneglance.storage.plain_files import exists, read_plain, resolved

NAME = "near_duplicates.csv"
COLUMNS = ("image", "group")
LARGEST = 1_000_000_000  # bytes of a table that may be written over
GROUP = "near-duplicates "  # and a number


def refuse_other(path: Path) -> None:
    """Raise where ``path`` is a file that nobody but ``check --fix`` may write over.

    Raises:
        ConfigError: it is.
    """
    if not exists(path):
        return
    first, _, rest = read_plain(path, LARGEST).decode("utf-8", "replace").partition("\n")
    if first.strip() != ",".join(COLUMNS) or f",{GROUP}" not in rest.partition("\n")[0]:
        raise ConfigError("exists already, and is no table of check", location=str(path), hint="move it away")


@dataclass(frozen=True)
class Written:
    """How many pictures the table names, and how many it cannot name."""

    pictures: int
    nameless: int

    def problems(self) -> Iterator[Problem]:
        """One for the pictures that cannot be named."""
        if self.nameless:
            what = f"{self.nameless:,} near-duplicates lie in archives or tables, so {NAME} cannot name them"
            hint = "write the pictures as files with `oneglance convert`, then check again"
            yield Problem("pictures", what, hint, kind="near_duplicate_without_name", fatal=False)


def write(path: Path, groups: Sequence[Sequence[Pair]], records: Sequence[Record]) -> Written:
    """Write a row for each picture of each group that is a file, its name relative to the table where it
    lies below it. Without any, no table is written.

    Raises:
        ConfigError: ``path`` is somebody's own file.
        RunError: it cannot be written.
    """
    refuse_other(path)
    rows, nameless, number = [], 0, 0
    for pairs in groups:
        paths = [image.path for row in members(pairs) if isinstance(image := records[row].image, FileImage)]
        nameless += len(members(pairs)) - len(paths)
        if len(paths) > 1:
            number += 1
            rows += [{"image": _relative(path.parent, file), "group": f"{GROUP}{number}"} for file in paths]
    if rows:
        write_text(path, csv_text(COLUMNS, rows))
    return Written(len(rows), nameless)


def _relative(base: Path, file: str) -> str:
    folder, whole = resolved(base), Path(file)
    return (whole.relative_to(folder) if whole.is_relative_to(folder) else whole).as_posix()
