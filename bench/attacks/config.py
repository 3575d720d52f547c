"""oneglance.toml with damaged keys, values and bytes: read, and its data checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from damage import overwritten
from PIL import Image

import oneglance
from oneglance.progress import Screen

PICTURES = 12
CONFIG = """[[sources]]
path = "labels.csv"
images = "."

[tasks.kind]
type = "label"
weight = 1.0
[tasks.price]
type = "number"
unit = "EUR"
[tasks.style]
type = "tags"

[backbone]
name = "small"
size = 32

[split]
validation = 0.2
test = 0.2
seed = 0

[augment]
erase = 0.1

[training]
epochs = 2
batch = 8
learning_rate = 0.001
"""
STRANGE = (
    "nan", "inf", "-1", "0", "1e308", "99999999999999999999", '""', '"\\u0000"', "[]", "[[[]]]", "{}", "true",
    '"../../etc"', '"C:\\\\a"', '"%s%n"', "1979-05-27", '"' + "x" * 5000 + '"', "[1, \"a\", {}]", "0x10",
    "1_0",
)  # fmt: skip


def prepare(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["image,kind,price,style"]
    for index in range(PICTURES):
        name = f"{index}.png"
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / name)
        rows.append(f"{name},{('cat', 'dog')[index % 2]},{index}.5,{'red|blue' if index % 3 else 'red'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def attempt(folder: Path, rng: np.random.Generator) -> str:
    path = folder / "oneglance.toml"
    path.write_bytes(damaged(rng))
    oneglance.check(path, screen=Screen())
    return "answered"


def damaged(rng: np.random.Generator) -> bytes:
    lines = CONFIG.splitlines()
    for _ in range(rng.integers(1, 4)):
        index = int(rng.integers(len(lines)))
        line, kind = lines[index], rng.integers(6)
        if kind == 0:
            lines[index] = ""
        elif kind == 1:
            lines.insert(index, lines[int(rng.integers(len(lines)))])
        elif kind <= 3 and " = " in line:
            lines[index] = line.split(" = ")[0] + " = " + str(rng.choice(np.array(STRANGE, dtype=object)))
        elif kind == 4 and " = " in line:
            lines[index] = line.replace(" = ", "x = ", 1)
    content = "\n".join(lines).encode()
    return overwritten(content, rng, most=4) if rng.random() < 0.3 else content
