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
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.parsing.tables.rows import STRICT_JSON
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import plain, quoted
from oneglance.data.record import SPLIT_NAMES
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder, names_in
from oneglance.storage.remote.addresses import is_remote

WORDS = frozenset(
    ("txt", "text", "transcript", "caption", "cls", "cls2", "class", "count", "index", "inx", "id")
)
LONGEST = 16_000_000  # bytes of a file that is no picture
SNIFFED = 8  # members of the first shard

Example = list[MemberImage]


class Webdataset(Source):
    """A tar file, or a folder of such shards. ``0001.jpg`` and ``0001.json``, one after the other, are one
    example: the name up to the first dot is its key, the rest says what a file is.

    The keys of a ``.json`` object are fields; a ``.cls``, ``.txt`` or another file of one word or text is the
    field of that name. Where all shards' names begin with a split (``train-0000.tar``), that is the split of
    their pictures.
    """

    shards: str = "*.tar*"  # of a folder: the pattern of the shards' names

    rank: ClassVar[int] = 6  # an archive is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        files = [path] if is_file(path) else _shards(path, "*.tar*")
        return bool(files) and _is_shard(files[0])

    def entries(self) -> Iterator[Entry | Problem]:
        files = [self.path] if is_file(self.path) else _shards(self.path, self.shards)
        if not files:
            raise DataError(f"holds no shards called {quoted(self.shards)}", location=self.title)
        splits = {file: re.split(r"[^a-z]", file.name.lower(), maxsplit=1)[0] for file in files}
        by_name = (
            self.split and is_folder(self.path) and all(split in SPLIT_NAMES for split in splits.values())
        )
        counter = ProblemCounter()
        for file in files:
            common = {self.split: splits[file]} if by_name else {}
            for key, items in groupby(members(file), _key):
                example = []
                for item in items:
                    if isinstance(item, Problem):
                        yield item
                    else:
                        example.append(item)
                if example:
                    yield from _example(f"{file.name}/{plain(key, 200)}", example, common, counter)
        yield from counter.problems()


def _example(
    location: str, example: Example, common: Mapping[str, str], counter: ProblemCounter
) -> Iterator[Entry | Problem]:
    names = set(without_companions(m.member for m in example if is_picture(m.member)))
    pictures = [member for member in example if member.member in names]
    if not pictures:
        ending = _ending(example[0])
        counter.add("no picture", location, f"holds no picture but {quoted(ending)}, and is not used")
        return
    if len(pictures) > 1:
        counter.add("several pictures", location, "holds several pictures: the first is taken")
    answers: dict[str, Any] = {}
    for member in example:
        ending = _ending(member)
        if is_picture(member.member):
            continue
        last = ending.rpartition(".")[2]
        if last != "json" and last not in WORDS:
            counter.add(f"ending {ending}", location, f"holds {quoted(ending)}, which is not read")
            continue
        try:
            answers |= _read(member, ending)
        except (OSError, ValueError, RecursionError) as error:
            what = "cannot be read" if isinstance(error, OSError) else f"is no {last} that can be read"
            yield Problem(plain(member.name), what, "it is left out", kind="file of an example", fatal=False)
    yield location, pictures[0], {**answers, **common}


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
    content = STRICT_JSON.decode(text)
    if not isinstance(content, dict):
        content = {ending: content}
    json.dumps(content, ensure_ascii=False).encode()  # half a character may be written, but no text holds it
    return {str(key): value for key, value in content.items() if value is not None and value != ""}


def _key(item: MemberImage | Problem) -> str:
    if isinstance(item, Problem):
        return ""
    folder, slash, name = item.member.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _ending(member: MemberImage) -> str:
    return member.member.rpartition("/")[2].partition(".")[2].lower()


def _shards(folder: Path, pattern: str) -> list[Path]:
    try:
        files = names_in(folder, pattern) if is_remote(folder) else sorted(folder.glob(pattern))
    except (ValueError, NotImplementedError, OSError):
        raise DataError(f"shards = {quoted(pattern)} is no pattern of names in the folder") from None
    return [file for file in files if is_archive(file) and file.suffix.lower() != ".zip"]


def _is_shard(file: Path) -> bool:
    """Whether a picture and a file of its answers lie together at the beginning of the archive."""
    if not is_archive(file) or file.suffix.lower() == ".zip":
        return False
    try:
        with closing(members(file)) as inside:  # a generator: no more than this is read
            first = [item for item in islice(inside, SNIFFED) if isinstance(item, MemberImage)]
    except DataError:
        return False
    for _, example in groupby(first, _key):
        pictures = [is_picture(member.member) for member in example]
        if any(pictures) and not all(pictures):
            return True
    return False
