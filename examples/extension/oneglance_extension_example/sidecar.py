"""sidecar: a folder of pictures, with the answers to ``a7.png`` in ``a7.json`` beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from oneglance.data.images.references import FileImage, is_picture
from oneglance.data.source import Entry, Source
from oneglance.errors import Problem

SAMPLE = 20  # files that are looked at to recognise the format


class Sidecar(Source):
    """The JSON is an object of fields and values. A picture without such a file has no answers."""

    rank: ClassVar[int] = 5  # a folder of pictures is also one of classes, for those who know no better

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if not path.is_dir():
            return False
        pictures = islice((file for file in path.iterdir() if is_picture(file.name)), SAMPLE)
        return any(file.with_suffix(".json").is_file() for file in pictures)

    def entries(self) -> Iterator[Entry | Problem]:
        for file in sorted(self.path.iterdir()):
            if not is_picture(file.name):
                continue
            location = f"{self.title}/{file.name}"
            answers = _read(file.with_suffix(".json"))
            if answers is None:
                what, hint = "the JSON beside it is no object of fields", "mend or remove it"
                yield Problem(location, what, hint, kind="sidecar", fatal=False)
                continue
            yield location, FileImage(str(file), location), answers


def _read(file: Path) -> dict[str, Any] | None:
    """The fields of one file, without those that are empty; None if it cannot be understood."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    return {name: value for name, value in fields.items() if value is not None and value != ""}
