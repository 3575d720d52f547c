"""The pictures that a user names: by files, folders, archives, tables and patterns of names."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from oneglance.data.images.references import FileImage, is_picture, printable
from oneglance.data.inspection.checks import summary
from oneglance.data.inspection.missing_files import absent
from oneglance.data.record import ImageRef, Record
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, DataError, Problem
from oneglance.progress import Screen

Paths = str | Path | Iterable[str | Path]


def pictures(given: Paths, screen: Screen) -> list[ImageRef]:
    """Every picture of files, folders, archives, tables and glob patterns, in the order given; each is called
    as it was named. Problems are printed.

    Raises:
        DataError: there is none at all, or a path cannot be read.
    """
    refs: list[ImageRef] = []
    problems: list[Problem] = []
    for path in _paths(given):
        if is_picture(path) and Path(path).is_file():
            refs.append(FileImage(str(Path(path).resolve()), printable(path)))
            continue
        records, wrong = read(path, {"path": path, "name": Path(path).as_posix()}, Path.cwd())
        refs += (record.image for record in records)
        problems += wrong
    if not refs:
        raise DataError("\n".join(summary(problems)) or "no pictures are named", problems=problems)
    for line in summary(problems):
        screen.say(line)
    return refs


def _paths(given: Paths) -> Iterator[str]:
    """The paths in ``given``, patterns replaced by the paths that match."""
    for path in [given] if isinstance(given, str | Path) else given:
        if Path(path).exists():
            yield str(path)
        elif glob.has_magic(str(path)):
            matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
            if not matches:
                raise DataError("no picture matches", location=str(path))
            yield from matches
        else:
            raise DataError("there is no such file or folder", location=str(path))


def read(path: str | Path, source: Mapping[str, Any], base: Path) -> tuple[list[Record], list[Problem]]:
    """The records and problems of ``path``, read as the table ``source`` describes it.

    Raises:
        DataError: it does not exist, or no format reads it.
    """
    if not Path(path).exists():
        raise DataError("there is no such file or folder", location=str(path))
    try:
        opened = open_source(source, base)
    except ConfigError:
        hint = (
            "give a folder, a picture, a zip or tar, a table (.csv, .tsv, .jsonl, .parquet), or a .txt list"
        )
        raise DataError("is no place of pictures that we know", location=str(path), hint=hint) from None
    records: list[Record] = []
    problems: list[Problem] = []
    for item in opened.read():
        records.append(item) if isinstance(item, Record) else problems.append(item)
    return records, problems


def folder_of_names(table: Path, pictures: Path) -> Path:
    """The folder in which the names in ``table`` start: ``pictures``, or the one above it where they begin
    with its name.

    Raises:
        DataError: none of the pictures is in either.
    """
    named = 0
    for start in [pictures, pictures.parent] if pictures.is_dir() else [pictures]:
        records, _ = read(table, {"path": table.resolve(), "images": start.resolve()}, Path.cwd())
        named = max(named, len(records))
        if len(absent(records)) < len(records):
            return start
    if not named:
        return pictures
    raise DataError(
        f"none of the {named:,} pictures that it names is in {pictures}",
        location=str(table),
        hint="give the folder where the names in it start",
    )


def relative(base: Path, path: str | Path) -> str:
    """``path`` as a configuration in ``base`` writes it: relative if inside, so that both can be moved."""
    whole = Path(path).resolve()
    return (whole.relative_to(base) if whole.is_relative_to(base) else whole).as_posix()
