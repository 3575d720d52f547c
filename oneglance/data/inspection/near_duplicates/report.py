"""Near-duplicates as problems of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oneglance.data.inspection.near_duplicates.find import Pair
from oneglance.data.merging.collect import Question
from oneglance.data.quoting import plain
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.splitting.split import SPLITS
from oneglance.errors import InvalidAnswer, Problem

KEEP = "`check --fix` writes a table with a `group` column that keeps them together"
MANY = 50  # pictures of a group, beyond which they hardly are all copies
ARRANGED = ": copies, frames of one film, or different things in one arrangement"


def problems(
    groups: Sequence[Sequence[Pair]],
    records: Sequence[Record],
    splits: Sequence[str],
    questions: Sequence[Question],
    digests: Sequence[bytes | None],
) -> list[Problem]:
    """A problem for each group that is neither kept together already nor made of equal files, first those
    that lie in several parts, then the larger ones.

    Args:
        splits: of each record.
        digests: of each record's content.
    """
    problems_of_groups = []
    for pairs in groups:
        rows = members(pairs)
        group, first = {records[row].group for row in rows}, records[rows[0]]
        together = len(group) == 1 and "" not in group
        if together or len({digests[row] for row in rows}) == 1:
            continue
        parts = [part for part in SPLITS if any(splits[row] == part for row in rows)]
        pair = _example(pairs, splits)
        one, two = records[pair.first].image.name, records[pair.second].image.name
        are_many = len(rows) > MANY
        looks = "looks like" if are_many else "shows the same as"
        what = f"{looks} {plain(two)}" + (f" ({pair.changes})" if pair.changes else "")
        if len(rows) > 2:
            what += f" and {len(rows) - 2:,} more"
        if len(parts) > 1:
            what += f", and they are in {' and '.join(parts)}"
        # Of different things in one arrangement (solar cells, X-rays) different answers are true.
        what += ARRANGED if are_many else "".join(_contradictions(records, rows, questions))
        named = len({records[row].split for row in rows} - {""}) > 1
        hint = "scores look better than they are: take the copies out of one of the parts" if named else KEEP
        names = tuple(records[row].image.name for row in rows)
        problem = Problem(plain(one), what, hint, "near_duplicate", fatal=False, pictures=names)
        problems_of_groups.append((len(parts) < 2, -len(rows), first.location, problem))
    return [problem for *_, problem in sorted(problems_of_groups, key=lambda entry: entry[:2])]


def members(pairs: Sequence[Pair]) -> list[int]:
    """The rows of a group, ascending."""
    return sorted({row for pair in pairs for row in (pair.first, pair.second)})


def _example(pairs: Sequence[Pair], splits: Sequence[str]) -> Pair:
    """A pair in two parts, if there is one, that differs as little as possible."""
    return min(pairs, key=lambda pair: (splits[pair.first] == splits[pair.second], len(pair.changes)))


def _contradictions(
    records: Sequence[Record], rows: Sequence[int], questions: Sequence[Question]
) -> Iterator[str]:
    """Of each task whose answers cannot all be true. Boxes are left out: a crop has others."""
    for question in questions:
        answered = [records[row] for row in rows if question.name in records[row].answers]
        for other in answered[1:]:
            first, second = (one.answers[question.name] for one in (answered[0], other))
            if isinstance(first, BoxAnnotations):
                break
            try:
                question.merge(first, second)
            except InvalidAnswer as wrong:
                where = (
                    ""
                    if other.image.name == records[rows[-1]].image.name
                    else f" ({plain(other.image.name)})"
                )
                yield f"; {question.name} {wrong.what}{where}"
                break
