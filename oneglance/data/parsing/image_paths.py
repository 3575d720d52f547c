"""From the name of a picture in a table or a list to a reference to it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from oneglance.data.columns.packed_images import AlikeImages
from oneglance.data.columns.packed_text import Piece, printable_ascii
from oneglance.data.images.archives import is_archive, members
from oneglance.data.images.references import FileImage, MemberImage, is_picture, printable
from oneglance.data.images.tail_search import TailSearch
from oneglance.data.parsing.base64_pictures import LEAST, any_inline, inline_picture, is_inline
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.quoting import quoted
from oneglance.data.record import ImageRef
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import entry_names, is_file, is_folder, resolved
from oneglance.storage.remote.addresses import address_of, below, is_remote, redacted

REMOTE_SAMPLE = 5  # names that are asked for one by one to find their folder
FOLDERS_KEPT = 50_000  # resolved folders to remember
NAMES_KEPT = 500_000  # names of files in folders to remember
MOST_SEARCHED = 500_000  # files and folders among which a name is searched for by its end


class Find(ABC):
    """How names become pictures."""

    def __call__(self, name: str, location: str) -> ImageRef | Problem:
        """The picture that ``location`` calls ``name``, or that it writes there itself, in base64."""
        return inline_picture(name, location) or self._find(name, location)

    def many(self, names: pa.StringArray) -> AlikeImages | None:
        """The pictures of these names, where all are as plain as most are; None where one of them is to
        be looked at by itself.
        """
        return None

    @abstractmethod
    def _find(self, name: str, location: str) -> ImageRef | Problem:
        """The picture of this name."""

    def problems(self, title: str) -> list[Problem]:
        """How many names were taken for pictures that are called otherwise, once all are known."""
        return []


def finder(images: Path | None, beside: Path, sample: Sequence[str], *, exact: bool = True) -> Find:
    """How names become pictures. Relative names start at ``images``, a folder or an archive; where that
    is not given, beside the file ``beside`` that holds the names, or in a folder ``images`` there if
    none of the ``sample`` lies directly beside it and one of them lies in that folder.

    Args:
        exact: else a name that is not there is searched for by its end; see ``tail_search``.

    Raises:
        DataError: ``images`` is not there, or is an archive that cannot be read.
    """
    sample = [name for name in sample if not is_inline(name)]
    if is_remote(images or beside):
        sample = sample[:REMOTE_SAMPLE]
    if images is not None:
        if is_archive(images):
            return _InArchive(images, sample, exact)
        if not is_folder(images):
            raise DataError("images is neither a folder nor a zip or tar", location=str(images))
        return _in_folder(images, sample, exact)
    here, there = _in_folder(beside.parent), _in_folder(beside.parent / "images")
    inside = any(map(there.holds, sample)) and not any(map(here.holds, sample))
    return _in_folder(beside.parent / "images" if inside else beside.parent, sample, exact)


def find_nearby(
    images: Path | None,
    beside: Path,
    sample: Sequence[str],
    others: Iterable[Path] = (),
    *,
    whole: Path | None = None,
    exact: bool = True,
) -> Find:
    """How names become pictures: as ``finder`` does it, but if none of the ``sample`` lies where that
    looks, names start at the first of the ``others`` that holds one of them.

    Args:
        whole: a folder in which names are searched for if none of these holds one.

    Raises:
        DataError: see ``finder``.
    """

    def holds(folder: Path) -> bool:
        return any(is_file(folder / name) for name in sample if not is_inline(name))

    if images is None and not holds(beside.parent) and not holds(beside.parent / "images"):
        images = next(filter(holds, others), whole)
    return finder(images, beside, sample, exact=exact)


def _in_folder(root: Path, sample: Sequence[str] = (), exact: bool = True) -> _InFolder:
    return (_InRemoteFolder if is_remote(root) else _InFolder)(root, sample, exact)


class _InFolder(Find):
    """Names that are paths from a folder. Whether a picture is there is checked later, for all at once; but a
    name that is in no listing of its folder is searched for, if it may be.
    """

    def __init__(self, root: Path, sample: Sequence[str] = (), exact: bool = True) -> None:
        self._root = str(resolved(root))
        self._folders: dict[str, str | None] = {}  # as written -> real one with its last separator
        self._sample, self._exact = sample, exact
        self._listings: dict[str, frozenset[str] | None] = {}  # real folder -> names in it; None: unknown
        self._counts: dict[str, int] = {}  # real folder -> how many names are in it
        self._listed = 0  # names in all of them
        self._search: TailSearch | None = None

    def _find(self, name: str, location: str) -> ImageRef | Problem:
        image = self._as_written(name, location)
        if self._exact or not isinstance(image, FileImage) or self._is_listed(image.path):
            return image
        match = self._tails().find(name, location)
        if isinstance(match, Problem):
            return match
        return image if match is None else FileImage(os.path.join(self._root, match), printable(name))  # noqa: PTH118

    def many(self, names: pa.StringArray) -> AlikeImages | None:
        if not _is_plain(names):
            written = names.to_pylist()
            if any_inline(written) or "\\" in "".join(written) or not all(map(str.isprintable, written)):
                return None
        folders, files = _at_last_slash(names)
        inside = folders.dictionary.to_pylist()
        codes = folders.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        sorted_files = files.take(pa.array(order)).to_pylist()
        ends = np.bincount(codes, minlength=len(inside)).cumsum().tolist()
        reals: list[str] = []
        listed: dict[str, int] = {}
        for folder, start, end in zip(inside, [0, *ends], ends):  # noqa: B905 - the last end is no start
            own = sorted_files[start:end]
            real = self._folders[folder] if folder in self._folders else self._resolve(folder)
            if real is None or not {"", ".", ".."}.isdisjoint(own):
                return None
            if not self._exact:
                if not self._are_listed(real, own):
                    return None
                if (count := self._counts.get(real.rstrip(os.sep))) is not None:
                    listed[real] = count
            reals.append(real)
        numbers = None if len(inside) == 1 else codes
        columns = (Piece(reals, numbers, files), Piece(inside, numbers, files))
        return AlikeImages(FileImage, columns, len(names), listed)

    def problems(self, title: str) -> list[Problem]:
        return self._search.problems(title) if self._search else []

    def _tails(self) -> TailSearch:
        if self._search is None:
            self._search = TailSearch(files_below(Path(self._root), is_picture, MOST_SEARCHED))
            self._search.begin(self._sample, self.holds)
        return self._search

    def _is_listed(self, path: str) -> bool:
        """Whether the folder of ``path`` holds its name, spelt so; True where it cannot be listed."""
        folder, _, file = path.rpartition("/" if is_remote(path) else os.sep)
        return self._are_listed(folder, [file])

    def _are_listed(self, folder: str, files: Sequence[str]) -> bool:
        """The same of several in one folder."""
        folder = folder.rstrip(os.sep)
        try:
            listing = self._listings[folder]
        except KeyError:
            try:
                listing = frozenset(entry_names(folder or os.sep))
            except (FileNotFoundError, NotADirectoryError):
                listing = frozenset()
            except OSError:
                listing = None
            if self._listed > NAMES_KEPT:
                self._listings.clear()
                self._listed = 0
            self._listings[folder] = listing
            if listing is not None:
                self._counts[folder] = len(listing)
            self._listed += 1 + len(listing or ())
        return listing is None or listing.issuperset(files)

    def _as_written(self, name: str, location: str) -> ImageRef | Problem:
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
        image = self._as_written(name, "")
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


def _is_plain(names: pa.StringArray) -> bool:
    """Whether each is short and of printable ASCII without a backslash, and none may be a data URL."""
    text = printable_ascii(names)
    if text is None or b"\\" in text or b"data:" in text.lower():
        return False
    longest: int = pc.max(pc.binary_length(names)).as_py()
    return longest < LEAST


def _at_last_slash(names: pa.StringArray) -> tuple[pa.DictionaryArray, pa.StringArray]:
    """Each name in two: its folder with the last slash, and the rest."""
    _, offsets_buffer, data_buffer = names.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[names.offset : names.offset + len(names) + 1]
    data = (
        np.frombuffer(data_buffer, dtype=np.uint8, count=int(offsets[-1]))
        if data_buffer
        else np.zeros(0, np.uint8)
    )
    slashes = np.flatnonzero(data[offsets[0] :] == ord("/")) + offsets[0] + 1
    before_end = np.searchsorted(slashes, offsets[1:], side="right") - 1
    cuts = (
        np.where(before_end >= 0, slashes[before_end], 0) if len(slashes) else np.zeros(len(names), np.int64)
    )
    both = np.empty(2 * len(names) + 1, dtype=np.int32)
    both[::2] = offsets
    both[1::2] = np.maximum(cuts, offsets[:-1])
    parts = pa.StringArray.from_buffers(2 * len(names), pa.py_buffer(both), data_buffer)
    rows = np.arange(0, 2 * len(names), 2)
    return parts.take(pa.array(rows)).dictionary_encode(), parts.take(pa.array(rows + 1))


class _InRemoteFolder(_InFolder):
    """Names below an address. A table from elsewhere names no file of this machine, and no address that the
    configuration does not name.
    """

    def many(self, names: pa.StringArray) -> AlikeImages | None:
        return None  # each is looked at by itself

    def _as_written(self, name: str, location: str) -> ImageRef | Problem:
        path = below(address_of(self._root) or self._root, name.replace("\\", "/"))
        if path is None:
            return self._misnamed(name, location)
        return FileImage(path, name if name.isprintable() else printable(name))

    def _misnamed(self, name: str, location: str) -> Problem:
        what = f"{quoted(redacted(name))} does not lie in the pictures' folder {redacted(self._root)}"
        hint = (
            "set images to the folder that holds the pictures: nothing else is fetched; the row is left out"
        )
        return Problem(location, what, hint, kind="picture name", fatal=False)


class _InArchive(Find):
    """Names that are those of members, with or without the one folder that holds everything."""

    def __init__(self, archive: Path, sample: Sequence[str], exact: bool) -> None:
        self._title = archive.name
        images = [member for member in members(archive) if isinstance(member, MemberImage)]
        self._members = {member.member: member for member in images}
        tops = {member.member.partition("/")[0] for member in images}
        self._top = f"{tops.pop()}/" if len(tops) == 1 else ""
        self._search = None if exact else TailSearch(self._members)
        if self._search is not None:
            self._search.begin(sample, lambda name: self._as_written(name) is not None)

    def problems(self, title: str) -> list[Problem]:
        return self._search.problems(title) if self._search else []

    def _as_written(self, name: str) -> MemberImage | None:
        cleaned = name.replace("\\", "/").removeprefix("./")
        return self._members.get(cleaned) or self._members.get(self._top + cleaned)

    def _find(self, name: str, location: str) -> ImageRef | Problem:
        member = self._as_written(name)
        if member is not None:
            return member
        match = self._search.find(name, location) if self._search else None
        if match is not None:
            return match if isinstance(match, Problem) else self._members[match]
        what = f"{quoted(name)} is not in {self._title}"
        return Problem(location, what, "the row is left out", kind="picture not there", fatal=False)
