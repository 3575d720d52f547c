"""The files and folders in a folder, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from oneglance.data.images.archives import is_hidden
from oneglance.storage.plain_files import is_folder, names_in


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
    links = _Links(folder)
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_hidden(name) and links.lead_on(parent, name)]
        yield parent, folders, files


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
    for parent, folders, _ in os.walk(folder):
        # os.walk lists links to folders, and only does not go into them.
        folders[:] = [name for name in folders if not is_hidden(name) and not Path(parent, name).is_symlink()]
        paths += [Path(parent, name).relative_to(folder).as_posix() for name in folders]
    return sorted(paths)


def folders_in(folder: Path) -> list[Path]:
    """The visible folders directly in ``folder``, sorted."""
    return [path for path in names_in(folder) if is_folder(path) and not is_hidden(path.name)]
