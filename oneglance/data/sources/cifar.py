"""CIFAR-10 and CIFAR-100 as they are downloaded: python or binary batches, in a folder or a packed tar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from oneglance.data.images.archives import is_archive, members
from oneglance.data.images.references import ArrayImage, FileImage, MemberImage
from oneglance.data.parsing import restricted_pickle
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, is_folder, names_in, plain_stat

WIDTH = 3 * 32 * 32  # bytes of a picture: all its red, then green, then blue
AGAIN = "download it again"


@dataclass(frozen=True)
class Batch:
    """One file of pictures: uint8 [n, 32, 32, 3], and n class numbers for each field."""

    pixels: np.ndarray
    labels: Mapping[str, list[int]]


@dataclass(frozen=True)
class Layout:
    """One of the forms in which the data sets come."""

    folder: str  # its usual name
    splits: Mapping[str, str]  # file -> split
    names: Mapping[str, tuple[str, str]]  # field -> the file of its class names, the key in that file
    batch: Callable[[bytes, str], Batch]
    class_names: Callable[[bytes, str, str], list[str]]  # (content, key, location) -> class names


class Cifar(Source):
    """A folder or ``.tar.gz`` of CIFAR. CIFAR-10 has the field ``label``; CIFAR-100 has ``fine_label``,
    the same again as ``label``, and ``coarse_label``. Answers are class names; the splits are train and test.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_locations(path))

    def entries(self) -> Iterator[Entry | Problem]:
        locations = _locations(self.path)
        if len(locations) != 1:
            what = "holds several versions of CIFAR" if locations else "is not CIFAR as it is downloaded"
            raise DataError(what, location=self.title, hint="name one folder or .tar.gz file")
        ((location, layout),) = locations
        files = _files(location)
        names = {field: _class_names(layout, files, *at) for field, at in layout.names.items()}
        for file, split in layout.splits.items():
            if file in files:
                yield from self._pictures(
                    files[file], layout, names, {self.split: split} if self.split else {}
                )
            else:
                yield Problem(f"{self.title}/{file}", "is missing", AGAIN, kind="missing batch", fatal=False)

    def _pictures(
        self, file: Stored, layout: Layout, names: Mapping[str, list[str]], same: Mapping[str, str]
    ) -> Iterator[Entry]:
        labels = layout.batch(file.content(), file.name).labels
        for field, classes in names.items():
            numbers = labels.get(field)
            if numbers is None or (numbers and not 0 <= min(numbers) <= max(numbers) < len(classes)):
                what = (
                    f"has no {field}" if numbers is None else f"has a {field} outside 0 to {len(classes) - 1}"
                )
                raise DataError(what, location=file.name, hint=AGAIN)
        for index, numbers_of_picture in enumerate(zip(*(labels[field] for field in names), strict=True)):
            answers = {
                field: names[field][number] for field, number in zip(names, numbers_of_picture, strict=True)
            }
            answers.setdefault("label", answers.get("fine_label", ""))
            image = CifarImage(file.path, index, file.member)
            yield image.name, image, {**answers, **same}


@dataclass(frozen=True, slots=True)
class CifarImage(ArrayImage):
    """A picture of a batch."""

    @classmethod
    def pixels(cls, path: Path, member: str) -> np.ndarray:
        name = member.rpartition("/")[2] or path.name
        layout = next(layout for layout in LAYOUTS if name in layout.splits)
        try:
            return layout.batch(_files(path if member else path.parent)[name].content(), name).pixels
        except DataError as error:
            raise OSError(5, error.what, str(path)) from None
        except KeyError:
            raise FileNotFoundError(2, "is not there any more", f"{path.name}/{member}") from None


@dataclass(frozen=True)
class Stored:
    """One file of a layout, in a folder or in an archive."""

    ref: FileImage | MemberImage
    path: str
    member: str  # "" in a folder

    @property
    def name(self) -> str:
        return self.ref.name

    def content(self) -> bytes:
        try:
            return self.ref.load()
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror})", location=self.name, hint=AGAIN) from None


def _locations(path: Path) -> list[tuple[Path, Layout]]:
    """The folder or archive of the files: ``path``, or the usual folder in it; several if it is unclear."""
    if is_file(path):
        return [(path, layout) for layout in LAYOUTS if _first_folder(path) == layout.folder]
    here = [(path, layout) for layout in LAYOUTS if _fits(path, layout)]
    below = [(path / layout.folder, layout) for layout in LAYOUTS]
    return here or [(folder, layout) for folder, layout in below if _fits(folder, layout)]


