"""Picture files that are missing, and those that no record names."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from oneglance.data.columns.record_columns import RecordColumns, columns_of
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.layouts import OF_MASKS
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import Record
from oneglance.errors import Problem
from oneglance.storage.plain_files import entry_names, exists


def missing_pictures(
    records: Sequence[Record], *, are_distinct: bool = False
) -> tuple[RecordColumns, list[Problem]]:
    """The records whose picture is there, and a problem for each whose is not, and for pictures beside
    them that no record names. No picture is opened; those in archives and tables are taken to be there.

    Args:
        are_distinct: no picture is in two records. A folder in which reading has seen them all, and that
            holds no more names than these, is then not listed again.
    """
    columns = columns_of(records)
    absent: dict[int, Problem] = {}
    problems = []
    for folder, (pieces, listed) in _folders(columns).items():
        lost, unnamed = _compared(folder, pieces, listed if are_distinct else set(), columns)
        absent |= lost
        if unnamed:
            others = len(unnamed) - 1
            what = f"and {others:,} more there are named by no source" if others else "is named by no source"
            problems.append(Problem(plain(folder + min(unnamed)), what, kind="unnamed picture", fatal=False))
    if not absent:
        return columns, problems
    there = np.ones(len(columns), dtype=bool)
    there[list(absent)] = False
    return columns.take(there), [absent[row] for row in sorted(absent)] + problems


def absent(records: Sequence[Record]) -> dict[int, Problem]:
    """Row -> problem, for every record whose picture is a file that is not there."""
    columns = columns_of(records)
    problems: dict[int, Problem] = {}
    for folder, (pieces, _) in _folders(columns).items():
        problems |= _compared(folder, pieces, set(), columns)[0]
    return problems


def _folders(columns: RecordColumns) -> dict[str, tuple[list[np.ndarray], set[int | None]]]:
    """Folder with its last separator -> the places in ``packed`` of its pictures, in several pieces, and what
    reading counted in it.
    """
    folders: dict[str, tuple[list[np.ndarray], set[int | None]]] = defaultdict(lambda: ([], set()))
    for folder, places, listed in columns.packed.folders():
        folders[folder][0].append(places)
        folders[folder][1].add(listed)
    return folders


def _compared(
    folder: str, pieces: Sequence[np.ndarray], counts: set[int | None], columns: RecordColumns
) -> tuple[dict[int, Problem], list[str]]:
    """A problem for each row whose picture is not there, and the names of pictures that no row names."""
    places = np.concatenate(pieces)
    rows = columns.rows_at(places)
    places, rows = places[rows >= 0], rows[rows >= 0]
    if not len(rows):
        return {}, []
    if counts == {len(rows)}:  # reading has seen all of them there, and there is nothing else
        return {}, []
    # Listed once: a million looks at single files would take long.
    try:
        listed = set(entry_names(folder))
    except (FileNotFoundError, NotADirectoryError):
        return {row: _lost(columns[row], "its folder is not there either") for row in rows.tolist()}, []
    except OSError:
        return {}, []  # it may not be listed: opening the pictures will show
    names = columns.packed.file_names(folder, places)
    used = set(names)
    missing: dict[int, Problem] = {}
    if not used <= listed:
        lost = [(row, name) for row, name in zip(rows.tolist(), names, strict=True) if name not in listed]
        missing = dict(_missing(folder, lost, listed, used, columns))
    unnamed = listed - used
    if not any(map(is_picture, unnamed)):
        return missing, []
    stems = {_stem(name) for name in used}
    others = (name for name in without_companions(filter(is_picture, listed)) if name in unnamed)
    return missing, [name for name in others if not _is_mask(name, stems)]


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _is_mask(name: str, stems: set[str]) -> bool:
    """Whether it is called as the mask of a picture, or as the same picture in another format."""
    shorter = OF_MASKS.fullmatch(_stem(name))
    return _stem(name) in stems or (shorter is not None and shorter[1] in stems)


def _missing(
    folder: str, lost: Sequence[tuple[int, str]], listed: set[str], used: set[str], records: Sequence[Record]
) -> Iterator[tuple[int, Problem]]:
    names = sorted(listed)
    alike = {_loosely(Path(name).stem): name for name in names} | {_loosely(name): name for name in names}
    for row, name in lost:
        like = alike.get(_loosely(name), "")
        if like and exists(folder + name):
            used.add(like)  # this file system takes A and a, or é and e with an accent, for one name
            continue
        yield row, _lost(records[row], f"there is {quoted(like)}" if like else "correct the path")


def _lost(record: Record, hint: str) -> Problem:
    what = f"the picture {quoted(record.image.name)} is not there"
    return Problem(
        record.location, what, f"{hint}; the row is left out", kind="picture not there", fatal=False
    )


def _loosely(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
