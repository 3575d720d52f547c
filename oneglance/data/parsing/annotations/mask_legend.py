"""Files beside masks that say which class a value or a colour of them stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from oneglance.data.parsing.layouts import part_folders
from oneglance.data.parsing.text_lines import lines_or_none
from oneglance.storage.plain_files import names_in

ENDINGS = (".csv", ".txt", ".tsv")
MOST_FILES, MOST_LINES = 50, 1000
NO_CLASS = frozenset({"background", "void", "unlabeled", "unlabelled", "ignore", "ignored"})


def legend(path: Path) -> tuple[str, Mapping[int, str | None]]:
    """The name of the first legend in a folder or in its folders of splits, and the class of each value, or
    of each colour, red first in 24 bits; None for what is no class. "" and nothing where there is none.
    """
    for folder in (path, *(part for part, _ in part_folders(path))):
        texts = (file for file in names_in(folder, "*.*") if file.suffix.lower() in ENDINGS)
        for file in islice(texts, MOST_FILES):
            if classes := _read(file):
                return file.name, classes
    return "", {}


def _read(file: Path) -> dict[int, str | None]:
    """The classes of a file whose lines, below a first one of words, name one class each with its value or
    colour; else nothing.
    """
    classes: dict[int, str | None] = {}
    for number, line in enumerate(islice(lines_or_none(file), MOST_LINES)):
        if not line.strip() or line.startswith("#"):
            continue
        words = [word for word in re.split(r"[\s,;:]+", line.strip()) if word]
        numbers = [int(word) for word in words if re.fullmatch(r"\d{1,5}", word)]
        name = " ".join(word for word in words if not re.fullmatch(r"\d{1,5}", word))
        if not numbers and not number:
            continue
        if (
            not name
            or re.search(r"[./\\]", name)
            or not (len(numbers) == 1 or (len(numbers) == 3 and max(numbers) < 256))
        ):
            return {}
        value = numbers[0] if len(numbers) == 1 else numbers[0] << 16 | numbers[1] << 8 | numbers[2]
        if value in classes:
            return {}
        classes[value] = None if name.strip("_").lower() in NO_CLASS else name
    return classes if len(classes) > 1 else {}
