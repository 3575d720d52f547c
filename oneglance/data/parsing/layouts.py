"""Where data sets keep their pictures, their annotations and their parts, by the usual names of folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from oneglance.data.parsing.folder_walk import folders_in
from oneglance.data.record import SPLIT_NAMES

# Whatever their case, the likeliest first.
ANNOTATION_FOLDERS = (
    *("annotations", "annotation", "annots", "annot", "anns", "ann", "xmls", "xml", "labels", "label"),
    *("bboxes", "bbox", "boxes", "gt", "ground_truth", "groundtruth", "label_2", "labeltxt"),
    *("labeltxt-v1.0", "labeltxt-v1.5", "labeltxt-v2.0"),
)
PICTURE_FOLDERS = (
    *("jpegimages", "images", "image", "imgs", "img", "pictures", "photos", "pics", "frames", "data"),
    *("image_2", "rgb"),
)


MASK_FOLDERS = (
    *("masks", "mask", "segmentation", "segmentations", "segmentationclass", "segmentationobject", "seg"),
    *("trimaps", "mattes", *ANNOTATION_FOLDERS),
)


# `a_mask.png`, `a-mask_1.png`, `a_seg.png` belong to `a.jpg`, or to `a_image.jpg`.
OF_MASKS = re.compile(
    r"(?i)(.+?)[ _.-]?"
    r"(?:masks?|segmentation|seg|gt|matte|labels?|groundtruth|annotations?|annot|anno)(?:[ _-]?\d+)?"
)


# What tools call the folders of pictures and annotations that they write; no class is called so.
OF_TOOLS = re.compile(
    r"(?i)jpeg[ _-]?images|(?:segmentation(?:class|object)?|annotations?|masks?)"
    r"[ _-]?(?:class|object|png|npy|raw|visuali[sz]ations?)"
    r"|segmentation(?:class|object)s?|annotations"
    r"|data(?:set)?[ _-](?:annotated|voc|coco|yolo|dataset)(?:_\w+)?"
    r"|visuali[sz]ations?|ground[ _-]?truths?|imagesets|bndboxes|bboxes"
)


class Place(NamedTuple):
    """A folder with annotation files, and the folder in or below which their pictures lie."""

    annotations: Path
    base: Path
    split: str  # train, validation or test; "" where no folder's name says it


def named_split(name: str) -> str:
    """The split that the name of a folder or a file says: ``train2017``, ``train_zip``, ``images_val``,
    ``test-dev``; "" where it says none, or two.
    """
    words = re.findall("[a-z]+", re.sub(r"test[-_ ]?(dev|challenge)", "test", name.lower()))
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return splits.pop() if len(splits) == 1 and len(words) <= 3 else ""


def class_folders(names: Iterable[str]) -> dict[str, str]:
    """Path of a file -> the last folder of it, if all lie in folders, in several, and none of these says a
    split: then the folders may be classes. Else nothing.
    """
    folders = {name: name.rpartition("/")[0].rpartition("/")[2] for name in names}
    words = set(folders.values())
    return folders if len(words) > 1 and all(words) and not any(map(named_split, words)) else {}


def part_folders(folder: Path) -> list[tuple[Path, str]]:
    """The folders in ``folder`` whose names say a split, with that split. One that holds only another folder
    is that one: ``train_zip/train``.
    """
    parts = ((child, named_split(child.name)) for child in folders_in(folder))
    return [(_innermost(child), split) for child, split in parts if split]


def children_named(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """The folders in ``folder`` of these names, whatever their case, in the order of the names."""
    there: dict[str, list[Path]] = {}
    for child in folders_in(folder):
        there.setdefault(child.name.lower(), []).append(child)
    for name in names:
        yield from there.get(name, ())


def annotated_places(
    path: Path,
    holds_below: Callable[[Place], bool],
    holds: Callable[[Path], bool],
    names: Sequence[str] = ANNOTATION_FOLDERS,
) -> list[Place]:
    """Where the annotation files in ``path`` lie: in a folder of a usual name, or beside the pictures, or so
    in a folder for each split, or in two for each split; or beside pictures in any folders there. None:
    nowhere.

    Args:
        holds_below: whether there are annotation files in or below the folder that a place names for them.
        holds: whether there are some directly in a folder.
        names: the usual names of folders of annotation files.
    """
    if place := _place(path, "", holds_below, holds, names):
        return [place]
    if twins := [place for place in _twins(path, names) if holds_below(place)]:
        return twins
    parts = [_place(folder, split, holds_below, holds, names) for folder, split in part_folders(path)]
    if any(parts):
        return [part for part in parts if part is not None]
    return [Place(path, path, "")] if any(map(holds, folders_in(path))) else []


def picture_folder(
    place: Place, images: Path | None, names_of: Callable[[Path], Sequence[str]]
) -> tuple[Path, Sequence[str]]:
    """The folder of the pictures of a place, and their names in it: ``images`` where that is named, else the
    first of a usual name that holds pictures, else where the annotations lie.

    Args:
        names_of: the pictures in and below a folder.
    """
    if images is not None:
        return images, names_of(images)
    named = [child for child in children_named(place.base, PICTURE_FOLDERS) if child != place.annotations]
    folders = (*named, place.annotations, place.base)
    nonempty = ((folder, names) for folder in folders if (names := names_of(folder)))
    return next(nonempty, (place.annotations, []))


def _place(
    base: Path,
    split: str,
    holds_below: Callable[[Place], bool],
    holds: Callable[[Path], bool],
    names: Sequence[str],
) -> Place | None:
    named = (Place(folder, base, split) for folder in children_named(base, names))
    return next(filter(holds_below, named), Place(base, base, split) if holds(base) else None)


def _twins(path: Path, names: Sequence[str]) -> Iterator[Place]:
    """The folders of annotations in ``path`` beside the folder of their pictures, where both names say the
    same split: ``train`` and ``trainannot``, ``train_images`` and ``train_masks``.
    """
    of_annotations, of_pictures, folders = _affixed(names), _affixed(PICTURE_FOLDERS), folders_in(path)
    pictures = {_rest(child, of_pictures) or child.name.lower(): child for child in folders}
    for child in folders:
        rest = _rest(child, of_annotations)
        split = named_split(rest)
        if split and rest in pictures and pictures[rest] != child:
            yield Place(child, pictures[rest], split)


def _affixed(words: Iterable[str]) -> re.Pattern[str]:
    """What begins or ends with one of ``words``, and the rest of it."""
    one = "|".join(map(re.escape, words))
    return re.compile(rf"(?:{one})[ _.-]+(.+)|(.+?)[ _.-]*(?:{one})")


def _rest(folder: Path, affixed: re.Pattern[str]) -> str:
    """The name of a folder without the word, in small letters; "" where it has none."""
    match = affixed.fullmatch(folder.name.lower())
    return (match[1] or match[2]) if match else ""


def _innermost(folder: Path) -> Path:
    inside = folders_in(folder)
    return inside[0] if len(inside) == 1 and named_split(inside[0].name) else folder
