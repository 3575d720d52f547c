"""The page of ``oneglance suspects``: a person goes through them with the keyboard, and saves corrections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from oneglance.data.images.decode import Limits
from oneglance.data.images.letterbox import Fit
from oneglance.data.images.references import FileImage
from oneglance.data.images.thumbnail import data_url, thumbnail
from oneglance.data.record import ImageRef, Record
from oneglance.errors import PictureError
from oneglance.evaluation.reports.pages import environment, write_html
from oneglance.metrics.suspicion import Suspicion
from oneglance.storage.plain_files import resolved
from oneglance.task import Task

SIDE = 480  # pixels of a picture, at most
NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="  # one clear pixel


@dataclass(frozen=True)
class Shown:
    """One suspect on the page."""

    entry: Mapping[str, Any]  # of suspects.json
    task: Task
    record: Record
    suspicion: Suspicion


def write_page(
    path: Path,
    report: Mapping[str, Any],
    headline: str,
    shown: Sequence[Shown],
    words: Mapping[str, Sequence[str]],
    *,
    base: Path,
    file: str,
    limits: Limits,
    key: str,
) -> None:
    """Write the page; it loads nothing.

    Args:
        words: of each task, the answers that may be written in the place of one.
        base: the folder where the corrections will lie, beside ``file``.
        key: what the browser remembers a person's choices by.

    Raises:
        RunError: it cannot be written.
    """
    pictures = _Pictures(limits)
    suspects = [_suspect(one, pictures, base) for one in shown]
    boxes: dict[str, dict[int, Any]] = {}
    rows: dict[str, dict[int, Any]] = {}
    keys: dict[str, str] = {}
    for one, entry in zip(shown, suspects, strict=True):
        if one.task.is_spatial:
            answer = one.record.answers[one.task.name]
            overlays = one.task.overlays(answer)
            boxes.setdefault(one.task.name, {})[entry["picture"]] = [list(box) for box, _, _ in overlays]
            rows.setdefault(one.task.name, {})[entry["picture"]] = one.task.detection_rows(answer)
            keys[one.task.name] = "\n".join(f"{k} = {v}" for k, v in one.task.detection_keys().items())
    data = {
        "key": key,
        "suspects": suspects,
        "pictures": pictures.urls,
        "words": words,
        "boxes": boxes,
        "rows": rows,
        "keys": keys,
    }
    # In a script only "</" and "<!--" end or change it; "<" as its number is the same text in JSON.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    page = environment().get_template("suspects.html.j2")
    report = {**report, "base": file}
    title = path.parent.resolve().name
    write_html(path, page.render(title=title, report=report, headline=headline, data=Markup(text)))


class _Pictures:
    """Each picture once, small."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.urls = limits, list[str]()
        self._known: dict[ImageRef, tuple[int, tuple[int, int]]] = {}

    def add(self, ref: ImageRef) -> tuple[int, tuple[int, int]]:
        """Its number, and its size in pixels."""
        if ref not in self._known:
            try:
                picture, place = thumbnail(ref, Fit(SIDE), self.limits)
                url, size = data_url(picture), (place.width, place.height)
            except PictureError:  # it was there a minute ago
                url, size = NOTHING, (SIDE, SIDE)
            self._known[ref] = len(self.urls), size
            self.urls.append(url)
        return self._known[ref]


def _suspect(one: Shown, pictures: _Pictures, base: Path) -> dict[str, Any]:
    number, size = pictures.add(one.record.image)
    doubt, edit = one.suspicion, one.suspicion.edit
    is_there = edit is None or edit.index is not None
    return {
        **one.entry,
        "picture": number,
        "size": size,
        "file": _named(base, one.record.image),
        "cells": doubt.cells,
        "answer_box": doubt.box if is_there else None,
        "proposed_box": doubt.proposed_box if is_there else doubt.box,
        "edit": None if edit is None else {"index": edit.index, "cells": edit.cells},
    }


def _named(base: Path, ref: ImageRef) -> str | None:
    """As a table in ``base`` names the picture; None where it lies in no file of its own."""
    if not isinstance(ref, FileImage):
        return None
    folder, whole = resolved(base), Path(ref.path)
    return (whole.relative_to(folder) if whole.is_relative_to(folder) else whole).as_posix()
