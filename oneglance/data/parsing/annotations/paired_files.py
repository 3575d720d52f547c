"""Pictures and the annotation file of each, that are called alike: ``images/a.jpg`` and ``labels/a.txt``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.parsing.folder_walk import files_below, walk
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.layouts import Place, annotated_places, named_split, picture_folder
from oneglance.data.parsing.split_lists import key_of
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.picture_files.formats import without_companions
from oneglance.storage.plain_files import scan

MANY, FEW = 1000, 10  # names of a folder, and files of these, that tell whether it holds annotations
TEXT = ".txt"
# Text files that belong to no picture, without their endings.
NO_ANNOTATIONS = frozenset(
    ("classes", "train", "val", "valid", "test", "trainval", "readme", "labels", "obj")
)


class Pair(NamedTuple):
    """One picture and its annotation file."""

    image: FileImage
    file: Path | None  # None: there is none of its name
    split: str


def text_places(path: Path) -> list[Place]:
    """Where text files lie that are called like pictures: beside them or in a folder of a usual name."""

    def below(place: Place) -> bool:
        below_it = (name for _, _, names in walk(place.annotations) for name in names)
        return any(map(_is_text, islice(below_it, MANY)))

    return annotated_places(path, below, _holds_pairs)


def texts(place: Place, most: int = FEW) -> list[Path]:
    """Some text files of a place that hold something."""
    paths = (Path(parent, name) for parent, _, names in walk(place.annotations) for name in sorted(names))
    files = (file for file in islice(paths, MANY) if _is_text(file.name))
    return list(islice((file for file in files if beginning(file, 1)), most))


def pairs(
    places: Sequence[Place], images: Path | None, is_annotation: Callable[[str], bool] | None = None
) -> Iterator[Pair]:
    """Every picture with its annotation file, where there is one of its name; a file in another folder counts
    where only one is called so.

    Args:
        images: the folder of the pictures, where it is named.
        is_annotation: which files are annotations; default: those that end in ``.txt``.
    """
    for place in places:
        is_wanted = is_annotation or _is_text
        folder, names = picture_folder(place, images, _pictures)
        by_key: dict[str, str] = {}
        bare: dict[str, list[str]] = {}
        for name in files_below(place.annotations, is_wanted):
            key = name.rpartition(".")[0]
            by_key[key] = name
            bare.setdefault(key.rpartition("/")[2], []).append(name)
        find = finder(folder, folder, [])
        for name in names:
            image = find(name, "")
            if isinstance(image, FileImage):
                file = _file_of(key_of(name), by_key, bare)
                split = place.split or named_split_of(name) or (named_split_of(file) if file else "")
                yield Pair(image, place.annotations / file if file else None, split)


def named_split_of(name: str) -> str:
    """The split that the first folder of a name says; "" where it says none."""
    top, slash, _ = name.partition("/")
    return named_split(top) if slash else ""


def _file_of(key: str, by_key: Mapping[str, str], bare: Mapping[str, Sequence[str]]) -> str:
    if key in by_key:
        return by_key[key]
    files = bare.get(key.rpartition("/")[2], ())
    return files[0] if len(files) == 1 else ""


def _pictures(folder: Path) -> list[str]:
    return list(without_companions(files_below(folder, is_picture)))


def _is_text(name: str) -> bool:
    stem, dot, ending = name.rpartition(".")
    return f"{dot}{ending}".lower() == TEXT and stem.lower() not in NO_ANNOTATIONS and stem[:1] != "."


def _holds_pairs(folder: Path) -> bool:
    """Whether a text file lies beside a picture of its name."""
    try:
        with scan(folder) as entries:
            names = [entry.name for entry in islice(entries, MANY)]
    except OSError:
        return False
    stems = {name.rpartition(".")[0] for name in names if is_picture(name)}
    return any(_is_text(name) and name.rpartition(".")[0] in stems for name in names)
