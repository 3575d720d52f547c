"""Damage to bytes and files: what several ``attacks`` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


def overwritten(content: bytes, rng: np.random.Generator, most: int) -> bytes:
    """One to ``most`` bytes are others."""
    raw = bytearray(content)
    for position in rng.integers(0, len(raw), rng.integers(1, most + 1)):
        raw[position] = rng.integers(256)
    return bytes(raw)


def garbled(content: bytes, rng: np.random.Generator) -> bytes:
    """One to five bytes are others, or missing, or it is cut short."""
    raw = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at, way = int(rng.integers(len(raw))), rng.integers(4)
        if way == 0:
            del raw[at : at + int(rng.integers(1, 9))]
        elif way == 1:
            raw.insert(at, int(rng.integers(256)))
        else:
            raw[at] = int(rng.integers(256))
        if len(raw) < 2:
            break
    return bytes(raw[: int(rng.integers(1, len(raw)))] if rng.random() < 0.1 else raw)


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """A file holds something else meanwhile."""
    whole = path.read_bytes()
    try:
        path.write_bytes(content)
        yield
    finally:
        path.write_bytes(whole)
