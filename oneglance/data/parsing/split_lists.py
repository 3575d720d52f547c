"""Lists of the pictures of each split: ``train.txt``, ``ImageSets/Main/val.txt``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from oneglance.data.images.references import is_picture
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.parsing.text_lines import lines
from oneglance.data.quoting import quoted
from oneglance.data.record import SPLIT_NAMES
from oneglance.errors import Problem
from oneglance.storage.plain_files import names_in

BEFORE_NUMBERS = re.compile(r"(\S+)(?:[ \t]+-?\d+)+")
FIRST_OF_SEVERAL = re.compile(r"(?<=[a-z])_?0?1$")  # `train1.txt`, where there are ten ways to split
ALSO_CALLED = re.compile(r"^(?:list|files)_|_(?:list|lst|pairs?|files|images)$")  # `train_list.txt`
NAMED = 0.9  # share of the names of lists that are pictures


def key_of(name: str) -> str:
    """What a list calls a picture: its path without the ending, with forward slashes."""
    name = name.replace("\\", "/").removeprefix("./").removeprefix("JPEGImages/").removeprefix("images/")
    return name[: name.rfind(".")] if is_picture(name) else name


class SplitLists:
    """The lists of a folder; ``trainval.txt`` counts where no other list names a picture.

    Args:
        inside: folders in it that may hold the lists, the likeliest first.
    """

    def __init__(self, folder: Path, inside: Sequence[str] = ("ImageSets/Main", "")) -> None:
        self._splits: dict[str, tuple[str, str]] = {}  # key -> split, location of the line
        self._unused: dict[str, None] = {}  # keys that ``split`` was not called for
        self._contradictions: list[Problem] = []
        self._counter = ProblemCounter()
        folders = [folder / name for name in inside]
        files = next((lists for one in folders if (lists := sorted(lists_of_splits(one)))), [])
        for file in names_in(folders[0], "*_*.txt"):
            if file.stem.rpartition("_")[2].lower() in (*SPLIT_NAMES, "trainval"):
                what = "tells of one class in which pictures it is, and is not used: the boxes tell"
                self._counter.add("list of a class", f"{file.parent.name}/{file.name}", what)
        for _, split, file in files:
            for number, line in enumerate(lines(file), 1):
                if line.strip():
                    self._add(key_of(_name_in(line.strip())), split, f"{file.name}:{number}")

    def _add(self, key: str, split: str, location: str) -> None:
        earlier, first = self._splits.setdefault(key, (split, location))
        self._unused[key] = None
        if what := contradiction(key, split, earlier, first):
            hint = "take it out of one of the lists"
            self._contradictions.append(Problem(location, what, hint, kind="two parts"))
        elif earlier != split:
            self._splits[key] = (split, location)

    def __bool__(self) -> bool:
        """Whether any picture is listed."""
        return bool(self._splits)

    def are_of(self, keys: Collection[str]) -> bool:
        """Whether they part the pictures of these keys: they name most of them, some for training and some
        for another split, and hardly any other.
        """
        named = [self._splits[key][0] for key in keys if key in self._splits]
        several = "train" in named and len(set(named)) > 1
        return several and 2 * len(named) >= len(keys) and len(named) >= NAMED * len(self._splits)

    def split(self, key: str, location: str) -> str:
        """The split of a picture; "" where no list names it. Names may have their folders or not."""
        for name in dict.fromkeys((key, key.rpartition("/")[2])):
            if name in self._splits:
                self._unused.pop(name, None)
                return self._splits[name][0]
        if self._splits:
            self._counter.add("on no list", location, "is on no list of a split", "its split is drawn")
        return ""

    def others(self) -> Iterator[tuple[str, str, str]]:
        """Key, location and split of every name on a list that ``split`` was not called for."""
        for key in self._unused:
            split, location = self._splits[key]
            yield key, location, split

    def problems(self) -> Iterator[Problem]:
        yield from self._contradictions
        yield from self._counter.problems()


def _name_in(line: str) -> str:
    """The name that a line holds: what stands before numbers, as classes are there."""
    match = BEFORE_NUMBERS.fullmatch(line)
    return match[1] if match else line


def contradiction(name: str, split: str, earlier: str, first: str) -> str:
    """What is wrong where a picture is in ``split``, but by the line ``first`` in ``earlier``; "" where that
    is right: other lists overrule ``trainval.txt``.
    """
    is_wrong = earlier != split and not first.startswith("trainval")
    return f"{quoted(name)} is in {split}, but in {earlier} by {first}" if is_wrong else ""


def lists_of_splits(folder: Path) -> Iterator[tuple[int, str, Path]]:
    """The rank, split and file of each list of a split; ``trainval.txt`` comes first, to be overruled."""
    for file in names_in(folder, "*.txt"):
        word = FIRST_OF_SEVERAL.sub("", ALSO_CALLED.sub("", file.stem.lower()))
        if word == "trainval":
            yield 0, "train", file
        elif word in SPLIT_NAMES:
            yield 1, SPLIT_NAMES[word], file
