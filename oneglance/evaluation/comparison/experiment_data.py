"""The pictures of a comparison, split and decoded once."""

from __future__ import annotations

from dataclasses import dataclass

from oneglance.config import Config
from oneglance.data.dataset import Dataset, SplitData, load_dataset
from oneglance.data.images.decode import Limits
from oneglance.data.images.decoded_cache import open_canvases
from oneglance.data.images.letterbox import Fit, Placement
from oneglance.data.inspection.checks import summary, without_unreadable
from oneglance.progress import Screen
from oneglance.task import Task, build_tasks
from oneglance.training.data_loader import PictureStore


@dataclass
class ExperimentData:
    """The pictures of one comparison, parted and decoded once."""

    config: Config
    tasks: dict[str, Task]
    dataset: Dataset
    store: PictureStore
    unreadable: int
    train: SplitData
    validation: SplitData
    test: SplitData

    @classmethod
    def load(cls, config: Config, screen: Screen) -> ExperimentData:
        """Read, part and decode all that a configuration declares.

        Raises:
            DataError: the data cannot be used, or a part is empty.
        """
        tasks = build_tasks(config.tasks, config.file)
        dataset = load_dataset(config, list(tasks.values()), screen.progress)
        for line in summary(dataset.problems):
            screen.say(line)
        parts = dataset.splits
        rows = [*parts.train.tolist(), *parts.validation.tolist(), *parts.test.tolist()]
        store = open_canvases(
            [dataset.records[row].image for row in rows],
            Fit.declared(config),
            Limits.declared(config),
            config.cache,
            screen.progress,
        )
        if store.problem is not None:
            screen.say(str(store.problem))
        for line in without_unreadable(store.failures.values(), len(rows)):
            screen.say(line)
        starts = {
            "train": 0,
            "validation": len(parts.train),
            "test": len(parts.train) + len(parts.validation),
        }
        chosen = {name: dataset.split(name, start, store.failures) for name, start in starts.items()}
        return cls(config, tasks, dataset, store, len(store.failures), **chosen)

    def placements(self, part: SplitData) -> list[Placement]:
        """How each picture of a part lies on its canvas."""
        fit = Fit.declared(self.config)
        return [fit.placement(width, height) for width, height in self.store.sizes(part.rows).tolist()]

    def steps(self, part: SplitData) -> int:
        """Of one epoch."""
        return max(1, -(-len(part.rows) // self.config.training.batch))
