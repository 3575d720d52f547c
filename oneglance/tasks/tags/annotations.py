"""What people say of the tags of a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from oneglance.data.cell import fields_of_yes
from oneglance.data.columns.coded import coded
from oneglance.data.merging.merge_answers import either, is_queried
from oneglance.data.quoting import quoted
from oneglance.errors import InvalidAnswer


class TagAnnotations(NamedTuple):
    """The tags that apply to a picture, and those its annotators looked for (None: all)."""

    present: frozenset[str]
    queried: frozenset[str] | None = None


def from_columns(cells: Mapping[str, str]) -> TagAnnotations | None:
    """Of one yes/no cell for each tag, in small letters; None where there is none.

    Raises:
        InvalidAnswer: a cell says something else.
    """
    present = fields_of_yes(cells)
    return TagAnnotations(present, frozenset(cells)) if cells else None


def merged(first: TagAnnotations, second: TagAnnotations) -> TagAnnotations:
    """A tag holds where either saw it; they contradict each other only where both looked for it.

    Raises:
        InvalidAnswer: they do.
    """
    for tag in sorted(first.present ^ second.present):
        if is_queried(tag, first.queried) and is_queried(tag, second.queried):
            present = tag in second.present
            raise InvalidAnswer(
                f"has {quoted(tag)}, but not" if present else f"has no {quoted(tag)}, but has it"
            )
    return TagAnnotations(first.present | second.present, either(first.queried, second.queried))


def present_counts(answers: Sequence[TagAnnotations]) -> Counter[str]:
    """How many pictures have each tag."""
    counts: Counter[str] = Counter()
    for answer, count in coded(answers).counter().items():
        counts.update(dict.fromkeys(answer.present, count))
    return counts


def shares_of(classes: Sequence[str], answers: Sequence[TagAnnotations]) -> list[float]:
    """The share of pictures that have each tag, of those whose annotators looked for it. One more of each, so
    that a tag that all or none have still has a finite logit.
    """
    present, queried = present_counts(answers), Counter[str]()
    queried_all = 0
    for answer, count in coded(answers).counter().items():
        queried.update(dict.fromkeys(answer.queried or (), count))
        queried_all += count * (answer.queried is None)
    return [(present[tag] + 1) / (queried_all + queried[tag] + 2) for tag in classes]
