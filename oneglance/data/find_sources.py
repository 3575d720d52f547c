"""The sources in what a user points at: the tables that lie there, with their columns of pictures' names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneglance.data.image_inputs import folder_of_names, relative
from oneglance.data.images.archives import is_archive
from oneglance.data.images.references import is_picture
from oneglance.data.inspection.picture_column import image_key
from oneglance.data.inspection.suggest_config import Proposal, by_reason
from oneglance.data.parsing.folder_walk import files_below, folders_in
from oneglance.data.parsing.tables.box_lines import are_box_lines
from oneglance.data.parsing.text_tables import is_text_table
from oneglance.data.proposing.answers_in_names import with_names
from oneglance.data.proposing.folders_beside_tables import with_folders, without_icons
from oneglance.data.proposing.proposed_source import proposed, there
from oneglance.data.proposing.tables_of_parts import joined_parts
from oneglance.data.proposing.text_encoding import encoding_key
from oneglance.data.quoting import nearest_of, plain, quoted
from oneglance.data.record import Record
from oneglance.data.source import open_source, proposed_keys, recognising_formats
from oneglance.data.sources.table import READERS, TEXT_READERS
from oneglance.errors import ConfigError, DataError, command
from oneglance.storage.plain_files import exists, is_folder, resolved

DEEPEST = 3  # folders above a table that is looked for
MOST_TABLES = 20
FEW_READ = 0.1  # share of the pictures there; a format that reads fewer may be the wrong one
NAMED = 0.05  # share of a table's pictures that have to be there
NO_ANSWERS = ("submission",)  # in the name of a table whose answers stand for none


def find_sources(
    pictures: Path,
    tables: Sequence[Path] = (),
    *,
    base: Path,
    image: str = "",
    boxes: Path | None = None,
    group: str = "",
) -> list[Proposal]:
    """The sources to propose, each with its records and a guess for each of its fields.

    Args:
        pictures: a folder, archive or table of pictures.
        tables: tables of answers; where none is named, those in the folder ``pictures`` are looked for.
        base: the folder of the configuration, in which its paths start.
        image: the column of the pictures' names, in every table that has it.
        boxes: a file or folder of boxes, a source of its own.
        group: the field whose equal values go to the same split.

    Raises:
        ConfigError: no table has the column ``image``, or no source the field ``group``.
        DataError: nothing there can be read.
    """
    notes: list[str] = []
    if tables:
        proposals = [_table(table, pictures, base, image) for table in tables]
    else:
        proposals = list(_in_folder(pictures, base, image, notes)) if is_folder(pictures) else []
        notes += (_without_answers(one) for one in proposals if not one.is_useful)
        proposals = [one for one in proposals if one.is_useful]
        if proposals:
            proposals = without_icons(joined_parts(proposals, base), notes)
            proposals = list(with_folders(pictures, proposals, base, notes))
        else:
            proposals = _wholes(_annotated_inside(pictures, base), base, image, notes)
    if boxes is not None:
        proposals.append(_boxes(boxes, pictures, base))
    if not tables and not any(one.is_useful for one in proposals):
        proposals = [with_names(one, base) for one in proposals]
    proposals[0] = replace(proposals[0], notes=[*proposals[0].notes, *notes])
    return _grouped(proposals, group) if group else proposals


def _annotated_inside(path: Path, base: Path) -> list[Path]:
    """``path`` itself or, where that is no more than a folder, the annotated data sets in its folders."""
    if not _is_mere_folder(path, base):
        return [path]
    level = [path]
    for _ in range(DEEPEST):
        level = [inner for folder in level for inner in folders_in(folder)][:MOST_TABLES]
        if annotated := [folder for folder in level if not _is_mere_folder(folder, base)]:
            return annotated
    return [path]


def _is_mere_folder(path: Path, base: Path) -> bool:
    try:
        return is_folder(path) and open_source({"path": str(resolved(path))}, base).format == "folder"
    except ConfigError:
        return False


def _wholes(paths: Sequence[Path], base: Path, image: str, notes: list[str]) -> list[Proposal]:
    """All of these that can be read; why others cannot is added to ``notes``.

    Raises:
        DataError: none can be read.
    """
    proposals: list[Proposal] = []
    errors: list[DataError] = []
    for path in paths:
        try:
            proposals.append(_whole(path, base, image))
        except DataError as error:
            errors.append(error)
            notes.append(f"not read: {path.name}: {plain(error.what, 200)}")
    if not proposals:
        raise errors[0]
    return proposals


def _whole(path: Path, base: Path, image: str) -> Proposal:
    """All that ``path`` names as one source."""
    keys: dict[str, Any] = _keys(base, path)
    if is_folder(path) and image:
        raise ConfigError(f"no table in it has a column {quoted(image)}", location=str(path))
    if not is_folder(path) and exists(path):
        keys |= image_key(keys, path.parent, base, image)
    proposal = proposed(path, keys, base)
    if is_folder(path):
        proposal = _of_most(proposal, path, keys, base)
    if not there(proposal):
        what = f"names {len(proposal.records):,} pictures, and none of them is there"
        raise DataError(
            what, location=str(path), hint=f"where they lie elsewhere: {command('init', 'FOLDER', path)}"
        )
    if "format" in proposal.source:
        return proposal
    return replace(proposal, source={**proposal.source, **proposed_keys(resolved(path))})


def _of_most(proposal: Proposal, path: Path, keys: Mapping[str, Any], base: Path) -> Proposal:
    """Where it holds hardly a picture of those in the folder, what another format that recognises the folder
    reads, if that are more; and a note, if they are still few.
    """
    pictures = sum(1 for _ in files_below(path, is_picture))
    if len(proposal.records) >= FEW_READ * pictures:
        return proposal
    _, *others = [name for name in recognising_formats(resolved(path)) if name != "folder"] or [""]
    for name in others:
        with suppress(DataError):
            other = proposed(path, {**keys, "format": name}, base)
            proposal = max(proposal, other, key=lambda one: len(one.records) * one.is_useful)
    if len(proposal.records) >= FEW_READ * pictures:
        return proposal
    what = f"only {len(proposal.records):,} of {pictures:,} pictures there are read: nothing names the others"
    return replace(proposal, notes=[*proposal.notes, what])


def _keys(base: Path, path: Path) -> dict[str, Any]:
    """The keys of [[sources]] with which ``path`` can be opened."""
    return {"path": relative(base, path), **encoding_key(path)}


def _table(table: Path, pictures: Path, base: Path, image: str) -> Proposal:
    """A table whose names start in ``pictures`` or above it."""
    keys: dict[str, Any] = _keys(base, table)
    column = image_key(keys, pictures, base, image)
    return proposed(
        table, keys | {"images": relative(base, folder_of_names(table, pictures, column))} | column, base
    )


def _boxes(boxes: Path, pictures: Path, base: Path) -> Proposal:
    """A file or folder of boxes; the names in it start where more of the pictures are."""
    keys: dict[str, Any] = _keys(base, boxes)
    start = {"images": relative(base, pictures)} if is_folder(pictures) or is_archive(pictures) else {}
    proposals = [proposed(boxes, each, base) for each in ([keys | start, keys] if start else [keys])]
    return max(proposals, key=there)


def _in_folder(folder: Path, base: Path, image: str, notes: list[str]) -> Iterator[Proposal]:
    """A proposal for each table in ``folder`` that names pictures there; why others do not is added to
    ``notes``. None where the folder as a whole is of another format.
    """
    try:
        if open_source({"path": str(resolved(folder))}, base).format != "folder":
            return
    except ConfigError:
        pass
    both = {*READERS, *TEXT_READERS}
    files = files_below(folder, lambda name: Path(name).suffix.lower() in both)
    texts = [name for name in files if Path(name).suffix.lower() in TEXT_READERS]
    tables = [name for name in files if Path(name).suffix.lower() in READERS]
    if len(texts) <= MOST_TABLES:  # more are a file for each picture
        looks = (is_text_table, are_box_lines)
        tables += [name for name in texts if any(look(folder / name) for look in looks)]
    near = [name for name in tables if name.count("/") <= DEEPEST and not _is_no_answer(name)]
    if len(near) > MOST_TABLES:
        notes.append(f"only {MOST_TABLES} of {len(near):,} tables there were looked at")
    for name in sorted(near, key=lambda name: (name.count("/"), name))[:MOST_TABLES]:
        try:
            proposal = _nearby(folder / name, folder, base, image)
        except DataError as error:
            notes.append(f"not read: {name}: {plain(error.what, 200)}")
            continue
        if there(proposal) < max(1, NAMED * len(proposal.records)):
            notes.append(f"not read: {name}: it names hardly a picture that is there")
        else:
            yield proposal


def _without_answers(table: Proposal) -> str:
    """A note on a table of which nothing is asked."""
    reasons = by_reason((guess.field, guess.reason) for guess in table.guesses)
    fields = "; ".join(map(" ".join, reasons)) or "it has no other column"
    return f"not read: {Path(table.source['path']).name}: no column is an answer: {fields}"


def _nearby(table: Path, folder: Path, base: Path, image: str) -> Proposal:
    """A table whose pictures lie beside it or anywhere in ``folder``."""
    keys: dict[str, Any] = _keys(base, table)
    try:
        proposal = proposed(table, keys | image_key(keys, table.parent, base, image), base)
        if there(proposal) or table.parent == folder:
            return _fitting(proposal, table, base, image)
    except DataError:
        if table.parent == folder:
            raise
    keys |= {"images": relative(base, folder)}
    return proposed(table, keys | image_key(keys, folder, base, image), base)


def _fitting(proposal: Proposal, table: Path, base: Path, image: str) -> Proposal:
    """Where the boxes were not drawn in these pictures, the same table with those of a folder beside it that
    they fit, such as ``images/`` and not ``crops/``.
    """
    if proposal.fits_its_pictures:
        return proposal
    for folder in folders_in(table.parent)[:MOST_TABLES]:
        keys = _keys(base, table) | {"images": relative(base, folder)}
        with suppress(DataError):
            other = proposed(table, keys | image_key(keys, folder, base, image), base)
            if there(other) >= there(proposal) and 10 * other.misfits < proposal.misfits:
                what = (
                    f"the boxes fit the pictures in {folder.name}/, and not those of the same names elsewhere"
                )
                return replace(other, notes=[*other.notes, what])
    return proposal


def _is_no_answer(name: str) -> bool:
    return any(word in name.rpartition("/")[2].lower() for word in NO_ANSWERS)


def _grouped(proposals: Sequence[Proposal], group: str) -> list[Proposal]:
    """The proposals with ``group`` for the group of all that have such a field."""
    fields = dict.fromkeys(field for one in proposals for record in one.records for field in record.answers)
    if group not in fields:
        what = f"no picture has a field {quoted(group)} for the group.{nearest_of(group, fields)}"
        raise ConfigError(what, location="init")
    return [one.with_group(group) if _has(one.records, group) else one for one in proposals]


def _has(records: Sequence[Record], field: str) -> bool:
    return any(field in record.answers for record in records)
