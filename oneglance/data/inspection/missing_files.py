"""Picture files that are missing, and those that no record names."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import Record
from oneglance.errors import Problem
from oneglance.storage.plain_files import exists, scan


def missing_pictures(records: Sequence[Record]) -> tuple[list[Record], list[Problem]]:
    """The records whose picture is there, and a problem for each whose is not, and for pictures beside
    them that no record names. No picture is opened; those in archives and tables are taken to be there.
    """
    absent: dict[int, Problem] = {}
    problems = []
    for folder, rows in _folders(records).items():
        lost, unnamed = _compared(folder, rows, records)
        absent |= lost
        if unnamed:
            others = len(unnamed) - 1
            what = f"and {others:,} more there are named by no source" if others else "is named by no source"
            problems.append(Problem(plain(folder + min(unnamed)), what, kind="unnamed picture", fatal=False))
    there = [record for row, record in enumerate(records) if row not in absent] if absent else list(records)
    return there, [absent[row] for row in sorted(absent)] + problems


def absent(records: Sequence[Record]) -> dict[int, Problem]:
    """Row -> problem, for every record whose picture is a file that is not there."""
    problems: dict[int, Problem] = {}
    for folder, rows in _folders(records).items():
        problems |= _compared(folder, rows, records)[0]
    return problems


def _folders(records: Sequence[Record]) -> dict[str, list[int]]:
    """Folder with its last separator -> the rows of its pictures."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        image = record.image
        if isinstance(image, FileImage):
            rows[image.path[: max(image.path.rfind(os.sep), image.path.rfind("/")) + 1]].append(row)
    return rows


def _compared(
    folder: str, rows: Sequence[int], records: Sequence[Record]
) -> tuple[dict[int, Problem], list[str]]:
    """A problem for each row whose picture is not there, and the names of pictures that no row names."""
    # Listed once: a million looks at single files would take long.
    try:
        with scan(folder) as entries:
            named = {entry.name: False for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return {row: _lost(records[row], "its folder is not there either") for row in rows}, []
    except OSError:
        return {}, []  # it may not be listed: opening the pictures will show
    lost = []
    for row in rows:
        name = records[row].image.path[len(folder) :]  # type: ignore[attr-defined]
        if name in named:
            named[name] = True
        else:
            lost.append((row, name))
    missing = dict(_missing(folder, lost, named, records)) if lost else {}
    pictures = without_companions(filter(is_picture, named))
    return missing, [name for name in pictures if not named[name]]


def _missing(
    folder: str, lost: Sequence[tuple[int, str]], named: dict[str, bool], records: Sequence[Record]
) -> Iterator[tuple[int, Problem]]:
    alike = {_loosely(Path(name).stem): name for name in named} | {_loosely(name): name for name in named}
    for row, name in lost:
        like = alike.get(_loosely(name), "")
        if like and exists(folder + name):
            named[like] = True  # this file system takes A and a, or é and e with an accent, for one name
            continue
        yield row, _lost(records[row], f"there is {quoted(like)}" if like else "correct the path")


def _lost(record: Record, hint: str) -> Problem:
    what = f"the picture {quoted(record.image.name)} is not there"
    return Problem(
        record.location, what, f"{hint}; the row is left out", kind="picture not there", fatal=False
    )


def _loosely(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
