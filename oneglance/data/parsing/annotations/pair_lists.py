"""Lists that name in each line a picture and the text file of its boxes: ``a/1.jpg b/1.txt``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

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


def has_pairs(path: Path) -> bool:
    """Whether a list of a split in a folder has such lines."""
    lists = (file for _, _, file in sorted(lists_of_splits(path)))
    some = (pair for file in lists for pair in map(_names, islice(lines_or_none(file), FEW)))
    return any(pair is not None and is_file(path / pair[1]) for pair in some)


def listed_pairs(path: Path, images: Path | None, counter: ProblemCounter) -> Iterator[Pair]:
    """Every picture of the lists in a folder with its text file. Of a name that is in two lists the later one
    counts, and ``trainval.txt`` is the first. What is read otherwise than it is written is counted.

    Args:
        images: where the names of pictures start, if not in ``path``.
    """
    start = resolved(images or path)
    by_name: dict[str, tuple[str, str, str]] = {}
    for _, split, file in sorted(lists_of_splits(path)):
        for number, line in enumerate(lines(file), 1):
            names = _names(line)
            if names:
                _, earlier, first = by_name.get(names[0], ("", split, ""))
                by_name[names[0]] = (names[1], split, f"{file.name}:{number}")
                if what := contradiction(names[0], split, earlier, first):
                    counter.add("two parts", f"{file.name}:{number}", what, "the later list counts")
            elif line.strip():
                what = f"{quoted(line.strip(), 60)} names no picture with a text file"
                counter.add("line of a list", f"{file.name}:{number}", what, "the line is left out")
    folders: dict[Path, _Folder] = {}
    used = set()
    for name, (text, split, location) in by_name.items():
        written = start / name
        if written.parent not in folders:
            folders[written.parent] = _Folder(written.parent)
        own = folders[written.parent].own_name(written.name)
        if own != written.name:
            what = f"names pictures otherwise than their files are called: {quoted(name)} is {quoted(own)}"
            counter.add("picture names", location, what, "look whether these are the pictures of the boxes")
        image = FileImage(str(written.with_name(own)), printable(name))
        used.add(image.path)
        yield Pair(image, path / text if is_file(path / text) else None, split)
    left = sum(str(start / name) not in used for name in files_below(start, is_picture))
    if left:
        counter.add(
            "on no list", path.name, f"holds {left:,} pictures that are on no list: they are left out"
        )


def _names(line: str) -> tuple[str, str] | None:
    """The two names of a line, as paths below the folder of the list."""
    words = [word.removeprefix("./") for word in re.split(r"[\s,;]+", line.strip().replace("\\", "/"))]
    if len(words) != 2 or not is_picture(words[0]) or not words[1].lower().endswith(TEXT):
        return None
    inside = all(word[:1] != "/" and ":" not in word and ".." not in word.split("/") for word in words)
    return (words[0], words[1]) if inside else None


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
