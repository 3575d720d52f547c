"""YOLO: ``data.yaml``, ``images/train`` and ``labels/train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml

from oneglance.data.quoting import quoted
from oneglance.data.record import Box
from oneglance.data.writer import VAL, Item, Writer
from oneglance.storage.atomic_files import make_folder, write_text


class YoloWriter(Writer):
    """A picture of which not every class is known is left out: its file would say that nothing else is there.
    Shares of the upright picture with all their digits. A picture of no split goes to train, since a
    ``data.yaml`` names nothing else.
    """

    needs_pictures: ClassVar[bool] = True
    says_unknown: ClassVar[bool] = False

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        super().__init__(out, labels)
        self._ids = {label: number for number, label in enumerate(labels)}
        self._splits: set[str] = set()

    def image_path(self, name: str, split: str) -> str:
        return f"images/{VAL[split or 'train']}/{name}"

    def refusal(self, box: Box) -> str:
        return super().refusal(box) or ("a region to ignore" if box.ignore else "")

    def add(self, item: Item) -> None:
        self.without_fields(item)
        if not item.split:
            self.unsupported("a picture of no split", item.location, "it goes to train")
        self._splits.add(VAL[item.split or "train"])
        boxes = item.annotations.boxes if item.annotations else ()
        for name in (name for box in boxes for name in box.attributes):
            self.unsupported(f"the attribute {quoted(name)}", item.location)
        file = self.out / "labels" / VAL[item.split or "train"] / f"{item.stem}.txt"
        make_folder(file.parent)
        write_text(file, "".join(self._line(box, item) for box in boxes))

    def _line(self, box: Box, item: Item) -> str:
        width, height = item.size or (1, 1)
        shares = (
            *((box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height),
            *((box.x1 - box.x0) / width, (box.y1 - box.y0) / height),
        )
        return f"{self._ids[box.label]} {' '.join(map(repr, map(float, shares)))}\n"

    def finish(self) -> None:
        if not self.labels:
            self.unsupported("a data set without any class", "data.yaml", "it cannot be read")
        content: dict[str, Any] = {"path": "."}
        content |= {split: f"images/{split}" for split in VAL.values() if split in self._splits}
        content["names"] = dict(enumerate(self.labels))
        write_text(self.out / "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
