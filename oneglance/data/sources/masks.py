"""Masks beside pictures: the boxes are those of their connected parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decode_pool import DecodeMask, decode_with
from oneglance.data.images.header import header
from oneglance.data.images.references import FileImage, file_stat, is_picture
from oneglance.data.parsing.annotations.box_geometry import BoxReader, Fault, RawBox
from oneglance.data.parsing.annotations.mask_legend import legend
from oneglance.data.parsing.annotations.mask_parts import Inside, MaskReader, Part
from oneglance.data.parsing.annotations.pair_lists import has_pairs, listed_pairs
from oneglance.data.parsing.annotations.paired_files import named_split_of
from oneglance.data.parsing.folder_walk import files_below
from oneglance.data.parsing.folders.split_folders import folder_fields
from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.layouts import (
    MASK_FOLDERS,
    OF_MASKS,
    PICTURE_FOLDERS,
    Place,
    annotated_places,
    children_named,
)
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.picture_files.formats import without_companions
from oneglance.data.quoting import quoted, quoted_list
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, PictureError, Problem
from oneglance.storage.plain_files import is_folder

PICTURE_WORDS = ("image", "img", "photo", "picture", "rgb", "original", "orig", "input", "raw", "sat")
OF_PICTURES = re.compile(rf"(?i)(.+?)[ _.-]?(?:{'|'.join(PICTURE_WORDS)})")
MASK_WORD = re.compile(r"(?i)mask|seg|gt|matte|label|groundtruth|ann")  # what OF_MASKS needs, found sooner
LOSSY = (".jpg", ".jpeg", ".webp")  # no ending of a mask that lies beside a picture of its name
EXACT = (".png", ".bmp", ".gif", ".tif", ".tiff")
FLAT = 0.25  # bytes a pixel: a photograph that is stored without loss takes more
MANY, FEW = 2000, 8  # names of a folder, and pictures, by which it is recognised
MASK_LIMITS = Limits(megapixels=50, megabytes=50)
WHITE, MAINLY = 255, 0.98  # where this share of the parts is white, the others are faults of the drawing
MOST_VALUES = 256  # classes that are called by their values
SQUARE = 0.02  # difference of the ratio of the sides of a picture and its mask


class Masks(Source):
    """Pictures and a mask of each: of the same name in a folder ``masks`` (or another usual one) beside a
    folder of pictures, or called ``a_mask.png`` or ``a.png`` beside ``a.jpg``; also in a folder for each
    split; or whatever their names, where lists (``train.txt``) name a picture and its mask in each line.
    Folders of pictures are the fields that they are in the format ``folder``.

    The boxes of the field ``objects`` are those around the connected parts of a mask, so that things that
    touch are one box. 0 is the background. Where masks hold one other value, the boxes have no class; of
    several, each is a class, called by its number or its colour (``#ff0000``) unless ``values`` says more, or
    a legend beside the masks: a ``.csv`` or ``.txt`` that names in each line a class and its value or its
    three colours, as Roboflow (``_classes.csv``), CamVid and CVAT (``labelmap.txt``) have it.
    Masks in grey with soft edges are cut at half of their largest value. A mask of nothing means that nothing
    is there; of a picture without a mask nothing is known. The queried classes are all that any mask holds.
    """

    # The class of each value of the masks: `{ "1" = "cat", "#ff0000" = "dog" }`; `""` leaves one out.
    # `"things"`: each value is one thing, wherever its pixels lie
    values: dict[str, str] | Literal["", "things"] = ""
    smallest: int = 4  # pixels: smaller parts are specks and are left out, which is counted

    rank: ClassVar[int] = 6  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if not is_folder(path):
            return False
        some = islice((one for one in _all(path, None, ProblemCounter()) if one.masks), FEW)
        fitting = [_fits(one.image, one.masks[0]) for one in some]
        return bool(fitting) and all(fitting)

    def entries(self) -> Iterator[Entry | Problem]:
        box_reader = BoxReader()
        masked = list(_all(self.path, self.images, box_reader.counter))
        if not masked:
            raise DataError("holds no pictures with masks", location=self.title, hint="put them into masks")
        yield from self._read(masked, box_reader)
        names = self._names(masked, box_reader)
        classes = frozenset(name for name in names.values() if name)
        box_reader.counter.add(
            "masks",
            self.title,
            "holds masks: boxes are those around their connected parts",
            "things that touch are one box; look at some",
        )
        for one in masked:
            answers: dict[str, Any] = {self.split: one.split} if one.split and self.split else {}
            answers |= folder_fields(one.folders)
            if one.masks and one.is_read:
                raw_boxes = list(self._boxes(one, names))
                annotations, wrong = box_reader.annotations(
                    one.image.name, header(one.image), one.size, raw_boxes, classes
                )
                yield from wrong
                if annotations is not None:
                    answers["objects"] = annotations
            elif not one.masks:
                what = "has no mask: what is on it is unknown"
                box_reader.counter.add("no mask", one.image.name, what, "an empty one means nothing there")
            yield one.image.name, one.image, answers
        yield from box_reader.counter.problems()

    def _read(self, masked: Sequence[_Masked], box_reader: BoxReader) -> Iterator[Problem]:
        """Find the parts of all masks."""
        reader = MaskReader(whole=self.values == "things", cuts=not self.values)
        masks = [mask for one in masked for mask in one.masks]
        each = decode_with(DecodeMask(MASK_LIMITS, reader), masks)
        for one in masked:
            for mask, inside in zip(one.masks, each, strict=False):
                wrong = self._take(one, mask.name, inside, box_reader)
                one.is_read = one.is_read and wrong is None
                if wrong is not None:
                    yield wrong

    def _take(
        self, one: _Masked, name: str, inside: Inside | PictureError, box_reader: BoxReader
    ) -> Problem | None:
        """Add to a picture what is inside of one of its masks; why it cannot be used."""
        if isinstance(inside, PictureError):
            what = f"{inside.what}: what is on its picture is unknown"
            return Problem(name, what, inside.hint, kind="mask", fatal=False)
        if inside.parts is None:
            what = "is more a photograph than a mask: what is on its picture is unknown"
            return Problem(name, what, kind="mask", fatal=False)
        if inside.is_soft:
            what = "is a mask with soft edges: it is cut at half of its largest value"
            box_reader.counter.add("soft mask", name, what)
        large = [part for part in inside.parts if part.pixels >= self.smallest]
        if len(large) < len(inside.parts):
            what = f"has parts of fewer than {self.smallest} pixels: they are left out"
            box_reader.counter.add("specks", name, what, "set smallest if they are things")
        one.parts += large
        one.size = inside.size
        return None

    def _names(self, masked: Sequence[_Masked], box_reader: BoxReader) -> Mapping[int, str | None]:
        """Value -> class; "" for boxes without one, None for what is left out.

        Raises:
            DataError: too many values to be classes.
        """
        counts = Counter(part.value for one in masked for part in one.parts)
        there = sorted(counts)
        if isinstance(self.values, dict):
            stated = {_value(word, self.title): name or None for word, name in self.values.items()}
            return {**stated, **{value: "" for value in there if value not in stated}}
        file, legend_classes = legend(self.path) if not self.values else ("", {})
        if there and legend_classes.keys() >= set(there):
            names = [name for value in there if (name := legend_classes[value])]
            what = f"holds masks with {len(there)} values, which {file} names: {quoted_list(names)}"
            box_reader.counter.add("values of masks", self.title, what, "`values` names them otherwise")
            return {value: legend_classes[value] for value in there}
        if len(there) <= 1 or self.values == "things":
            return dict.fromkeys(there, "")
        if counts[WHITE] >= MAINLY * counts.total():
            what = (
                f"holds {counts.total() - counts[WHITE]:,} parts of other values than 255: taken for the same"
            )
            box_reader.counter.add(
                "odd values", self.title, what, "name the classes with values if they differ"
            )
            return dict.fromkeys(there, "")
        if len(there) > MOST_VALUES:
            what = f"holds masks with {len(there):,} values, too many for classes"
            raise DataError(what, location=self.title, hint='if each is one thing, write values = "things"')
        colours = there[-1] > 65535
        named = {value: f"#{value:06x}" if colours else str(value) for value in there}
        what = f"holds masks with {len(there)} values: {', '.join(list(named.values())[:8])} are the classes"
        hint = f'name them: values = {{ "{named[there[0]]}" = "cat" }}; or "things", if each is one thing'
        box_reader.counter.add("values of masks", self.title, what, hint)
        return named

    def _boxes(self, one: _Masked, names: Mapping[int, str | None]) -> Iterator[RawBox]:
        unnamed = isinstance(self.values, dict)
        for part in one.parts:
            name = names[part.value]
            if name is None:
                continue
            x0, y0, x1, y1 = part.corners
            what = f"has the value {part.value}, which values does not name"
            fault = Fault("value without class", what) if unnamed and not name else None
            yield RawBox(one.masks[0].name, (x0, y0, x1, y1), name, class_fault=fault)


@dataclass
class _Masked:
    """A picture with its masks, and what is in them."""

    image: FileImage
    masks: Sequence[FileImage]
    split: str
    folders: tuple[str, ...]  # in which it lies, below that of all pictures
    parts: list[Part] = field(default_factory=list)
    size: tuple[int, int] | None = None
    is_read: bool = True


def _value(word: str, title: str) -> int:
    text = word.strip()
    try:
        return int(text[1:], 16) if text.startswith("#") else int(text)
    except ValueError:
        what = f"values names {quoted(word)}, which is no value of a mask"
        raise DataError(what, location=title, hint='write a number, "3", or a colour, "#ff0000"') from None


def _fits(image: FileImage, mask: FileImage) -> bool:
    """Whether ``mask`` is as wide as high as the picture, and one beside it of its name no photograph."""
    heads = header(image), header(mask)
    if not all(head and head.upright[1] for head in heads):
        return False
    (width, height), (mask_width, mask_height) = (head.upright for head in heads if head)
    if abs(width / height - mask_width / mask_height) > SQUARE * width / height:
        return False
    return _stem(image.path) != _stem(mask.path) or _bytes(mask) <= FLAT * mask_width * mask_height


def _bytes(image: FileImage) -> float:
    try:
        return file_stat(image.path)[0]
    except OSError:
        return float("inf")


def _all(path: Path, images: Path | None, counter: ProblemCounter) -> Iterator[_Masked]:
    """The pictures in a folder with their masks, if any: as lists of splits say, or by their names."""
    if not has_pairs(path, is_picture):
        for place in _places(path):
            yield from _masked(place, images)
        return
    for image, file, split in listed_pairs(path, images, counter, is_picture):
        masks = [FileImage(str(file), f"{file.parent.name}/{file.name}")] if file is not None else ()
        yield _Masked(image, masks, split, ())


def _places(path: Path) -> list[Place]:
    def has_masks(place: Place) -> bool:
        return any(one.masks for one in islice(_masked(place, None), MANY))

    return annotated_places(
        path, has_masks, lambda folder: has_masks(Place(folder, folder, "")), MASK_FOLDERS
    )


def _masked(place: Place, images: Path | None) -> Iterator[_Masked]:
    """The pictures of a place with their masks, if any."""
    names_there = _names(place.annotations)
    folder, names = _pictures(place, images, names_there)
    owners = _owners(names)
    apart = place.annotations != place.base
    masks: dict[str, list[FileImage]] = {}
    for name in names_there:
        if owner := _owner(name, owners, apart):
            mask = FileImage(str(place.annotations / name), f"{place.annotations.name}/{name}")
            masks.setdefault(owner, []).append(mask)
    find = finder(folder, folder, [])
    for name in names:
        image = find(name, "")
        if isinstance(image, FileImage):
            named = named_split_of(name)
            folders = tuple(name.split("/")[1 if named else 0 : -1])
            yield _Masked(image, masks.get(name, ()), place.split or named, folders)


def _owners(names: Sequence[str]) -> dict[str, str]:
    """The picture of each stem that a mask may be called by: ``a`` for ``a.jpg``, and ``001`` for
    ``001_image.png`` where no picture is called so.
    """
    owners = {_stem(name): name for name in names}
    likely = (name for name in names if _stem(name).lower().endswith(PICTURE_WORDS))
    shorter = ((match[1], name) for name in likely if (match := OF_PICTURES.fullmatch(_stem(name))))
    return {**dict(shorter), **owners}


def _owner(name: str, owners: Mapping[str, str], apart: bool) -> str:
    """The picture whose mask ``name`` is; "" where it is none's.

    Args:
        apart: whether it lies in a folder of masks.
    """
    stem = _stem(name)
    owner = owners.get(stem, "")
    if owner and (apart or _is_twin(name, owner)):
        return owner
    shorter = OF_MASKS.fullmatch(stem) if MASK_WORD.search(stem) else None
    return owners.get(shorter[1], "") if shorter else ""


def _is_twin(name: str, other: str) -> bool:
    """Whether ``name`` is stored without loss, and ``other``, of the same name, with loss."""
    return name.lower().endswith(EXACT) and other.lower().endswith(LOSSY)


def _pictures(place: Place, images: Path | None, names: list[str]) -> tuple[Path, list[str]]:
    """The folder of the pictures, and their names in it without those of masks.

    Args:
        names: what lies where the masks do.
    """
    if place.annotations == place.base and images is None:
        lossy = {_stem(name) for name in names if name.lower().endswith(LOSSY)}
        names = [name for name in names if _stem(name) not in lossy or name.lower().endswith(LOSSY)]
        owners = _owners(names)
        return place.base, [name for name in names if _owner(name, owners, False) in ("", name)]
    if images is not None:
        return images, _names(images)
    for folder in children_named(place.base, PICTURE_FOLDERS):
        if folder != place.annotations and (names := _names(folder)):
            return folder, names
    return place.base, [name for name in _names(place.base) if "/" not in name]


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _names(folder: Path) -> list[str]:
    return list(without_companions(files_below(folder, is_picture)))
