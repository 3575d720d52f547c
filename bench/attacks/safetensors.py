"""A run folder whose .safetensors files have another header or other numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from damage import garbled, replaced
from strange_values import changed, predicted, trained, written

NAMES = ("weights.safetensors", "novelty.safetensors")
TYPES = ("F32", "F16", "BF16", "F64", "I64", "I32", "I8", "U8", "BOOL", "F8_E4M3", "C64", "F4", "X")


def prepare(folder: Path) -> None:
    assert predicted(trained(folder)) == "answered"


def attempt(folder: Path, rng: np.random.Generator) -> str:
    name = NAMES[int(rng.random() < 0.25)]
    path = folder / "run" / name
    with replaced(path, damaged(path.read_bytes(), rng)):
        return predicted(folder / "run")


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    (length,) = struct.unpack("<Q", whole[:8])
    header, numbers = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    way = rng.integers(6)
    if way == 0:
        return garbled(whole, rng)
    if way == 1:  # numbers alone
        numbers = garbled_numbers(numbers, rng)
    elif way == 2:
        entry = header[str(rng.choice(sorted(set(header) - {"__metadata__"})))]
        entry["dtype"] = str(rng.choice(TYPES))
    elif way == 3:
        names = sorted(set(header) - {"__metadata__"})
        one, other = (str(name) for name in rng.choice(names, 2))
        header[one], header[other] = header[other], header[one]
    else:
        header = changed(header, rng)
    text = written(header)
    size = len(text) if rng.random() < 0.9 else (0, 7, 2**31, 2**63, 2**64 - 1)[rng.integers(5)]
    return struct.pack("<Q", size) + text + numbers


def garbled_numbers(numbers: bytes, rng: np.random.Generator) -> bytes:
    """Some are NaN, infinite, or as large as can be."""
    values = np.frombuffer(numbers[: len(numbers) // 4 * 4], "<f4").copy()
    chosen = rng.integers(0, len(values), rng.integers(1, 50))
    values[chosen] = rng.choice(np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 0], "<f4"))
    return values.tobytes() + numbers[len(numbers) // 4 * 4 :]
