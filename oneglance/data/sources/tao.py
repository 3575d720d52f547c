"""The multi-task classification sets of NVIDIA TAO: a table per split beside a folder of all pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from oneglance.data.parsing.image_paths import finder
from oneglance.data.parsing.structured_files import beginning
from oneglance.data.parsing.tables.delimited import Delimited
from oneglance.data.record import SPLIT_NAMES
from oneglance.data.source import Entry, Source
from oneglance.errors import Problem
from oneglance.storage.plain_files import is_folder, names_in

IMAGE = "fname"


class Tao(Source):
    """A folder of ``train.csv``, ``val.csv``, perhaps ``test.csv``, and ``images``. The first column of each
    is ``fname``, the others are the fields. A single one of these files is a plain table.
    """

    rank: ClassVar[int] = 10  # its folder is also a folder

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_folder(path / "images") and bool(_tables(path))

    def entries(self) -> Iterator[Entry | Problem]:
        for file in _tables(self.path):
            table = Delimited(file, f"{self.title}/{file.name}")
            find = finder(self.images or self.path / "images", file, [])
            common = {self.split: file.stem} if self.split else {}
            for row in table.rows(table.columns[0]):
                if isinstance(row, Problem):
                    yield row
                    continue
                location, name, answers = row
                image = find(str(name), location)
                yield image if isinstance(image, Problem) else (location, image, {**answers, **common})


def _tables(folder: Path) -> list[Path]:
    files = names_in(folder, "*.csv")
    start = IMAGE.encode()
    return [
        file
        for file in files
        if file.stem.lower() in SPLIT_NAMES and beginning(file, 16).lstrip(b'\xef\xbb\xbf"').startswith(start)
    ]
