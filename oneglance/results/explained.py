"""What ``explain`` gives back: a map for each answer to each picture."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from oneglance.data.images.thumbnail import data_url
from oneglance.result import Result, Row, framed

SHOWN = 24  # maps that a notebook shows
PIXELS = 320  # of the longer side of each


class Explained(Result):
    """``explained["pictures"]`` has ``{"image", "task", "answer", "map"}`` for each answer, where ``map`` is
    its file, or ``{"image", "error"}`` for a picture that cannot be read.
    """

    def __init__(self, values: Mapping[str, Any], drawings: Mapping[int, Image.Image] | None = None) -> None:
        """
        Args:
            drawings: by the number of the entry, where they are in no file.
        """
        super().__init__(values)
        self._drawings = dict(drawings or {})

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """Every entry, in the order of the pictures and then of the tasks."""
        entries: list[dict[str, Any]] = self["pictures"]
        return entries

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Those of pictures that cannot be read."""
        return [entry for entry in self.pictures if "error" in entry]

    def draw(self, number: int = 0) -> Image.Image:
        """The map of the entry of that number, from 0: the picture with warm colours where the answer rests.

        Raises:
            LookupError: there is no such entry, or it has no map.
            OSError: its file is gone.
        """
        entry = self.pictures[number]
        if "error" in entry:
            raise LookupError(f"{entry['image']} {entry['error']}")
        if (drawing := self._drawings.get(number % len(self.pictures))) is not None:
            return drawing
        with Image.open(entry["map"]) as picture:
            return picture.convert("RGB")

    def headline(self) -> str:
        maps = len(self.pictures) - len(self.errors)
        images = len({entry["image"] for entry in self.pictures})
        failed = f", {len(self.errors):,} cannot be read" if self.errors else ""
        return f"{maps:,} maps of {images:,} pictures{failed}"

    def rows(self) -> list[Row]:
        """One for each entry: ``image, task, answer, map``, or ``image, error``."""
        columns = ("image", "task", "answer", "map", "error")
        return [{name: entry[name] for name in columns if name in entry} for entry in self.pictures]

    def _repr_html_(self) -> str:
        numbers = [number for number, entry in enumerate(self.pictures) if "error" not in entry]
        figures = "".join(self._figure(number) for number in numbers[:SHOWN])
        more = len(numbers) - SHOWN
        rest = f"<p>… and {more:,} more</p>" if more > 0 else ""
        style = "display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start"
        return framed(f'<p>{html.escape(self.headline())}</p><div style="{style}">{figures}</div>{rest}')

    def _figure(self, number: int) -> str:
        entry = self.pictures[number]
        try:
            picture = self.draw(number).copy()
        except OSError:
            return f"<i>{html.escape(str(entry['map']))} is gone</i>"
        picture.thumbnail((PIXELS, PIXELS))
        words = html.escape(f"{entry['task']}: {entry['answer']}")
        return (
            f'<figure style="margin:0"><img alt="{words}" src="{data_url(picture)}">'
            f"<figcaption>{html.escape(entry['image'])}<br>{words}</figcaption></figure>"
        )


def explained(entries: Sequence[tuple[dict[str, Any], Image.Image | None]]) -> Explained:
    """The result of all entries in order, each with its drawing where that is in no file."""
    drawings = {number: drawing for number, (_, drawing) in enumerate(entries) if drawing is not None}
    return Explained({"pictures": [entry for entry, _ in entries]}, drawings)
