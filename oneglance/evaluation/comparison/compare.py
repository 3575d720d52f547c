"""Did learning together help? One network for all tasks beside one for each, beside what needs no network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from oneglance import balancer
from oneglance.atomic_files import make_folder, write_json
from oneglance.backbone import narrower
from oneglance.config import BackboneTable, Config
from oneglance.errors import ConfigError, DataError, nearest
from oneglance.evaluation import significance, task_grouping
from oneglance.evaluation.baselines.catalogue import (
    FAMILIES,
    Baseline,
    Views,
    baselines,
    clusterings,
    never,
    strongest,
)
from oneglance.evaluation.comparison import recommendations, variants
from oneglance.evaluation.comparison.experiment_data import ExperimentData
from oneglance.evaluation.comparison.variants import Answers
from oneglance.evaluation.reports.comparison import write_page
from oneglance.progress import Screen
from oneglance.run_folder import RunFolder
from oneglance.task import Prediction, Task, fit_targets

TRAINED = ("joint", "single", "single_same_size")  # words of --only that train networks
USUAL = ("joint", "single", *FAMILIES, "constant")  # what is done without --only
WORDS = (*USUAL, "single_same_size")
CONTROL = "rlw"  # random weights: a balancer that is no better than these does not help
SECONDS = {"s": 1, "m": 60, "h": 3600}

Draws = dict[str, np.ndarray]  # [seeds, 1 + resamples] by task


@dataclass(frozen=True)
class Plan:
    """What is asked."""

    seeds: int
    only: tuple[str, ...]
    balancers: tuple[str, ...]
    budget: float | None  # seconds of training in all
    groups: tuple[tuple[str, ...], ...] = ()  # tasks that share a network where they are parted

    @property
    def trains(self) -> bool:
        """Networks, not only baselines."""
        return bool(set(TRAINED) & set(self.only))

    @property
    def both(self) -> bool:
        """Joint and single, so that they can be compared."""
        return {"joint", "single"} <= set(self.only)


@dataclass
class Arm:
    """Trainings of one kind: for each seed the answers of its network, or of one network per task."""

    draws: Draws = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # per seed
    peak_mb: list[float | None] = field(default_factory=list)  # of each training
    parameters: int = 0
    ms: list[float] = field(default_factory=list)  # per seed


def plan(
    seeds: int,
    budget: str,
    only: Sequence[str],
    balancers: Sequence[str],
    groups: Sequence[Sequence[str]] = (),
) -> Plan:
    """What the words of a user ask for.

    Raises:
        ConfigError: a word that means nothing.
    """
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds are none", location="--seeds", hint="write 1 or more; 5 is good")
    for word in only:
        if word not in WORDS:
            raise ConfigError(f'has no "{word}".{nearest(word, WORDS)}', location="--only")
    for name in balancers:
        balancer.build_balancer(name, {})
    wanted = list(dict.fromkeys(balancers))
    if wanted and CONTROL in balancer.names() and CONTROL not in wanted:
        wanted.append(CONTROL)
    found = Plan(
        seeds,
        tuple(only) or USUAL,
        tuple(wanted),
        seconds(budget) if budget else None,
        tuple(tuple(group) for group in groups),
    )
    if groups and not found.both:
        raise ConfigError("need joint and single networks", location="--groups", hint="add both to --only")
    return found


def seconds(written: str) -> float:
    """``90s``, ``30m`` or ``2h`` in seconds.

    Raises:
        ConfigError: it is none of these.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", written)
    if found is None or not float(found[1]):
        raise ConfigError(f'is "{written}"', location="--budget", hint="write a time such as 90s, 30m or 2h")
    return float(found[1]) * SECONDS[found[2]]


def compare(config: Config, out: Path, wanted: Plan, screen: Screen) -> dict[str, Any]:
    """Train what is missing, score all of it on the test part, and write compare.json and compare.html.

    Raises:
        DataError: the data cannot be used.
        RunError: ``out`` holds runs of another comparison.
    """
    task_grouping.refuse(wanted.groups, config.tasks)
    comparison = Comparison(ExperimentData.load(config, screen), make_folder(out), wanted, screen)
    comparison.train()
    comparison.try_baselines()
    found = comparison.told()
    found["advice"] = recommendations.recommend(found, config, out / "runs")
    write_json(out / "compare.json", found)
    write_page(out / "compare.html", found, title=out.resolve().name)
    screen.close()
    return found


