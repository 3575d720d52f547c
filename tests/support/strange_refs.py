"""Pictures that behave in strange ways; in a file of their own so that other processes can import them."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from oneglance.data.record import ImageRef
from oneglance.errors import RunError
from oneglance.parallel.process_pool import Job


@dataclass(frozen=True)
class Drawn(ImageRef):
    """A plain picture of its own colour, encoded as a file."""

    number: int
    width: int = 40
    height: int = 30

    @property
    def name(self) -> str:
        return f"drawn:{self.number}"

    def load(self) -> bytes | np.ndarray:
        self.happen()
        colour = (self.number % 256, self.number // 256 % 256, 90)
        file = io.BytesIO()
        Image.new("RGB", (self.width, self.height), colour).save(file, "PNG")
        return file.getvalue()

    def stamp(self) -> tuple[Any, ...]:
        return "drawn", self.number, self.width, self.height

    def happen(self) -> None:
        pass


class Killed(Drawn):
    def happen(self) -> None:
        os.kill(os.getpid(), 9)


class Exits(Drawn):
    def happen(self) -> None:
        os._exit(3)


class Chatty(Drawn):
    """Writes where C libraries write."""

    def happen(self) -> None:
        os.write(1, b"to stdout")
        os.write(2, b"to stderr")
        print("printed")


class Greedy(Drawn):
    def happen(self) -> None:
        bytearray(50_000_000_000)


class Broken(Drawn):
    def load(self) -> bytes:
        return b"this is no picture"


class Missing(Drawn):
    def load(self) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    def stamp(self) -> tuple[Any, ...]:
        raise FileNotFoundError(2, "No such file or directory")


def own_process(item: int) -> int:
    return os.getpid()


def refuses(item: int) -> int:
    if item == 3:
        raise OSError(28, "No space left on device")
    if item == 5:
        raise EOFError("three is not five")
    return item


def sleeps(item: float) -> float:
    time.sleep(item)
    return item


def ends_at_first(path: str) -> str:
    """Ends its process, as an operating system without memory might, but not a second time."""
    if not os.path.exists(path):  # noqa: PTH110
        open(path, "w").close()  # noqa: PTH123
        os._exit(1)
    return "read"


def ends(item: int) -> int:
    """The process at once, where the item is negative."""
    if item < 0:
        os._exit(3)
    return item


class Heavy(Job[int, str]):
    """Holds 400 megabytes once it is open; each item takes as many megabytes as it says."""

    def open(self, number: int) -> str:
        self.held = bytearray(400_000_000)
        return f"open in {os.getpid()}"

    def one(self, item: int) -> str:
        try:
            return f"{len(bytearray(item * 1_000_000)) // 1_000_000} MB"
        except MemoryError:
            return "too much"

    def together(self, found: Sequence[str], alone: bool) -> list[str]:
        return [f"{what} of {len(found)} with {os.environ['OMP_NUM_THREADS']}" for what in found]


left_behind: list[bytearray] = []


def leaves_behind(item: bytes) -> str:
    """Keeps ten times as many bytes as it is given, as a decoder may that leaves its memory in pieces."""
    left_behind.append(bytearray(10 * len(item)))
    return f"{len(left_behind)} of {len(item)}"


class Numbered(Job[int, tuple[int, bool]]):
    """Tells the number of its process, and whether it was alone."""

    def open(self, number: int) -> None:
        self.number = number

    def one(self, item: int) -> int:
        return self.number

    def together(self, found: Sequence[int], alone: bool) -> list[tuple[int, bool]]:
        return [(number, alone) for number in found]


class Closed(Job[int, int]):
    """Cannot be opened."""

    def open(self, number: int) -> None:
        raise RunError("is not finished", location="a run", hint="go on with it")

    def one(self, item: int) -> int:
        return item
