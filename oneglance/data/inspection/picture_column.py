"""Which column of a table names the pictures, where its name does not say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oneglance.data.images.archives import is_archive, members
from oneglance.data.images.references import MemberImage, is_picture
from oneglance.data.images.tail_search import loose_stem
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.quoting import nearest_of, quoted
from oneglance.data.source import open_source
from oneglance.data.sources.table import IMAGE_COLUMNS, Table
from oneglance.errors import ConfigError

MATCHING = 0.5  # share of the first cells of a column that have to be pictures' names


def image_key(keys: Mapping[str, Any], pictures: Path, base: Path, image: str) -> dict[str, str]:
    """The key ``image`` of a table, where it needs one: the column given, or else that whose first cells are
    names of pictures in ``pictures``, with or without their endings, if the usual one holds none.

    Args:
        keys: of [[sources]], with which the table can be opened.

    Raises:
        ConfigError: it has no column ``image``.
    """
    try:
        source = open_source(keys, base)
    except ConfigError:
        return {}
    if not isinstance(source, Table):
        return {"image": image} if image and "image" in type(source).model_fields else {}
    columns = source.sampled()
    if image:
        if image not in columns:
            what = f"has no column {quoted(image)}.{nearest_of(image, columns)}"
            raise ConfigError(what, location=source.title)
        return {"image": image}
    stems = _stems(pictures)
    shares = {column: _share(cells, stems) for column, cells in columns.items()}
    usual = source.usual_column()
    if not stems or shares.get(usual, 0.0) >= MATCHING:
        return {}
    order = {name: place for place, name in enumerate((*IMAGE_COLUMNS, "image_id", "id"), -99)}
    best = min(columns, key=lambda column: (-shares[column], order.get(column.lower(), 0)), default="")
    return {"image": best} if best and shares[best] >= MATCHING and best != usual else {}


def _stems(pictures: Path) -> frozenset[str]:
    """The names of all pictures in a folder or an archive, without their endings."""
    if is_archive(pictures):
        names = [member.member for member in members(pictures) if isinstance(member, MemberImage)]
    else:
        names = files_below(pictures, is_picture)
    return frozenset(loose_stem(name.rpartition("/")[2]) for name in names)


def _share(cells: Sequence[str], stems: frozenset[str]) -> float:
    """The share of cells that are such a name, behind folders or not; cells that repeat count once."""
    named = sum(loose_stem(cell.replace("\\", "/").rpartition("/")[2]) in stems for cell in set(cells))
    return named / max(1, len(cells))
