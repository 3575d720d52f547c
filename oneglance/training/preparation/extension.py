"""A finished run that learns further tasks and keeps those it has, to the bit: ``oneglance extend``.

``extended`` makes one configuration of the run's and of that of the new tasks; with it a training is like any
other, but for what stands here: the tasks in [training] keep learn nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from oneglance.config import Config
from oneglance.data.columns.coded import labelled
from oneglance.data.dataset import SplitData
from oneglance.errors import ConfigError, nearest
from oneglance.network import Network, kinds_of_stage
from oneglance.storage.plain_files import exists, located, resolved
from oneglance.storage.remote.addresses import address_of
from oneglance.storage.run_folder import RunFolder
from oneglance.storage.task_state import restore
from oneglance.task import Task, build_tasks
from oneglance.toml.overrides import Changes
from oneglance.toml.writer import inline
from oneglance.training.preparation.starting_weights import is_grown, starting_run

OF_READING = ("type", "from", "unknown", "join", "weight")
"""Keys of a task that say how data are read, or how it learns: new data may be written otherwise."""
OF_ANSWERS = ("name", "options", "size", "mirror")
"""Keys of [backbone] on which the answers depend."""


@dataclass(frozen=True)
class Extension:
    """The tasks that stay as they are in a training, or may not get worse, and the run that they are from."""

    run: RunFolder | None = None
    theirs: Mapping[str, Task] = field(default_factory=dict)  # all tasks of that run
    kept: Mapping[str, Task] = field(default_factory=dict)
    held: Mapping[str, Task] = field(default_factory=dict)
    grown: Mapping[str, Task] = field(
        default_factory=dict
    )  # that learn further classes beside those they know
    order: tuple[str, ...] = ()  # of all tasks

    @classmethod
    def of(cls, config: Config, tasks: Mapping[str, Task]) -> Self:
        """With [training] keep or hold, these ``tasks`` get what they have learned in that run.

        Raises:
            RunError: that run is not there, not finished or damaged.
            ConfigError: it has no such task, or another one.
        """
        table = config.training
        if not table.keep and not table.hold:
            return cls(order=tuple(tasks))
        run, then = starting_run(config)
        theirs = run.tasks(then)
        for key, names in (("keep", table.keep), ("hold", table.hold)):
            for name in names:
                _refuse_other_task(name, tasks, theirs, config, key)
        kept, held = ({name: tasks[name] for name in names} for names in (table.keep, table.hold))
        grown = {name: kept.pop(name) for name in table.keep if is_grown(tasks[name], theirs[name])}
        made = cls(run, theirs, kept, held, grown, tuple(tasks))
        made.restore()
        return made

    def of_tasks(self, tasks: Mapping[str, Task]) -> Self:
        """The same of other ``tasks`` of these names, which get what they have learned in that run."""
        kept, held, grown = (
            {name: tasks[name] for name in before} for before in (self.kept, self.held, self.grown)
        )
        made = replace(self, kept=kept, held=held, grown=grown)
        made.restore()
        return made

    def restore(self) -> None:
        """The tasks mean what they mean in that run, whatever the data hold."""
        both = {**self.kept, **self.held}
        restore(both, {name: self.theirs[name].state() for name in both})

    def grow(self, training: SplitData) -> None:
        """The same of those that learn further classes, which they find in the training split.

        Raises:
            DataError: they are not there.
        """
        for name, task in self.grown.items():
            task.grow(self.theirs[name], labelled(training.answers(name)))

    def learned(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        """Those of ``tasks`` that learn."""
        return {name: task for name, task in tasks.items() if name not in self.kept}

    def apply(self, network: Network, learned: Mapping[str, Task]) -> None:
        """Nothing that the kept answers depend on learns, nor is it computed in vain."""
        if self.run is not None and not self.held:
            network.freeze(self.kept, self.grown)
            network.leave_out(self.kept, any(task.is_spatial for task in learned.values()))

    def finished(self, learned: Mapping[str, Task]) -> dict[str, Task]:
        """All tasks, in their order."""
        both = {**self.kept, **learned}
        return {name: both[name] for name in self.order or both}


NOTHING_KEPT = Extension()


def _refuse_other_task(
    name: str, ours: Mapping[str, Task], theirs: Mapping[str, Task], config: Config, key: str = "keep"
) -> None:
    location = f"{config.file}: [training] {key}"
    if name not in ours:
        raise ConfigError(f'names "{name}", which is no task.{nearest(name, ours)}', location=location)
    if name not in theirs:
        there = f"which is no task of {config.training.from_}.{nearest(name, theirs)}"
        raise ConfigError(f'names "{name}", {there}', location=location)
    if differing := list(_differing(ours[name], theirs[name])):
        key, old, new = differing[0]
        hint = f"write what it is there, leave {key} out, or give the new task another name"
        if key == "classes":
            hint += "; classes that it is to learn besides are named with added = […]"
        raise ConfigError(
            f"[tasks.{name}] is another task in {config.training.from_}: {key} is {old} there and {new} here",
            location=config.file,
            hint=hint,
        )


def _differing(ours: Task, theirs: Task) -> Iterator[tuple[str, str, str]]:
    """(key, its value there, its value here) of each that is written here and on which answers depend."""
    if ours.type != theirs.type:
        yield "type", inline(theirs.type), inline(ours.type)
        return
    here, there = (task.model_dump(mode="json", by_alias=True) for task in (ours, theirs))
    if not there.get("classes", True):  # those that it found in its data
        there["classes"] = theirs.state().get("classes", [])
    written = ours.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for key in written:
        if key == "added" and not there.get(key):
            continue
        if key not in OF_READING and here[key] != there.get(key):
            old = there.get(key)
            yield key, "not set" if old is None else inline(old), inline(here[key])


def extended(config: Config, run: RunFolder, *, stage: bool = False, tune: bool = False) -> Config:
    """One configuration of all tasks: those of a finished run, which it keeps, and the new ones.

    Args:
        config: names the new tasks and their sources, and perhaps tasks of the run as they are there.
        stage: each new task gets a copy of the backbone's last stage that learns with it.
        tune: all learns, the run teaches its tasks, and its pictures come along where they can be found.

    Raises:
        RunError: the run is not finished, or is damaged.
        ConfigError: ``config`` names no new task, or contradicts the run.
    """
    then = run.answering_config()
    theirs = run.tasks(then)
    for key in ("from", "keep", "hold"):
        if not config.training.model_dump(by_alias=True)[key]:
            continue
        hint = f"leave `{key}` out, or use it with: oneglance train"
        raise ConfigError(f"[training] {key} is what extend sets itself", location=config.file, hint=hint)
    new = [name for name in config.tasks if name not in theirs]
    grown = [name for name in theirs if config.tasks.get(name, {}).get("added")]
    if grown and tune:
        raise ConfigError(
            f"[tasks.{grown[0]}] learns further classes in a branch of its own, and --tune has all learn on",
            location=config.file,
            hint="leave --tune out",
        )
    if not new and not grown:
        raise ConfigError(
            f"names no task that {run.address} does not have already: {', '.join(theirs)}",
            location=config.file,
            hint="add the new one as [tasks.NAME], or name further classes of one with added = […]",
        )
    kept = {name: {**then.tasks[name], **config.tasks.get(name, {})} for name in theirs}
    changes: dict[str, Any] = {"tasks": {**kept, **{name: config.tasks[name] for name in new}}}
    changes |= _as_there(config, then, run)
    changes["training.task_stage"] = _stages(config, then, new, stage)
    changes["training.from"] = path = address_of(run.address) or str(resolved(run.path))
    if tune:
        table = then.backbone.model_dump(mode="json", exclude_unset=True)
        changes["backbone"] = {**table, "freeze": config.backbone.freeze}
        changes["training.hold"] = list(theirs)
        changes["training.teachers"] = [*config.training.teachers, path]
        changes["sources"] = [*config.sources, *_old_sources(config, run, theirs)]
    else:
        changes["training.keep"] = list(theirs)
    declared = config.with_changes(Changes(changes))
    tasks = build_tasks(declared.tasks, config.file)
    for name in theirs:
        _refuse_other_task(name, tasks, theirs, declared)
    return declared


def _old_sources(config: Config, run: RunFolder, theirs: Mapping[str, Task]) -> Iterator[dict[str, Any]]:
    """The sources of the run that are still there and that ``config`` does not read already. Their people
    looked for the tasks of the run alone.
    """
    then = run.config()
    ours = {located(config.base, str(t.get("path"))) for t in config.sources}
    asked = [name for name, task in theirs.items() if task.answered_by == name]
    for table in then.sources:
        paths = {key: located(then.base, str(table[key])) for key in ("path", "images") if table.get(key)}
        if paths["path"] not in ours and all(map(exists, paths.values())):
            yield {"annotates": asked, **table, **{key: str(path) for key, path in paths.items()}}


def _as_there(config: Config, then: Config, run: RunFolder) -> Iterator[tuple[str, Any]]:
    """What decides how pictures enter and which network answers, as it is in the run."""
    for section, keys in (
        ("backbone", OF_ANSWERS),
        ("pictures", ("fit", "value_range")),
        ("training", ("precision",)),
    ):
        ours, theirs = getattr(config, section), getattr(then, section)
        for key in keys:
            old, new = (table.model_dump(mode="json")[key] for table in (theirs, ours))
            if key in ours.model_fields_set and old != new and not (key == "value_range" and new == "auto"):
                raise ConfigError(
                    f"[{section}] {key} is {inline(old)} in {run.address}, whose answers are to stay as they "
                    f"are, and {inline(new)} here",
                    location=config.file,
                    hint=f"leave {key} out, or write what it is there",
                )
            if section != "backbone" and key in theirs.model_fields_set:
                yield f"{section}.{key}", old
    table = then.backbone.model_dump(mode="json", exclude_unset=True)
    yield "backbone", {**table, "freeze": True}


def _stages(config: Config, then: Config, new: list[str], stage: bool) -> dict[str, str]:
    theirs, ours = kinds_of_stage(then.training.task_stage), kinds_of_stage(config.training.task_stage)
    for name, kind in ours.items():
        if name in then.tasks and theirs.get(name) != kind:
            raise ConfigError(
                f'[training] task_stage gives "{name}" what it does not have in the run',
                location=config.file,
                hint=f"leave {name} out of it: only new tasks can have one",
            )
    return {**theirs, **(dict.fromkeys(new, "stage") if stage else {}), **ours}
