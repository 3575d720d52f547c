"""The data set of a configuration: all its pictures with their answers and their splits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oneglance.config import Config
from oneglance.data.columns.coded import Coded
from oneglance.data.columns.record_columns import RecordColumns
from oneglance.data.images.content_hash import digests
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decoded_cache import cache_folder
from oneglance.data.images.measured_range import Measured, measured
from oneglance.data.inspection.checks import check, summary
from oneglance.data.inspection.missing_files import missing_pictures
from oneglance.data.merging.collect import Question, collect
from oneglance.data.merging.unanswered_parts import without_unanswered_parts
from oneglance.data.record import Record
from oneglance.data.source import Source, open_source
from oneglance.data.splitting.earlier_splits import as_earlier
from oneglance.data.splitting.split import SplitIndices, split, stratify_labels
from oneglance.errors import ConfigError, DataError, Problem
from oneglance.progress import Progress

NOT_READ = Problem(
    "[pictures]",
    "look_first is false: pictures were not read beforehand, so identical ones may lie in two splits",
    "unreadable ones are left out when their turn comes, and changed ones are not noticed",
    fatal=False,
)


@dataclass
class SplitData:
    """The pictures of one split and their answers."""

    records: Sequence[Record]
    rows: np.ndarray  # int64: of each picture, in the store of decoded pictures

    def answers(self, task: str) -> Sequence[Any | None]:
        """One per record; None where it is not labelled."""
        if isinstance(self.records, RecordColumns):
            return self.records.answers.get(task) or Coded.missing(len(self.records))
        return [record.answers.get(task) for record in self.records]

    @property
    def groups(self) -> list[str]:
        """One per record; "" where it has none."""
        if isinstance(self.records, RecordColumns):
            return [group or "" for group in self.records.groups]
        return [record.group for record in self.records]


@dataclass
class Dataset:
    """Every record once, with the split it belongs to."""

    records: RecordColumns
    splits: SplitIndices
    problems: list[Problem] = field(default_factory=list)
    contents: list[bytes | None] = field(default_factory=list)  # digest of each picture; None: was not read

    def rows(self) -> list[tuple[str, str, str]]:
        """(picture, group, split) of every record."""
        facts = zip(self.records.images, self.records.groups, self.splits.names(), strict=True)
        return [(image.name, group or "", name) for image, group, name in facts]

    def part(self, name: str) -> SplitData:
        """One split as it is before any picture is decoded; its rows are those of ``records``."""
        rows = getattr(self.splits, name)
        return SplitData(self.records.take(rows), rows)

    def split(self, name: str, start: int, unreadable: Collection[int]) -> SplitData:
        """One split, without the ``unreadable`` pictures.

        Args:
            name: train, validation or test.
            start: the row of its first picture in the store of decoded pictures.
            unreadable: rows of that store.
        """
        chosen = getattr(self.splits, name)
        kept = np.ones(len(chosen), dtype=bool)
        kept[[row - start for row in unreadable if start <= row < start + len(chosen)]] = False
        if not kept.any():
            raise DataError(f"no picture of the {name} split can be read")
        return SplitData(self.records.take(chosen[kept]), start + np.flatnonzero(kept))


def open_sources(config: Config) -> list[Source]:
    """The sources that a configuration declares.

    Raises:
        ConfigError: with the problems of all of them.
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
    config: Config,
    questions: Sequence[Question],
    progress: Progress | None = None,
    *,
    strict: bool = True,
    earlier: Mapping[str, str] | None = None,
    contents: bool = False,
    turn: AbstractContextManager[None] | None = None,
) -> Dataset:
    """Read every source, merge the answers about each picture, and split the pictures.

    Args:
        strict: raise for problems that make training impossible; else only report them.
        earlier: splits of pictures that an earlier run knows; see ``as_earlier``.
        contents: read every picture although [pictures] look_first says no: the splits are the same, but
            the ``contents`` are known.
        turn: within it every picture is read, one process of a machine after the other.

    Raises:
        DataError: with all fatal problems at once.
        ConfigError: a source that cannot be opened.
    """
    own = [question for question in questions if question.answered_by == question.name]
    known = {*config.training.keep, *config.training.hold}  # which need no answers
    learned = [question for question in own if question.name not in known]
    taught = bool(config.training.teachers)  # which tasks, their runs say: all may be unanswered
    optional = [question.name for question in own] if taught else config.training.keep
    collected = collect(open_sources(config), own, optional)
    answered, unanswered = (
        without_unanswered_parts(collected.records) if not taught else (collected.records, [])
    )
    records, missing = missing_pictures(_answered(answered, questions), are_distinct=True)
    problems = [*collected.problems, *unanswered, *missing]
    alike: list[bytes | None] = [None] * len(records)  # by these pictures stay together
    digest_of_each = alike
    looks = config.pictures.look_first or taught or bool(known)
    if looks or contents or not strict:
        with turn or nullcontext():
            digest_of_each = digests(records.images, cache_folder(config.cache), progress)
    if looks:
        alike = digest_of_each
    else:
        problems.append(NOT_READ)
    if strict:
        refuse(problems)
    nothing = np.zeros(0, dtype=np.int64)
    if not records:  # the reason is among the problems already
        return Dataset(records, SplitIndices(nothing, nothing, nothing), problems)
    classes = stratify_labels(records, own)
    try:
        splits = split(records, config.split, classes, alike)
    except DataError as error:
        if strict:
            raise
        splits = SplitIndices(np.arange(len(records)), nothing, nothing)
        problems.append(Problem(error.location or "[split]", error.what, error.hint))
    if earlier:
        splits, changes = as_earlier(splits, records, digest_of_each, earlier)
        problems += changes
    problems += check(records, learned, splits=splits, digests=digest_of_each, classes=classes, taught=taught)
    if strict:
        refuse(problems)
    return Dataset(records, splits, problems, digest_of_each)


def measured_values(
    config: Config, dataset: Dataset, progress: Progress | None = None
) -> tuple[Config, list[Measured]]:
    """The configuration with what is black and white in pictures of more than 8 bits as its change
    ``pictures.value_range``, and what was measured over the training pictures. Where all that were looked at
    have 8 bits, or the configuration says it already, there is no change.
    """
    if config.pictures.value_range != "auto":
        return config, []
    refs = dataset.records.take(dataset.splits.train).images
    measures = measured(refs, Limits.declared(config), config.cache.workers, progress)
    if not measures:
        return config, []
    bounds = {one.kind: list(one.bounds) for one in measures}
    return config.with_changes({"pictures.value_range": bounds}), measures


def _answered(records: RecordColumns, questions: Sequence[Question]) -> RecordColumns:
    """The records, with the answers of questions that learn from the answers to another question."""
    borrowed = {q.name: q.answered_by for q in questions if q.answered_by not in ("", q.name)}
    known = records.answers
    added = {new: known[old] for new, old in borrowed.items() if old in known}
    return records.with_answers({**known, **added}) if added else records


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one DataError that holds every fatal problem, if there is any."""
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        raise DataError("\n".join(summary(fatal)), problems=fatal)
