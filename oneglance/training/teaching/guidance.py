"""Whatever teachers have to do with a training, in the order in which it comes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch

from oneglance.config import Config
from oneglance.data.dataset import SplitData
from oneglance.network import Network
from oneglance.nn.repeated_rows import Encoded
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Target, Task
from oneglance.training.data_loader import PictureStore
from oneglance.training.learner import Learner
from oneglance.training.teaching.drawn_answers import learn_targets, with_drawn_answers
from oneglance.training.teaching.live_teachers import LiveTeachers
from oneglance.training.teaching.shared_features import FeatureScale, add_projectors
from oneglance.training.teaching.soft_targets import joined
from oneglance.training.teaching.stored_answers import sampled_answers, stored_answers
from oneglance.training.teaching.teachers import (
    Teacher,
    refuse_disagreement,
    refuse_unfit,
)


@dataclass(eq=False)
class Guidance:
    """The teachers of a training, perhaps none."""

    teachers: list[Teacher]
    tasks: Mapping[str, Task]  # that learn
    config: Config
    seconds: float = 0.0  # of passes before the first step
    live: LiveTeachers | None = None  # where they are asked in every step
    _scales: dict[str, FeatureScale] = field(default_factory=dict)  # by key, where features are learned
    _sample: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # with which live ones were tried

    @classmethod
    def of(cls, config: Config, tasks: Mapping[str, Task], teachers: list[Teacher]) -> Self:
        """
        Raises:
            ConfigError: a teacher cannot be asked as [training] teacher_views says.
        """
        live = None
        for teacher in teachers:
            teacher.prepare()
        if teachers and config.training.teacher_views == "same":
            live = LiveTeachers(teachers, tasks, config)
        return cls(teachers, tasks, config, live=live)

    def validation(self, split: SplitData, screen: Screen) -> SplitData:
        """See ``with_drawn_answers``."""
        return with_drawn_answers(split, self.tasks, self.teachers, self.config.training.seed, screen)

    def learn_targets(self, training: SplitData, known: Collection[str] = ()) -> None:
        """See the function of this name; ``known`` tasks have learned theirs from an earlier run."""
        tasks = {name: task for name, task in self.tasks.items() if name not in known}
        learn_targets(tasks, training, self.teachers)

    def refuse_unfit(self) -> None:
        """See the function of this name."""
        refuse_unfit(self.teachers, self.tasks, self.config)

    def taught(
        self,
        targets: Mapping[str, Encoded],
        training: SplitData,
        folder: RunFolder,
        store: PictureStore,
        screen: Screen,
    ) -> Mapping[str, Encoded]:
        """The targets of the training split with what the teachers say; of those that are asked in every step
        nothing, but they are tried.

        Raises:
            RunError: a teacher is not the network that this run began with.
            DataError: a teacher finds nothing in these pictures.
            ConfigError: it says what nobody can mean.
        """
        about = (self.teachers, self.tasks, self.config, training, store, screen)
        if self.live is not None:
            rows, soft, seen = sampled_answers(*about)
            of_rows = {
                n: {key: np.asarray(value)[rows] for key, value in target.items()}
                for n, target in targets.items()
            }
            self._refuse_disagreement(soft, of_rows)
            self._sample = {name: joined(of_rows[name], soft[name]) for name in soft}
            self._scales = self.live.scales = {key: FeatureScale.of(*one) for key, one in seen.items()}
            return targets
        soft, seen, self.seconds = stored_answers(folder, *about)
        self._refuse_disagreement(soft, targets)
        self._scales = {key: FeatureScale.of(*one) for key, one in seen.items()}
        features = {key: scale.target(*seen[key]) for key, scale in self._scales.items()}
        taught: dict[str, Encoded] = {}
        for name, target in targets.items():
            taught[name] = joined(target, soft.get(name, {}))
        return {**taught, **features}

    def add_projectors(self, network: Network) -> None:
        """See the function of this name: one for each teacher whose features are learned."""
        if self._scales:
            widths = {key: len(scale.mean) for key, scale in self._scales.items()}
            add_projectors(network, widths, self.config)

    def _refuse_disagreement(self, soft: Mapping[str, Target], targets: Mapping[str, Encoded]) -> None:
        for name, own in soft.items():
            whole = {key: np.asarray(value) for key, value in targets[name].items()}
            refuse_disagreement(self.config, self.tasks[name], own, whole, self.teachers)

    def attach(self, learner: Learner) -> None:
        """Where they are asked in every step, ``learner`` asks them."""
        if self.live is None:
            return
        learner.live = self.live
        learner.measure_loss_scales(
            {
                name: {key: torch.as_tensor(value).to(learner.device) for key, value in target.items()}
                for name, target in self._sample.items()
            },
            unanswered=True,
        )
