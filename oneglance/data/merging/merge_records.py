"""A picture that is named several times becomes one record, and the groups it belongs to become one group."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from sys import intern
from typing import Any, Generic, TypeVar

from oneglance.data.merging.merge_answers import Unite, unite_same
from oneglance.data.parsing.quoting import quoted
from oneglance.data.record import ImageRef, Record
from oneglance.errors import InvalidAnswer, Problem

LONGEST_PLACES = 100  # characters of the places that a contradiction names

T = TypeVar("T", bound=Hashable)


class Joined(Generic[T]):
    """Sets that are joined two at a time (union-find); whatever was never joined is a set of its own."""

    def __init__(self) -> None:
        self._above: dict[T, T] = {}

    def __contains__(self, item: T) -> bool:
        """Whether ``item`` was ever joined to another and is not the one that speaks for its set."""
        return item in self._above

    def root(self, item: T) -> T:
        """The item that speaks for the set of ``item``."""
        while item in self._above:
            above = self._above[item]
            if above in self._above:  # halve the way for the next who asks
                self._above[item] = above = self._above[above]
            item = above
        return item

    def join(self, first: T, second: T) -> None:
        """Make the sets of both one; the root of ``first`` speaks for it."""
        first, second = self.root(first), self.root(second)
        if first != second:
            self._above[second] = first


class Merge:
    """Collects records; whatever contradicts itself is a problem, and the first answer stays.

    Args:
        records, problems: lists that are added to.
        unite: makes one answer of two, by their name.
    """

    def __init__(self, records: list[Record], problems: list[Problem], unite: Unite) -> None:
        self.records, self.problems, self._unite = records, problems, unite
        self._place: dict[ImageRef, int] = {}
        self._said_by: dict[tuple[int, str], str] = {}  # where later mentions added to an answer or the split
        self._groups: Joined[str] = Joined()

    def add(self, record: Record, answers: Mapping[str, Any]) -> None:
        """One more mention of a picture; ``answers`` replace those of ``record``, which are by field."""
        image, group = record.image, record.group and intern(record.group)  # groups come again and again
        new = Record(record.location, image, answers, group, record.split, record.source)
        place = self._place.setdefault(image, len(self.records))
        if place == len(self.records):
            self.records.append(new)
        else:
            self.records[place] = self._united(place, self.records[place], new)

    def join_groups(self) -> None:
        """Give every record the one name of its joined groups. Called once, after the last record."""
        for place, record in enumerate(self.records):
            if record.group in self._groups:
                self.records[place] = replace(record, group=self._groups.root(record.group))

    def _united(self, place: int, first: Record, again: Record) -> Record:
        answers = dict(first.answers)
        for name, answer in again.answers.items():
            answers[name] = self._one(place, name, answers.get(name), answer, first, again, self._unite)
        if first.group and again.group:
            self._groups.join(first.group, again.group)
        split = first.split
        if again.split:
            split = self._one(place, "split", first.split or None, again.split, first, again, unite_same)
        return replace(first, answers=answers, group=first.group or again.group, split=split)

    def _one(
        self, place: int, name: str, said: Any, says: Any, first: Record, again: Record, unite: Unite
    ) -> Any:
        """What holds of two answers to the same question; the first holds if they contradict each other."""
        if said is None:
            self._said_by[place, name] = again.location
            return says
        if said == says:
            return said
        others = self._said_by.get((place, name), first.location)
        try:
            known = unite(name, said, says)
        except InvalidAnswer as misfit:
            what = f"{name} {misfit.what} in {others} for the same picture {quoted(again.image.name)}"
            hint = misfit.hint or "correct one of the two, or empty it"
            self.problems.append(Problem(again.location, what, hint, kind=f"contradiction: {name}"))
            return said
        if known != said and len(others) < LONGEST_PLACES:
            self._said_by[place, name] = f"{others} or {again.location}"
        return known
