"""The control groups of this process: by them containers, services and batch systems set limits.

Both versions of them are read, and of a group all that it lies in, for the narrowest limit counts. Why no
library does it: psutil tells of the whole machine, and others ask for rights or a daemon.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def groups(controller: str, system: Path = ROOT) -> Iterator[tuple[int, Path]]:
    """(version, folder) of the group of this process, and of each that it lies in; none where there are no
    such groups.

    Args:
        controller: ``memory`` or ``cpu``.
        system: the folder that holds ``proc``; the folders that its files name lie in it too.
    """
    own = _own(system)
    for version, controllers, root, mounted in _mounts(system):
        if version == 1 and controller not in controllers:
            continue
        path = own.get(controller if version == 1 else "")
        if path is None:
            continue
        top = system / mounted.relative_to("/")
        try:
            inside = path.relative_to(root)
        except ValueError:  # the group is named from outside of what is mounted: that is all that is seen
            inside = PurePosixPath()
        if ".." in inside.parts or not (top / inside).is_dir():
            inside = PurePosixPath()
        for part in (inside, *inside.parents):
            yield version, top / part


def _own(system: Path) -> dict[str, PurePosixPath]:
    """By controller the group of this process; of version 2 under ""."""
    by_controller = {}
    for line in _lines(system / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in controllers.split(","):
            by_controller[name] = PurePosixPath(path)
    return by_controller


def _mounts(system: Path) -> Iterator[tuple[int, list[str], PurePosixPath, PurePosixPath]]:
    """(version, controllers, the group that is mounted, where) of each mounted tree of groups."""
    for line in _lines(system / "proc/self/mountinfo"):
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if dash and len(fields) > 4 and kind and kind[0] in ("cgroup", "cgroup2"):
            controllers = kind[-1].split(",")
            version = 2 if kind[0] == "cgroup2" else 1
            yield version, controllers, PurePosixPath(fields[3]), PurePosixPath(fields[4])


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return []


def numbers(file: Path) -> list[int]:
    """The whole numbers in a small file; none where it is missing or holds a word (``max``: no limit)."""
    try:
        return [int(word) for word in file.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        return []
