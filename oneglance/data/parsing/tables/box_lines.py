"""Lines of a picture and all its boxes, ``a.jpg 10,20,40,60,1 5,6,50,70,0``, as many programs of YOLO read
them: left, top, right and bottom edge in pixels and the number of a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from oneglance.data.images.references import is_picture
from oneglance.data.parsing.tables.rows import SAMPLE, LostRow, Row, Rows
from oneglance.data.parsing.tables.unnamed_columns import EDGES, ONLY, PICTURE
from oneglance.data.parsing.text_lines import lines, lines_or_none
from oneglance.data.quoting import quoted
from oneglance.errors import Problem
from oneglance.storage.plain_files import names_in

ENDING = ".txt"
CLASSES = "*classes.txt"  # beside it: a name in each line, from number 0 on
SNIFFED = 20  # lines that tell whether a file is such a list
FIRST_BOX = re.compile(r"\s-?\d+(?:\.\d+)?,")
BOX = re.compile(r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?),(\d+)")


class BoxLines(Rows):
    """Such a list as a table with a row for each box. A name without boxes: the picture holds nothing."""

    def __init__(self, path: Path, title: str, encoding: str = "utf-8") -> None:
        super().__init__(path, title)
        self.columns = [PICTURE, *EDGES, ONLY]
        self.separator = " "
        self._encoding = encoding
        files = names_in(path.parent, CLASSES)
        self._names = [line.strip() for line in lines_or_none(files[0]) if line.strip()] if files else []

    def sample(self, column: str) -> list[str]:
        rows = (row for row in islice(self.rows(PICTURE), SAMPLE) if not isinstance(row, Problem))
        cells = (name if column == PICTURE else answers.get(column) for _, name, answers in rows)
        return [str(cell) for cell in cells if cell is not None]

    def rows(self, column: str) -> Iterator[Row | Problem]:
        for number, line in enumerate(lines(self.path, self._encoding), 1):
            name, words = _parted(line)
            location = f"{self.title}:{number}"
            for word in words:
                box = BOX.fullmatch(word)
                if box is None:
                    what = f"{quoted(word, 40)} is no box: all boxes of its picture are unknown"
                    hint = "write left,top,right,bottom,class without spaces"
                    yield LostRow(location, what, hint, "line of boxes", fatal=False, cells=(name,))
                else:
                    yield (
                        location,
                        name,
                        {**dict(zip(EDGES, box.groups(), strict=False)), ONLY: self._class(box[5])},
                    )
            if name and not words:
                yield location, name, {}

    def _class(self, number: str) -> str:
        return self._names[int(number)] if int(number) < len(self._names) else number


def are_box_lines(path: Path) -> bool:
    """Whether a text file looks like such a list by its first lines."""
    if path.suffix.lower() != ENDING:
        return False
    first = [_parted(line) for line in islice(lines_or_none(path), SNIFFED) if line.strip()]
    boxes = [BOX.fullmatch(word) for _, words in first for word in words]
    return bool(boxes) and all(is_picture(name) for name, _ in first) and all(map(_is_box, boxes))


def _is_box(box: re.Match[str] | None) -> bool:
    return box is not None and float(box[1]) <= float(box[3]) and float(box[2]) <= float(box[4])


def _parted(line: str) -> tuple[str, Sequence[str]]:
    """The name of the picture in a line, which may hold spaces, and the words behind it."""
    text = line.strip()
    first = FIRST_BOX.search(text)
    return (text[: first.start()].strip(), text[first.start() :].split()) if first else (text, ())
