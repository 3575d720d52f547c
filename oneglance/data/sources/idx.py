"""The idx files of MNIST and its relatives."""

from __future__ import annotations

import math
import os
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from oneglance.data.images.references import ArrayImage
from oneglance.data.parsing.text_lines import lines
from oneglance.data.quoting import quoted
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, Problem
from oneglance.storage.plain_files import is_file, open_plain, open_unpacked, plain_stat
from oneglance.storage.remote.addresses import is_remote

# train-images-idx3-ubyte.gz, t10k-images.idx3-ubyte, emnist-letters-test-images-idx3-ubyte
IMAGES = re.compile(r"(.*?)(train|t10k|test)?[-_.]?images?([-_.])idx([34])-ubyte(\.gz)?", re.IGNORECASE)
LARGEST = 4_000_000_000  # bytes of unpacked numbers
PIECE = 1 << 24


class Idx(Source):
    """A folder of idx files, or one file of images beside its file of labels. The field is ``label``: the
    number as text, or the class name where names are given. The splits are those of the files' names.
    Three dimensions are grey pictures; a fourth of size 3 is colour.
    """

    # Names of the classes by number, or a file with one per line; default: `classes.txt` beside the images,
    # else the numbers
    classes: list[str] | str = ""

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_image_files(path))

    def entries(self) -> Iterator[Entry | Problem]:
        files = _image_files(self.path)
        if not files:
            raise DataError("holds no idx files of images", location=self.title)
        sets = sorted({(file.parent, _words(file)[0]) for file in files})
        if len(sets) > 1:
            named = " and ".join(
                quoted(f"{folder.parent.name}/{folder.name}/{head}".rstrip("/-_."))
                for folder, head in sets[:2]
            )
            raise DataError(
                f"holds several sets: {named}", location=self.title, hint="name one file or folder"
            )
        names = self._class_names(files[0].parent)
        for file in files:
            yield from self._pictures(file, names)

    def _pictures(self, file: Path, names: list[str]) -> Iterator[Entry | Problem]:
        split = _words(file)[1].lower().replace("t10k", "test")
        common = {self.split: split} if split and self.split else {}
        count, labels = _shape(file, (3, 4))[0], _labels(file)
        if labels is None:
            hint = "put the file of labels there, or use the pictures without"
            yield Problem(file.name, "has no labels beside it", hint, kind="no labels", fatal=False)
            labels = np.zeros(count, np.uint8)
            answers: list[dict[str, str]] = [common]
        else:
            answers = [{"label": word, **common} for word in names or map(str, range(256))]
        if len(labels) != count:
            what = f"has {count:,} pictures, but {len(labels):,} labels lie beside it"
            raise DataError(what, location=file.name, hint="download both files again")
        if count and labels.max() >= len(answers):
            what = f"has the label {labels.max()}, but there are names for 0 to {len(answers) - 1}"
            raise DataError(what, location=file.name, hint="name every class in `classes`")
        path = str(file)
        for index, label in enumerate(labels.tolist()):
            image = IdxImage(path, index)
            yield image.name, image, answers[label]

    def _class_names(self, folder: Path) -> list[str]:
        if isinstance(self.classes, list):
            return self.classes
        file = folder / (self.classes or "classes.txt")
        if not self.classes and not is_file(file):
            return []
        return [line.strip() for line in lines(file) if line.strip()]


@dataclass(frozen=True, slots=True)
class IdxImage(ArrayImage):
    """A picture of an idx file."""

    @classmethod
    def pixels(cls, path: Path, member: str) -> np.ndarray:
        try:
            return _numbers(path, _shape(path, (3, 4)))
        except DataError as error:
            raise OSError(5, error.what, str(path)) from None


def _image_files(path: Path) -> list[Path]:
    """The files of images at ``path``, or where torchvision puts them below it; of two that differ only
    in being packed, the one that is not.
    """
    if is_file(path):
        return [path] if IMAGES.fullmatch(path.name) else []
    for folders in ([path], [path / "raw"], path.glob("*/raw")):
        files = {
            (folder, name.lower().removesuffix(".gz")): folder / name
            for folder in folders
            for name in sorted(_names(folder), reverse=True)
            if IMAGES.fullmatch(name)
        }
        if files:
            return [files[key] for key in sorted(files)]
    return []


def _words(file: Path) -> tuple[str, str]:
    """Of the name of a file of images, what comes before the split, and the split: ``emnist-``, ``train``."""
    match = IMAGES.fullmatch(file.name)
    assert match
    return match[1], match[2] or ""


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are enough
    except OSError:
        return []


def _labels(images: Path) -> np.ndarray | None:
    """The class numbers that lie beside a file of images, if they do."""
    name = re.sub(
        "idx[34]", "idx1", re.sub("image", "label", images.name, flags=re.IGNORECASE), flags=re.IGNORECASE
    )
    plain = re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)
    for candidate in (plain, f"{plain}.gz"):
        file = images.with_name(candidate)
        if is_file(file):
            return _numbers(file, _shape(file, (1,)))
    return None


def _shape(file: Path, ranks: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes that the head of the file declares, held against its length; nothing else is read."""
    with _explained(file):
        with _open(file) as opened:
            zero, kind, rank = struct.unpack(">HBB", opened.read(4))
            if (zero, kind) != (0, 8) or rank not in ranks:
                raise DataError("is no idx file of bytes in the sizes expected", location=file.name)
            shape = struct.unpack(f">{rank}I", opened.read(4 * rank))
        declared, actual = _size(shape), _length(file)
    if 0 in shape[1:] or (rank == 4 and shape[3] != 3) or declared > LARGEST:
        sizes = " x ".join(map(str, shape))
        raise DataError(f"declares impossible sizes: {sizes}", location=file.name, hint="download it again")
    if actual != declared % (1 << 32 if _packed(file) else sys.maxsize):
        what = f"should be {declared:,} bytes long by its head, but is " + (
            "not" if _packed(file) else f"{actual:,}"
        )
        raise DataError(what, location=file.name, hint="download it again")
    return shape


def _size(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape) + math.prod(shape)


def _length(file: Path) -> int:
    """Bytes of the file; of a packed one those unpacked, modulo 2**32, as its last four bytes say."""
    if not _packed(file):
        return plain_stat(file).size
    with open_plain(file) as opened:
        opened.seek(-4, os.SEEK_END)
        (length,) = struct.unpack("<I", opened.read(4))
    return int(length)


def _numbers(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers after the head; those of a file that is not packed stay on the disk."""
    head, total = 4 + 4 * len(shape), math.prod(shape)
    if not total:
        return np.empty(shape, np.uint8)
    if not _packed(file) and not is_remote(file):
        return np.memmap(file, np.uint8, "r", offset=head, shape=shape)
    numbers = bytearray()
    with _explained(file), _open(file) as opened:
        opened.seek(head)
        while len(numbers) < total:
            piece = opened.read(min(PIECE, total - len(numbers)))
            if not piece:
                raise EOFError
            numbers += piece
    return np.frombuffer(numbers, np.uint8).reshape(shape)


def _packed(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def _open(file: Path) -> BinaryIO:
    return open_unpacked(file) if _packed(file) else open_plain(file)  # type: ignore[return-value]


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, struct.error):
        raise DataError("is cut short or damaged", location=file.name, hint="download it again") from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or 'damaged'})", location=file.name) from None
