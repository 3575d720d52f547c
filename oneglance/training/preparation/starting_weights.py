"""[training] from: a training that starts from the weights of a finished run.

It gets the backbone, and the heads of tasks that have the same name, type and classes there. What it began
with is remembered in start.json, so that it never goes on with something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from oneglance.config import Config
from oneglance.errors import ConfigError, RunError, WeightsError
from oneglance.network import Network
from oneglance.progress import Screen
from oneglance.storage import run_files
from oneglance.storage.atomic_files import write_json
from oneglance.storage.plain_files import add_to_digest, located
from oneglance.storage.run_files import ANSWERING
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task
from oneglance.toml.writer import inline

PARTS = ("heads.{} head.", "adapters.{} adapter.", "branches.{} stage.")
"""How the keys of a task's own weights begin, see ``Network``."""


def starting_run(config: Config) -> tuple[RunFolder, Config]:
    """The run that ``config`` starts from, and the configuration of that run.

    Raises:
        RunError: it is no finished run.
        ConfigError: its backbone is another one.
    """
    run = RunFolder.open(located(config.base, config.training.from_))
    then = run.answering_config()
    run.tasks(then)
    for key, old, new in (
        ("name", then.backbone.name, config.backbone.name),
        ("options", then.backbone.options, config.backbone.options),
    ):
        if old != new:
            raise ConfigError(
                f"{_named(config)} has another backbone: {key} is {inline(old)} there and {inline(new)} here",
                location=config.file,
                hint=f"set backbone.{key} to what it is there, or leave `from` out",
            )
    return run, then


def start_from_run(
    network: Network, tasks: Mapping[str, Task], config: Config, folder: RunFolder, screen: Screen
) -> None:
    """Fill ``network`` with the weights of the run that ``config`` starts from, say what was taken, and
    remember it in ``folder``. A training with a checkpoint of its own needs none of them, unless its backbone
    is frozen: it has its features computed anew.

    Raises:
        RunError: that run is not there, not finished or damaged, or is not what ``folder`` began with.
        ConfigError: its backbone is another one, or pictures enter it in another way.
        WeightsError: its backbone has other weights than this one.
    """
    if (folder.finished or (folder / "resume.pt").exists()) and not config.backbone.freeze:
        return
    run, then = starting_run(config)
    digest, kept = _digest(run), None
    if (folder / "start.json").exists():
        kept = folder.read_json("start.json", run_files.START)
    if kept is not None and kept.sha256 != digest:
        raise RunError(
            "is not what this run began with: it was trained on since then, or is another run",
            location=run.address,
            hint="train anew with another --out, or set training.from to where that run lies now",
        )
    their_tasks = run.tasks(then)
    theirs = run.network(then, their_tasks)
    _refuse_other_entrance(network, theirs, config)
    tensors, own = theirs.state_dict(), network.state_dict()
    chosen = _of_backbone(own, tensors, run, then)
    taken, left = list[str](), dict[str, str]()
    for name, task in tasks.items():
        prefixes = tuple(part.format(name) for part in PARTS)
        keys = [key for key in own if key.startswith(prefixes)]
        if name in config.training.keep and is_grown(task, their_tasks.get(name)):
            taken.append(name)
            chosen |= {key: tensors[key] for key in keys if key in tensors}
        elif why := _why_not(task, their_tasks.get(name), keys, own, tensors):
            left[name] = why
        else:
            taken.append(name)
            chosen |= {key: tensors[key] for key in keys}
    known = [*config.training.keep, *config.training.hold]
    if lost := [name for name in known if name in left]:
        key = "keep" if config.training.keep else "hold"
        raise ConfigError(
            f"[training] {key} names {lost[0]}, which cannot be taken from {run.address}: {left[lost[0]]}",
            location=config.file,
            hint=f"declare it as it is there: {run.path / 'config.toml'}",
        )
    network.load_state_dict({**own, **chosen})
    network.copy_last_stages(left)
    if known:
        folder.write_earlier_splits(run.splits_by_content())
    if kept is None:
        write_json(folder / "start.json", {"run": run.address, "sha256": digest, "heads": taken, "new": left})
        for line in _lines(run, taken, left):
            screen.say(line)


def _named(config: Config) -> str:
    return f"[training] from = {inline(config.training.from_)}"


def _lines(run: RunFolder, taken: list[str], left: Mapping[str, str]) -> Iterator[str]:
    heads = f" and the heads of {', '.join(taken)}" if taken else " alone"
    yield f"starting from {run.address}: its backbone{heads}"
    if left:
        yield f"heads that start anew: {', '.join(f'{name} ({why})' for name, why in left.items())}"


def _digest(run: RunFolder) -> str:
    """Of what can be taken: its weights, and what its tasks mean."""
    both = hashlib.sha256()
    for name in ANSWERING:
        try:
            add_to_digest(both, run / name)
        except OSError:
            raise RunError("is missing or cannot be read", location=str(run / name)) from None
    return both.hexdigest()


def _refuse_other_entrance(network: Network, theirs: Network, config: Config) -> None:
    ours = network.backbone
    for key, old, new in (("mean", theirs.backbone.mean, ours.mean), ("std", theirs.backbone.std, ours.std)):
        if tuple(old) != tuple(new):
            raise ConfigError(
                f"{_named(config)} sees pictures with another {key}: {inline(list(old))} there and "
                f"{inline(list(new))} here",
                location=config.file,
                hint="set backbone.weights to what it is there, or leave `from` out",
            )


def _of_backbone(
    own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], run: RunFolder, then: Config
) -> dict[str, Tensor]:
    keys = [key for key in own if key.startswith("backbone.")]
    other = [key for key in keys if key not in tensors or tensors[key].shape != own[key].shape]
    if other:
        raise WeightsError(
            f"its backbone does not fit this one: {other[0].removeprefix('backbone.')} has another shape",
            location=run.address,
            hint=f"set backbone.size to what it is there, {then.backbone.size}, or leave `from` out",
        )
    return {key: tensors[key] for key in keys}


def is_grown(task: Task, theirs: Task | None) -> bool:
    """Whether it learns classes that ``theirs``, the same task of a finished run, does not have."""
    return theirs is not None and bool(task.added_classes) and not theirs.added_classes


def _why_not(
    task: Task,
    theirs: Task | None,
    keys: list[str],
    own: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
) -> str:
    """Why the head of a task cannot be taken; "" where it can."""
    if theirs is None:
        return "not there"
    if theirs.type != task.type:
        return f"its type is {theirs.type} there"
    if _classes(theirs.state()) != _classes(task.state()):
        return "other classes"
    if theirs.uses != task.uses:
        return "it uses other tasks there"
    if any(key not in tensors or tensors[key].shape != own[key].shape for key in keys):
        return "another shape"
    return ""


def _classes(state: Mapping[str, Any]) -> Any:
    """The classes of a task, and those of its attributes."""
    inside = state.get("attributes")
    attributes = inside if isinstance(inside, Mapping) else {}
    return state.get("classes"), {name: _classes(one) for name, one in attributes.items()}