class Comparison:
    """What is under way: trainings and baselines turn into draws on the same resamples of the test part."""

    def __init__(self, experiment: ExperimentData, out: Path, wanted: Plan, screen: Screen) -> None:
        self.experiment, self.out, self.plan, self.screen = experiment, out, wanted, screen
        if wrong := fit_targets(experiment.tasks, experiment.train.answers):
            raise DataError("\n".join(map(str, wrong)))
        self.groups = [record.group for record in experiment.test.records]
        self.answers = {name: experiment.test.answers(name) for name in experiment.tasks}
        self.arms: dict[str, Arm] = {}
        self.baselines: dict[str, list[tuple[Baseline, np.ndarray]]] = {name: [] for name in experiment.tasks}
        self.clusters: dict[str, dict[str, Any]] = {}
        self.epochs = experiment.config.training.epochs
        self.smaller: BackboneTable | None = None

    def draws(self, name: str, task: Task, predictions: Sequence[Prediction]) -> np.ndarray:
        """Of one network's answers to one task."""
        return significance.draws(task, predictions, self.answers[name], self.groups)

    # Trainings.

    def train(self) -> None:
        """Every arm with every seed."""
        only = self.plan.only
        if "single_same_size" in only:
            self.smaller = self._smaller()
        if self.plan.budget is not None and self.plan.trains:
            self.epochs = self._affordable(self.plan.budget)
        for seed in range(self.plan.seeds):
            alone = self._alone("single", seed) if "single" in only else {}
            if self.smaller is not None:
                self._alone("single_same_size", seed, self.smaller)
            if "joint" in only:
                run = self._together("joint", seed, self.epochs)
                if alone:
                    longer = self._begun(f"joint_long-{seed}") or self._as_long(run, alone.values())
                    self._together("joint_long", seed, longer)
                if alone and self.plan.groups:
                    self._parted(seed, run, alone)
                for name in self.plan.balancers:
                    self._together(f"balancer {name}", seed, self.epochs, name)

    def _smaller(self) -> BackboneTable | None:
        """The backbone of networks that are together as large as the joint one: each has its own head as it
        has, and shares the parameters of its backbone evenly. None where there is no such thing.
        """
        declared, tasks = self.experiment.config.backbone, len(self.experiment.tasks)
        found = narrower(declared, 1 / tasks) if tasks > 1 else None
        if found is None:
            self.screen.say(self._no_smaller())
        return found

    def _no_smaller(self) -> str:
        name, tasks = self.experiment.config.backbone.name, len(self.experiment.tasks)
        why = (
            f"{name} has no smaller relative with 1/{tasks} of the parameters and as much to start from"
            if tasks > 1
            else "of one task it is the single network"
        )
        return f"single_same_size is left out: {why}"

    def _affordable(self, budget: float) -> int:
        """Epochs for which all trainings fit the budget, by the time that one epoch takes."""
        timing = self._run("timing", variants.variant(self.experiment.config, 0, 1))
        one = max(variants.seconds(timing), 1e-9)
        tasks = len(self.experiment.tasks)
        units = {"joint": 1 + len(self.plan.balancers), "single": tasks}
        if self.smaller is not None:
            units["single_same_size"] = tasks  # at most: they are smaller
        each = sum(cost for word, cost in units.items() if word in self.plan.only)
        each += tasks * (1 + bool(self.plan.groups)) if self.plan.both else 0
        epochs = int(budget / (one * each * self.plan.seeds))
        if epochs < 1:
            self.screen.say(
                f"one epoch of everything takes {one * each * self.plan.seeds:,.0f} s: more than the budget"
            )
        epochs = min(self.experiment.config.training.epochs, max(1, epochs))
        self.screen.say(f"the budget pays for {epochs} of {self.experiment.config.training.epochs} epochs")
        return epochs

    def _as_long(self, run: RunFolder, alone: Iterable[Answers]) -> int:
        """Epochs that take the network of ``run`` as long as those of ``alone`` took together."""
        an_epoch = variants.seconds(run) / max(1, len(run.history()))
        return max(1, round(sum(told.seconds for told in alone) / max(an_epoch, 1e-9)))

    def _begun(self, name: str) -> int:
        """Epochs of a training that was begun before; 0: none was. What the clock told then stays, for it
        never tells the same twice.
        """
        run = RunFolder(self.out / "runs" / name)
        return run.config().training.epochs if (run / "config.toml").exists() else 0

    def _run(self, name: str, config: Config, tasks: Sequence[str] = ()) -> RunFolder:
        return variants.trained(self.experiment, self.out / "runs" / name, config, self.screen, tasks)

    def _together(self, arm: str, seed: int, epochs: int, method: str = "") -> RunFolder:
        config = variants.variant(self.experiment.config, seed, epochs, balancer=method)
        run = self._run(f"{arm.replace(' ', '_')}-{seed}", config)
        self._add(arm, dict.fromkeys(self.experiment.tasks, variants.ask(self.experiment, run, self.screen)))
        return run

    def _parted(self, seed: int, joint: RunFolder, alone: Mapping[str, Answers]) -> None:
        """A network for each group, as long as the single networks of its tasks took together; one for a
        single task is there already.
        """
        told = dict(alone)
        for group in self.plan.groups:
            if len(group) > 1:
                name = f"parted-{'+'.join(group)}-{seed}"
                epochs = self._as_long(joint, [alone[task] for task in group])
                epochs = self._begun(name) or variants.epochs_alone(self.experiment, epochs, group)
                config = variants.variant(self.experiment.config, seed, epochs, tasks=group)
                run = self._run(name, config, group)
                told |= dict.fromkeys(group, variants.ask(self.experiment, run, self.screen))
        self._add("parted", told)

    def _alone(self, arm: str, seed: int, backbone: BackboneTable | None = None) -> dict[str, Answers]:
        told: dict[str, Answers] = {}
        for task in self.experiment.tasks:
            epochs = variants.epochs_alone(self.experiment, self.epochs, [task])
            config = variants.variant(self.experiment.config, seed, epochs, tasks=[task], backbone=backbone)
            run = self._run(f"{arm}-{task}-{seed}", config, [task])
            told[task] = variants.ask(self.experiment, run, self.screen)
        self._add(arm, told)
        return told

    def _add(self, name: str, of_task: Mapping[str, Answers]) -> None:
        """One seed of an arm: for each task the network that answers it; several may have the same."""
        arm = self.arms.setdefault(name, Arm())
        networks = list({id(told): told for told in of_task.values()}.values())
        for task, told in of_task.items():
            found = self.draws(task, told.tasks[task], told.predictions[task])[None]
            arm.draws[task] = np.concatenate([arm.draws[task], found]) if task in arm.draws else found
        arm.seconds.append(sum(told.seconds for told in networks))
        arm.peak_mb += [told.peak_mb for told in networks]
        arm.ms.append(sum(told.ms for told in networks))
        arm.parameters = sum(told.parameters for told in networks)

    # What needs no training of the network.

    def try_baselines(self) -> None:
        """All of them, and the constant answer."""
        views = Views(self.experiment)
        for found in baselines(self.experiment, views, self.plan.only, self.screen):
            drawn = self.draws(found.task, found.fitted.task, found.fitted.predictions)
            self.baselines[found.task].append((found, drawn))
        if "clusters" in self.plan.only:
            self.clusters = clusterings(self.experiment, views, self.screen)
        if "constant" in self.plan.only:
            constant = {
                n: self.draws(n, task, never(self.experiment, task))[None]
                for n, task in self.experiment.tasks.items()
            }
            self.arms["constant"] = Arm(constant)

    # What is told.

    def told(self) -> dict[str, Any]:
        """compare.json."""
        equal = {
            key: significance.against(self.experiment.tasks, self.arms[ours].draws, self.arms[theirs].draws)
            for key, (ours, theirs) in variants.AGAINST.items()
            if ours in self.arms and theirs in self.arms
        }
        return {
            "oneglance": version("oneglance"),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "split": "test",
            "pictures": len(self.experiment.test.rows),
            "unreadable": self.experiment.unreadable,  # of all parts
            "seeds": self.plan.seeds,
            "epochs": self.epochs,
            "budget": self.plan.budget,
            "tasks": {name: self._task(name, task, equal) for name, task in self.experiment.tasks.items()},
            "summary": {key: significance.summary(found) for key, found in equal.items()},
            "balancers": self._balancers(),
            "cost": self._cost(),
            "notes": list(self._notes()),
        }

    def _task(self, name: str, task: Task, equal: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": task.type,
            "metric": task.primary_metric,
            "best": task.best,
            "unit": task.metric_unit,
        }
        for arm in variants.NETWORKS:
            if arm in self.arms:
                found[arm] = self._score(name, self.arms[arm].draws[name])
        tried = [baseline for baseline, _ in self.baselines[name]]
        chosen = strongest([baseline for baseline in tried if baseline.family == "classical"])
        scores = {
            b.name: {**self._score(name, drawn[None]), "seconds": round(b.seconds, 2)}
            for b, drawn in self.baselines[name]
        }
        if chosen is not None:
            found["classical"] = {k: v for k, v in scores[chosen.name].items() if k != "seconds"}
        if "constant" in self.arms:
            found["constant"] = self._score(name, self.arms["constant"].draws[name])
        for key, told in equal.items():
            found |= told[name] if key == "equal_steps" else {key: told[name]}
        return {**found, "baselines": scores, "clusters": self.clusters.get(name, {})}

    def _score(self, name: str, drawn: np.ndarray) -> dict[str, Any]:
        n = sum(answer is not None for answer in self.answers[name])
        return significance.estimate(drawn).score(self.experiment.tasks[name], n, len(drawn))

    def _balancers(self) -> dict[str, Any]:
        """Of each, its scores and whether it beats random weights beyond noise."""
        found: dict[str, Any] = {}
        litmus = self.arms.get(f"balancer {CONTROL}")
        for name in self.plan.balancers:
            arm = self.arms.get(f"balancer {name}")
            if arm is None:
                continue
            entry: dict[str, Any] = {"tasks": {n: self._score(n, drawn) for n, drawn in arm.draws.items()}}
            if litmus is not None and name != CONTROL:
                change, helps = significance.beats(self.experiment.tasks, arm.draws, litmus.draws)
                entry |= {"error_change": vars(change), "against": CONTROL, "helps": helps}
            found[name] = entry
        return found

    def _cost(self) -> dict[str, Any]:
        return {
            name: {
                "seconds": round(float(np.mean(arm.seconds)), 3),
                "peak_mb": max((mb for mb in arm.peak_mb if mb is not None), default=None),
                "parameters": arm.parameters,
                "ms_per_picture": round(float(np.median(arm.ms)), 4),
            }
            for name, arm in self.arms.items()
            if arm.seconds
        }

    def _notes(self) -> list[str]:
        """What a reader has to know to read the numbers right."""
        seeds, notes = self.plan.seeds, []
        trained = self.plan.trains
        if trained:
            notes.append(
                "every network was scored on the test part once per comparison; each run counts its reads"
            )
        if trained and seeds == 1:
            notes.append("one seed: the intervals tell how pictures vary, not how trainings do")
        elif trained and seeds < 5:
            notes.append(f"{seeds} seeds: intervals are wide, as few seeds tell little; 5 are good")
        if self.plan.balancers and CONTROL not in balancer.names():
            notes.append("no litmus test of the balancers: there are no random weights to compare with")
        if "single_same_size" in self.plan.only and self.smaller is None:
            notes.append(self._no_smaller())
        if "probe" in self.plan.only and not self._probed():
            notes.append("the backbone starts from nothing: there are no frozen features to try")
        return notes

    def _probed(self) -> bool:
        return any(b.family == "probe" for found in self.baselines.values() for b, _ in found)
