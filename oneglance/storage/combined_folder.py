"""Several finished runs in one folder, which answers the tasks of all of them.

combined.json        the networks by name, and which of their tasks are called otherwise here
networks/NAME/       a copy of each finished run, without what only a training needs
report.json, report.html   what ``evaluate`` found
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oneglance.errors import ConfigError, OneglanceError, RunError, command, nearest
from oneglance.storage.atomic_files import new_folder, write_json
from oneglance.storage.plain_files import folders_with, is_file, is_folder
from oneglance.storage.remote.copies import fetched_folder
from oneglance.storage.run_files import COMBINATION, COMBINED, OtherForm, in_form
from oneglance.storage.run_folder import RunFolder, overview
from oneglance.task import build_tasks

VERSION = 1  # of combined.json
LARGEST = 10_000_000  # bytes of combined.json
# What a run keeps of itself but what it takes to go on, its reports and what else lies there.
COPIED = (
    "config.toml",
    "overrides.json",
    "environment.json",
    "split.csv",
    "fingerprint.json",
    "unreadable.json",
    "history.jsonl",
    "start.json",
    "fitted.json",
    "weights.safetensors",
    "novelty.safetensors",
    "reads.json",
    "tasks.json",
)
TASK_NAME = re.compile(r"\w[\w -]*")
AGAIN = "combine the runs again"


class CombinedRun(NamedTuple):
    """One of the networks of a combined folder."""

    name: str
    run: RunFolder
    rename: Mapping[str, str]  # own name of a task -> its name among all

    def tasks(self) -> dict[str, str]:
        """Own name of each task -> its name among all.

        Raises:
            OneglanceError: the run is not finished, or damaged.
        """
        return {name: self.rename.get(name, name) for name in self.run.tasks(self.run.answering_config())}


class CombinedFolder:
    """Several runs on disk."""

    def __init__(self, path: Path, networks: Sequence[CombinedRun]) -> None:
        self.path, self.networks = path, list(networks)

    @classmethod
    def open(cls, path: str | Path) -> CombinedFolder:
        """An existing one.

        Raises:
            RunError: it is damaged, or of a newer version.
        """
        folder = fetched_folder(path)
        location = folder / COMBINED
        try:
            if location.stat().st_size > LARGEST:
                raise OtherForm("it is larger than any such file")
            value: Any = json.loads(location.read_bytes().decode("utf-8"))
            if (
                isinstance(value, dict)
                and isinstance(value.get("version"), int)
                and value["version"] > VERSION
            ):
                raise RunError(
                    "was written by a newer version of oneglance",
                    location=str(folder),
                    hint="use it there, or install that version here",
                )
            kept = in_form(value, COMBINATION)
            runs = [
                CombinedRun(one.name, RunFolder.open(folder / "networks" / one.name), one.rename)
                for one in kept.networks
            ]
            names = [name for one in runs for name in one.tasks().values()]
            if len(set(names)) < len(names) or len({one.name for one in runs}) < len(runs):
                raise OtherForm("two of its networks or tasks have the same name")
        except OSError as error:
            raise RunError(f"cannot be read ({error.strerror or error})", location=str(location)) from None
        except OtherForm as error:
            raise RunError(f"is damaged: {error}", location=str(location), hint=AGAIN) from None
        except (ValueError, RecursionError):
            raise RunError("is damaged", location=str(location), hint=AGAIN) from None
        return cls(folder, runs)

    @classmethod
    def create(cls, path: Path, networks: Sequence[CombinedRun]) -> CombinedFolder:
        """A new one, with a copy of each run; it appears as a whole.

        Raises:
            RunError: something is there already, or it cannot be written.
        """
        refuse_taken(path)
        with new_folder(path, last=COMBINED) as filling:
            for one in networks:
                copy = filling / "networks" / one.name
                copy.mkdir(parents=True)
                for name in COPIED:
                    if is_file(one.run / name):
                        shutil.copyfile(one.run / name, copy / name)
            kept = [{"name": one.name, "rename": dict(one.rename)} for one in networks]
            write_json(filling / COMBINED, {"version": VERSION, "networks": kept})
        return cls.open(path)


def refuse_taken(path: Path) -> None:
    """
    Raises:
        RunError: something is there.
    """
    if is_file(path) or (is_folder(path) and any(path.iterdir())):
        what = "holds a run already" if is_file(path / "config.toml") else "is there already"
        raise RunError(what, location=str(path), hint="name another --out")


def networks_of(paths: Sequence[str | Path]) -> list[CombinedRun]:
    """The finished runs at ``paths``, each under a name of its own; of a combined folder those in it.

    Raises:
        OneglanceError: one of them is no finished run, or is damaged.
    """
    networks: list[CombinedRun] = []
    for path in paths:
        folder = Path(path)
        if is_file(folder / COMBINED):
            parts = CombinedFolder.open(folder).networks
        elif folder.suffix.lower() == ".onnx" and not is_folder(folder):
            raise RunError(
                "is a file of export, without what its run keeps beside the network",
                location=str(path),
                hint="name the run folder that it was written from",
            )
        else:
            parts = [CombinedRun(_name_of(folder), RunFolder.open(folder), {})]
        for part in parts:
            part.tasks()
            if part.run.path.resolve() in [one.run.path.resolve() for one in networks]:
                raise ConfigError("is named twice", location=str(path), hint="name each run once")
            networks.append(part._replace(name=_free(part.name, [one.name for one in networks])))
    if len(networks) < 2:
        raise ConfigError("one run alone is nothing to combine", hint="name at least two finished runs")
    return networks


def _name_of(folder: Path) -> str:
    """That of a run folder, where it does not say that it is hidden."""
    return folder.resolve().name.lstrip(".")[:100] or "run"


def _free(name: str, taken: Sequence[str]) -> str:
    """``name``, or with the first number that is free; large and small letters may be the same to a disk."""
    lower, free, number = {one.casefold() for one in taken}, name, 2
    while free.casefold() in lower:
        free, number = f"{name}-{number}", number + 1
    return free


def renamed(
    networks: Sequence[CombinedRun], rename: Mapping[str, str], paths: Sequence[str | Path], out: str | Path
) -> list[CombinedRun]:
    """The same with tasks renamed.

    Args:
        rename: ``{"NETWORK.TASK": new name}``.
        paths: as they were named, for a command in messages.

    Raises:
        ConfigError: there is no such task, the name cannot be, or two tasks have the same name.
    """
    new: dict[str, dict[str, str]] = {one.name: {} for one in networks}
    for key, name in rename.items():
        network, own = _task_named(key, networks)
        if not TASK_NAME.fullmatch(name):
            raise ConfigError(f'--rename {key}: a name is letters, digits, _, - and spaces, not "{name}"')
        new[network][own] = name
    done = [one._replace(rename={**one.rename, **new[one.name]}) for one in networks]
    counts = Counter(name for one in done for name in one.tasks().values())
    if clashing := [name for name, count in counts.items() if count > 1]:
        owners = [one.name for one in done if clashing[0] in one.tasks().values()]
        words: list[object] = ["combine", *paths, "--out", out]
        for key, name in {**rename, **_free_names(networks, done, counts)}.items():
            words += ["--rename", f"{key}={name}"]
        raise ConfigError(
            f'{" and ".join(owners)} each have a task "{clashing[0]}"'
            + (f", and {len(clashing) - 1} more names are there twice" if clashing[1:] else ""),
            hint=f"rename all but one: {command(*words)}",
        )
    return done


def _free_names(
    before: Sequence[CombinedRun], after: Sequence[CombinedRun], taken: Mapping[str, int]
) -> dict[str, str]:
    """``{"b.kind": "b_kind"}``: a free name for each task whose name an earlier network has ``after`` it is
    renamed; it is called by its name ``before``.
    """
    proposed: dict[str, str] = {}
    seen: set[str] = set()
    for old, new in zip(before, after, strict=True):
        called = old.tasks()
        for own, name in new.tasks().items():
            if name in seen:
                whole = re.sub(r"[^\w-]+", "_", f"{old.name}_{name}").lstrip("-")
                proposed[f"{old.name}.{called[own]}"] = _free(whole, [*taken, *proposed.values()])
            seen.add(name)
    return proposed


def _task_named(key: str, networks: Sequence[CombinedRun]) -> tuple[str, str]:
    """``a.kind`` -> the network and its own name of the task, which may have been renamed before."""
    known = {f"{one.name}.{now}": (one.name, own) for one in networks for own, now in one.tasks().items()}
    if key not in known:
        raise ConfigError(f'--rename "{key}": there is no such task.{nearest(key, known)}')
    return known[key]


def combined_in(folder: Path) -> list[Path]:
    """The combined folders directly in ``folder``, by name; ``folder`` alone where it is one itself."""
    return folders_with(folder, COMBINED)


def combined_overview(path: Path, name: str) -> dict[str, Any]:
    """What a list of runs tells of it under this name; a damaged one says so instead of hiding the others."""
    row: dict[str, Any] = {
        "run": name,
        "state": "combined",
        "backbone": "",
        "epochs": 0,
        "best_epoch": None,
        "skill": None,
        "scores": {},
        "seconds": 0,
    }
    try:
        for one in CombinedFolder.open(path).networks:
            part = overview(one.run)
            row["backbone"] += f"{' + ' if row['backbone'] else ''}{part['backbone']}"
            row["epochs"] += part["epochs"]
            row["seconds"] += part["seconds"]
            names = {name: one.rename.get(name, name) for name in build_tasks(one.run.config().tasks)}
            row["scores"] |= {names[name]: score for name, score in part["scores"].items()}
    except OneglanceError as error:
        return {**row, "state": f"damaged: {error}", "scores": {}}
    return row
