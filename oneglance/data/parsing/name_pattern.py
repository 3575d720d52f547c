"""Answers in the names of pictures: ``{age}_{gender}_{_}`` reads ``26_0_1_2017.jpg``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from string import Formatter
from typing import Any

from oneglance.data.cell import as_text
from oneglance.data.images.references import is_picture
from oneglance.data.parsing.problem_counter import ProblemCounter
from oneglance.data.quoting import plain, quoted
from oneglance.errors import InvalidAnswer, Problem

IGNORED = "_"  # a placeholder for any text
DIGITS = "#"  # a placeholder for a whole number that says nothing
LONGEST = 1000  # characters of a name that may match
MOST = 50  # placeholders

_Ends = tuple[int, ...]  # where each placeholder ends


@dataclass(frozen=True)
class NamePattern:
    """Placeholders with text between them. A placeholder holds at least one character.

    It holds none of the texts beside it, where the name can be read so; else it may, where there is only one
    way to read the name. Only ``{_}`` at the beginning or the end is a rest that holds anything. A name that
    can be read in two ways is not read.
    """

    text: str
    holes: tuple[str, ...]  # the placeholders
    literals: tuple[str, ...]  # one more: before, between and behind them

    @property
    def fields(self) -> list[str]:
        return [hole for hole in self.holes if hole not in (IGNORED, DIGITS)]

    def answers(self, name: str) -> dict[str, str]:
        """The text of each field in the name of a picture, without its ending; of a path only the last
        folders, as many as the pattern has. The time it takes is linear in the length of the name.

        Raises:
            InvalidAnswer: the name is not of this pattern, or can be read in several ways.
        """
        depth = self.text.count("/") + 1
        text = "/".join(without_ending(name).split("/")[-depth:])
        if len(text) > LONGEST:
            raise InvalidAnswer(f"has more than {LONGEST:,} characters")
        for strict in (True, False):
            readings = self._readings(text, strict)
            if len(readings) > 1:
                first, second = (self._shown(text, ends) for ends in readings[:2])
                hint = f"write {{{DIGITS}}} for a number, or more of the text between"
                raise InvalidAnswer(f"can be read as {first} and as {second}", hint)
            if readings:
                return self._held(text, readings[0])
        raise InvalidAnswer(f"is not of the pattern {quoted(self.text)}", "what it would say is unknown")

    def _held(self, text: str, ends: _Ends) -> dict[str, str]:
        held, start = {}, 0
        for hole, literal, end in zip(self.holes, self.literals, ends, strict=False):
            start += len(literal)
            if hole not in (IGNORED, DIGITS):
                held[hole] = text[start:end]
            start = end
        return held

    def _shown(self, text: str, ends: _Ends) -> str:
        return ", ".join(f"{field} {quoted(value, 30)}" for field, value in self._held(text, ends).items())

    def _readings(self, text: str, strict: bool) -> list[_Ends]:
        """The ways to read ``text``, at most two of them. ``strict``: none holds a text beside it.

        From each placeholder to the next, the positions that can be reached are kept with the readings that
        lead there. As what ends a placeholder only ever excludes its earlier beginnings, the last two
        beginnings tell whether there are several readings.
        """
        if not text.startswith(self.literals[0]):
            return []
        reached: list[tuple[int, list[_Ends]]] = [(len(self.literals[0]), [()])]
        for index, hole in enumerate(self.holes):
            before, behind = self.literals[index : index + 2]
            avoided = [one for one in (before, behind) if one and strict and not self._is_free(index)]
            waiting: list[tuple[int, _Ends]] = []  # readings, with where this placeholder begins
            further, used = [], 0
            for end in self._possible_ends(text, index, behind, reached[0][0] + 1):
                while used < len(reached) and reached[used][0] < end:
                    waiting += ((reached[used][0], ends) for ends in reached[used][1])
                    used += 1
                least = max((text.rfind(one, 0, end) + 1 for one in avoided), default=0)
                if hole == DIGITS:
                    least = end - _digits_before(text, end)
                waiting = [one for one in waiting[-2:] if one[0] >= least]
                if waiting:
                    further.append((end + len(behind), [(*ends, end) for _, ends in waiting]))
            reached = further
            if not reached:
                return []
        return reached[0][1]

    def _is_free(self, index: int) -> bool:
        """Whether it may hold what stands beside it: the rest of a name, which is ignored."""
        return self.holes[index] == IGNORED and index in (0, len(self.holes) - 1)

    def _possible_ends(self, text: str, index: int, behind: str, start: int) -> Iterator[int]:
        if index == len(self.holes) - 1:
            if text.endswith(behind):
                yield len(text) - len(behind)
        elif behind:
            end = text.find(behind, start)
            while end >= 0:
                yield end
                end = text.find(behind, end + 1)
        else:  # a number begins or ends there
            yield from (
                end for end in range(start, len(text)) if _is_digit(text[end]) != _is_digit(text[end - 1])
            )


def without_ending(name: str) -> str:
    """The name of a picture without the ending that says that it is one; with forward slashes."""
    name = name.replace("\\", "/")
    return os.path.splitext(name)[0] if is_picture(name) else name  # noqa: PTH122 - a million names


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"


def _digits_before(text: str, end: int) -> int:
    return end - len(text[:end].rstrip("0123456789"))


@lru_cache(maxsize=16)
def name_pattern(text: str) -> NamePattern:
    """The pattern that ``text`` writes.

    Raises:
        ValueError: it is none; the message is what to write instead.
    """
    text = text.replace("\\", "/")
    holes: list[str] = []
    literals = [""]
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        raise ValueError("every { with its }, or {{ and }} where a name holds them") from None
    for literal, hole, form, conversion in pieces:
        literals[-1] += literal
        if hole is None:
            continue
        if form or conversion or not (hole == DIGITS or re.fullmatch(r"\w[\w .-]*", hole)):
            raise ValueError("names of fields in the braces, such as {kind}; {_} for text that says nothing")
        holes.append(hole)
        literals.append("")
    pattern = NamePattern(text, tuple(holes), tuple(literals))
    _refuse(pattern)
    return pattern


def _refuse(pattern: NamePattern) -> None:
    """Raise for what cannot be read, or never matches."""
    fields = pattern.fields
    if not fields:
        raise ValueError("at least one field in braces, such as {kind}_{_}")
    if len(pattern.holes) > MOST:
        raise ValueError(f"at most {MOST} placeholders")
    if twice := next((field for field in fields if fields.count(field) > 1), ""):
        raise ValueError(f"{{{plain(twice, 30)}}} once, and {{_}} where it comes again")
    for literal, (first, second) in zip(pattern.literals[1:], pairwise(pattern.holes), strict=False):
        if not literal and (first == DIGITS) == (second == DIGITS):
            pair = f"{{{plain(first, 30)}}} and {{{plain(second, 30)}}}"
            raise ValueError(f"the text that stands between {pair}: without it nobody knows where one ends")
    if pattern.text.startswith("/") or "//" in pattern.text or pattern.text.endswith("/"):
        raise ValueError("a pattern without / at its beginning or end")
    if is_picture(f"x{pattern.literals[-1]}") or pattern.literals[-1] == ".*":
        raise ValueError("the pattern without the ending of the files")


class NameReader:
    """Reads the names of the pictures of one source; those that do not match are counted."""

    def __init__(self, pattern: NamePattern) -> None:
        self._pattern = pattern
        self._counter = ProblemCounter()

    def read(self, name: str, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """``fields`` with what ``name`` says besides; and what it says of them, but otherwise."""
        try:
            answers = self._pattern.answers(name)
        except InvalidAnswer as invalid:
            kind = "ambiguous name" if invalid.what.startswith("can") else "name pattern"
            self._counter.add(kind, name, f"its name {invalid.what}", invalid.hint)
            return dict(fields), {}
        answers = {field: text for field, text in answers.items() if text.strip()}
        others = {
            field: text
            for field, text in answers.items()
            if field in fields and as_text(fields[field]) != as_text(text)
        }
        return {**answers, **fields}, others

    def problems(self) -> Iterator[Problem]:
        return self._counter.problems()
