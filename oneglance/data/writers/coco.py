"""COCO: ``images`` and ``annotations/instances_train.json``; fields stand beside the pictures' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneglance.atomic_files import make_folder, write_json
from oneglance.data.parsing.quoting import quoted
from oneglance.data.record import Box
from oneglance.data.writer import VAL, Item, Writer, is_plain

OWN = frozenset(
    (
        *("id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"),
        *("neg_category_ids", "not_exhaustive_category_ids", "extra"),
    )
)


class CocoWriter(Writer):
    """A file per part; ``instances.json`` for pictures of no part. Classes that were looked for in one
    picture only are written as LVIS does it.
    """

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        super().__init__(out, labels)
        self._ids = {label: number for number, label in enumerate(labels, 1)}
        self._images: dict[str, list[dict[str, Any]]] = {}
        self._boxes: dict[str, list[dict[str, Any]]] = {}
        self._looked = False
        self._count = 0

    def place(self, name: str, part: str) -> str:
        return f"images/{name}"

    def add(self, item: Item) -> None:
        images = self._images.setdefault(item.part, [])
        image: dict[str, Any] = {"id": len(images) + 1, "file_name": item.image}
        if item.size is not None:
            image |= {"width": item.size[0], "height": item.size[1]}
        for name, value in item.fields.items():
            if name in OWN or not is_plain(value):
                self.cannot_say(f"the field {quoted(name)}", item.location)
            else:
                image[name] = value
        images.append(image | self._asked(item))
        if item.seen is not None:
            self._looked = True
            boxes = self._boxes.setdefault(item.part, [])
            boxes += [
                self._box(box, image["id"], item) for box in item.seen.boxes if self.labelled(box, item)
            ]

    def _asked(self, item: Item) -> dict[str, list[int]]:
        """Numbers of classes that are surely not there, and of those of which not all are boxed."""
        if item.seen is None:
            return {"neg_category_ids": []}
        if item.seen.queried in (None, self._every):
            return {}
        queried, there = item.seen.queried or frozenset(), {box.label for box in item.seen.boxes if box.label}
        return {
            "neg_category_ids": sorted(self._ids[label] for label in queried - there),
            "not_exhaustive_category_ids": sorted(self._ids[label] for label in there - queried),
        }

    def _box(self, box: Box, image: int, item: Item) -> dict[str, Any]:
        self._count += 1
        width, height = box.x1 - box.x0, box.y1 - box.y0
        said: dict[str, Any] = {
            "id": self._count,
            "image_id": image,
            "category_id": self._ids[box.label],
            "bbox": [box.x0, box.y0, width, height],
            "area": width * height,
            "iscrowd": int(box.ignore),
        }
        attributes = {name: value for name, value in box.attributes.items() if is_plain(value)}
        for name in box.attributes.keys() - attributes.keys():
            self.cannot_say(f"the attribute {quoted(name)}", item.location)
        return {**said, "attributes": attributes} if attributes else said

    def finish(self) -> None:
        folder = make_folder(self.out / "annotations")
        for part, images in self._images.items():
            said: dict[str, Any] = {"images": images}
            if self._looked:
                said["annotations"] = self._boxes.get(part, [])
            else:  # then nobody takes the pictures for empty, and LVIS's list says nothing new
                said["images"] = [
                    {key: value for key, value in image.items() if key != "neg_category_ids"}
                    for image in images
                ]
            said["categories"] = [{"id": number, "name": label} for label, number in self._ids.items()]
            write_json(folder / (f"instances_{VAL[part]}.json" if part else "instances.json"), said)
