"""The trainings of a comparison that wait for no other, at the same time on a Ray cluster.

Actors, one per machine or GPU, read the data once and train one after the other. Each training is a run
folder of the comparison, which every machine sees; the process that compares finds it finished and reads it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from oneglance.config import Config
from oneglance.errors import OneglanceError, RunError, StoppedError
from oneglance.evaluation.comparison import variants
from oneglance.parallel.cpus import processors
from oneglance.parallel.ray_cluster import cluster, own_version, refuse_other_version, share_of
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.training.experiment_data import ExperimentData


class Training(NamedTuple):
    """What ``variants.trained`` is told."""

    name: str  # of the run folder
    config: Config
    tasks: Sequence[str] = ()


class Trainer:
    """An actor.

    Args:
        here: the current folder of the process that compares; paths start there.
    """

    def __init__(self, config: Config, runs: Path, here: str, version: str) -> None:
        self._config, self._runs, self._here, self._version = config, runs, here, version

    def train(self, one: Training) -> tuple[str, OneglanceError | None]:
        """The name of the training, and what went wrong."""
        try:
            variants.trained(self._experiment, self._runs / one.name, one.config, Screen(), one.tasks)
        except OneglanceError as error:
            return one.name, error
        return one.name, None

    @cached_property
    def _experiment(self) -> ExperimentData:
        refuse_other_version(self._version)
        try:
            os.chdir(self._here)
        except OSError:
            raise RunError(
                "is not there on a machine of the cluster",
                location=self._here,
                hint="all machines have to see the data and the folder of the comparison under the same path",
            ) from None
        return ExperimentData.load(self._config, Screen())


def train(config: Config, runs: Path, trainings: Sequence[Training], screen: Screen) -> None:
    """Every one of ``trainings`` that is not finished, into ``runs``.

    Raises:
        MissingExtraError: Ray is not installed.
        OneglanceError: the cluster cannot be used, or what a training met.
    """
    left = [one for one in trainings if not RunFolder(runs / one.name).finished]
    if not left:
        return
    with cluster("compare --ray") as ray:
        from ray.util import ActorPool

        share = share_of(ray, config.training.device, processors())
        actor = ray.remote(num_cpus=share.cpus, num_gpus=share.gpus)(Trainer)
        count = min(share.actors, len(left))
        screen.say(f"{len(left)} trainings, {count} at the same time")
        pool = ActorPool([actor.remote(config, runs, str(Path.cwd()), own_version()) for _ in range(count)])
        for done, (name, error) in enumerate(
            pool.map_unordered(lambda one, training: one.train.remote(training), left), 1
        ):
            if isinstance(error, StoppedError):
                raise StoppedError(error.what, location=name, hint="the same command goes on from here")
            if error is not None:
                raise error
            screen.progress(done, len(left), f"trained {name}")
