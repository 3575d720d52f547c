"""What the folders of pictures say that the tables beside them do not: classes, and splits; and which tables
are not about these pictures at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from oneglance.data.cell import as_text
from oneglance.data.image_inputs import relative
from oneglance.data.inspection.column_rules import Guess
from oneglance.data.inspection.suggest_config import Proposal
from oneglance.data.proposing.proposed_source import proposed
from oneglance.data.quoting import quoted
from oneglance.data.record import ImageRef, Record
from oneglance.errors import DataError

FEW_NAMED = 0.05  # share of all pictures; a table that names fewer is not about them
MOST_OTHERS = 0.1  # share of pictures in folders of splits that no table names
SAME = 0.95  # share of pictures in which a folder says what a table says
LEAST_NAMED = 0.5  # share of pictures in class folders that a table names


def without_icons(tables: Sequence[Proposal], notes: list[str]) -> list[Proposal]:
    """The tables but those that name a few other pictures, such as an icon of each class; they are added to
    ``notes``.
    """
    pictures = [{record.image for record in table.records} for table in tables]
    most = max(pictures, key=len)
    kept = []
    for table, own in zip(tables, pictures, strict=True):
        if len(own) > FEW_NAMED * len(most) or own & most:
            kept.append(table)
        else:
            notes.append(_too_few(table, f"none of {len(most):,} others"))
    return kept


def with_folders(
    pictures: Path, tables: Sequence[Proposal], base: Path, notes: list[str]
) -> Sequence[Proposal]:
    """The tables and the folder ``pictures`` as one more source, if its folders are classes of which no table
    speaks, or splits that no table has. The folder alone, where the tables name hardly a picture of it, such
    as an icon of each class, or say of some what the folders say of all; they are added to ``notes`` then,
    and so are pictures that are left out.
    """
    try:
        whole = proposed(pictures, {"path": relative(base, pictures)}, base)
    except DataError:
        return tables
    named = {record.image for one in tables for record in one.records}
    if whole.is_useful and len(named) <= FEW_NAMED * len(whole.records):
        notes += (_too_few(one, f"{len(whole.records):,} are there") for one in tables)
        return [whole]
    records = {record.image: record for record in whole.records}
    others = [image for image in records if image not in named]
    few_others = len(others) <= MOST_OTHERS * len(records)
    if not few_others and all(_repeats_folders(one, whole, records) for one in tables):
        notes += (_as_folders(one, len(records)) for one in tables)
        return [whole]
    beside = _beside(whole, records, tables, few_others)
    if not beside and not few_others:
        example = quoted(others[0].name)
        notes.append(
            f"{len(others):,} of {len(records):,} pictures there, such as {example}, are in no table"
        )
    return [*tables, *beside]


def _too_few(table: Proposal, others: str) -> str:
    name, count = Path(table.source["path"]).name, len({record.image for record in table.records})
    return f"not read: {name}: it names {count:,} pictures, and {others}"


def _as_folders(table: Proposal, count: int) -> str:
    name = Path(table.source["path"]).name
    return f"not read: {name}: it says of {len(table.records):,} pictures what folders say of {count:,}"


def _repeats_folders(table: Proposal, whole: Proposal, records: Mapping[ImageRef, Record]) -> bool:
    """Whether all that is asked of the table is a class that folders say too, in all of its pictures."""
    named = {record.image: record for record in table.records}
    if not named.keys() <= records.keys():
        return False
    own = {image: records[image] for image in named}
    folders = [_words(own, guess.field) for guess in whole.guesses if guess.type]
    return all(
        any(len(words) == len(named) and _says_the_same(words, named, guess.field) for words in folders)
        for guess in table.guesses
        if guess.type
    )


def _beside(
    whole: Proposal, records: Mapping[ImageRef, Record], tables: Sequence[Proposal], few_others: bool
) -> list[Proposal]:
    """The folder, if it says something that the tables do not.

    Args:
        records: those of the folder.
        few_others: whether the tables name nearly all of them.
    """
    named = {record.image: record for one in tables for record in one.records if record.image in records}
    if len(named) < LEAST_NAMED * len(records):
        return []
    asked = [
        guess if guess.type and _is_new(guess, records, named) else _not_asked(guess)
        for guess in whole.guesses
    ]
    splits = {records[image].split for image in named}
    parted = "train" in splits and len(splits) > 1 and not any(record.split for record in named.values())
    if not any(guess.type for guess in asked) and not (parted and few_others):
        return []
    return [replace(whole, guesses=asked)]


def _not_asked(guess: Guess) -> Guess:
    return Guess(guess.field, "", {}, guess.reason)


def _is_new(guess: Guess, folders: Mapping[ImageRef, Record], named: Mapping[ImageRef, Record]) -> bool:
    """Whether the names of folders are words that tell the pictures of the tables apart, and no field of a
    table says the same in other words.
    """
    words = _words(folders, guess.field)
    if not all(re.search(r"[^\W\d_]", word) for word in words.values()):
        return False
    if len({words[image] for image in named if image in words}) < 2:
        return False  # the other folders hold something else
    fields = {field for record in named.values() for field in record.answers}
    return not any(_says_the_same(words, named, field) for field in fields)


def _words(folders: Mapping[ImageRef, Record], field: str) -> dict[ImageRef, str]:
    """What a folder says of each picture of which it says something."""
    return {image: str(record.answers[field]) for image, record in folders.items() if field in record.answers}


def _says_the_same(words: Mapping[ImageRef, str], named: Mapping[ImageRef, Record], field: str) -> bool:
    """Whether a word and an answer stand for each other, one for one, in nearly all pictures."""
    pairs = Counter(
        (words[image], as_text(record.answers[field]))
        for image, record in named.items()
        if image in words and field in record.answers
    )
    by_word: dict[str, int] = {}
    by_answer: dict[str, int] = {}
    for (word, answer), count in pairs.items():
        by_word[word] = max(by_word.get(word, 0), count)
        by_answer[answer] = max(by_answer.get(answer, 0), count)
    least = SAME * pairs.total()
    return bool(pairs) and sum(by_word.values()) >= least and sum(by_answer.values()) >= least
