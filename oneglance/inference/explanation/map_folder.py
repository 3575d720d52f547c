"""A folder of maps: a .png file for each answer, and a line for each picture whose maps are all there, so
that whoever was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from oneglance.data.record import ImageRef
from oneglance.errors import PictureError, RunError
from oneglance.inference.drawing import drawing_name
from oneglance.storage.atomic_files import explained, make_folder, replacing, sweep
from oneglance.storage.plain_files import is_file, read_plain

LIST = "explain.jsonl"
LARGEST = 2_000_000_000  # bytes of the list

Entry = dict[str, Any]


class MapFolder:
    """Where the maps go.

    Args:
        question: a digest of all that maps follow from besides the pictures.

    Raises:
        RunError: it holds maps of something else, or cannot be written.
    """

    def __init__(self, path: Path, question: str) -> None:
        self.path = make_folder(path)
        sweep(path)
        self._list, self._done = path / LIST, dict[str, list[Entry]]()
        if is_file(self._list):
            self._read(question)
        else:
            self._append({"question": question})

    def _read(self, question: str) -> None:
        try:
            first, *lines = read_plain(self._list, LARGEST).decode("utf-8").splitlines()
            asked = json.loads(first)["question"]
        except (ValueError, KeyError, TypeError):
            asked = None
        except OSError as error:
            raise explained(error, self._list) from None
        if asked != question:
            raise RunError(
                "holds maps of another network, or of other tasks or another method",
                location=str(self.path),
                hint="name a new folder with --out",
            )
        for line in lines:
            try:
                row = json.loads(line)
                self._done[str(row["picture"])] = [dict(entry) for entry in row["maps"]]
            except (ValueError, KeyError, TypeError):
                continue  # cut short where the process was killed: it is made again

    def done(self, ref: ImageRef) -> list[Entry] | None:
        """The maps of a picture that was explained before and is the same still."""
        entries = self._done.get(_key(ref))
        if entries is None or not all(is_file(Path(entry["map"])) for entry in entries):
            return None
        return entries

    def write(self, ref: ImageRef, task: str, number: int, drawing: Image.Image) -> Path:
        """The file of a map.

        Args:
            number: of the answer among several of this task; 0: it is the only one.
        """
        path = self.path / f"{drawing_name(ref.name)}-{task}{f'-{number}' if number else ''}.png"
        with replacing(path) as file:
            drawing.save(file, format="PNG")
        return path

    def finish(self, ref: ImageRef, entries: Sequence[Entry]) -> None:
        """All maps of a picture are there."""
        self._append({"picture": _key(ref), "maps": list(entries)})

    def _append(self, row: Entry) -> None:
        try:
            with self._list.open("ab") as file:
                file.write(f"{json.dumps(row, ensure_ascii=False)}\n".encode())
        except OSError as error:
            raise explained(error, self._list) from None


def _key(ref: ImageRef) -> str:
    """Of a picture and its content as far as it can be told without reading it."""
    try:
        stamp: Any = ref.stamp()
    except (OSError, PictureError):
        stamp = None
    return hashlib.sha256(repr((ref.name, stamp)).encode("utf-8", "surrogatepass")).hexdigest()
