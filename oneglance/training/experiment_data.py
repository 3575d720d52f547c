"""The pictures of a configuration, split and decoded once: what every training and comparison starts from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Self

import numpy as np

from oneglance.config import Config
from oneglance.data.dataset import Dataset, SplitData, load_dataset, measured_values
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoding.decoded_cache import open_canvases
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.data.inspection.checks import summary, without_unreadable
from oneglance.errors import DataError, PictureError
from oneglance.progress import Screen
from oneglance.task import Task, build_tasks, few_answers
from oneglance.training.data_loader import PictureStore
from oneglance.training.preparation.building import sampler_of
from oneglance.training.preparation.inherited_splits import hold_back
from oneglance.training.preparation.starting_weights import starting_run
from oneglance.training.teaching.teachers import teacher_runs

SPLITS = ("train", "validation", "test")


@dataclass
class ExperimentData:
    """Decoded pictures and the splits that they belong to."""

    config: Config
    tasks: dict[str, Task]
    dataset: Dataset
    store: PictureStore
    failures: Mapping[int, PictureError]  # by row of the store: why it cannot be decoded
    splits: dict[str, SplitData]  # by name, without what cannot be decoded

    @classmethod
    def load(cls, config: Config, screen: Screen) -> Self:
        """Read, split and decode all that a configuration declares.

        Raises:
            ConfigError: a source or task that cannot be.
            DataError: the data cannot be used, or a split is empty.
        """
        tasks = build_tasks(config.tasks, config.file)
        dataset = read_dataset(config, tasks, screen)
        return cls.decode(with_value_range(config, dataset, screen), tasks, dataset, screen)

    @classmethod
    def decode(
        cls,
        config: Config,
        tasks: dict[str, Task],
        dataset: Dataset,
        screen: Screen,
        splits: Sequence[str] = SPLITS,
        surveyed: Sequence[str] = SPLITS,
    ) -> Self:
        """The decoded pictures of some splits of ``dataset``.

        Args:
            surveyed: of which of them every picture is decoded beforehand, where they are decoded each time:
                of the others it is not known which are unreadable, nor how large they are.

        Raises:
            DataError: no picture of a split can be read.
        """
        rows = {name: getattr(dataset.splits, name) for name in splits}
        in_order = np.concatenate(list(rows.values()))
        store = open_canvases(
            dataset.records.take(in_order).images,
            Fit.declared(config),
            Limits.declared(config),
            config.cache,
            screen.progress,
        )
        if store.problem is not None:
            screen.say(str(store.problem))
        beforehand = np.concatenate([np.full(len(each), name in surveyed) for name, each in rows.items()])
        if line := store.describe():
            screen.say(f"{line}; first {beforehand.sum():,} are looked at ([pictures] look_first)")
        store.survey(np.flatnonzero(beforehand), screen.progress)
        for line in without_unreadable(store.failures.values(), len(in_order)):
            screen.say(line)
        decoded, start = {}, 0
        for name in splits:
            decoded[name] = dataset.split(name, start, store.failures)
            start += len(rows[name])
        return cls(config, tasks, dataset, store, store.failures, decoded)

    @property
    def train(self) -> SplitData:
        """What is learned from."""
        return self.splits["train"]

    @property
    def validation(self) -> SplitData:
        """What stops, selects and calibrates."""
        return self.splits["validation"]

    @property
    def test(self) -> SplitData:
        """What is kept for the scores."""
        return self.splits["test"]

    @property
    def unreadable(self) -> int:
        """How many pictures cannot be decoded."""
        return len(self.failures)

    def placements(self, split: SplitData) -> list[Placement]:
        """How each picture of a split lies on its canvas."""
        fit = Fit.declared(self.config)
        return [fit.placement(width, height) for width, height in self.store.sizes(split.rows).tolist()]

    def steps(self, split: SplitData, tasks: Collection[str]) -> int:
        """Of one epoch of a network for ``tasks``."""
        chosen = {name: self.tasks[name] for name in tasks}
        return max(1, sampler_of(self.config, chosen, split).steps(self.config.batch))


def read_dataset(
    config: Config,
    tasks: Mapping[str, Task],
    screen: Screen,
    *,
    contents: bool = False,
    turn: AbstractContextManager[None] | None = None,
) -> Dataset:
    """All that the sources declare, split; nothing is decoded yet.

    Args:
        contents, turn: see ``load_dataset``.

    Raises:
        ConfigError: a source that cannot be opened.
        DataError: the data cannot be used.
    """
    known = config.training.keep or config.training.hold
    earlier = starting_run(config)[0].splits_by_content() if known else None
    dataset = load_dataset(
        config, list(tasks.values()), screen.progress, earlier=earlier, contents=contents, turn=turn
    )
    for line in summary(dataset.problems):
        screen.say(line)
    if config.training.teachers:
        hold_back(dataset, teacher_runs(config), screen)
    else:  # which may answer the validation pictures too
        refuse_few_answers(tasks, dataset)
    return dataset


def refuse_few_answers(tasks: Mapping[str, Task], dataset: Dataset) -> None:
    """
    Raises:
        DataError: the validation split has too few answers for what tasks ask for.
    """
    if wrong := few_answers(tasks, dataset):
        raise DataError("\n".join(map(str, wrong)))


def with_value_range(config: Config, dataset: Dataset, screen: Screen) -> Config:
    """The configuration with what is black and white among values of more than 8 bits, where that has to be
    measured; it is said, and the run folder keeps it among the changes to its configuration.
    """
    config, measures = measured_values(config, dataset, screen.progress)
    for one in measures:
        screen.say(one.describe())
    return config
