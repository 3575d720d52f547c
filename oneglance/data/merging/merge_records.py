"""A picture that several rows or files mention becomes one record, and the groups it belongs to one group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import replace
from sys import intern
from typing import Any, Generic, TypeVar

from oneglance.data.merging.merge_answers import MergeAnswers, merge_same
from oneglance.data.quoting import quoted
from oneglance.data.record import ImageRef, Record
from oneglance.errors import InvalidAnswer, Problem

LONGEST_LOCATIONS = 100  # characters of the locations that the message of a contradiction lists

T = TypeVar("T", bound=Hashable)


class DisjointSets(Generic[T]):
    """Sets that are joined two at a time (union-find); an item that was never joined is a set of its own."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def __len__(self) -> int:
        return len(self._parent)

    def __contains__(self, item: T) -> bool:
        """Whether ``item`` was joined to another and is not the root of its set."""
        return item in self._parent

    def root(self, item: T) -> T:
        """The item that stands for the set of ``item``."""
        while item in self._parent:
            parent = self._parent[item]
            if parent in self._parent:  # path halving: the next search is shorter
                self._parent[item] = parent = self._parent[parent]
            item = parent
        return item

    def join(self, first: T, second: T) -> None:
        """Make the sets of both one; its root is the root of ``first``."""
        first, second = self.root(first), self.root(second)
        if first != second:
            self._parent[second] = first


class RecordMerger:
    """Collects records, one per picture. A contradiction is a problem, and the first answer stays.

    Args:
        records, problems: lists that are added to.
        merge: makes one answer of two; its first argument is the name of the task.
    """

    def __init__(self, records: list[Record], problems: list[Problem], merge: MergeAnswers) -> None:
        self.records, self.problems, self._merge = records, problems, merge
        self._index: dict[ImageRef, int] = {}  # picture -> index of its record
        # (index of a record, task or "split") -> locations of later mentions that added to that answer
        self._locations: dict[tuple[int, str], str] = {}
        self._won: set[tuple[int, str]] = set()  # (index of a record, task) that a winning mention answers
        self._groups: DisjointSets[str] = DisjointSets()
        # (task, source) -> rows of that source that answer a picture again, and those that answer otherwise:
        # the index of the record and the problem
        self.repeated: Counter[tuple[str, str]] = Counter()
        self.contradicting: dict[tuple[str, str], list[tuple[int, Problem]]] = defaultdict(list)

    def add(self, record: Record, answers: Mapping[str, Any], *, wins: bool = False) -> None:
        """One more mention of a picture; ``answers`` replace those of ``record``, which are by field.

        Args:
            wins: its answers stand in the place of those of all mentions that do not win, which come first.
        """
        image, group = record.image, record.group and intern(record.group)  # groups come again and again
        new = Record(record.location, image, answers, group, record.split, record.source)
        index = self._index.setdefault(image, len(self.records))
        if index == len(self.records):
            self.records.append(new)
        else:
            first = self.records[index]
            if wins:
                kept = {n: a for n, a in first.answers.items() if n not in answers or (index, n) in self._won}
                first = replace(first, answers=kept)
            self.records[index] = self._merge_record(index, first, new)
        if wins:
            self._won.update((index, name) for name in answers)

    def group(self, name: str) -> str:
        """The one name of all groups that share a picture with the group ``name``."""
        return self._groups.root(name)

    def _merge_record(self, index: int, first: Record, second: Record) -> Record:
        answers = dict(first.answers)
        for name, answer in second.answers.items():
            answers[name] = self._merge_one(
                index, name, answers.get(name), answer, first, second, self._merge
            )
        if first.group and second.group:
            self._groups.join(first.group, second.group)
        split = first.split
        if second.split:
            split = self._merge_one(
                index, "split", first.split or None, second.split, first, second, merge_same
            )
        return replace(first, answers=answers, group=first.group or second.group, split=split)

    def _merge_one(
        self, index: int, name: str, old: Any, new: Any, first: Record, second: Record, merge: MergeAnswers
    ) -> Any:
        """The merged answer to one question; the old one where they contradict each other."""
        if old is None:
            self._locations[index, name] = second.location
            return new
        key = (name, second.source) if first.source == second.source else None
        if key:
            self.repeated[key] += 1
        if old == new:
            return old
        locations = self._locations.get((index, name), first.location)
        try:
            merged = merge(name, old, new)
        except InvalidAnswer as invalid:
            what = f"{name} {invalid.what} in {locations} for the same picture {quoted(second.image.name)}"
            hint = invalid.hint or "correct one of the two, or empty it"
            problem = Problem(second.location, what, hint, kind=f"contradiction: {name}")
            self.problems.append(problem)
            if key:
                self.contradicting[key].append((index, problem))
            return old
        if merged != old and len(locations) < LONGEST_LOCATIONS:
            self._locations[index, name] = f"{locations} or {second.location}"
        return merged
