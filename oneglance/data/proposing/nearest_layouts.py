"""Which layouts of data sets come nearest to what lies in a folder, and what is missing to be one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from oneglance.data.images.references import is_picture
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.proposing.seen_files import SeenFiles
from oneglance.data.quoting import plain, quoted
from oneglance.data.sources.table import READERS
from oneglance.errors import command
from oneglance.storage.plain_files import resolved

SHOWN = 2  # layouts
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
ARRAYS = (
    ".npy",
    ".npz",
    ".mat",
    ".h5",
    ".hdf5",
    ".pkl",
    ".pickle",
    ".tfrecord",
    ".tfrecords",
    ".lmdb",
    ".rec",
    ".arrow",
)
ARCHIVES = (".zip", ".tar", ".gz", ".tgz")
OTHER_ARCHIVES = (".rar", ".7z", ".bz2", ".xz")


class Layout(NamedTuple):
    """A way to keep pictures with answers, and how far away it is."""

    nearness: float
    looks: str
    gap: str  # what is missing or otherwise here


@dataclass(frozen=True)
class _Place:
    """What lies there, as far as layouts tell it apart."""

    seen: SeenFiles
    pictures: int
    folders: Sequence[str]  # that hold pictures, from the root

    @classmethod
    def of(cls, seen: SeenFiles) -> _Place:
        pictures = sum(count for ending, count in seen.counts.items() if is_picture(f"x{ending}"))
        folders = [
            name
            for name, counts in seen.endings.items()
            if any(is_picture(f"x{ending}") for ending in counts)
        ]
        return cls(seen, pictures, folders)

    def first(self, *endings: str) -> str:
        """The first file with one of the endings; "" where there is none."""
        return next((names[0] for ending in endings if (names := self.seen.examples.get(ending))), "")

    def count(self, *endings: str) -> int:
        return sum(self.seen.counts[ending] for ending in endings)

    @property
    def picture(self) -> str:
        """The name of one of the pictures."""
        endings = [ending for ending in self.seen.examples if is_picture(f"x{ending}")]
        return self.first(*endings)

    def without_picture(self, ending: str) -> list[str]:
        """Files with an ending that no picture is called like."""
        stems = {
            Path(name).stem
            for other, names in self.seen.examples.items()
            if is_picture(f"x{other}")
            for name in names
        }
        return [name for name in self.seen.examples.get(ending, ()) if Path(name).stem not in stems]


def nearest_layouts(seen: SeenFiles, reasons: Sequence[str] = ()) -> list[str]:
    """The two nearest layouts, in a line each.

    Args:
        reasons: why what was read holds no answer.
    """
    place = _Place.of(seen)
    layouts = [layout for rule in RULES if (layout := rule(place, reasons)) is not None]
    layouts.sort(key=lambda layout: -layout.nearness)
    return [f"  {layout.looks} — {layout.gap}" for layout in layouts[:SHOWN]]


def _class_folders(place: _Place, reasons: Sequence[str]) -> Layout | None:
    looks = "a folder per class: hat/1.jpg, shoe/2.jpg"
    if not place.pictures:
        return Layout(0.1, looks, "missing: pictures")
    if len(place.folders) == 1:
        where = quoted(place.folders[0] or resolved(place.seen.root).name)
        lie = f"all {place.pictures:,} pictures lie" if place.pictures > 1 else "the only picture lies"
        return Layout(2, looks, f"{lie} in one folder, {where}; sort them by class")
    names = ", ".join(plain(name.rpartition("/")[2], 20) for name in place.folders[:3] if name)
    return Layout(2.5, looks, f"missing: names that say what the pictures show; here they are {names}")


def _table(place: _Place, reasons: Sequence[str]) -> Layout | None:
    looks = "a table beside the pictures: image,kind and a row for each picture"
    table = place.first(*READERS)
    if table and place.pictures:
        why = (
            "; ".join(reason for reason in reasons[:2])
            or "a column with the names of the pictures, and answers"
        )
        return Layout(4, looks, f"{plain(table, 60)}: {why.removeprefix(f'{table}: ')}")
    if table:
        hint = command("init", "PICTURES", place.seen.root / table)
        return Layout(
            3, looks, f"missing: the pictures that {quoted(table)} names; say where they are: {hint}"
        )
    if sheet := place.first(*SPREADSHEETS):
        return Layout(3.5, looks, f"{quoted(sheet)} is a spreadsheet: save it as CSV")
    return Layout(
        1.5 if place.pictures else 0,
        looks,
        "missing: a table, such as labels.csv" + ("" if place.pictures else ", and pictures"),
    )


def _names(place: _Place, reasons: Sequence[str]) -> Layout | None:
    looks = "answers in the names of the pictures: hat_1.jpg, shoe_2.jpg"
    if not place.pictures:
        return None
    name = quoted(Path(place.picture).name)
    return Layout(
        1,
        looks,
        f"missing: parts that come again and again; here they are called like {name}",
    )


def _voc(place: _Place, reasons: Sequence[str]) -> Layout | None:
    looks = "boxes as Pascal VOC: an XML file for each picture, called like it"
    if not place.count(".xml"):
        return None
    if not place.pictures:
        return Layout(3, looks, f"missing: the pictures of {place.count('.xml'):,} XML files")
    strangers = place.without_picture(".xml")
    if strangers:
        return Layout(3, looks, f"missing: a picture that is called like {quoted(strangers[0])}")
    return Layout(
        3,
        looks,
        f"missing: boxes in the XML files: an <object> with <bndbox> in {quoted(place.first('.xml'))}",
    )


def _yolo(place: _Place, reasons: Sequence[str]) -> Layout | None:
    looks = "boxes as YOLO: a text file for each picture with lines of class, x, y, width, height"
    texts = place.seen.examples.get(".txt", [])
    numbers = [name for name in texts[:20] if _is_of_numbers(place.seen.root / name)]
    if not numbers:
        return None
    if not place.pictures:
        return Layout(3, looks, f"missing: the pictures of {place.count('.txt'):,} text files")
    strangers = place.without_picture(".txt")
    what = (
        f"missing: a picture that is called like {quoted(strangers[0])}"
        if strangers
        else "missing: five numbers in each line, those of the box between 0 and 1"
    )
    return Layout(3.2, looks, what)


def _is_of_numbers(path: Path) -> bool:
    line = beginning(path, 300).decode("utf-8", errors="replace").partition("\n")[0]
    return len(line.split()) >= 4 and re.fullmatch(r"[\d\s.+\-eE,]+", line) is not None


def _coco(place: _Place, reasons: Sequence[str]) -> Layout | None:
    looks = 'boxes as COCO: a JSON file with the lists "images", "annotations" and "categories"'
    file = place.first(".json")
    if not file:
        return None
    content = beginning(place.seen.root / file)
    lost = [name for name in ("images", "annotations", "categories") if f'"{name}"'.encode() not in content]
    if lost and len(content) < 1 << 16:
        return Layout(
            2.8 - 0.2 * len(lost), looks, f"missing: {' and '.join(map(quoted, lost))} in {quoted(file)}"
        )
    return Layout(
        3.3,
        looks,
        f"missing: the pictures that {quoted(file)} names"
        if not place.pictures
        else f"missing: boxes in {quoted(file)}",
    )


# What the JSON of a tool holds, and how its files lie beside pictures.
TOOLS = (
    (b'"shapes"', "boxes as LabelMe: a JSON file beside each picture, called like it"),
    (b'"shape_attributes"', "boxes as the VGG Image Annotator (VIA 2) exports them, beside the pictures"),
    (b'"classTitle"', "boxes as Supervisely: ann/a.jpg.json for img/a.jpg"),
)


def _tools(place: _Place, reasons: Sequence[str]) -> Layout | None:
    file = place.first(".json")
    content = beginning(place.seen.root / file) if file else b""
    if b'"vid_list"' in content and b'"data_format_version"' in content:
        looks = "boxes as the VGG Image Annotator (VIA 2) exports them, beside the pictures"
        return Layout(
            3.6, looks, f"{quoted(file)} is a project of VIA 3, which is not read: export it as COCO"
        )
    looks = next((looks for key, looks in TOOLS if key in content), "")
    if not looks:
        return None
    what = f"a picture that {quoted(file)} names" if place.pictures else "the pictures of the JSON files"
    return Layout(3.6, looks, f"missing: {what}")


def _packed(place: _Place, reasons: Sequence[str]) -> Layout | None:
    archive = place.first(*ARCHIVES)
    if archive and not place.pictures:
        name = command("init", place.seen.root / archive)
        return Layout(5, "an archive of pictures", f"name it, {name}, or unpack it")
    other = place.first(*OTHER_ARCHIVES)
    return (
        Layout(4.5, "an archive of pictures", f"unpack {quoted(other)}")
        if other and not place.pictures
        else None
    )


def _arrays(place: _Place, reasons: Sequence[str]) -> Layout | None:
    if place.pictures or not (array := place.first(*ARRAYS)):
        return None
    return Layout(
        4,
        "pictures as files, or idx and CIFAR as they are shared",
        f"{quoted(array)} is not read: write its pictures as PNG",
    )


RULES: tuple[Callable[[_Place, Sequence[str]], Layout | None], ...] = (
    _class_folders,
    _table,
    _names,
    _voc,
    _yolo,
    _coco,
    _tools,
    _packed,
    _arrays,
)
