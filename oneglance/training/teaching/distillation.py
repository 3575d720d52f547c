"""oneglance distil: the configuration of a training in which one network learns all answers of finished ones.

It is an ordinary one with [training] teachers; what it does not say is as in the first teacher that is a run
folder: its backbone, how pictures enter and are changed, and how long it learns.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneglance import config as configuration
from oneglance.config import Config
from oneglance.errors import ConfigError, command
from oneglance.storage.plain_files import is_file, is_folder, read_plain, resolved
from oneglance.storage.remote.addresses import address_of
from oneglance.storage.run_folder import RunFolder
from oneglance.toml.overrides import Changes, Overrides
from oneglance.training.teaching.networks_at import NetworkAt, networks_at

OF_TEACHERS = ("teachers", "teacher_weight", "teacher_features")
NOT_TAKEN = ("from", "keep", *OF_TEACHERS, "task_stage", "minutes", "tensorboard")
"""Keys of a teacher's [training] that are its own matter."""
FLIPS = ("flip", "flip_vertical")


@dataclass
class Declared:
    """What one teacher was trained with."""

    title: str
    config: Config
    tasks: dict[str, dict[str, Any]]  # tables by the name that they have among all
    is_run: bool


def distilled(runs: Sequence[str | Path], pictures: str | Path, overrides: Overrides) -> Config:
    """The configuration of one network that learns what ``runs`` answer.

    Args:
        runs: finished run folders, folders of ``combine`` or ``.onnx`` files.
        pictures: a folder, archive or table of pictures, or an oneglance.toml with sources, and perhaps
            tasks, a backbone and all else.
        overrides: changes to it.

    Raises:
        ConfigError: no run, two with a task of the same name, or no such pictures.
        RunError: one is no finished run.
    """
    if not runs:
        raise ConfigError("there is no teacher", hint="name at least one finished run")
    declared = [_declared(one) for run in runs for one in networks_at(Path(run), str(run))]
    tables = _own_tables(Path(pictures))
    changes: dict[str, Any] = {}
    for name, table in _tasks_of(declared, runs, pictures).items():
        if name not in tables.get("tasks", {}):
            changes[f"tasks.{name}"] = table
    first = next((one for one in declared if one.is_run), declared[0])
    if "backbone" not in tables:
        backbone = first.config.backbone.model_dump(mode="json", exclude_unset=True)
        changes["backbone"] = {key: value for key, value in backbone.items() if key != "freeze"}
    for section, values in _inherited(declared, first).items():
        own = tables.get(section, {})
        changes |= {f"{section}.{key}": value for key, value in values.items() if key not in own}
    changes["training.teachers"] = [str(resolved(Path(run))) for run in runs]
    both = Changes(changes).followed_by(Changes.of(overrides))
    if tables:
        config = configuration.load(Path(pictures), both)
    else:
        source = {"path": str(resolved(Path(pictures)))}
        whole = {"sources": [source], "split": {"test": 0.0, "validation": 0.1}, "tasks": {}}
        config = configuration.load(both.apply(whole))
    return _started(config, first, both)


def _started(config: Config, first: Declared, given: Changes) -> Config:
    """It begins with the weights of the first teacher where both have the same backbone, unless it says
    itself what to begin with.
    """
    ours, theirs = config.backbone, first.config.backbone
    parts = ("name", "options", "size", "weights")
    alike = all(getattr(ours, part) == getattr(theirs, part) for part in parts)
    if not (first.is_run and alike) or config.training.from_ or "training.from" in given:
        return config
    return config.with_changes({"training.from": first.title})


def _own_tables(pictures: Path) -> dict[str, Any]:
    """The tables of an oneglance.toml; none where it is no such file."""
    if pictures.suffix.lower() != ".toml" or is_folder(pictures) or not is_file(pictures):
        return {}
    try:
        text = read_plain(pictures, configuration.LARGEST).decode("utf-8")
        return dict(tomllib.loads(text.removeprefix("\ufeff")))
    except (OSError, ValueError, RecursionError):
        configuration.load(pictures)  # says what is wrong with it
        raise


def _declared(network: NetworkAt) -> Declared:
    if network.run is not None:
        return _of_run(network.run, network.rename)
    config = network.opened_file("cpu", passes=1).config
    return Declared(network.title, config, dict(config.tasks), is_run=False)


def _of_run(run: RunFolder, rename: Mapping[str, str]) -> Declared:
    config = run.answering_config()
    run.tasks(config)  # refuses one that is not finished
    tables = {rename.get(name, name): _renamed(name, table, rename) for name, table in config.tasks.items()}
    return Declared(address_of(run.address) or str(resolved(run.path)), config, tables, is_run=True)


def _renamed(name: str, table: Mapping[str, Any], rename: Mapping[str, str]) -> dict[str, Any]:
    """The table of a task that is called otherwise among all, as may be those that it names."""
    new = dict(table)
    if name in rename:
        new.setdefault("from", name)
    if "uses" in new:
        new["uses"] = [rename.get(used, used) for used in new["uses"]]
    if "like" in new:
        new["like"] = rename.get(new["like"], new["like"])
    return new


def _tasks_of(
    declared: Sequence[Declared], runs: Sequence[str | Path], pictures: str | Path
) -> dict[str, dict[str, Any]]:
    tables: dict[str, dict[str, Any]] = {}
    owner: dict[str, str] = {}
    for one in declared:
        for name, table in one.tasks.items():
            if name in tables:
                combined = command("combine", *runs, "--out", "runs/all", "--rename", f"RUN.{name}=NAME")
                raise ConfigError(
                    f'{owner[name]} and {one.title} each have a task "{name}"',
                    hint=f"call one of them otherwise, and distil what comes of it: {combined}",
                )
            tables[name], owner[name] = table, one.title
    return tables


def _inherited(declared: Sequence[Declared], first: Declared) -> dict[str, dict[str, Any]]:
    """Keys of the first teacher's tables that were set; pictures are mirrored only where all were."""
    then = first.config
    training = then.training.model_dump(mode="json", by_alias=True, exclude_unset=True)
    augment = then.augment.model_dump(mode="json", exclude_unset=True)
    for key in FLIPS:
        if not all(getattr(one.config.augment, key) for one in declared if one.is_run):
            augment[key] = False
    return {
        "training": {key: value for key, value in training.items() if key not in NOT_TAKEN},
        "augment": augment,
        "pictures": then.pictures.model_dump(mode="json", exclude_unset=True),
    }
