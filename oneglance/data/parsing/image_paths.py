"""From the name of a picture in a table or a list to a reference to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from oneglance.data.images.archives import is_archive, members
from oneglance.data.images.references import FileImage, MemberImage, printable
from oneglance.data.quoting import quoted
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, Problem

FOLDERS_KEPT = 50_000  # resolved folders to remember


Find = Callable[[str, str], ImageRef | Problem]  # (name, location that holds it) -> the picture


def finder(images: Path | None, beside: Path, sample: Sequence[str]) -> Find:
    """How names become pictures. Relative names start at ``images``, a folder or an archive; where that
    is not given, beside the file ``beside`` that holds the names, or in a folder ``images`` there if
    none of the ``sample`` lies directly beside it and one of them lies in that folder.

    Raises:
        DataError: ``images`` is not there, or is an archive that cannot be read.
    """
    if images is not None:
        if is_archive(images):
            return _InArchive(images)
        if not images.is_dir():
            raise DataError("images is neither a folder nor a zip or tar", location=str(images))
        return _InFolder(images)
    here, there = _InFolder(beside.parent), _InFolder(beside.parent / "images")
    return there if any(map(there.holds, sample)) and not any(map(here.holds, sample)) else here


def find_nearby(
    images: Path | None, beside: Path, sample: Sequence[str], others: Iterable[Path] = ()
) -> Find:
    """How names become pictures: as ``finder`` does it, but if none of the ``sample`` lies where that
    looks, names start at the first of the ``others`` that holds one of them.

    Raises:
        DataError: see ``finder``.
    """

    def holds(folder: Path) -> bool:
        return any((folder / name).is_file() for name in sample)

    if images is None and not holds(beside.parent) and not holds(beside.parent / "images"):
        images = next(filter(holds, others), None)
    return finder(images, beside, sample)


class _InFolder:
    """Names that are paths from a folder. Whether a picture is there is checked later, for all at once."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._folders: dict[str, str | None] = {}  # as written -> real one with its last separator

    def __call__(self, name: str, location: str) -> ImageRef | Problem:
        cleaned = name.replace("\\", "/") if "\\" in name else name
        folder, slash, file = cleaned.rpartition("/")
        folder += slash
        try:
            real = self._folders[folder]
        except KeyError:
            real = self._resolve(folder)
        if real is None or file in ("", ".", ".."):
            return self._misnamed(name, location)
        return FileImage(real + file, name if name.isprintable() else printable(name))

    def holds(self, name: str) -> bool:
        """Whether a file of this name is there."""
        image = self(name, "")
        try:
            return isinstance(image, FileImage) and bool(image.stamp())
        except OSError:
            return False

    def _resolve(self, folder: str) -> str | None:
        written = os.path.normpath(os.path.join(self._root, folder))  # noqa: PTH118 - text in, text out
        inside = (written + os.sep).startswith(os.path.join(self._root, ""))  # noqa: PTH118
        real = None
        if (inside or os.path.isabs(folder)) and "://" not in folder and "\0" not in folder:  # noqa: PTH117
            # Resolved, so that two ways to the same folder lead to the same picture.
            real = os.path.join(os.path.realpath(written), "")  # noqa: PTH118
        if len(self._folders) < FOLDERS_KEPT:
            self._folders[folder] = real
        return real

    def _misnamed(self, name: str, location: str) -> Problem:
        what = f"{quoted(name)} " + (
            "is a web address" if "://" in name else "is no file in the pictures' folder"
        )
        hint = "write a path that stays inside it, or a whole path; the row is left out"
        return Problem(location, what, hint, kind="picture name", fatal=False)


class _InArchive:
    """Names that are those of members, with or without the one folder that holds everything."""

    def __init__(self, archive: Path) -> None:
        self._title = archive.name
        images = [member for member in members(archive) if isinstance(member, MemberImage)]
        self._members = {member.member: member for member in images}
        tops = {member.member.partition("/")[0] for member in images}
        self._top = f"{tops.pop()}/" if len(tops) == 1 else ""

    def __call__(self, name: str, location: str) -> ImageRef | Problem:
        cleaned = name.replace("\\", "/").removeprefix("./")
        member = self._members.get(cleaned) or self._members.get(self._top + cleaned)
        if member is not None:
            return member
        what = f"{quoted(name)} is not in {self._title}"
        return Problem(location, what, "the row is left out", kind="picture not there", fatal=False)
