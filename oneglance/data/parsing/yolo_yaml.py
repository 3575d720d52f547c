"""The file that describes a YOLO data set: its classes, and the paths of its splits."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from oneglance.data.parsing.structured_files import beginning, read_yaml
from oneglance.data.parsing.text_lines import lines
from oneglance.errors import DataError
from oneglance.storage.plain_files import exists, is_file, is_folder, resolved

CLASSES, DARKNET = "classes.txt", ".data"
FILES = ("data.yaml", "data.yml", "dataset.yaml", "obj.data", CLASSES)  # of a folder, the best first
MOST_CLASSES = 100_000


def names_file(path: Path) -> Path | None:
    """The file that names the classes: ``path`` itself, or what lies in this folder."""
    if not is_folder(path):
        return path
    for name in FILES:
        file = path / name
        if b"names" in beginning(file) or (name == CLASSES and is_file(file) and is_folder(path / "labels")):
            return file
    return None


def read_keys(file: Path, title: str) -> dict[str, Any]:
    """The keys of the file: ``names``, ``train``, ``val``, ``test``, ``path`` and others.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    if file.name == CLASSES:
        return {"names": _listed(file)}
    if file.suffix.lower() == DARKNET:
        return _darknet(file)
    keys = read_yaml(file)
    if not isinstance(keys, dict):
        raise DataError("holds no keys", location=title, hint="write names, train and val into it")
    return keys


def class_names(keys: dict[str, Any], title: str) -> list[str]:
    """The classes, each at its number.

    Raises:
        DataError: there are none.
    """
    names = keys.get("names")
    if isinstance(names, dict) and all(isinstance(key, str) and key.isdecimal() for key in names):
        numbered = {int(key): name for key, name in names.items()}
        last = max(numbered, default=-1)
        names = [numbered.get(number, str(number)) for number in range(min(last, MOST_CLASSES) + 1)]
    elif names is None and str(keys.get("nc", "")).isdecimal():
        names = [str(number) for number in range(min(int(keys["nc"]), MOST_CLASSES))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise DataError("has no names of classes", location=title, hint="write names: [cat, dog]")
    return [name.strip() for name in names]


def locate(root: Path, entry: str) -> Path | None:
    """The path that an entry means. ``../train/images`` often means ``train/images``: some tools write so."""
    if "\0" in entry:
        return None
    entry = without_data(root, entry)
    path = resolved(root / entry)
    if Path(entry).is_absolute() or path.is_relative_to(resolved(root)):
        return path
    return root / entry[3:] if entry.startswith("../") and ".." not in Path(entry[3:]).parts else None


def without_data(root: Path, name: str) -> str:
    """Darknet's files write ``data/a.jpg`` for a file that lies beside them."""
    inner = name.removeprefix("data/")
    return inner if inner != name and exists(root / inner) and not exists(root / name) else name


def _listed(file: Path) -> list[str]:
    return list(islice((name.strip() for name in lines(file) if name.strip()), MOST_CLASSES))


def _darknet(file: Path) -> dict[str, Any]:
    """``train = data/train.txt`` and so on, ``names`` being a file."""
    pairs = [line.partition("=") for line in lines(file)]
    keys: dict[str, Any] = {key.strip(): value.strip() for key, separator, value in pairs if separator}
    keys.setdefault("val", keys.get("valid"))
    path = locate(file.parent, str(keys.get("names", "")))
    keys["names"] = _listed(path) if path is not None and is_file(path) else []
    return keys
