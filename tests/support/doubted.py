"""A user who has a few wrong answers: squares of one colour, as files with a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

KEYS = """
[backbone]
name = "classical"
size = 16
[training]
device = "cpu"
"""
TASKS = """
[tasks.kind]
type = "label"
[tasks.style]
type = "tags"
[tasks.weight]
type = "number"
unit = "g"
"""
WRONG = {"kind": 3, "style": 8, "weight": 13}  # the row of the wrong answer to each task


def coloured(folder: Path, count: int = 60, tasks: str = TASKS, wrong: bool = True) -> Path:
    """A configuration whose label, tags and number follow from the colour, but for one answer to each."""
    draw = np.random.default_rng(0)
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    lines = ["image,kind,style,weight"]
    for row in range(count):
        red, blue = (int(draw.integers(10, 60) + 190 * draw.integers(2)) for _ in range(2))
        Image.new("RGB", (24, 24), (red, row % 60, blue)).save(folder / "photos" / f"{row}.png")
        kind, style, weight = red > 128, blue > 128, red / 10
        if wrong:
            kind ^= row == WRONG["kind"]
            style ^= row == WRONG["style"]
            weight = weight * 4 + 40 if row == WRONG["weight"] else weight
        lines.append(f"{row}.png,{'warm' if kind else 'cold'},{'blue' if style else '-'},{weight:.1f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    source = '[[sources]]\npath = "labels.csv"\nimages = "photos"\n'
    path = folder / "colours.toml"
    path.write_text(source + tasks.replace('type = "tags"', 'type = "tags"\nnone = ["-"]') + KEYS)
    return path
