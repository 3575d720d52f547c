"""Pascal VOC: ``JPEGImages``, ``Annotations`` and the lists of ``ImageSets/Main``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from oneglance.data.quoting import quoted
from oneglance.data.record import Box
from oneglance.data.writer import VAL, Item, Writer
from oneglance.storage.atomic_files import make_folder, write_bytes, write_text

OF_AN_OBJECT = ("pose", "truncated", "occluded")  # attributes that VOC itself knows
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class VocWriter(Writer):
    """Corners are decimals, counted from 1, so that nothing is rounded."""

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        super().__init__(out, labels)
        self._lists: dict[str, list[str]] = {}

    def image_path(self, name: str, split: str) -> str:
        return f"JPEGImages/{name}"

    def refusal(self, box: Box) -> str:
        if not box.label:
            return "a box without a class"
        if NO_XML.search(box.label):
            return "the class with a control character"
        return "a box of one pixel or less" if box.x1 - box.x0 <= 1 or box.y1 - box.y0 <= 1 else ""

    def add(self, item: Item) -> None:
        self.without_fields(item)
        if item.annotations is None and (item.image != item.name or not item.split):
            what = "a picture elsewhere" if item.split else "a picture of no split"
            self.leave_out(f"{what} whose boxes are unknown", item.location)
            return
        if item.split:
            self._lists.setdefault(item.split, []).append(item.stem)
        if item.annotations is None:
            return
        page = Element("annotation")
        _add(page, "filename", item.image)
        if item.size is not None:
            size = SubElement(page, "size")
            for name, value in zip(("width", "height", "depth"), (*item.size, 3), strict=True):
                _add(size, name, value)
        for box in item.annotations.boxes:
            self._object(page, box, item)
        ElementTree.indent(page)
        file = self.out / "Annotations" / f"{item.stem}.xml"
        make_folder(file.parent)
        write_bytes(file, ElementTree.tostring(page, encoding="utf-8"))

    def _object(self, page: Element, box: Box, item: Item) -> None:
        element = SubElement(page, "object")
        _add(element, "name", box.label)
        attributes = {
            name: value for name, value in box.attributes.items() if self._attribute(name, value, item)
        }
        for name in OF_AN_OBJECT:
            if name in attributes:
                _add(element, name, attributes.pop(name))
        _add(element, "difficult", int(box.ignore))
        bounds = SubElement(element, "bndbox")
        corners = (box.x0 + 1, box.y0 + 1, box.x1, box.y1)
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
            _add(bounds, name, int(value) if value == int(value) else repr(float(value)))
        if attributes:
            attribute_list = SubElement(element, "attributes")
            for name, value in attributes.items():
                one = SubElement(attribute_list, "attribute")
                _add(one, "name", name)
                _add(one, "value", value)

    def _attribute(self, name: str, value: Any, item: Item) -> bool:
        what = f"the attribute {quoted(name)}"
        if isinstance(value, str | int | float):
            return self._is_supported(what, name + str(value), item)
        self.unsupported(what, item.location)
        return False

    def _is_supported(self, what: str, text: str, item: Item) -> bool:
        if NO_XML.search(text):
            self.unsupported(f"{what} with a control character", item.location)
            return False
        return True

    def finish(self) -> None:
        for split, stems in self._lists.items():
            folder = make_folder(self.out / "ImageSets" / "Main")
            write_text(folder / f"{VAL[split]}.txt", "".join(f"{stem}\n" for stem in stems))


def _add(parent: Element, tag: str, text: Any) -> None:
    SubElement(parent, tag).text = str(text)
