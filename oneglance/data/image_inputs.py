"""The pictures that a user names: by files, folders, archives, tables and patterns of names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oneglance.data.columns.packed_images import PackedImages, packed
from oneglance.data.images.archives import is_archive
from oneglance.data.images.memory_image import UnreadableImage
from oneglance.data.images.references import FileImage, is_picture, printable
from oneglance.data.inspection.checks import summary
from oneglance.data.inspection.missing_files import absent
from oneglance.data.parsing.folder_walk import folders_below
from oneglance.data.record import ImageRef, Record
from oneglance.data.source import NAME_A_FILE, Source, open_source, unlisted
from oneglance.errors import ConfigError, DataError, Problem
from oneglance.progress import Screen
from oneglance.storage.plain_files import exists, is_file, is_folder, names_in, resolved, why_absent
from oneglance.storage.remote.addresses import address_of, is_remote, redacted, refusal

Paths = str | Path | Iterable[str | Path]

A_LIST = "is no picture; a list or a table of pictures is read where no picture is named beside it"


def pictures(given: Paths, screen: Screen, *, beside_others: bool = False) -> Sequence[ImageRef]:
    """Every picture of files, folders, archives, tables and glob patterns, in the order given; each is called
    as it was named. Problems are printed.

    What is named alone has to hold pictures. Among others, a file that is none, or that is not there, is
    returned too: it cannot be decoded, so it is named and the others are answered. A list or a table counts
    as one only where no picture and no folder is named with it: in ``new/*`` it lies beside the pictures
    that it names.

    Args:
        beside_others: whether more is asked for than these.

    Raises:
        DataError: there is none at all, or what is named alone cannot be read.
    """
    paths = list(_paths(given))
    alone = len(paths) == 1 and not beside_others
    lists = not beside_others and not any(is_picture(path) or is_folder(path) for path in paths)
    refs: list[ImageRef] = []  # of what is named by itself, since the last part
    parts: list[PackedImages | list[ImageRef]] = [refs]
    problems: list[Problem] = []
    for path in paths:
        address = address_of(path)
        if address is not None and (why := refusal(address)):
            refs.append(UnreadableImage(redacted(printable(path)), why))
            continue
        if address is not None and not alone and is_picture(path):  # asking for each would take long
            refs.append(FileImage(str(resolved(path)), printable(path)))
            continue
        if not alone and not exists(path):
            refs.append(UnreadableImage(printable(path), _absent(path)))
            continue
        if is_picture(path) and (is_file(path) or not alone):
            refs.append(FileImage(str(resolved(path)), printable(path)))
            continue
        try:
            source = opened(
                path, {"path": path, "name": address_of(path) or Path(path).as_posix()}, Path.cwd()
            )
        except DataError:
            if alone:
                raise
            refs.append(FileImage(str(resolved(path)), printable(path)))
            continue
        if not (lists or is_folder(path) or is_archive(Path(path))):
            refs.append(UnreadableImage(printable(path), A_LIST))
            continue
        try:
            images, wrong = _images_of(source)
        except DataError as error:
            if alone:
                raise
            refs.append(UnreadableImage(printable(path), error.what))
            continue
        parts += [images, refs := []]
        problems += wrong
    strangers = [
        ref for part in parts if isinstance(part, list) for ref in part if isinstance(ref, UnreadableImage)
    ]
    if len(strangers) == sum(map(len, parts)) and not beside_others:
        problems += (Problem(ref.name, ref.what) for ref in strangers)
        raise DataError("\n".join(summary(problems)) or "no pictures are named", problems=problems)
    for line in summary(problems):
        screen.say(line)
    return refs if parts == [refs] else PackedImages.joined(parts)


def _paths(given: Paths) -> Iterator[str]:
    """The paths in ``given``, patterns replaced by the paths that match, if any."""
    for path in [given] if isinstance(given, str | Path) else given:
        if not exists(path) and glob.has_magic(str(path)):
            yield from _matching(str(path)) or [str(path)]
        else:
            yield str(path)


def _matching(pattern: str) -> list[str]:
    """The paths that match, sorted. ``**`` is every folder below, but not through links: these may lead back.
    What lies in a folder that matches too is left to that folder.
    """
    if is_remote(pattern):
        folder, _, names = pattern.rpartition("/")
        return [address_of(path) or str(path) for path in names_in(folder, names)]
    before, deep, after = f"/{pattern.replace(os.sep, '/')}/".partition("/**/")
    if not deep:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob refuses absolute patterns
    tops = glob.glob(before[1:]) if before else [""]  # noqa: PTH207
    if not after:
        return sorted(top or "." for top in tops)
    matches: set[str] = set()
    for top in tops:
        for folder in ["", *folders_below(Path(top))]:
            start = "/".join(filter(None, (top.rstrip("/") if top != "/" else "", folder)))
            matches.update(_matching(glob.escape(f"{start}/" if start or top else "") + after.rstrip("/")))
    return sorted(match for match in matches if matches.isdisjoint(map(str, Path(match).parents)))


def read(path: str | Path, source: Mapping[str, Any], base: Path) -> tuple[list[Record], list[Problem]]:
    """The records and problems of ``path``, read as the table ``source`` describes it.

    Raises:
        DataError: it does not exist, or no format reads it.
    """
    return read_all(opened(path, source, base))


def _absent(path: str | Path) -> str:
    if glob.has_magic(str(path)):
        return "no picture matches"
    why = why_absent(path) if is_remote(path) else ""
    return why if why.startswith("cannot be read") else "there is no such file or folder"


def opened(path: str | Path, source: Mapping[str, Any], base: Path) -> Source:
    """The source at ``path`` that the table ``source`` describes.

    Raises:
        DataError: it does not exist, or no format reads it.
    """
    if what := unlisted(path):
        raise DataError(what, location=str(path), hint=NAME_A_FILE)
    if not exists(path):
        raise DataError(_absent(path), location=str(path))
    try:
        return open_source(source, base)
    except ConfigError:
        hint = (
            "give a folder, a picture, a zip or tar, a table (.csv, .tsv, .jsonl, .parquet), or a .txt list"
        )
        raise DataError("is no place of pictures that we know", location=str(path), hint=hint) from None


def read_all(source: Source) -> tuple[list[Record], list[Problem]]:
    """The records and problems of a source."""
    records: list[Record] = []
    problems: list[Problem] = []
    for item in source.read():
        records.append(item) if isinstance(item, Record) else problems.append(item)
    return records, problems


def _images_of(source: Source) -> tuple[PackedImages, list[Problem]]:
    """The pictures of a source in little memory, and its problems."""
    problems: list[Problem] = []

    def images() -> Iterator[ImageRef]:
        for item in source.read():
            if isinstance(item, Record):
                yield item.image
            else:
                problems.append(item)

    return packed(images()), problems


def folder_of_names(table: Path, pictures: Path, keys: Mapping[str, Any] | None = None) -> Path:
    """The folder in which the names in ``table`` start: ``pictures``, or the one above it where they begin
    with its name.

    Args:
        keys: further keys of its [[sources]].

    Raises:
        DataError: none of the pictures is in either.
    """
    named = 0
    starts = [pictures, pictures.parent] if is_folder(pictures) else [pictures]
    for names, places in (("exact", starts), ("", [pictures])):  # what needs no search comes first
        for start in places:
            source = {"path": resolved(table), "images": resolved(start), "names": names, **(keys or {})}
            records, _ = read(table, source, Path.cwd())
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
    if (address := address_of(path)) is not None:
        return address
    whole = resolved(path)
    return (whole.relative_to(base) if whole.is_relative_to(base) else whole).as_posix()
