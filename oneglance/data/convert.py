"""A data set written in another format, and a list of what that format cannot hold."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from oneglance.data.images.header import header
from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.merging.merge_answers import merge_boxes, merge_same
from oneglance.data.merging.merge_records import RecordMerger
from oneglance.data.quoting import plain
from oneglance.data.record import SPLIT_NAMES, BoxAnnotations, ImageRef, Record
from oneglance.data.source import formats
from oneglance.data.writer import Item, Writer, targets, writer_class
from oneglance.errors import ConfigError, Problem, RunError, nearest
from oneglance.members import is_class_name
from oneglance.progress import Progress
from oneglance.storage.atomic_files import make_folder, write_bytes
from oneglance.storage.plain_files import is_folder, names_in

# What a file begins with, for pictures whose names do not tell.
BEGINNINGS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}
UNUSUAL = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\ud800-\udfff]')  # in names of files, on some system


def convert(
    records: Sequence[Record],
    to: str,
    out: Path,
    copy: bool = True,
    progress: Progress = lambda done, total, what: None,
) -> list[Problem]:
    """Write ``records`` as a data set of the format ``to``, such that reading it gives the same again.

    Args:
        records: as a source or ``collect`` gives them; the field that holds ``BoxAnnotations`` is the boxes.
        to: a file of ``writers/``: "coco", "voc", "yolo", "table".
        out: a folder that is not there or empty.
        copy: also write the pictures. Else they are named by their whole paths, where the format can do
            so; YOLO cannot, nor can a picture in an archive or array be named: such are written all the same.

    Returns:
        What was left out: answers that the format cannot hold, each kind once, and unreadable pictures.

    Raises:
        ConfigError: there is no such format.
        RunError: ``out`` is not empty or cannot be written.
    """
    refuse_target(to, out)
    writer = writer_class(to)(make_folder(out), _labels(records))
    problems: list[Problem] = []
    names = _Names()
    for done, record in enumerate(records, 1):
        progress(done, len(records), "writing")
        item = _item(record, writer, names, copy)
        if isinstance(item, Problem):
            problems.append(item)
        elif item is not None:
            writer.add(item)
    writer.finish()
    return [*problems, *writer.counter.problems()]


def refuse_target(to: str, out: Path) -> None:
    """Raise what can be wrong before anything is read. See ``convert``."""
    if to not in targets():
        raise ConfigError(f'no format "{to}" can be written.{nearest(to, targets())}')
    if is_folder(out) and names_in(out):
        raise RunError("is not empty", location=str(out), hint="name a new folder")


def refuse_format(name: str) -> None:
    """Refuse an unknown format to read; "" is the one that is recognised.

    Raises:
        ConfigError: there is no such format.
    """
    if name and not is_class_name(name) and name not in formats():
        raise ConfigError(f'no format "{name}" can be read.{nearest(name, formats())}')


def merged(records: Iterable[Record]) -> tuple[list[Record], list[Problem]]:
    """Every picture once, with the answers of all its records, and a Problem for each contradiction."""
    pictures: list[Record] = []
    problems: list[Problem] = []
    merger = RecordMerger(pictures, problems, _merge)
    for record in records:
        merger.add(record, _without_split_field(record).answers)
    return pictures, problems


def _merge(name: str, first: Any, second: Any) -> Any:
    if isinstance(first, BoxAnnotations) and isinstance(second, BoxAnnotations):
        return merge_boxes(first, second)
    return merge_same(name, first, second)


def _without_split_field(record: Record) -> Record:
    """``record`` without the field that repeats its split, for each format has its own words for it."""
    split = SPLIT_NAMES.get(str(record.answers.get("split", "")).strip().lower())
    if not record.split or split != record.split:
        return record
    return replace(record, answers={f: value for f, value in record.answers.items() if f != "split"})


def _labels(records: Sequence[Record]) -> list[str]:
    labels: set[str] = set()
    for record in records:
        annotations = _boxes(record)[1]
        if annotations is not None:
            labels.update(box.label for box in annotations.boxes)
            labels |= annotations.queried or frozenset()
    return sorted(labels - {""})


def _boxes(record: Record) -> tuple[str, BoxAnnotations | None]:
    """The field of the boxes: ``objects``, or the first that holds some."""
    for name in ("objects", *record.answers):
        value = record.answers.get(name)
        if isinstance(value, BoxAnnotations):
            return name, value
    return "", None


def _item(record: Record, writer: Writer, names: _Names, copy: bool) -> Item | Problem | None:
    """``record`` as it is to be written; its picture is written here. None: the format cannot hold it."""
    image, head = record.image, header(record.image)
    own: str | None = image.path if isinstance(image, FileImage) else None
    content = b""
    if copy or writer.needs_pictures or own is None:
        try:
            content, own = _encoded(image), None
        except OSError as error:
            return _unreadable(image, f"cannot be read ({error.strerror or error})")
    if head is None and writer.needs_pictures:
        return _unreadable(image, "is damaged or no picture")
    boxes, annotations = _boxes(record)
    known = writer.sayable(annotations, record.location)
    if known is None and not writer.says_unknown:
        # Its file alone would say that nothing is there.
        writer.leave_out("a picture whose boxes are unknown", record.location)
        return None
    name = names.new(image.name, content)
    if own is None:
        path = writer.out / writer.image_path(name, record.split)
        make_folder(path.parent)
        write_bytes(path, content)
    fields = {field: value for field, value in _without_split_field(record).answers.items() if field != boxes}
    if fields.pop("split", None) is not None:
        writer.unsupported('a field "split" that is no split', record.location)
    size = head.upright if head else None
    return Item(record.location, name, own or name, size, known, fields, record.split)


def _unreadable(image: ImageRef, what: str) -> Problem:
    return Problem(plain(image.name), what, "left out", kind="unreadable", fatal=False)


def _encoded(image: ImageRef) -> bytes:
    loaded = image.load()
    if isinstance(loaded, bytes):
        return loaded
    out = io.BytesIO()
    Image.fromarray(loaded).save(out, "PNG")
    return out.getvalue()


class _Names:
    """Names of files that every system allows; no two differ in their ending or case alone."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def new(self, name: str, content: bytes) -> str:
        """A name like ``name`` for a picture that begins with ``content``."""
        names = [_allowed(one) for one in name.replace("\\", "/").split("/")]
        while len(names) > 1 and names[0] in ("", "images", "JPEGImages"):
            del names[0]
        path = "/".join(filter(None, names)) or "picture"
        ending = next((end for start, end in BEGINNINGS.items() if content.startswith(start)), ".jpg")
        if is_picture(path):
            path, dot, end = path.rpartition(".")
            ending = dot + end
        while is_picture(path):  # a second ending: lists name pictures without theirs
            path = "_".join(path.rsplit(".", 1))
        stem, count = path, 1
        while stem.casefold() in self._used:
            count += 1
            stem = f"{path}_{count}"
        self._used.add(stem.casefold())
        return stem + ending


def _allowed(name: str) -> str:
    """The name of one file or folder, without characters that some system refuses."""
    allowed = UNUSUAL.sub("_", name).strip()[-100:].strip(" .") if name not in (".", "..") else ""
    return f"_{allowed}" if name.startswith(".") and allowed else allowed
