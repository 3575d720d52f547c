"""[training] teachers: finished networks from which a training learns beside the answers of people."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneglance.config import Config
from oneglance.errors import ConfigError, nearest
from oneglance.inference.predictor import Predictor
from oneglance.storage.plain_files import add_to_digest, located
from oneglance.storage.run_files import ANSWERING
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Target, Task
from oneglance.training.teaching.networks_at import NetworkAt, networks_at


@dataclass(frozen=True)
class Teacher:
    """A finished network and the tasks that learn from it."""

    title: str  # as [training] teachers names it
    files: tuple[Path, ...]  # on which its answers depend
    predictor: Predictor
    names: Mapping[str, str]  # task of the training -> the same task there
    run: RunFolder | None = None  # where it is one

    @property
    def key(self) -> str:
        """Of its features among targets and raw outputs: no task is called so."""
        return "~" + "+".join(self.names)

    def task(self, name: str) -> Task:
        """What the task ``name`` of the training is there."""
        return self.predictor.tasks[self.names[name]]

    def prepare(self) -> None:
        """See ``Task.prepare_to_teach``; an .onnx file gives what it gives."""
        network = getattr(self.predictor.engine, "network", None)
        if network is None:
            return
        for own in self.names.values():
            self.predictor.tasks[own].prepare_to_teach(network.heads[f"{own} head"])

    def digest(self) -> str:
        """Of what its answers depend on."""
        whole = hashlib.sha256()
        for path in self.files:
            add_to_digest(whole, path)
        return whole.hexdigest()


def open_teachers(config: Config, tasks: Mapping[str, Task]) -> list[Teacher]:
    """Every teacher of a configuration, with the tasks that it answers.

    Raises:
        RunError: one is no finished run, damaged, or of a newer version.
        ConfigError: one answers no task of the training, or two answer the same, or not the same question.
    """
    teachers: list[Teacher] = []
    taken: dict[str, str] = {}
    for network in _networks(config):
        title, run, predictor = network.title, network.run, _opened(network, config.training.device)
        # One without weight learned nothing there.
        able = [own for own, task in predictor.tasks.items() if task.weight > 0]
        theirs = {network.rename.get(own, own): own for own in able}
        names = {name: theirs[name] for name in tasks if name in theirs}
        for name, own in names.items():
            if name in taken:
                raise _wrong(
                    config,
                    f"{taken[name]} and {title} both answer {name}",
                    "name one teacher for each task; from a run with several, take the task out with "
                    "`oneglance combine --rename`, or leave that run out",
                )
            taken[name] = title
            refuse(config, title, name, tasks[name], predictor.tasks[own])
        if not names:
            raise _wrong(
                config,
                f"{title} answers {', '.join(theirs)}, none of which is a task here."
                f"{nearest(next(iter(theirs)), tasks)}",
                "call the task as it is called there, or leave that run out",
            )
        files = (network.path,) if run is None else tuple(run / name for name in ANSWERING)
        teachers.append(Teacher(title, files, predictor, names, run))
    return teachers


def refuse_unfit(teachers: Sequence[Teacher], tasks: Mapping[str, Task], config: Config) -> None:
    """The same once the tasks have learned their classes and scale.

    Raises:
        ConfigError: a teacher has other classes or another unit.
    """
    for teacher in teachers:
        for name in teacher.names:
            refuse(config, teacher.title, name, tasks[name], teacher.task(name))


def refuse_disagreement(
    config: Config, task: Task, soft: Target, target: Target, teachers: Sequence[Teacher]
) -> None:
    """
    Raises:
        ConfigError: what a teacher says is nothing like what people say.
    """
    if why := task.disagreement(soft, target):
        title = next(teacher.title for teacher in teachers if task.name in teacher.names)
        hint = "correct the unit or the classes of one of the two, or leave this teacher out"
        raise _wrong(config, f"{title} answers {task.name} otherwise than people do: {why}", hint)


def refuse(config: Config, title: str, name: str, task: Task, teacher: Task) -> None:
    """
    Raises:
        ConfigError: ``teacher``, the task ``name`` of the network ``title``, cannot teach ``task``.
    """
    try:
        task.refuse_teacher(teacher)
    except ConfigError as error:
        raise _wrong(config, f"{title} cannot teach {name}, which {error.what}", error.hint) from None


def _wrong(config: Config, what: str, hint: str) -> ConfigError:
    return ConfigError(f"[training] teachers: {what}", location=config.file, hint=hint)


def teachers_of(config: Config, names: Collection[str]) -> list[str]:
    """Those of [training] teachers that answer one of the tasks ``names``: what is left for a training of
    some tasks alone.

    Raises:
        RunError: one is not there, or damaged.
    """
    wanted = set(names)
    return [
        written
        for written, networks in _named(config)
        if any(wanted.intersection(network.task_names()) for network in networks)
    ]


def teacher_runs(config: Config) -> list[RunFolder]:
    """The teachers of a configuration that are run folders.

    Raises:
        RunError: one is not there, or damaged.
    """
    return [network.run for network in _networks(config) if network.run is not None]


def _named(config: Config) -> list[tuple[str, list[NetworkAt]]]:
    """Each of [training] teachers as it is written, and the networks there."""
    return [
        (written, networks_at(located(config.base, written), written)) for written in config.training.teachers
    ]


def _networks(config: Config) -> list[NetworkAt]:
    return [network for _, networks in _named(config) for network in networks]


def _opened(network: NetworkAt, device: str) -> Predictor:
    if network.run is None:
        return network.opened_file(device)
    return Predictor.open(network.run, device=device, precision="fp32")
