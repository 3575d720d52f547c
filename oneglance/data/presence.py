"""Which picture files are there: the records compared with the folders that they name."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneglance.data.quote import quoted
from oneglance.data.record import Record
from oneglance.data.refs import FileImage, is_picture
from oneglance.errors import Problem


@dataclass(frozen=True)
class Folder:
    """A folder that holds pictures of records, or should."""

    absent: dict[int, Problem]  # row -> what is said of it
    unnamed: int  # pictures there that no record names
    example: str  # the path of one of them


def folders(records: Sequence[Record]) -> Iterator[Folder]:
    """Every folder that records name pictures in. Pictures inside archives and tables are not looked at."""
    rows: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row, record in enumerate(records):
        if isinstance(record.image, FileImage):
            folder, _, name = record.image.path.rpartition(os.sep)
            rows[folder].append((row, name))
    while rows:
        folder, inside = rows.popitem()
        yield _compared(folder + os.sep, inside, records)


def absent(records: Sequence[Record]) -> dict[int, Problem]:
    """Row -> what is said of it, for every record whose picture is a file that is not there."""
    return {row: problem for folder in folders(records) for row, problem in folder.absent.items()}


def _compared(folder: str, rows: Sequence[tuple[int, str]], records: Sequence[Record]) -> Folder:
    # Listed once: a million looks at single files would take long.
    try:
        with os.scandir(folder) as entries:
            named = {entry.name: False for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return Folder({row: _lost(records[row], "its folder is not there either") for row, _ in rows}, 0, "")
    except OSError:
        return Folder({}, 0, "")  # it may not be listed: opening the pictures will tell
    lost = []
    for row, name in rows:
        if name in named:
            named[name] = True
        else:
            lost.append((row, name))
    missing = dict(_missing(folder, lost, named, records)) if lost else {}
    unnamed = [name for name, seen in named.items() if not seen and is_picture(name)]
    return Folder(missing, len(unnamed), folder + min(unnamed) if unnamed else "")


def _missing(
    folder: str, lost: Sequence[tuple[int, str]], named: dict[str, bool], records: Sequence[Record]
) -> Iterator[tuple[int, Problem]]:
    alike = {_loosely(Path(name).stem): name for name in named} | {_loosely(name): name for name in named}
    for row, name in lost:
        like = alike.get(_loosely(name), "")
        if like and Path(folder + name).exists():
            named[like] = True  # this system does not tell A from a, or é from e with an accent
            continue
        yield row, _lost(records[row], f"there is {quoted(like)}" if like else "correct the path")


def _lost(record: Record, hint: str) -> Problem:
    what = f"the picture {quoted(record.image.name)} is not there"
    return Problem(record.where, what, f"{hint}; the row is left out", kind="picture not there", fatal=False)


def _loosely(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
