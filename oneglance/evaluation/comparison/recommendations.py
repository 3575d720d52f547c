"""What to do for a task that learned worse among others than alone: one remedy, why this one, what it costs.

The rules are in ``remedy``, in their order. They go by what a comparison measured and by what its joint
trainings saw of the gradients; that a remedy mends is told by nothing but another comparison.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from oneglance.adapter import Adapter
from oneglance.config import Config
from oneglance.data.image_inputs import relative
from oneglance.errors import ConfigError
from oneglance.evaluation import gradient_conflicts, loss_weight_search, task_grouping
from oneglance.evaluation.comparison import variants
from oneglance.evaluation.gradient_conflicts import History
from oneglance.network import Network, parts_of
from oneglance.run_folder import RunFolder
from oneglance.task import build_tasks

CONFLICT = -0.1  # mean cosine to another task from which on they disturb each other, if beyond noise
SMALL = 0.5  # of an even share of the gradient: a task with less is hardly heard
SEEDS = 3  # of the search for weights that is advised

CALLED = {
    "longer training": "longer training",
    "private_stage": "a part of the network of its own",
    "weight": "other weights",
    "grouping": "a network apart",
}
A_PART = {"stage": "a last stage of its own", "adapter": "an adapter"}


@dataclass(frozen=True)
class Own:
    """A part of the network that a task could have for itself."""

    kind: str  # "stage" or "adapter", as [training] private_stage calls it
    parameters: int
    operations: float  # per picture, as a share of those of the joint network


@dataclass(frozen=True)
class Known:
    """What there is beside the numbers of compare.json."""

    config: Config
    weights: Mapping[str, float]  # of the losses
    histories: Sequence[History]  # of the joint trainings
    long: float  # mean epochs of the joint trainings that had the time of all single networks; 0: none
    own: Mapping[str, Own]  # by task, unless it has one already
    out: Path = Path()  # where the comparison is kept


@dataclass(frozen=True)
class Advice:
    """A remedy for one task."""

    task: str
    remedy: str  # "longer training", "private_stage", "weight" or "grouping"
    why: str
    seconds: float  # of training, more than now
    parameters: int
    ms: float  # per picture, more than now
    words: str  # the same costs for a person
    epochs: int = 0  # of a training anew
    part: str = ""  # "stage" or "adapter": what the task gets for itself in a training anew
    verb: tuple[str, ...] = ("train",)  # the command, without the configuration


def advise(found: Mapping[str, Any], config: Config, runs: Path) -> list[dict[str, Any]]:
    """For every task with the verdict "worse", at equal steps or at equal total time, ``{"task", "remedy",
    "command", "cost", "why"}``; nothing where none is, or where joint and single were not both trained.

    Args:
        found: what compare.json holds.
        runs: the folder of the trainings.
    """
    losers = worse(found)
    return advice(found, look(config, runs, int(found["seeds"]), losers)) if losers else []


def worse(found: Mapping[str, Any]) -> list[str]:
    """The tasks that lost against their single network."""
    summary = found["summary"]
    if not {"equal_steps", "equal_time"} <= set(summary):
        return []
    lost = {*summary["equal_steps"]["worse"], *summary["equal_time"]["worse"]}
    return [name for name in found["tasks"] if name in lost]


def advice(found: Mapping[str, Any], known: Known) -> list[dict[str, Any]]:
    """The same from numbers alone."""
    chosen = [remedy(name, found, known) for name in worse(found)]
    parts = {one.task: one.part for one in chosen if one.part}
    return [
        {
            "task": one.task,
            "remedy": one.remedy,
            "command": command(one, known.config, parts),
            "cost": {
                "seconds": round(one.seconds, 1),
                "parameters": one.parameters,
                "ms_per_picture": round(one.ms, 4),
                "words": one.words,
            },
            "why": one.why,
        }
        for one in chosen
    ]


def sentences(advised: Iterable[Mapping[str, Any]]) -> list[str]:
    """One for each task, as a terminal shows them."""
    return [
        f"{one['task']} learned worse than alone; try {CALLED[one['remedy']]}. Why: {one['why']}. "
        f"Cost: {one['cost']['words']}. {one['command']}"
        for one in advised
    ]


# The rules.


def remedy(name: str, found: Mapping[str, Any], known: Known) -> Advice:
    """Longer training, where that alone mended it; else something of its own, where its gradient is against
    another task's; else a weight, where its gradient is hardly heard; else a network apart.
    """
    entry = found["tasks"][name]
    longer = known.long / max(1, found["epochs"])
    if entry["equal_time"]["verdict"] != "worse" and longer > 1:
        return _longer(name, found, known, longer)
    against = _conflict(name, known)
    if against and name in known.own:
        return _private(name, found, known.own[name], *against)
    share = gradient_conflicts.late_share(known.histories, known.weights, name)
    if share is not None and share < SMALL / len(found["tasks"]):
        return _weight(name, found, known, share)
    return _apart(name, found, known)


def _conflict(name: str, known: Known) -> tuple[str, float] | None:
    """The task whose gradient is most against that of ``name``, if it is so strongly and beyond noise."""
    cosines = gradient_conflicts.pooled(known.histories)
    worst = cosines.worst(name) if cosines and name in cosines.names else None
    if cosines is None or worst is None or worst[1] > CONFLICT:
        return None
    one, other = (cosines.names.index(task) for task in (name, worst[0]))
    spread = cosines.spread()[one, other]
    error = spread / math.sqrt(len(cosines.epochs)) if math.isfinite(spread) else 0.0
    return worst if worst[1] + task_grouping.NOISE * error < 0 else None


def _longer(name: str, found: Mapping[str, Any], known: Known, longer: float) -> Advice:
    table, joint = known.config.training, found["cost"]["joint"]
    epochs = max(table.epochs + 1, round(table.epochs * longer))
    times = epochs / table.epochs
    whole = joint["seconds"] * table.epochs / max(1, found["epochs"])  # a budget may have shortened it
    seconds = whole * (times - 1)
    return Advice(
        name,
        "longer training",
        "trained for as many seconds as the single networks together, it is not worse than alone",
        seconds,
        0,
        0.0,
        f"training takes {times:.1f} times as long, {_time(seconds)} more; the network stays as it is",
        epochs=epochs,
    )


def _private(name: str, found: Mapping[str, Any], own: Own, other: str, cosine: float) -> Advice:
    joint = found["cost"]["joint"]
    seconds, ms = (own.operations * joint[key] for key in ("seconds", "ms_per_picture"))
    more = _share(own.parameters / joint["parameters"])
    return Advice(
        name,
        "private_stage",
        f"its gradient goes against that of {other} (mean cosine −{abs(cosine):.2f} in the last third)",
        seconds,
        own.parameters,
        ms,
        f"{A_PART[own.kind]} has {own.parameters:,} parameters ({more} more) and makes a step about "
        f"{_share(own.operations)} longer, {_time(seconds)} of training",
        part=own.kind,
    )


def _weight(name: str, found: Mapping[str, Any], known: Known, share: float) -> Advice:
    one = found["cost"]["joint"]["seconds"] / max(1, found["epochs"])
    seconds = (
        SEEDS * one * loss_weight_search.cost(loss_weight_search.CANDIDATES, known.config.training.epochs)
    )
    return Advice(
        name,
        "weight",
        f"it has {_share(share)} of the gradient at the shared features; "
        f"an even share is {_share(1 / len(found['tasks']))}",
        seconds,
        0,
        0.0,
        f"the search takes about {_time(seconds)}, once; the network stays as it is",
        verb=("tune", "--seeds", str(SEEDS)),
    )


def _apart(name: str, found: Mapping[str, Any], known: Known) -> Advice:
    """Two networks: parted as the gradients speak for, if they do; else the task alone."""
    cosines, joint = gradient_conflicts.pooled(known.histories), found["cost"]["joint"]
    options = task_grouping.propose(cosines)["groupings"] if cosines else []
    parted = next(
        (option for option in options if option["networks"] == 2 and task_grouping.sure(option)), None
    )
    if parted:
        groups = parted["groups"]
        why = f"the gradients speak for two networks: {task_grouping.words(groups)}"
    else:
        groups = [[task for task in found["tasks"] if task != name], [name]]
        why = "neither a conflict of gradients nor a small share of them explains it: it may be best alone"
    # A budget has shortened the trainings that are there: others than these cannot be added to them.
    out = known.out.with_name(f"{known.out.name}-parted") if found["budget"] else known.out
    try_it = ["--groups", ",".join("+".join(group) for group in groups)]
    try_it += ["--seeds", str(found["seeds"]), "--out", relative(Path.cwd(), out)]
    return Advice(
        name,
        "grouping",
        why,
        joint["seconds"],
        joint["parameters"],
        joint["ms_per_picture"],
        f"two networks take twice the time to train ({_time(joint['seconds'])} more) and to answer, "
        f"and {joint['parameters']:,} more parameters",
        epochs=found["epochs"] if found["budget"] else 0,
        # Of two tasks, both are alone then, which has been compared.
        verb=("compare", *try_it) if len(found["tasks"]) > 2 else ("group",),
    )


# Commands and figures.


def command(one: Advice, config: Config, parts: dict[str, str]) -> str:
    """What to type here, with the settings that this comparison had. Tasks that are each to have a part of
    their own (``parts``, by task) get it in one training.
    """
    verb, *options = one.verb
    changes = list(config.overrides)
    if one.epochs:
        key = "training.epochs="
        changes = [change for change in changes if not change.startswith(key)] + [f"{key}{one.epochs}"]
    if one.part:
        whole = parts_of(config.training.private_stage) | parts
        value = list(whole) if set(whole.values()) == {"stage"} else whole
        changes.append(f"training.private_stage={variants.inline(value)}")
    words = ["oneglance", verb, relative(Path.cwd(), config.base / config.file), *options]
    return shlex.join([*words, *(word for change in changes for word in ("--set", change))])


def _share(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 or not value else f"{100 * value:.1f} %"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# What the trainings left behind.


def look(config: Config, runs: Path, seeds: int, losers: Sequence[str]) -> Known:
    """Of the trainings in ``runs``, for the tasks that lost.

    Raises:
        RunError: one of them is damaged.
    """
    joint = [RunFolder(runs / f"joint-{seed}") for seed in range(seeds)]
    long = [len(RunFolder(runs / f"joint_long-{seed}").history()) for seed in range(seeds)]
    tasks = build_tasks(config.tasks, config.file)
    then = joint[0].config()
    network = joint[0].network(then, joint[0].tasks(then))
    return Known(
        config,
        {name: task.weight for name, task in tasks.items()},
        [run.history() for run in joint],
        sum(long) / len(long),
        {
            name: own_part(network, places=tasks[name].is_spatial)
            for name in losers
            if name not in config.training.private_stage
        },
        runs.parent,
    )


@torch.no_grad()
def own_part(network: Network, *, places: bool) -> Own:
    """The last stage of the backbone, or where that cannot be parted, an adapter; counted, not timed."""
    backbone, kind = network.backbone, "stage"
    try:
        part = backbone.branch()
    except ConfigError:
        part, kind = Adapter(backbone.shape, places=places), "adapter"
    width, height = backbone.shape.canvas
    wanted, backbone.gives_below = backbone.gives_below, backbone.gives_below or kind == "stage"
    try:
        with FlopCounterMode(display=False) as whole:
            features = network.eval().features(torch.zeros(1, 3, height, width))
            network.answer(features)
        with FlopCounterMode(display=False) as own:
            part.eval()(features)
    finally:
        backbone.gives_below = wanted
    parameters = sum(parameter.numel() for parameter in part.parameters())
    return Own(kind, parameters, own.get_total_flops() / max(1, whole.get_total_flops()))
