"""WebDataset: tar files in which the files of one example follow each other and share a name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import groupby, islice
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.archives import is_archive, members
from oneglance.data.images.references import MemberImage, is_picture
from oneglance.data.parsing.problem_counter import Tally
from oneglance.data.parsing.quoting import plain, quoted
from oneglance.data.record import SPLIT_NAMES
from oneglance.data.source import Found, Source
from oneglance.errors import DataError, Problem

WORDS = frozenset(
    ("txt", "text", "transcript", "caption", "cls", "cls2", "class", "count", "index", "inx", "id")
)
LONGEST = 16_000_000  # bytes of a file that is no picture
LOOKED_AT = 8  # members of the first shard

Example = list[MemberImage]


class Webdataset(Source):
    """A tar file, or a folder of such shards. ``0001.jpg`` and ``0001.json``, one after the other, are one
    example: the name up to the first dot is its key, the rest says what a file is.

    The keys of a ``.json`` object are fields; a ``.cls``, ``.txt`` or another file of one word or text is the
    field of that name. Where all shards' names begin with a part (``train-0000.tar``), it is the split.
    """

    shards: str = "*.tar*"  # of a folder: the pattern of the shards' names

    rank: ClassVar[int] = 6  # an archive is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        files = [path] if path.is_file() else _shards(path, "*.tar*")
        return bool(files) and _is_shard(files[0])

    def found(self) -> Iterator[Found | Problem]:
        files = [self.path] if self.path.is_file() else _shards(self.path, self.shards)
        if not files:
            raise DataError(f"holds no shards called {quoted(self.shards)}", location=self.title)
        parts = {file: re.split(r"[^a-z]", file.name.lower(), maxsplit=1)[0] for file in files}
        said = self.split and self.path.is_dir() and all(part in SPLIT_NAMES for part in parts.values())
        told = Tally()
        for file in files:
            same = {self.split: parts[file]} if said else {}
            for key, items in groupby(members(file), _key):
                example = []
                for item in items:
                    if isinstance(item, Problem):
                        yield item
                    else:
                        example.append(item)
                if example:
                    yield from _example(f"{file.name}/{plain(key, 200)}", example, same, told)
        yield from told.problems()


def _example(
    location: str, example: Example, same: Mapping[str, str], told: Tally
) -> Iterator[Found | Problem]:
    pictures = [member for member in example if is_picture(member.member)]
    if not pictures:
        ending = _ending(example[0])
        told.note("no picture", location, f"holds no picture but {quoted(ending)}, and is not used")
        return
    if len(pictures) > 1:
        told.note("several pictures", location, "holds several pictures: the first is taken")
    answers: dict[str, Any] = {}
    for member in example:
        ending = _ending(member)
        if is_picture(member.member):
            continue
        last = ending.rpartition(".")[2]
        if last != "json" and last not in WORDS:
            told.note(f"ending {ending}", location, f"holds {quoted(ending)}, which is not read")
            continue
        try:
            answers |= _read(member, ending)
        except (OSError, ValueError, RecursionError) as error:
            what = "cannot be read" if isinstance(error, OSError) else f"is no {last} that can be read"
            yield Problem(plain(member.name), what, "it is left out", kind="file of an example", fatal=False)
    yield location, pictures[0], {**answers, **same}


def _read(member: MemberImage, ending: str) -> dict[str, Any]:
    """The fields that one file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else than its ending says.
    """
    if member.size > LONGEST:
        raise OSError
    text = member.load().decode("utf-8-sig").strip()
    if not ending.endswith("json"):
        return {ending: text} if text else {}
    said = json.loads(text)
    if not isinstance(said, dict):
        said = {ending: said}
    json.dumps(said, ensure_ascii=False).encode()  # half a character may be written, but no text holds it
    return {str(key): value for key, value in said.items() if value is not None and value != ""}


def _key(item: MemberImage | Problem) -> str:
    if isinstance(item, Problem):
        return ""
    folder, slash, name = item.member.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _ending(member: MemberImage) -> str:
    return member.member.rpartition("/")[2].partition(".")[2].lower()


def _shards(folder: Path, pattern: str) -> list[Path]:
    try:
        found = sorted(folder.glob(pattern))
    except (ValueError, NotImplementedError):
        raise DataError(f"shards = {quoted(pattern)} is no pattern of names in the folder") from None
    return [file for file in found if is_archive(file) and file.suffix.lower() != ".zip"]


def _is_shard(file: Path) -> bool:
    """Whether a picture and a file that speaks of it lie together at its beginning."""
    if not is_archive(file) or file.suffix.lower() == ".zip":
        return False
    try:
        with closing(members(file)) as found:  # a generator: no more than this is read
            first = [item for item in islice(found, LOOKED_AT) if isinstance(item, MemberImage)]
    except DataError:
        return False
    for _, example in groupby(first, _key):
        pictures = [is_picture(member.member) for member in example]
        if any(pictures) and not all(pictures):
            return True
    return False
