"""The smallest sources, questions and pictures that tests of merging and splitting need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneglance.data.merging.merge_answers import merge_same
from oneglance.data.record import ImageRef, Record
from oneglance.data.source import Entry, Source
from oneglance.errors import DataError, InvalidAnswer, Problem


@dataclass(frozen=True, slots=True)
class Ref(ImageRef):
    """A picture that is only a name."""

    name: str

    def load(self) -> bytes:
        raise AssertionError("no picture is opened here")

    def stamp(self) -> tuple[Any, ...]:
        raise AssertionError("no picture is looked at here")


class GivenSource(Source):
    """Gives the records and problems of a test, or raises its error."""

    items: list[Any] = []
    path: Path = Path("given.csv")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return False

    def entries(self) -> Iterator[Entry | Problem]:
        raise AssertionError("its items are records already")

    def read(self) -> Iterator[Record | Problem]:
        for item in self.items:
            if isinstance(item, DataError):
                raise item
            yield item


@dataclass(frozen=True)
class Word:
    """One class."""

    name: str
    fields: tuple[str, ...]
    unknown: str = "?"

    @property
    def answered_by(self) -> str:
        return self.name

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> Any:
        if raw_value == self.unknown:
            return None
        if isinstance(raw_value, dict):
            return ",".join(f"{field}={value}" for field, value in raw_value.items())
        return str(raw_value) if queried is None else f"{raw_value} of {'/'.join(queried)}"

    def stratify_labels(self, answer: str) -> Iterable[str]:
        return (answer,)

    def merge(self, first: str, second: str) -> Any:
        return merge_same(self.name, first, second)


@dataclass(frozen=True)
class Amount:
    """A number, without classes."""

    name: str
    fields: tuple[str, ...]

    @property
    def answered_by(self) -> str:
        return self.name

    def read(self, raw_value: Any, queried: Sequence[str] | None = None) -> float:
        try:
            return float(raw_value)
        except ValueError:
            raise InvalidAnswer(f'is "{raw_value}"', "write a number such as 30") from None

    def stratify_labels(self, answer: float) -> Iterable[str]:
        return ()

    def merge(self, first: float, second: float) -> Any:
        return merge_same(self.name, first, second)


def word(name: str) -> Word:
    return Word(name, (name,))


def amount(name: str) -> Amount:
    return Amount(name, (name,))


def row(number: int, picture: str, /, group: str = "", split: str = "", **answers: Any) -> Record:
    """One row of ``a.csv``."""
    return Record(f"a.csv:{number}", Ref(picture), answers, group, split, "a.csv")
