"""Which tasks should share a network: groups by the cosines between their gradients in one joint training.

The exhaustive search over groups is that of Standley et al. 2020 (arXiv 1905.07553) with the affinities of a
single joint run, as Fifty et al. 2021 (TAG, arXiv 2109.04617) have it. To first order TAG's look-ahead
affinity is the product of two gradients over a loss, so the cosine stands for it: the history has it anyway.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.config import Config
from oneglance.errors import ConfigError, RunError, nearest
from oneglance.evaluation import gradient_conflicts
from oneglance.evaluation.comparison import variants
from oneglance.evaluation.gradient_conflicts import Cosines
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder, runs_in
from oneglance.training.experiment_data import ExperimentData

EXHAUSTIVE = 8  # tasks up to which every grouping is tried: 4,140 of them
SHORT = 4  # the training made for this is that many times shorter, but has at least ...
LEAST = 6  # ... so many epochs
NOISE = 2.0  # standard errors between epochs that a gain must exceed

Group = tuple[int, ...]  # indices of tasks
Grouping = tuple[Group, ...]


def partitions(count: int) -> Iterator[Grouping]:
    """Every way to part ``count`` tasks into groups, once."""
    if count == 0:
        yield ()
        return
    last = count - 1
    for smaller in partitions(last):
        for index, group in enumerate(smaller):
            yield (*smaller[:index], (*group, last), *smaller[index + 1 :])
        yield (*smaller, (last,))


def merged(grouping: Grouping) -> Iterator[Grouping]:
    """Every grouping in which two of the groups are one."""
    for first in range(len(grouping)):
        for second in range(first + 1, len(grouping)):
            rest = [group for index, group in enumerate(grouping) if index not in (first, second)]
            yield (*rest, tuple(sorted(grouping[first] + grouping[second])))


def score(grouping: Grouping, cosines: np.ndarray) -> np.ndarray:
    """Mean over the tasks of the mean cosine to the others of its group; a task alone has 0: nobody helps it
    and nobody disturbs it. ``cosines`` [..., tasks, tasks], NaN where a pair was never seen; returns [...].
    """
    known = np.isfinite(cosines)
    values = np.where(known, cosines, 0)
    total = np.zeros(cosines.shape[:-2])
    for group in grouping:
        rows, columns = np.ix_(group, group)
        seen = known[..., rows, columns].sum(axis=-1)
        total += (values[..., rows, columns].sum(axis=-1) / np.maximum(seen, 1)).sum(axis=-1)
    return total / cosines.shape[-1]


def best_groupings(cosines: np.ndarray) -> list[Grouping]:
    """The best one for each number of networks, from 1 on, among all; for many tasks among those that come of
    joining, step by step, the two groups that gain most.
    """
    count = len(cosines)
    if count <= EXHAUSTIVE:
        best: dict[int, tuple[float, Grouping]] = {}
        for grouping in partitions(count):
            mean_cosine = float(score(grouping, cosines))
            if mean_cosine > best.get(len(grouping), (-math.inf,))[0]:
                best[len(grouping)] = mean_cosine, grouping
        return [best[networks][1] for networks in range(1, count + 1)]
    chain: list[Grouping] = [tuple((index,) for index in range(count))]
    while len(chain[-1]) > 1:
        chain.append(max(merged(chain[-1]), key=lambda grouping: float(score(grouping, cosines))))
    return chain[::-1]


def propose(measured: Cosines) -> dict[str, Any]:
    """What ``group`` tells, without the run that it comes from."""
    mean = measured.mean()
    options: list[dict[str, Any]] = []
    for grouping in best_groupings(mean):
        gain, error = _gain(grouping, measured)
        options.append(
            {
                "networks": len(grouping),
                "groups": [[measured.names[index] for index in group] for group in sorted(grouping)],
                "score": round(float(score(grouping, mean)), 4),
                "gain": round(gain, 4),
                "error": None if error is None else round(error, 4),
            }
        )
    gaining = [option for option in options if sure(option)]
    chosen = max(gaining, key=lambda option: option["score"], default=options[0])
    pairs = [(i, j) for i in range(len(mean)) for j in range(i + 1, len(mean)) if np.isfinite(mean[i, j])]
    return {
        "tasks": list(measured.names),
        "epochs": len(measured.epochs),
        "cosines": {
            f"{measured.names[i]} | {measured.names[j]}": round(float(mean[i, j]), 4) for i, j in pairs
        },
        "groupings": options,
        "proposed": chosen["groups"],
        "notes": _notes(measured, chosen),
    }


def _gain(grouping: Grouping, measured: Cosines) -> tuple[float, float | None]:
    """Over one network for all, and its standard error between epochs; None for fewer than two."""
    one: Grouping = (tuple(range(len(measured.names))),)
    mean = measured.mean()
    gain = float(score(grouping, mean) - score(one, mean))
    apart = score(grouping, measured.epochs) - score(one, measured.epochs)
    return gain, float(np.std(apart, ddof=1) / math.sqrt(len(apart))) if len(apart) > 1 else None


def sure(option: Mapping[str, Any]) -> bool:
    """Whether one of ``groupings`` gains more than the noise between epochs."""
    return option["error"] is not None and option["gain"] > NOISE * option["error"] and option["gain"] > 0


def _notes(measured: Cosines, chosen: dict[str, Any]) -> list[str]:
    notes = []
    if len(measured.epochs) < 2:
        notes.append("one epoch alone tells nothing of noise, so no parting is proposed: train longer")
    elif chosen["networks"] == 1:
        notes.append("no parting gains more than the noise between epochs: let them learn together")
    else:
        notes.append(f"{chosen['networks']} networks take {chosen['networks']} times the time to answer")
    notes.append(
        "cosines of gradients predict only poorly which tasks learn better apart (Royer et al. 2023): "
        "try it with oneglance compare --groups before you part any"
    )
    return notes


def words(groups: Iterable[Iterable[str]]) -> str:
    """Groups of tasks for a person."""
    return " | ".join(" + ".join(group) for group in groups)


def refuse(groups: Sequence[Sequence[str]], tasks: Mapping[str, Any]) -> None:
    """
    Raises:
        ConfigError: they are no way to part ``tasks`` that is neither one network nor one for each.
    """
    if not groups:
        return
    named = [name for group in groups for name in group]
    hint = f"write every task once, such as {_example(list(tasks))}"
    for name in named:
        if name not in tasks:
            raise ConfigError(f'names "{name}".{nearest(name, tasks)}', location="--groups", hint=hint)
    if missing := [name for name in tasks if name not in named]:
        raise ConfigError(f"leaves out {', '.join(missing)}", location="--groups", hint=hint)
    if len(named) > len(tasks):
        raise ConfigError("names a task twice", location="--groups", hint=hint)
    if len(groups) in (1, len(tasks)):
        what = "is the joint network" if len(groups) == 1 else "are the single networks"
        raise ConfigError(f"{what}, which is compared anyway", location="--groups", hint=hint)


def _example(tasks: Sequence[str]) -> str:
    return f"{'+'.join(tasks[:-1])},{tasks[-1]}" if len(tasks) > 2 else "a+b,c where there are three tasks"


# The run that it comes from.


def joint_run(config: Config, out: Path, runs: Path, screen: Screen) -> RunFolder:
    """A finished run of this configuration that looked at gradients, the youngest of ``runs``; else a short
    training, kept in ``out`` and read from there the next time.

    Raises:
        ConfigError: there is a single task, or its backbone does not learn.
    """
    if len(config.tasks) < 2:
        raise ConfigError("declares one task, which nothing can be grouped with", location=config.file)
    if config.backbone.freeze:
        raise ConfigError(
            "[backbone] freeze leaves no gradients to compare", location=config.file, hint="set it to false"
        )
    fitting = [run for run in runs_in(runs) if _tells_of(run, config)]
    if fitting:
        return max(fitting, key=lambda run: (run / "tasks.json").stat().st_mtime)
    epochs = min(config.training.epochs, max(LEAST, config.training.epochs // SHORT))
    experiment = ExperimentData.load(config, screen)
    return variants.trained(experiment, out, variants.variant(experiment.config, 0, epochs), screen)


def _tells_of(run: RunFolder, config: Config) -> bool:
    if not run.finished:
        return False
    try:
        then = run.config()
        changes = dict(then.overrides)
        if config.pictures.value_range == "auto":  # the run keeps what was measured then
            changes.pop("pictures.value_range", None)
        return (then.text, changes) == (config.text, config.overrides) and bool(
            gradient_conflicts.cosines(run.history())
        )
    except (ConfigError, RunError):
        return False  # damaged: as if it were not there


def of_run(run: RunFolder) -> dict[str, Any]:
    """The proposal that the history of a run leads to.

    Raises:
        RunError: it holds no cosines.
    """
    measured = gradient_conflicts.cosines(run.history())
    if measured is None:
        raise RunError(
            "its history holds no cosines between gradients: it has one task, a frozen backbone, or is old",
            location=run.address,
            hint="train anew, or name an oneglance.toml instead",
        )
    return {"run": run.address, **propose(measured)}
