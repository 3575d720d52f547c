"""Tables of splits, ``train.csv`` and ``test.csv``, or of one name in folders of splits: one source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from oneglance.data.image_inputs import relative
from oneglance.data.inspection.suggest_config import Proposal
from oneglance.data.parsing.layouts import named_split
from oneglance.data.proposing.proposed_source import proposed, there
from oneglance.data.source import open_source
from oneglance.errors import ConfigError, DataError
from oneglance.storage.plain_files import located


def joined_parts(proposals: Sequence[Proposal], base: Path) -> list[Proposal]:
    """The proposals, with one for a folder in the place of its tables of train and another split, where these
    ask for the same, or have the same columns, and are read in the same way.
    """
    by_place: dict[tuple[Path, str], list[Proposal]] = defaultdict(list)
    for one in proposals:
        path = located(base, str(one.source["path"]))
        if any(record.split for record in one.records):
            continue
        if named_split(path.stem):
            by_place[path.parent, ""].append(one)
        elif named_split(path.parent.name):
            by_place[path.parent.parent, path.name].append(one)
    wholes: dict[int, Proposal | None] = {}  # by the identity of what they stand for
    for (folder, _), parts in by_place.items():
        whole = _joined(folder, parts, base)
        if whole is not None:
            wholes |= {id(parts[0]): whole, **{id(part): None for part in parts[1:]}}
    return [whole for one in proposals if (whole := wholes.get(id(one), one)) is not None]


def _joined(folder: Path, parts: Sequence[Proposal], base: Path) -> Proposal | None:
    paths = [Path(str(one.source["path"])) for one in parts]
    splits = {named_split(path.stem) or named_split(path.parent.name) for path in paths}
    if "train" not in splits or len(splits) < 2:
        return None
    first, *others = [{key: value for key, value in one.source.items() if key != "path"} for one in parts]
    asked = [{guess.field for guess in one.guesses if guess.type} for one in parts]
    columns = [{field for record in one.records for field in record.answers} for one in parts]
    if any(keys != first for keys in others):
        return None
    if not set.intersection(*asked) and any(fields != columns[0] for fields in columns):
        return None
    keys = {"path": relative(base, folder), "format": "table", **first}
    try:
        if any(open_source(one.source, base).format != "table" for one in parts):
            return None
        whole = proposed(folder, keys, base)
    except (ConfigError, DataError):
        return None
    complete = there(whole) >= sum(map(there, parts))
    return whole if complete and all(record.split for record in whole.records) else None