def _fits(folder: Path, layout: Layout) -> bool:
    """Whether at least half of the files are there; those that are not will be named."""
    wanted = {*layout.splits, *(file for file, _ in layout.names.values())}
    return 2 * sum(is_file(folder / name) for name in wanted) >= len(wanted)


def _first_folder(path: Path) -> str:
    """The folder in which the first file of a tar lies."""
    if not is_archive(path) or path.suffix.lower() == ".zip":
        return ""
    try:
        with closing(members(path)) as inside:  # a generator: no more than this is read
            first = next((member for member in inside if isinstance(member, MemberImage)), None)
    except DataError:
        return ""
    return first.member.partition("/")[0] if first else ""


def _files(location: Path) -> dict[str, Stored]:
    if is_folder(location):
        files = filter(is_file, names_in(location))
        return {file.name: Stored(FileImage(str(file), file.name), str(file), "") for file in files}
    facts = plain_stat(location)
    return _packed_files(location, facts.size, facts.version)


@lru_cache(maxsize=2)
def _packed_files(archive: Path, size: int, version: int) -> dict[str, Stored]:
    # Kept, since looking through a packed tar unpacks all of it.
    refs = [member for member in members(archive) if isinstance(member, MemberImage)]
    return {ref.member.rpartition("/")[2]: Stored(ref, str(archive), ref.member) for ref in refs}


def _class_names(layout: Layout, files: Mapping[str, Stored], file: str, key: str) -> list[str]:
    """The names, or numbers as text where their file is not there."""
    if file not in files:
        return [str(number) for number in range(256)]
    return layout.class_names(files[file].content(), key, files[file].name)


def _python_batch(content: bytes, location: str) -> Batch:
    values = _python_dict(content, location)
    pixels = values.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != WIDTH:
        raise DataError("holds no pictures of 32 x 32", location=location, hint=AGAIN)
    count = len(pixels)
    fields = {"labels": "label", "fine_labels": "fine_label", "coarse_labels": "coarse_label"}
    labels = {field: values[key] for key, field in fields.items() if key in values}
    for numbers in labels.values():
        if type(numbers) is not list or len(numbers) != count or any(type(n) is not int for n in numbers):
            raise DataError(
                f"has not one label for each of its {count:,} pictures", location=location, hint=AGAIN
            )
    return Batch(_upright(np.asarray(pixels)), labels)


def _python_names(content: bytes, key: str, location: str) -> list[str]:
    names = _python_dict(content, location).get(key)
    if type(names) is not list:
        raise DataError(f"holds no {key}", location=location, hint=AGAIN)
    return [name.decode("latin-1") if isinstance(name, bytes) else str(name) for name in names]


def _python_dict(content: bytes, location: str) -> dict[str, Any]:
    values = restricted_pickle.loads(content, location)
    if not isinstance(values, dict):
        raise DataError("holds no table of values", location=location, hint=AGAIN)
    return {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in values.items()}


def _binary_batch(fields: tuple[str, ...]) -> Callable[[bytes, str], Batch]:
    """Rows of one byte per field and then the picture."""

    def read(content: bytes, location: str) -> Batch:
        width = len(fields) + WIDTH
        if len(content) % width:
            raise DataError(
                f"is not a whole number of pictures ({width:,} bytes each)", location=location, hint=AGAIN
            )
        rows = np.frombuffer(content, np.uint8).reshape(-1, width)
        labels = {field: rows[:, index].tolist() for index, field in enumerate(fields)}
        return Batch(_upright(rows[:, len(fields) :]), labels)

    return read


def _binary_names(content: bytes, key: str, location: str) -> list[str]:
    return content.decode("latin-1").split()


def _upright(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


LAYOUTS = (
    Layout(
        "cifar-10-batches-py",
        {**{f"data_batch_{n}": "train" for n in range(1, 6)}, "test_batch": "test"},
        {"label": ("batches.meta", "label_names")},
        _python_batch,
        _python_names,
    ),
    Layout(
        "cifar-100-python",
        {"train": "train", "test": "test"},
        {"fine_label": ("meta", "fine_label_names"), "coarse_label": ("meta", "coarse_label_names")},
        _python_batch,
        _python_names,
    ),
    Layout(
        "cifar-10-batches-bin",
        {**{f"data_batch_{n}.bin": "train" for n in range(1, 6)}, "test_batch.bin": "test"},
        {"label": ("batches.meta.txt", "")},
        _binary_batch(("label",)),
        _binary_names,
    ),
    Layout(
        "cifar-100-binary",
        {"train.bin": "train", "test.bin": "test"},
        {"fine_label": ("fine_label_names.txt", ""), "coarse_label": ("coarse_label_names.txt", "")},
        _binary_batch(("coarse_label", "fine_label")),
        _binary_names,
    ),
)
