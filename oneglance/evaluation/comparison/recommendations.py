"""What to do for a task that learned worse among others than alone: one remedy, why this one, what it costs,
and what else can be done with the single networks that are there.

The rules are in ``remedy``, in their order. They go by what a comparison measured and by what its joint
trainings saw of the gradients; whether a remedy helps, only another comparison can tell.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from oneglance.config import Config
from oneglance.data.image_inputs import relative
from oneglance.errors import ConfigError
from oneglance.evaluation import gradient_conflicts, loss_weight_search, task_grouping
from oneglance.evaluation.comparison.remedy import (
    CONFIG,
    Observations,
    OwnPart,
    Recommendation,
    in_percent,
    in_time,
)
from oneglance.evaluation.comparison.single_networks import of_single_networks
from oneglance.network import Network, kinds_of_stage
from oneglance.nn.adapter import Adapter
from oneglance.storage.plain_files import resolved
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Task, build_tasks
from oneglance.toml.overrides import Changes

CONFLICT = -0.1  # mean cosine to another task from which on they conflict, if beyond noise
SMALL = 0.5  # of an even share of the gradient: a task with less has little influence
PART = 0.75  # of the pictures of a step: a task that is answered in fewer has less to learn from than alone
SEEDS = 3  # of the search for weights that is recommended
A_PART = {"stage": "a last stage of its own", "adapter": "an adapter"}


def recommend(comparison: Mapping[str, Any], config: Config, runs: Path) -> list[dict[str, Any]]:
    """For every task with the verdict "worse", at equal steps or at equal total time, ``{"task", "remedy",
    "command", "cost", "why", "others"}``, the latter a list of further remedies without a task; nothing where
    none is, or where joint and single were not both trained.

    Args:
        comparison: what compare.json holds.
        runs: the folder of the trainings.
    """
    losers = losing_tasks(comparison)
    return (
        recommendations(comparison, observe(config, runs, int(comparison["seeds"]), losers)) if losers else []
    )


def losing_tasks(comparison: Mapping[str, Any]) -> list[str]:
    """The tasks that lost against their single network."""
    summary = comparison["summary"]
    if not {"equal_steps", "equal_time"} <= set(summary):
        return []
    lost = {*summary["equal_steps"]["worse"], *summary["equal_time"]["worse"]}
    return [name for name in comparison["tasks"] if name in lost]


def recommendations(comparison: Mapping[str, Any], observed: Observations) -> list[dict[str, Any]]:
    """The same from what was observed."""
    chosen = [remedy(name, comparison, observed) for name in losing_tasks(comparison)]
    parts = {one.task: one.part for one in chosen if one.part}

    def described(one: Recommendation) -> dict[str, Any]:
        cost = {
            "seconds": round(one.seconds, 1),
            "parameters": one.parameters,
            "ms_per_picture": round(one.ms, 4),
            "words": one.words,
        }
        line = command(one, observed.config, parts)
        return {"remedy": one.remedy, "command": line, "cost": cost, "why": one.why}

    return [
        {
            "task": one.task,
            **described(one),
            "others": [
                described(other)
                for other in of_single_networks(one.task, comparison, observed)
                if other.remedy != one.remedy
            ],
        }
        for one in chosen
    ]


# The rules.


def remedy(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    """Longer training, where that alone mended it; else teachers, where these did; else a quota, where it is
    answered in a part of every step only; else something of its own, where its gradient is against another
    task's; else a weight, where its gradient has little influence; else a network apart where the gradients
    speak for one; else the single networks as they are, of which is known that they are better.
    """
    entry = comparison["tasks"][name]
    longer = observed.long / max(1, comparison["epochs"])
    if entry["equal_time"]["verdict"] != "worse" and longer > 1:
        return _longer(name, comparison, observed, longer)
    if "guided_steps" in entry and entry["guided_steps"]["verdict"] != "worse":
        return _guidance(name, comparison, observed)
    if observed.answered.get(name, 1.0) < PART and not observed.config.training.source_quota:
        return _quota(name, comparison, observed)
    against = _conflict(name, observed)
    if against and name in observed.own:
        return _private(name, comparison, observed.own[name], *against)
    share = gradient_conflicts.late_share(observed.histories, observed.weights, name)
    if share is not None and share < SMALL / len(comparison["tasks"]):
        return _weight(name, comparison, observed, share)
    cosines = gradient_conflicts.pooled(observed.histories)
    apart = next(filter(task_grouping.sure, _in_two(cosines)), None)
    if apart is None and (made := next(of_single_networks(name, comparison, observed), None)):
        return made
    return _separate_network(name, comparison, observed, apart)


def _in_two(cosines: gradient_conflicts.Cosines | None) -> list[Mapping[str, Any]]:
    options = task_grouping.propose(cosines)["groupings"] if cosines else []
    return [option for option in options if option["networks"] == 2]


def _conflict(name: str, observed: Observations) -> tuple[str, float] | None:
    """The task whose gradient is most against that of ``name``, if it is so strongly and beyond noise."""
    cosines = gradient_conflicts.pooled(observed.histories)
    worst = cosines.worst(name) if cosines and name in cosines.names else None
    if cosines is None or worst is None or worst[1] > CONFLICT:
        return None
    one, other = (cosines.names.index(task) for task in (name, worst[0]))
    spread = cosines.spread()[one, other]
    error = spread / math.sqrt(len(cosines.epochs)) if math.isfinite(spread) else 0.0
    return worst if worst[1] + task_grouping.NOISE * error < 0 else None


def _longer(
    name: str, comparison: Mapping[str, Any], observed: Observations, longer: float
) -> Recommendation:
    table, joint = observed.config.training, comparison["cost"]["joint"]
    epochs = max(table.epochs + 1, round(table.epochs * longer))
    times = epochs / table.epochs
    total = joint["seconds"] * table.epochs / max(1, comparison["epochs"])  # a budget may have shortened it
    seconds = total * (times - 1)
    return Recommendation(
        name,
        "longer training",
        "trained for as many seconds as the single networks together, it is not worse than alone",
        seconds,
        0,
        0.0,
        f"training takes {times:.1f} times as long, {in_time(seconds)} more; the network stays as it is",
        epochs=epochs,
    )


def _guidance(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    cost = comparison["cost"]
    seconds = cost["guided"]["seconds"] - cost["joint"]["seconds"]
    runs = [f"single-{task}-0" for task in comparison["tasks"]]
    return Recommendation(
        name,
        "guidance",
        "taught by the single networks, it is not worse than alone",
        seconds,
        0,
        0.0,
        f"with the training of its teachers it takes {in_time(seconds)} more; the network stays as it is",
        epochs=comparison["epochs"] if comparison["budget"] else 0,
        teachers=tuple(str(resolved(observed.out / "runs" / run)) for run in runs),
    )


def _quota(name: str, comparison: Mapping[str, Any], observed: Observations) -> Recommendation:
    """As many steps as now, each with the pictures that every task has alone: at most those of all tasks one
    after the other, at least those that the rarest one needs.
    """
    table, joint, shares = observed.config.training, comparison["cost"]["joint"], observed.answered.values()
    times = min(float(len(comparison["tasks"])), 1 / min(shares))
    epochs = max(1, round(table.epochs / max(shares)))
    seconds = joint["seconds"] * table.epochs / max(1, comparison["epochs"]) * (times - 1)
    return Recommendation(
        name,
        "source_quota",
        f"{in_percent(observed.answered[name])} of the pictures of a step answer it, "
        "and all of a step of its own network",
        seconds,
        0,
        0.0,
        f"a step has about {times:.1f} times as many pictures, {in_time(seconds)} of training more; "
        "the network stays as it is",
        epochs=epochs if epochs != table.epochs else 0,
        quota=True,
    )


def _private(
    name: str, comparison: Mapping[str, Any], own: OwnPart, other: str, cosine: float
) -> Recommendation:
    joint = comparison["cost"]["joint"]
    seconds, ms = (own.operations * joint[key] for key in ("seconds", "ms_per_picture"))
    more = in_percent(own.parameters / joint["parameters"])
    return Recommendation(
        name,
        "private_stage",
        f"its gradient goes against that of {other} (mean cosine −{abs(cosine):.2f} in the last third)",
        seconds,
        own.parameters,
        ms,
        f"{A_PART[own.kind]} has {own.parameters:,} parameters ({more} more) and makes a step about "
        f"{in_percent(own.operations)} longer, {in_time(seconds)} of training",
        part=own.kind,
    )


def _weight(name: str, comparison: Mapping[str, Any], observed: Observations, share: float) -> Recommendation:
    one = comparison["cost"]["joint"]["seconds"] / max(1, comparison["epochs"])
    seconds = (
        SEEDS * one * loss_weight_search.cost(loss_weight_search.CANDIDATES, observed.config.training.epochs)
    )
    return Recommendation(
        name,
        "weight",
        f"it has {in_percent(share)} of the gradient at the shared features; "
        f"an even share is {in_percent(1 / len(comparison['tasks']))}",
        seconds,
        0,
        0.0,
        f"the search takes about {in_time(seconds)}, once; the network stays as it is",
        verb=("tune", "--seeds", str(SEEDS)),
    )


def _separate_network(
    name: str, comparison: Mapping[str, Any], observed: Observations, two: Mapping[str, Any] | None
) -> Recommendation:
    """Two networks: the groups for which the gradients speak, if they do; else the task alone."""
    joint = comparison["cost"]["joint"]
    if two:
        groups = two["groups"]
        why = f"the gradients speak for two networks: {task_grouping.words(groups)}"
    else:
        groups = [[task for task in comparison["tasks"] if task != name], [name]]
        why = "neither a conflict of gradients nor a small share of them explains it: it may be best alone"
    # A budget has shortened the trainings that are there: others than these cannot be added to them.
    out = observed.out.with_name(f"{observed.out.name}-parted") if comparison["budget"] else observed.out
    try_it = ["--groups", ",".join("+".join(group) for group in groups)]
    try_it += ["--seeds", str(comparison["seeds"]), "--out", relative(Path.cwd(), out)]
    return Recommendation(
        name,
        "grouping",
        why,
        joint["seconds"],
        joint["parameters"],
        joint["ms_per_picture"],
        f"two networks take twice the time to train ({in_time(joint['seconds'])} more) and to answer, "
        f"and {joint['parameters']:,} more parameters",
        epochs=comparison["epochs"] if comparison["budget"] else 0,
        # Of two tasks, both are alone then, which has been compared.
        verb=("compare", *try_it) if len(comparison["tasks"]) > 2 else ("group",),
    )


# Commands and figures.


def command(one: Recommendation, config: Config, parts: dict[str, str]) -> str:
    """What to type here, with the settings that this comparison had. Tasks that are each to have a part of
    their own (``parts``, by task) get it in one training.
    """
    file = relative(Path.cwd(), config.base / config.file)
    verb, *options = one.verb
    words = [verb, file, *options]
    if one.line:
        words = [file if word == CONFIG else word for word in one.line]
        if CONFIG not in one.line:
            return shlex.join(["oneglance", *words])
    changes = Changes(config.overrides)
    if one.epochs:
        changes = changes.followed_by(Changes({"training.epochs": one.epochs}))
    if one.quota:
        quota = Changes({"training.source_quota": True})
        if config.training.source_temperature != 1:
            quota["training.source_temperature"] = 1.0
        changes = changes.followed_by(quota)
    if one.teachers:
        changes = changes.followed_by(Changes({"training.teachers": list(one.teachers)}))
    if one.part:
        total = kinds_of_stage(config.training.task_stage) | parts
        value = list(total) if set(total.values()) == {"stage"} else total
        changes = changes.followed_by(Changes({"training.task_stage": value}))
    return shlex.join(
        ["oneglance", *words, *(word for change in changes.as_arguments() for word in ("--set", change))]
    )


# What the trainings left behind.


def observe(config: Config, runs: Path, seeds: int, losers: Sequence[str]) -> Observations:
    """Of the trainings in ``runs``, for the tasks that lost.

    Raises:
        RunError: one of them is damaged.
    """
    joint = [RunFolder(runs / f"joint-{seed}") for seed in range(seeds)]
    long = [len(RunFolder(runs / f"joint_long-{seed}").history()) for seed in range(seeds)]
    tasks = build_tasks(config.tasks, config.file)
    then = joint[0].config()
    network = joint[0].network(then, joint[0].tasks(then))
    return Observations(
        config,
        {name: task.weight for name, task in tasks.items()},
        [run.history() for run in joint],
        sum(long) / len(long),
        {
            name: own_part(network, places=tasks[name].is_spatial)
            for name in losers
            if name not in config.training.task_stage
        },
        runs.parent,
        _answered(runs, then.training.epochs, tasks),
        {name: run.path for name in tasks if (run := RunFolder(runs / f"single-{name}-0")).finished},
    )


def _answered(runs: Path, epochs: int, tasks: Mapping[str, Task]) -> dict[str, float]:
    """Share of the pictures of a joint step that answer each task: at equal steps, a network of its own has
    so many times as many epochs.
    """
    alone = {name: RunFolder(runs / f"single-{name}-0") for name in tasks}
    return {
        name: min(1.0, epochs / run.config().training.epochs) for name, run in alone.items() if run.finished
    }


@torch.no_grad()
def own_part(network: Network, *, places: bool) -> OwnPart:
    """The last stage of the backbone, or where that cannot be copied, an adapter; counted, not timed."""
    backbone, kind = network.backbone, "stage"
    try:
        part = backbone.copy_last_stage()
    except ConfigError:
        part, kind = Adapter(backbone.shape, spatial=places), "adapter"
    width, height = backbone.shape.canvas
    wanted, backbone.gives_below = backbone.gives_below, backbone.gives_below or kind == "stage"
    try:
        with FlopCounterMode(display=False) as total:
            features = network.eval().features(torch.zeros(1, 3, height, width))
            network.answer(features)
        with FlopCounterMode(display=False) as own:
            part.eval()(features)
    finally:
        backbone.gives_below = wanted
    parameters = sum(parameter.numel() for parameter in part.parameters())
    return OwnPart(kind, parameters, own.get_total_flops() / max(1, total.get_total_flops()))
