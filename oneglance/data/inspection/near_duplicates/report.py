"""Near-duplicates as problems of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oneglance.data.inspection.near_duplicates.find import Pair
from oneglance.data.merging.collect import Question
from oneglance.data.merging.merge_records import DisjointSets
from oneglance.data.quoting import plain
from oneglance.data.record import BoxAnnotations, Record
from oneglance.data.splitting.split import SPLITS
from oneglance.errors import InvalidAnswer, Problem

KEEP = "`check --fix` writes a table with a `group` column that keeps them together"
APART = "scores look better than they are: take the copies out of one of the parts"
LOOK = "scores look better than they are where both show one thing: look at them"
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
        looks = "looks like" if are_many or not pair.is_copy else "shows the same as"
        what = f"{looks} {plain(two)}" + (f" ({pair.changes})" if pair.changes else "")
        if len(rows) > 2:
            are_mixed = pair.is_copy and not all(each.is_copy for each in pairs) and not are_many
            what += f" and {len(rows) - 2:,} more" + (" that are the same or look alike" if are_mixed else "")
        if len(parts) > 1:
            what += f", and they are in {' and '.join(parts)}"
        # Of different things in one arrangement (solar cells, X-rays) different answers are true.
        what += ARRANGED if are_many else "".join(_contradictions(records, _copies(pairs), questions))
        named = len({records[row].split for row in rows} - {""}) > 1
        hint = (APART if pair.is_copy else LOOK) if named else KEEP
        names = tuple(records[row].image.name for row in rows)
        problem = Problem(plain(one), what, hint, "near_duplicate", fatal=False, pictures=names)
        problems_of_groups.append((len(parts) < 2, -len(rows), first.location, problem))
    return [problem for *_, problem in sorted(problems_of_groups, key=lambda entry: entry[:2])]


def members(pairs: Sequence[Pair]) -> list[int]:
    """The rows of a group, ascending."""
    return sorted({row for pair in pairs for row in (pair.first, pair.second)})


def _example(pairs: Sequence[Pair], splits: Sequence[str]) -> Pair:
    """A pair in two parts, if there is one, of copies, that differs as little as possible."""
    return min(
        pairs,
        key=lambda pair: (splits[pair.first] == splits[pair.second], not pair.is_copy, len(pair.changes)),
    )


def _copies(pairs: Sequence[Pair]) -> list[list[int]]:
    """The rows of a group that copies connect, each set ascending."""
    joined: DisjointSets[int] = DisjointSets()
    sets: dict[int, list[int]] = {}
    for pair in pairs:
        if pair.is_copy:
            joined.join(pair.first, pair.second)
    for row in members(pairs):
        sets.setdefault(joined.root(row), []).append(row)
    return list(sets.values())


def _contradictions(
    records: Sequence[Record], copies: Sequence[Sequence[int]], questions: Sequence[Question]
) -> Iterator[str]:
    """Of each task with answers to copies that cannot all be true, the first two. Boxes are left out: a crop
    has others.
    """
    for question in questions:
        for rows in copies:
            if what := _contradiction([records[row] for row in rows], question):
                names = "" if len(copies) == 1 and len(rows) == 2 else f" ({what[1]} and {what[2]})"
                yield f"; {question.name} {what[0]}{names}"
                break


def _contradiction(records: Sequence[Record], question: Question) -> tuple[str, str, str] | None:
    """What the answers to two of them are, and the names of these in the same order."""
    answered = [record for record in records if question.name in record.answers]
    for other in answered[1:]:
        first, second = (one.answers[question.name] for one in (answered[0], other))
        if isinstance(first, BoxAnnotations):
            return None
        try:
            question.merge(first, second)
        except InvalidAnswer as wrong:
            return wrong.what, plain(other.image.name), plain(answered[0].image.name)
    return None
