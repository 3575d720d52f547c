"""COCO: ``images`` and ``annotations/instances_train.json``; fields stand beside the pictures' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.quoting import quoted
from oneglance.data.record import Box
from oneglance.data.writer import VAL, Item, Writer, is_plain
from oneglance.storage.atomic_files import make_folder, write_json

OWN = frozenset(
    (
        *("id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"),
        *("neg_category_ids", "not_exhaustive_category_ids", "extra"),
    )
)


class CocoWriter(Writer):
    """A file per split; ``instances.json`` for pictures of no split. Classes that were looked for in one
    picture only are written as LVIS does it.
    """

    says_queried: ClassVar[bool] = True

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        super().__init__(out, labels)
        self._ids = {label: number for number, label in enumerate(labels, 1)}
        self._images: dict[str, list[dict[str, Any]]] = {}
        self._boxes: dict[str, list[dict[str, Any]]] = {}
        self._boxes_annotated = False
        self._count = 0

    def image_path(self, name: str, split: str) -> str:
        return f"images/{name}"

    def add(self, item: Item) -> None:
        images = self._images.setdefault(item.split, [])
        image: dict[str, Any] = {"id": len(images) + 1, "file_name": item.image}
        if item.size is not None:
            image |= {"width": item.size[0], "height": item.size[1]}
        for name, value in item.fields.items():
            if name in OWN or not is_plain(value):
                self.unsupported(f"the field {quoted(name)}", item.location)
            else:
                image[name] = value
        images.append(image | self._queried(item))
        if item.annotations is not None:
            self._boxes_annotated = True
            boxes = self._boxes.setdefault(item.split, [])
            boxes += [self._box(box, image["id"], item) for box in item.annotations.boxes]

    def _queried(self, item: Item) -> dict[str, list[int]]:
        """Ids of the classes that are surely not there, and of those of which not every object is boxed."""
        if item.annotations is None:
            return {"neg_category_ids": []}
        if item.annotations.queried in (None, self._classes):
            return {}
        queried, boxed = (
            item.annotations.queried or frozenset(),
            {box.label for box in item.annotations.boxes},
        )
        unplaced = item.annotations.unplaced
        partial = (self._classes if "" in unplaced else boxed | unplaced) - queried
        return {
            "neg_category_ids": sorted(self._ids[label] for label in queried - boxed),
            "not_exhaustive_category_ids": sorted(self._ids[label] for label in partial),
        }

    def _box(self, box: Box, image: int, item: Item) -> dict[str, Any]:
        self._count += 1
        width, height = box.x1 - box.x0, box.y1 - box.y0
        annotation: dict[str, Any] = {
            "id": self._count,
            "image_id": image,
            "category_id": self._ids[box.label],
            "bbox": [box.x0, box.y0, width, height],
            "area": width * height,
            "iscrowd": int(box.ignore),
        }
        attributes = {name: value for name, value in box.attributes.items() if is_plain(value)}
        for name in box.attributes.keys() - attributes.keys():
            self.unsupported(f"the attribute {quoted(name)}", item.location)
        return {**annotation, "attributes": attributes} if attributes else annotation

    def finish(self) -> None:
        folder = make_folder(self.out / "annotations")
        for split, images in self._images.items():
            content: dict[str, Any] = {"images": images}
            if self._boxes_annotated:
                content["annotations"] = self._boxes.get(split, [])
            else:  # then nobody takes the pictures for empty, and LVIS's list says nothing new
                content["images"] = [
                    {key: value for key, value in image.items() if key != "neg_category_ids"}
                    for image in images
                ]
            content["categories"] = [{"id": number, "name": label} for label, number in self._ids.items()]
            write_json(folder / (f"instances_{VAL[split]}.json" if split else "instances.json"), content)
