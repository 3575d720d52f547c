"""Where pictures to look at lie, as a person names them: files, folders, archives, tables and patterns."""

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
    as it was named. What names no picture is told.

    Raises:
        DataError: there is none at all, or a place cannot be read.
    """
    refs: list[ImageRef] = []
    problems: list[Problem] = []
    for place in _places(given):
        if is_picture(place) and Path(place).is_file():
            refs.append(FileImage(str(Path(place).resolve()), printable(place)))
            continue
        records, wrong = read(place, {"path": place, "name": Path(place).as_posix()}, Path.cwd())
        refs += (record.image for record in records)
        problems += wrong
    if not refs:
        raise DataError("\n".join(summary(problems)) or "no pictures are named", problems=problems)
    for line in summary(problems):
        screen.say(line)
    return refs


def _places(given: Paths) -> Iterator[str]:
    """What ``given`` names, patterns replaced by what they match."""
    for path in [given] if isinstance(given, str | Path) else given:
        if Path(path).exists():
            yield str(path)
        elif glob.has_magic(str(path)):
            found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
            if not found:
                raise DataError("no picture matches", location=str(path))
            yield from found
        else:
            raise DataError("there is no such file or folder", location=str(path))


def read(place: str | Path, source: Mapping[str, Any], base: Path) -> tuple[list[Record], list[Problem]]:
    """What lies at ``place``, read as the table ``source`` says.

    Raises:
        DataError: it is not there, or is nothing that can be read.
    """
    if not Path(place).exists():
        raise DataError("there is no such file or folder", location=str(place))
    try:
        opened = open_source(source, base)
    except ConfigError:
        hint = (
            "give a folder, a picture, a zip or tar, a table (.csv, .tsv, .jsonl, .parquet), or a .txt list"
        )
        raise DataError("is no place of pictures that we know", location=str(place), hint=hint) from None
    records: list[Record] = []
    problems: list[Problem] = []
    for item in opened.read():
        records.append(item) if isinstance(item, Record) else problems.append(item)
    return records, problems


def start_of_names(table: Path, pictures: Path) -> Path:
    """Where the names in ``table`` start: in ``pictures``, or above it where they begin with its own name.

    Raises:
        DataError: none of the pictures is at either place.
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
