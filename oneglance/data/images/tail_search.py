"""Pictures whose names in a table are not what their files are called.

They were written on another machine, from another folder, in another case or without an ending. Each is found
by the longest end of its name that only one file has.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oneglance.data.images.references import is_picture
from oneglance.data.quoting import quoted
from oneglance.errors import Problem

SAVED_ANEW = 0.9  # share of the names with an ending whose pictures have to be there with another one

_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Match:
    """A file that a written name may mean."""

    path: str  # of the file, from the folder or archive that is searched, with forward slashes
    dropped: str  # the beginning of the written name that the file's path has not, with its last slash
    added: str  # the beginning of the file's path that the written name has not
    folders: int  # at the end of both that are the same


class TailSearch:
    """The pictures of a folder or archive, by the ends of their paths.

    A name is taken for a file where all of it is the end of the file's path; where a beginning is left out
    and either the file lies at the top or at least one folder agrees. Anything else is a guess and is not
    made: ``cat/1.jpg`` is not ``dog/1.jpg``. Names that begin alike lose the same beginning, and relative
    names lose one folder's name, not several. ``1.png`` is not ``1.jpg``, save where no file at all ends as
    the names do, and nearly all that they name are there: then the pictures were saved anew.

    Args:
        paths: of the pictures, with forward slashes.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)  # name without its ending -> paths
        self._endings: set[str] = set()  # of the files, in small letters
        self._former: set[str] = set()  # endings of names whose pictures have another one now
        for path in paths:
            stem, ending = _parted(path)
            self._by_name[stem].append(path)
            self._endings.add(ending)
        self._dropped: set[str] = set()
        self._bare: set[str] = set()  # beginnings, of relative names, of which no folder is here
        self._relative = False  # a relative name was right as it stands
        self._named: dict[str, str] = {}  # path -> the written name that it was taken for
        self._counts: dict[str, int] = {}  # how names differ -> names
        self._examples: dict[str, str] = {}

    def begin(self, sample: Iterable[str], as_written: Callable[[str], bool]) -> None:
        """Look at the first names, so that the order of the others decides less.

        Args:
            as_written: whether a name is right as it stands.
        """
        sample, matches = list(sample), []
        self._former = self._endings_that_changed(sample)
        for name in sample:
            if as_written(name):
                self._relative = self._relative or not _ABSOLUTE.match(name)
            else:
                matches += self._matches(name)[:2]
        self._bare = {match.dropped for match in matches if _is_bare(match)}
        for match in sorted(matches, key=lambda match: len(match.dropped)):
            self._is_certain(match)

    def _endings_that_changed(self, sample: Iterable[str]) -> set[str]:
        there: dict[str, list[bool]] = defaultdict(list)
        for stem, ending in map(_parted, sample):
            if ending and ending not in self._endings:
                there[ending].append(stem in self._by_name)
        return {ending for ending, each in there.items() if sum(each) >= max(2, SAVED_ANEW * len(each))}

    def find(self, name: str, location: str) -> str | Problem | None:
        """The path of the one file that ``name`` means, None where there is none, or a Problem where there
        may be several.
        """
        matches = self._matches(name)
        if not matches:
            return None
        if len(matches) > 1:
            if self._relative and all(match.added for match in matches):
                return None  # names start here, and this one is not here
            what = f"{quoted(name)} may be {quoted(matches[0].path)} or {quoted(matches[1].path)}"
            hint = "write more of its path, or give `images`; the row is left out"
            return Problem(location, what, hint, kind="picture name", fatal=False)
        (match,) = matches
        if not self._is_certain(match):
            return None
        own = loose_stem(name.replace("\\", "/"))
        is_new = match.path not in self._named
        first = self._named.setdefault(match.path, own)
        if not (f"/{first}".endswith(f"/{own}") or f"/{own}".endswith(f"/{first}")):
            what = f"{quoted(first)} and {quoted(name)} would both be {quoted(match.path)}"
            hint = 'give the folder where the names start with `images`, or write names = "exact"'
            return Problem(location, what, hint, kind="picture named twice")
        if is_new:
            self._count(name, match)
        return match.path

    def problems(self, title: str) -> list[Problem]:
        """How many names were taken for files that are called otherwise, if any."""
        if not self._counts:
            return []
        ways = "; ".join(f"{count:,} {how} ({self._examples[how]})" for how, count in self._counts.items())
        what = f"names {sum(self._counts.values()):,} pictures otherwise than their files are called: {ways}"
        return [Problem(title, what, 'names = "exact" takes none of them', kind="picture names", fatal=False)]

    def _matches(self, name: str) -> list[Match]:
        """The files with the longest end of ``name``; of several those that agree in case and ending too."""
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        loose = [_loose(part) for part in parts]
        with_ending = is_picture(parts[-1]) and _parted(parts[-1])[1] not in self._former
        best: list[Match] = []
        for path in self._by_name.get(loose_stem(parts[-1]), ()) or self._by_name.get(loose[-1], ()):
            own = path.split("/")
            if with_ending and _loose(own[-1]) != loose[-1]:
                continue
            same = 1
            while same < min(len(own), len(parts)) and _loose(own[-1 - same]) == loose[-1 - same]:
                same += 1
            match = Match(
                path, _beginning(name, parts[-same:]), "".join(f"{o}/" for o in own[:-same]), same - 1
            )
            if not best or match.folders > best[0].folders:
                best = [match]
            elif match.folders == best[0].folders:
                best.append(match)
        end = "/".join(parts)
        exact = [one for one in best if end.endswith(one.path[len(one.added) :])]
        return exact if len(exact) == 1 else best

    def _is_certain(self, match: Match) -> bool:
        if not match.dropped:
            return True
        if match.added and not match.folders:
            return False
        if _is_bare(match):
            self._bare.add(match.dropped)
            if len(self._bare) > 1:
                return False
        if any(match.dropped != other and match.dropped.startswith(other) for other in self._dropped):
            return False
        self._dropped.add(match.dropped)
        return True

    def _count(self, name: str, match: Match) -> None:
        if match.dropped:
            how = f"without the beginning {quoted(match.dropped)}"
        elif match.added:
            how = f"in {quoted(match.added)}" if len(self._counts) < 5 else "in other folders"
        elif _loose(name.replace("\\", "/").removeprefix("./")) == _loose(match.path):
            how = "in another case or Unicode form"
        elif not is_picture(name):
            how = "without their ending"
        elif _parted(name)[1] != _parted(match.path)[1]:
            how = "with another ending"
        else:
            how = "without what leads out of the folder"
        if len(self._counts) >= 8 and how not in self._counts:
            how = "in other ways"
        self._counts[how] = self._counts.get(how, 0) + 1
        self._examples.setdefault(how, f"{quoted(name)} is {quoted(match.path)}")


def _is_bare(match: Match) -> bool:
    return bool(match.dropped) and not match.folders and not _ABSOLUTE.match(match.dropped)


def _loose(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def loose_stem(name: str) -> str:
    """Loosely, without the ending of a picture."""
    loose = _loose(name)
    return loose[: loose.rindex(".")] if is_picture(loose) and "." in loose else loose


def _parted(path: str) -> tuple[str, str]:
    """The name of a picture's file, loosely, and its ending in small letters."""
    name = path.replace("\\", "/").rpartition("/")[2]
    stem = loose_stem(name)
    return stem, _loose(name).removeprefix(stem)


def _beginning(name: str, tail: list[str]) -> str:
    """What stands in ``name`` before ``tail``, as written."""
    end = name.replace("\\", "/")
    for part in reversed(tail):
        end = end[: end.rindex(part)]
    written = name[: len(end)]
    return "" if set(written) <= set("./\\") and ".." not in written else written
