"""Lists of names that say which part a picture belongs to: ``train.txt``, ``ImageSets/Main/val.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from oneglance.data.images.references import is_picture
from oneglance.data.parsing.problem_counter import Tally
from oneglance.data.parsing.quoting import quoted
from oneglance.data.parsing.text_lines import lines
from oneglance.data.record import SPLIT_NAMES
from oneglance.errors import Problem


def key_of(name: str) -> str:
    """What a list calls a picture: its path without the ending, with forward slashes."""
    name = name.replace("\\", "/").removeprefix("./").removeprefix("JPEGImages/").removeprefix("images/")
    return name[: name.rfind(".")] if is_picture(name) else name


class PartLists:
    """The lists of a folder; ``trainval.txt`` counts where no other list names a picture."""

    def __init__(self, folder: Path) -> None:
        self._parts: dict[str, tuple[str, str]] = {}  # key -> part, where it stands
        self._unasked: dict[str, None] = {}
        self._twice: list[Problem] = []
        self._told = Tally()
        places = (folder / "ImageSets" / "Main", folder)
        files = next((found for place in places if (found := sorted(_lists(place)))), [])
        for file in sorted(places[0].glob("*_*.txt")):
            if file.stem.rpartition("_")[2].lower() in (*SPLIT_NAMES, "trainval"):
                what = "tells of one class in which pictures it is, and is not used: the boxes tell"
                self._told.note("list of a class", f"{file.parent.name}/{file.name}", what)
        for _, part, file in files:
            for number, line in enumerate(lines(file), 1):
                if line.strip():
                    self._add(key_of(line.strip()), part, f"{file.name}:{number}")

    def _add(self, key: str, part: str, location: str) -> None:
        said, first = self._parts.setdefault(key, (part, location))
        self._unasked[key] = None
        if said != part and not first.startswith("trainval"):
            what = f"{quoted(key)} is in {part}, but in {said} by {first}"
            self._twice.append(Problem(location, what, "take it out of one of the lists", kind="two parts"))
        elif said != part:
            self._parts[key] = (part, location)

    def part(self, key: str, location: str) -> str:
        """The part of a picture; "" where no list names it. Names may stand with and without folders."""
        for name in dict.fromkeys((key, key.rpartition("/")[2])):
            if name in self._parts:
                self._unasked.pop(name, None)
                return self._parts[name][0]
        if self._parts:
            self._told.note("on no list", location, "is on no list of a part", "its part is drawn")
        return ""

    def others(self) -> Iterator[tuple[str, str, str]]:
        """Key, place and part of every name that was not asked for."""
        for key in self._unasked:
            part, location = self._parts[key]
            yield key, location, part

    def problems(self) -> Iterator[Problem]:
        yield from self._twice
        yield from self._told.problems()


def _lists(folder: Path) -> Iterator[tuple[int, str, Path]]:
    """Their rank, part and file; those that know less come first, to be overruled."""
    for file in folder.glob("*.txt"):
        word = file.stem.lower()
        if word == "trainval":
            yield 0, "train", file
        elif word in SPLIT_NAMES:
            yield 1, SPLIT_NAMES[word], file
