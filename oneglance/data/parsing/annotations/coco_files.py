"""Where the files of a COCO data set lie, and the pictures that they name."""

from __future__ import annotations

import re
from pathlib import Path

from oneglance.data.parsing.folder_walk import folders_in
from oneglance.data.parsing.layouts import (
    ANNOTATION_FOLDERS,
    PICTURE_FOLDERS,
    children_named,
    part_folders,
)
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.record import SPLIT_NAMES
from oneglance.storage.plain_files import names_in

MANY = 50  # files of a folder that are looked at


def is_coco(path: Path) -> bool:
    start = beginning(path) if path.suffix.lower() == ".json" else b""
    lists = (b'"images"', b'"annotations"', b'"categories"')
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and any(name in start for name in lists)


def split_files(folder: Path) -> list[tuple[Path, str]]:
    """The files of a folder whose names, or whose folders' names, name their split, with that split; where
    none does, the only file there.
    """
    files: dict[Path, str] = {}
    others: list[Path] = []
    beside = [folder, *children_named(folder, ANNOTATION_FOLDERS)]
    parts = dict(part_folders(folder))
    for place in [*beside, *parts, *(inner for part in parts for inner in folders_in(part))]:
        for file in names_in(place, "*.json")[:MANY]:
            if not is_coco(file):
                continue
            split = parts.get(place, "") or parts.get(place.parent, "") or _split_of(file.stem)
            if split or file.stem == "instances":
                files[file] = split
            else:
                others.append(file)
    instances = {file: split for file, split in files.items() if file.name.startswith("instances")}
    if files:
        return list((instances or files).items())
    return [(others[0], "")] if len(others) == 1 else []


def _split_of(stem: str) -> str:
    words = re.findall("[a-z]+", stem.lower())
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return splits.pop() if len(splits) == 1 else ""


def picture_folders(path: Path) -> list[Path]:
    """``annotations/instances_val2017.json`` has its pictures in ``val2017`` or ``images/val2017``, others in
    folders of usual names, or in any folder there.
    """
    above, suffix = path.parent.parent, path.stem.rpartition("_")[2]
    usual = [folder / end for folder in (above, above / "images", path.parent) for end in ("", suffix)]
    named = [*children_named(path.parent, PICTURE_FOLDERS), *children_named(above, PICTURE_FOLDERS)]
    return [*usual, *named, *folders_in(path.parent), *folders_in(above)]
