"""A folder per class, or an archive of such."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oneglance.data.images.archives import is_archive, is_hidden, members
from oneglance.data.images.references import FileImage, MemberImage, is_picture, printable
from oneglance.data.parsing.folders.folders_without_data import is_below, without_data
from oneglance.data.parsing.folders.split_folders import Folders, SplitFolders, folder_fields, split_folders
from oneglance.data.parsing.split_lists import SplitLists, key_of
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import plain
from oneglance.data.record import SPLIT_NAMES, ImageRef, Record
from oneglance.data.source import Entry, Source
from oneglance.errors import Problem
from oneglance.storage.plain_files import FolderEntry, is_folder, resolved, scan

PLACES_OF_LISTS = (
    "",
    "meta",
    "splits",
    "split",
    "lists",
    "labels",
    "annotations",
    "ImageSets",
    "ImageSets/Main",
)

Level = tuple[tuple[str, ...], list[ImageRef]]  # names of the folders down to here, the pictures here


class Folder(Source):
    """A folder of pictures, or a zip or tar of one. The folders' names are the fields: ``folder1`` is the
    first level, ``folder2`` the next, ``folder`` the deepest; a picture at the top has none.

    Where a level is called train, val or test, it is the split and no field: see ``split_folders``. Else
    lists of pictures such as ``meta/train.txt`` and ``meta/test.txt`` say the split, if they are there.
    """

    # Folders in it that hold no data, such as pictures of a README: `["docs", "site/logos"]`
    leave_out: list[str] = []

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_folder(path) or is_archive(path)

    def proposes_after(self, records: Sequence[Record]) -> tuple[Mapping[str, Any], Sequence[str]]:
        levels = (item for item in self._tree() if not isinstance(item, Problem))
        names = [
            "/".join((*folders, image.name.rpartition("/")[2]))
            for folders, images in levels
            for image in images
        ]
        aside = without_data(names)
        notes = [f"left out: {name}, which holds {what}" for name, what in aside.items()]
        return ({"leave_out": list(aside)} if aside else {}), notes

    def entries(self) -> Iterator[Entry | Problem]:
        items = [item for item in self._tree() if isinstance(item, Problem) or not self._is_left_out(item[0])]
        levels = [item[0] for item in items if not isinstance(item, Problem) and item[1]]
        parts = split_folders(levels) if self.split else SplitFolders()
        yield from self._beside_parts(parts)
        pictures = (image for item in items if not isinstance(item, Problem) for image in item[1])
        lists = self._lists(pictures) if self.split and not parts.splits else None
        for item in items:
            if isinstance(item, Problem):
                yield item
                continue
            folders, images = item
            if parts.is_unanswered(folders):
                continue
            answers = self._answers(folders, parts)
            for image in images:
                split = lists.split(self._key(image), image.name) if lists else ""
                yield image.name, image, {self.split: split, **answers} if split else answers
        if lists:
            yield from lists.problems()

    def _lists(self, pictures: Iterable[ImageRef]) -> SplitLists | None:
        """The lists that part these pictures, if there are some."""
        if not is_folder(self.path):
            return None
        keys: set[str] = set()
        for place in PLACES_OF_LISTS:
            lists = SplitLists(self.path, [place])
            if lists and lists.are_of(keys := keys or set(map(self._key, pictures))):
                return lists
        return None

    def _key(self, image: ImageRef) -> str:
        return key_of(image.name.removeprefix(f"{self.title}/"))

    def _tree(self) -> _Tree:
        return _Disk(self.path, self.title) if is_folder(self.path) else _Packed(self.path)

    def _is_left_out(self, folders: Folders) -> bool:
        return is_below(folders, self.leave_out)

    def _beside_parts(self, parts: SplitFolders) -> Iterator[Problem]:
        for name in parts.strangers:
            location = plain(f"{self.title}/{name}" if name else self.title)
            what = "holds pictures beside the folders of train and other splits, so they belong to no split"
            hint = 'move them away, or set split = "" if these are classes'
            yield Problem(location, what, hint, kind="no part")
        for name in parts.unanswered:
            what = "holds pictures beside the splits that wait for answers, by its name, so they are left out"
            hint = 'set split = "" if it is a class'
            yield Problem(plain(f"{self.title}/{name}"), what, hint, kind="unanswered part", fatal=False)

    def _answers(self, folders: tuple[str, ...], parts: SplitFolders) -> dict[str, Any]:
        split, folders = parts.of(folders)
        return {**({self.split: split} if split else {}), **folder_fields(folders)}


class _Tree(ABC):
    """Folders in a fixed order: each before those inside it, sorted by name."""

    @abstractmethod
    def __iter__(self) -> Iterator[Level | Problem]: ...


class _Disk(_Tree):
    """Folders on the disk, through links too, but each of them once."""

    def __init__(self, root: Path, title: str) -> None:
        self._root, self._title = str(resolved(root)), title

    def __iter__(self) -> Iterator[Level | Problem]:
        seen = set()
        waiting: list[tuple[tuple[str, ...], str]] = [((), self._root)]
        while waiting:
            folders, path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            title = "/".join((self._title, *folders))
            try:
                files, inside = _entries(path)
            except OSError as error:
                yield Problem(plain(title), f"cannot be read ({error.strerror})", kind="folder")
                continue
            pictures = list(without_companions(filter(is_picture, files)))
            if folders and not pictures and not inside:
                yield Problem(plain(title), "holds no picture", kind="empty folder", fatal=False)
            start = os.path.join(path, "")  # noqa: PTH118 - text, a million times
            yield folders, [FileImage(start + name, printable(f"{title}/{name}")) for name in pictures]
            for name in reversed(inside):
                target = str(resolved(start + name))
                if not os.path.join(self._root, "").startswith(os.path.join(target, "")):  # noqa: PTH118
                    waiting.append(((*folders, name), target))  # a link upwards would lead to everything


def _entries(folder: str) -> tuple[list[str], list[str]]:
    """The visible files and folders, sorted."""
    files: list[str] = []
    folders: list[str] = []
    with scan(folder) as entries:
        for entry in entries:
            if not is_hidden(entry.name):
                (folders if _leads_on(entry) else files).append(entry.name)
    return sorted(files), sorted(folders)


def _leads_on(entry: FolderEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


class _Packed(_Tree):
    """Folders in an archive; one that holds all the others is no level."""

    def __init__(self, archive: Path) -> None:
        self._problems = []
        pictures: list[MemberImage] = []
        for member in members(archive):
            if isinstance(member, Problem):
                self._problems.append(member)
            elif is_picture(member.member):
                pictures.append(member)
        named = set(without_companions(picture.member for picture in pictures))
        levels: dict[tuple[str, ...], list[ImageRef]] = {}
        for picture in sorted(pictures, key=lambda picture: picture.member.split("/")):
            if picture.member in named:
                levels.setdefault(tuple(picture.member.split("/")[:-1]), []).append(picture)
        tops = {folders[0] if folders else "" for folders in levels}
        if len(tops) == 1 and tops.isdisjoint(SPLIT_NAMES) and any(len(folders) > 1 for folders in levels):
            levels = {folders[1:]: images for folders, images in levels.items()}
        self._levels = dict(sorted(levels.items()))

    def __iter__(self) -> Iterator[Level | Problem]:
        yield from self._problems
        yield from self._levels.items()
