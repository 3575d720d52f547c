"""The files and folders in a folder, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from oneglance.data.images.archives import is_hidden
from oneglance.storage.plain_files import FolderEntry, scan
from oneglance.storage.remote.addresses import is_remote

MOST_FOLDERS = 100_000  # of a store: each is a question to it


def files_below(folder: Path, wanted: Callable[[str], bool], most: int | None = None) -> list[str]:
    """The visible files in ``folder`` and its folders whose bare names are ``wanted``: their paths from
    ``folder``, with forward slashes, sorted. A link to a folder elsewhere is followed once; one that leads
    upwards, or to where this comes by anyway, is not. A folder that cannot be read is empty. Where there are
    more than ``most`` files of any kind, there is none at all: it would take long.
    """
    paths = []
    seen = 0
    for parent, folders, files in walk(folder):
        seen += len(files) + len(folders)
        if most is not None and seen > most:
            return []
        relative = os.path.relpath(parent, folder).replace(os.sep, "/")
        start = "" if relative == "." else f"{relative}/"
        paths += [start + name for name in files if wanted(name) and not is_hidden(name)]
    return sorted(paths)


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk``, through the folders and links that ``files_below`` describes."""
    if is_remote(folder):
        yield from _walk_remote(folder)
        return
    links = _Links(folder)
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_hidden(name) and links.lead_on(parent, name)]
        yield parent, folders, files


def _walk_remote(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """The same of a store, which has no links. What would never end is cut off: it is taken for empty."""
    waiting, seen = [str(folder)], 0
    while waiting and seen < MOST_FOLDERS:
        parent = waiting.pop()
        seen += 1
        try:
            with scan(parent) as listed:
                entries = list(listed)
        except OSError:
            continue
        folders = [entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
        yield parent, folders, [entry.name for entry in entries if not entry.is_dir()]
        waiting += (f"{parent}/{name}" for name in reversed(folders))


class _Links:
    """Which links to folders are followed."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.join(os.path.realpath(root), "")  # noqa: PTH118
        self._followed: set[str] = set()

    def lead_on(self, parent: str, name: str) -> bool:
        path = os.path.join(parent, name)  # noqa: PTH118 - text, a million times
        if not os.path.islink(path):  # noqa: PTH114
            return True
        target = os.path.join(os.path.realpath(path), "")  # noqa: PTH118
        if target in self._followed or target.startswith(self._root) or self._root.startswith(target):
            return False
        self._followed.add(target)
        return True


def folders_below(folder: Path) -> list[str]:
    """The visible folders in ``folder`` and in these: their paths from ``folder``, as above."""
    paths = []
    if is_remote(folder):
        walked = walk(folder)
        return sorted(
            Path(parent, name).relative_to(folder).as_posix()
            for parent, inside, _ in walked
            for name in inside
        )
    for parent, folders, _ in os.walk(folder):
        # os.walk lists links to folders, and only does not go into them.
        folders[:] = [name for name in folders if not is_hidden(name) and not Path(parent, name).is_symlink()]
        paths += [Path(parent, name).relative_to(folder).as_posix() for name in folders]
    return sorted(paths)


def folders_in(folder: Path) -> list[Path]:
    """The visible folders directly in ``folder``, sorted; none where it cannot be read."""
    try:
        with scan(folder) as entries:
            return sorted(Path(one.path) for one in entries if not is_hidden(one.name) and _is_folder(one))
    except (OSError, ValueError):
        return []


def _is_folder(entry: FolderEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
