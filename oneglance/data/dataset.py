"""All pictures that a configuration declares, what is known of them, and their parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from oneglance.config import Config
from oneglance.data.images.content_hash import digests
from oneglance.data.images.decoded_cache import cache_folder
from oneglance.data.inspection.checks import check, summary
from oneglance.data.inspection.missing_files import missing_pictures
from oneglance.data.merging.collect import Question, collect
from oneglance.data.record import Record
from oneglance.data.source import Source, open_source
from oneglance.data.splitting.split import SplitIndices, split, stratify_labels
from oneglance.errors import ConfigError, DataError, Problem

Progress = Callable[[int, int, str], None]


@dataclass
class SplitData:
    """Pictures of one part and what is known of them."""

    records: list[Record]
    rows: np.ndarray  # int64: where each lies in the store of decoded pictures

    def answers(self, task: str) -> list[Any | None]:
        """One per record; None where nobody looked."""
        return [record.answers.get(task) for record in self.records]


@dataclass
class Dataset:
    """Every record once, with the part it belongs to."""

    records: list[Record]
    splits: SplitIndices
    problems: list[Problem] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str, str]]:
        """(picture, group, part) of every record."""
        names = self.splits.names()
        return [(r.image.name, r.group, name) for r, name in zip(self.records, names, strict=True)]

    def split(self, name: str, start: int, unreadable: Collection[int]) -> SplitData:
        """One part, without what is ``unreadable``.

        Args:
            name: train, validation or test.
            start: the row of its first picture in the store of decoded pictures.
            unreadable: rows of that store.
        """
        chosen = getattr(self.splits, name).tolist()
        kept = [place for place in range(len(chosen)) if start + place not in unreadable]
        if not kept:
            raise DataError(f"no picture of the {name} part can be read")
        return SplitData(
            [self.records[chosen[place]] for place in kept], start + np.array(kept, dtype=np.int64)
        )


def open_sources(config: Config) -> list[Source]:
    """The sources that a configuration declares.

    Raises:
        ConfigError: all that is wrong with any of them.
    """
    opened: list[Source] = []
    wrong: list[str] = []
    for table in config.sources:
        try:
            opened.append(open_source(table, config.base, config.file))
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return opened


def load_dataset(
    config: Config, questions: Sequence[Question], progress: Progress | None = None, *, strict: bool = True
) -> Dataset:
    """Read every source, gather what is known of each picture, and part the pictures.

    Args:
        strict: raise for what makes training impossible; else only tell it.

    Raises:
        DataError: with all fatal problems at once.
        ConfigError: a source that cannot be opened.
    """
    asked = [question for question in questions if question.answered_by == question.name]
    collected = collect(open_sources(config), asked)
    problems = list(collected.problems)
    records, lost = missing_pictures(_answered(collected.records, questions))
    problems += lost
    same: list[bytes | None] = digests([r.image for r in records], cache_folder(config.cache), progress)
    if strict:
        refuse(problems)
    nothing = np.zeros(0, dtype=np.int64)
    if not records:  # what made them so few is told already
        return Dataset([], SplitIndices(nothing, nothing, nothing), problems)
    kinds = stratify_labels(records, asked)
    try:
        parts = split(records, config.split, kinds, same)
    except DataError as error:
        if strict:
            raise
        parts = SplitIndices(np.arange(len(records)), nothing, nothing)
        problems.append(Problem(error.location or "[split]", error.what, error.hint))
    problems += check(records, asked, splits=parts, digests=same, classes=kinds)
    if strict:
        refuse(problems)
    return Dataset(records, parts, problems)


def _answered(records: list[Record], questions: Sequence[Question]) -> list[Record]:
    """The records, with the answers of questions that ask something else of another's answers."""
    again = [(q.name, q.answered_by) for q in questions if q.answered_by not in ("", q.name)]
    if not again:
        return records
    return [
        replace(r, answers={**r.answers, **{new: r.answers[old] for new, old in again if old in r.answers}})
        for r in records
    ]


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one DataError that holds every fatal problem, if there is any."""
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        raise DataError("\n".join(summary(fatal)), problems=fatal)
