"""The file that describes a YOLO data set: its classes, and the paths of its splits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from oneglance.data.parsing.folder_walk import folders_in
from oneglance.data.parsing.layouts import Place
from oneglance.data.parsing.structured_files import beginning, read_yaml
from oneglance.data.parsing.text_lines import lines
from oneglance.data.quoting import quoted
from oneglance.errors import DataError
from oneglance.storage.plain_files import exists, is_file, is_folder, names_in, resolved
from oneglance.storage.remote.addresses import is_remote

CLASSES, DARKNET, NAMES = "classes.txt", ".data", ".names"
FILES = ("data.yaml", "data.yml", "dataset.yaml", "obj.data", CLASSES)  # of a folder, the best first
YAML = ("*.yaml", "*.yml")
NAMES_KEY = re.compile(rb"(?m)^names\s*:")
MANY = 20  # files that are looked at
MOST_CLASSES = 100_000
LONGEST = 9  # digits of the number of a class
DEEPEST = 50  # folders of a path that are tried
# YAML reads "C:\train" in double quotes as a drive, a tab and "rain".
UNESCAPED = {
    ord(character): f"\\{letter}" for character, letter in zip("\a\b\t\n\v\f\r\x1b", "abtnvfre", strict=True)
}


def names_file(path: Path) -> Path | None:
    """The file that names the classes: ``path`` itself, or what lies in this folder."""
    if not is_folder(path):
        return path
    for name in FILES:
        file = path / name
        if b"names" in beginning(file) or (name == CLASSES and is_file(file) and is_folder(path / "labels")):
            return file
    described = (file for pattern in YAML for file in names_in(path, pattern)[:MANY])
    return next(filter(_describes, described), None)


def names_beside(path: Path, places: Sequence[Place]) -> Path | None:
    """A list of the classes where no file describes the set: ``classes.txt``, ``obj.names``, or YAML with
    ``names`` alone, in the folder or beside its text files of boxes.
    """
    folders = dict.fromkeys(
        (path, *(folder for place in places for folder in (place.base, place.annotations)))
    )
    for folder in (*folders, *(inner for place in places for inner in folders_in(place.annotations))):
        for pattern in (CLASSES, f"*{NAMES}", "_darknet.labels", "labels.txt"):
            if lists := [file for file in names_in(folder, pattern) if is_file(file)]:
                return lists[0]
        for pattern in YAML:
            if lists := [
                file for file in names_in(folder, pattern)[:MANY] if NAMES_KEY.search(beginning(file))
            ]:
                return lists[0]
    return None


def _describes(file: Path) -> bool:
    """Other programs have files of YAML, too."""
    start = beginning(file)
    return bool(NAMES_KEY.search(start) and re.search(rb"(?m)^(train|val|path|nc)\s*:", start))


def read_keys(file: Path, title: str) -> dict[str, Any]:
    """The keys of the file: ``names``, ``train``, ``val``, ``test``, ``path`` and others.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    if file.suffix.lower() not in (".yaml", ".yml", DARKNET):
        return {"names": _listed(file)}
    if file.suffix.lower() == DARKNET:
        return _darknet(file)
    keys = read_yaml(file)
    if not isinstance(keys, dict):
        raise DataError("holds no keys", location=title, hint="write names, train and val into it")
    return keys


def class_names(keys: dict[str, Any], title: str) -> dict[int, str]:
    """Number -> class. A number without a name is of no class: names may have gaps.

    Raises:
        DataError: there are none.
    """
    names = keys.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    elif isinstance(names, dict):
        wrong = [
            key for key in names if not (isinstance(key, str) and key.isdecimal() and len(key) <= LONGEST)
        ]
        if wrong:
            what = f"names has {quoted(str(wrong[0]))} where the number of a class should be"
            raise DataError(what, location=title, hint="write names: {0: cat, 1: dog}")
        names = {int(key): name for key, name in names.items()}
    elif names is None and str(keys.get("nc", "")).isdecimal():
        names = {number: str(number) for number in range(min(int(keys["nc"]), MOST_CLASSES))}
    if isinstance(names, dict) and all(isinstance(name, str) for name in names.values()):
        named = {number: name.strip() for number, name in names.items() if name.strip()}
        if named:
            return named
    raise DataError("has no names of classes", location=title, hint="write names: [cat, dog]")


def odd_names(keys: dict[str, Any], names: Mapping[int, str]) -> Iterator[tuple[str, str, str]]:
    """(kind, what, hint) of what is unusual about the names, though they can be read."""
    first: dict[str, int] = {}
    for number, name in names.items():
        if first.setdefault(name, number) != number:
            what = f"calls the classes {first[name]} and {number} both {quoted(name)}: they are one class"
            yield "class named twice", what, "give each its own name, if they are two"
    count = str(keys.get("nc", ""))
    last = max(names) + 1
    if count.isdecimal() and count != str(last):
        yield (
            "number of classes",
            f"says nc: {count}, and names classes up to {last - 1}",
            "correct one of the two",
        )
    elif len(names) < last:
        gap = next(number for number in range(last) if number not in names)
        what = f"has no name for the class {gap}, but for {last - 1}: boxes of it have no class"
        yield "class without name", what, "name all classes"


def locate(root: Path, entry: str) -> Path | None:
    """The path that an entry means. ``../train/images`` often means ``train/images``: some tools write so."""
    if "\0" in entry:
        return None
    entry = without_data(root, entry)
    path = Path(os.path.normpath(root / entry))  # links in the folder may lead elsewhere
    if is_remote(root) and not is_remote(path):
        return None
    if Path(entry).is_absolute() or path.is_relative_to(os.path.normpath(root)):
        return path
    return root / entry[3:] if entry.startswith("../") and ".." not in Path(entry[3:]).parts else None


def of_another_machine(root: Path, entry: str) -> Path | None:
    """The longest end of a path that is there below ``root``: ``C:\\set\\images\\train`` may be its folder
    ``images/train``.
    """
    parts = [part for part in re.split(r"[\\/]+", entry.translate(UNESCAPED)) if part not in ("", ".")]
    above = max((index for index, part in enumerate(parts) if part == ".."), default=-1)
    parts = parts[above + 1 :]
    for start in range(max(0, len(parts) - DEEPEST), len(parts)):
        path = root.joinpath(*parts[start:])
        if ":" not in parts[start] and exists(path) and resolved(path).is_relative_to(resolved(root)):
            return path
    return None


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
    named = str(keys.get("names", ""))
    path = locate(file.parent, named)
    path = path if path is not None and is_file(path) else of_another_machine(file.parent, named)
    keys["names"] = _listed(path) if path is not None and is_file(path) else []
    return keys
