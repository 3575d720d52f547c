"""Write a table of how many cells of each kind a picture of BCCD shows: image, RBC, WBC, Platelets.

python examples/cell_counts.py data/bccd counts.csv
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

from oneglance.data.record import Record
from oneglance.data.source import open_source

KINDS = ("RBC", "WBC", "Platelets")


def main(folder: str, out: str) -> None:
    source = open_source({"path": folder}, Path.cwd())
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", *KINDS])
        for item in source.read():
            if isinstance(item, Record) and "objects" in item.answers:
                counts = Counter(box.label for box in item.answers["objects"].boxes)
                table.writerow([Path(item.image.name).name, *(counts[kind] for kind in KINDS)])


if __name__ == "__main__":
    main(*sys.argv[1:])
