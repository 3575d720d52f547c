"""Lists that name in each line a picture and the file of its annotations: ``a/1.jpg b/1.txt``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from oneglance.data.images.references import FileImage, is_picture, printable
from oneglance.data.parsing.annotations.paired_files import TEXT, Pair
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.parsing.split_lists import contradiction, lists_of_splits
from oneglance.data.parsing.text_lines import lines, lines_or_none
from oneglance.data.quoting import quoted
from oneglance.storage.plain_files import entry_names, is_file, resolved

FEW = 10  # lines of a list that are looked at
# What is made for a picture is called so: `7_temp.jpg` beside `7_test.jpg`, which a list calls `7.jpg`.
OTHERS = frozenset(("temp", "template", "ref", "reference", "mask", "gt", "golden", "defect", "diff"))


def is_text(name: str) -> bool:
    """Whether a file may hold the boxes of a picture."""
    return name.lower().endswith(TEXT)


def has_pairs(path: Path, is_annotation: Callable[[str], bool] = is_text) -> bool:
    """Whether a list of a split in a folder has such lines.

    Args:
        is_annotation: whether a name is that of a file of annotations.
    """
    lists = (file for _, _, file in sorted(lists_of_splits(path)))
    lines_there = (line for file in lists for line in islice(lines_or_none(file), FEW))
    pairs = (pair for line in lines_there if (pair := _names(line, is_annotation)) is not None)
    there = _Tails(path)
    return any(is_file(path / there.tail(names[1])) for names in pairs)


def listed_pairs(
    path: Path, images: Path | None, counter: ProblemCounter, is_annotation: Callable[[str], bool] = is_text
) -> Iterator[Pair]:
    """Every picture of the lists in a folder with its annotations. Of a name that is in two lists the later
    one counts, and ``trainval.txt`` is the first. What is read otherwise than it is written is counted.

    Args:
        images: where the names of pictures start, if not in ``path``.
        is_annotation: whether a name is that of a file of annotations.
    """
    start = resolved(images or path)
    pictures, annotations = _Tails(start), _Tails(path)
    by_name: dict[str, tuple[str, str, str]] = {}
    for _, split, file in sorted(lists_of_splits(path)):
        for number, line in enumerate(lines(file), 1):
            names = _names(line, is_annotation)
            if names:
                name = pictures.tail(names[0])
                _, earlier, first = by_name.get(name, ("", split, ""))
                by_name[name] = (annotations.tail(names[1]), split, f"{file.name}:{number}")
                if what := contradiction(name, split, earlier, first):
                    counter.add("two parts", f"{file.name}:{number}", what, "the later list counts")
            elif line.strip():
                what = f"{quoted(line.strip(), 60)} names no picture with a file of annotations"
                counter.add("line of a list", f"{file.name}:{number}", what, "the line is left out")
    folders: dict[Path, _Folder] = {}
    used = set()
    for name, (annotated, split, location) in by_name.items():
        written = start / name
        if written.parent not in folders:
            folders[written.parent] = _Folder(written.parent)
        own = folders[written.parent].own_name(written.name)
        if own != written.name:
            what = f"names pictures otherwise than their files are called: {quoted(name)} is {quoted(own)}"
            counter.add("picture names", location, what, "look whether these are the pictures of the boxes")
        image = FileImage(str(written.with_name(own)), printable(name))
        used |= {image.path, str(start / annotated)}
        yield Pair(image, path / annotated if is_file(path / annotated) else None, split)
    left = sum(str(start / name) not in used for name in files_below(start, is_picture))
    if left:
        counter.add(
            "on no list", path.name, f"holds {left:,} pictures that are on no list: they are left out"
        )


def _names(line: str, is_annotation: Callable[[str], bool]) -> tuple[str, str] | None:
    """The two names of a line."""
    words = [word.removeprefix("./") for word in re.split(r"[\s,;]+", line.strip().replace("\\", "/"))]
    if len(words) != 2 or not is_picture(words[0]) or not is_annotation(words[1]):
        return None
    return None if any(".." in word.split("/") for word in words) else (words[0], words[1])


class _Tails:
    """Names as paths below a folder: of those that were written elsewhere, ``/home/me/set/a/1.jpg``, what is
    left from a folder there on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parents: dict[str, str] = {}

    def tail(self, name: str) -> str:
        """The longest end of a name that a file has there, with a folder if it has one; else all of it."""
        parent, _, last = name.rpartition("/")
        if parent not in self._parents:
            parts = [part for part in PurePosixPath(parent).parts if part != "/"]
            ends = ("/".join(parts[start:]) for start in range(max(1, len(parts))))
            there = (end for end in ends if is_file(self._folder / end / last))
            self._parents[parent] = next(there, parent.lstrip("/"))
        return f"{self._parents[parent]}/{last}".lstrip("/")


class _Folder:
    """The names of the pictures in a folder."""

    def __init__(self, folder: Path) -> None:
        try:
            self._names = {name for name in entry_names(str(folder)) if is_picture(name)}
        except OSError:
            self._names = set()
        self._longer: dict[str, list[str]] = {}  # `1` -> `1_test.jpg`
        for name in self._names:
            head, dash, word = name.rpartition(".")[0].replace("-", "_").rpartition("_")
            if dash and word.lower() not in OTHERS:
                self._longer.setdefault(head, []).append(name)

    def own_name(self, name: str) -> str:
        """``name``, or that of the only picture that is called ``1_test.jpg`` or so for the ``1.jpg`` of a
        list.
        """
        longer = self._longer.get(name.rpartition(".")[0], ())
        return longer[0] if name not in self._names and len(longer) == 1 else name
