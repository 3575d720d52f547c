"""Did learning together help? One network for all tasks beside one for each, beside what needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from oneglance import balancer
from oneglance.backbone import narrower
from oneglance.config import BackboneTable, Config
from oneglance.errors import ConfigError, DataError
from oneglance.evaluation import significance, task_grouping
from oneglance.evaluation.baselines.catalogue import (
    Baseline,
    Views,
    baselines,
    clusterings,
    constant_baselines,
    strongest,
)
from oneglance.evaluation.comparison import on_ray, recommendations, variants, worse_pictures
from oneglance.evaluation.comparison.on_ray import Training
from oneglance.evaluation.comparison.plan import CONTROL, Plan
from oneglance.evaluation.comparison.variants import TestAnswers, Variant
from oneglance.evaluation.reports.comparison import write_page
from oneglance.progress import Screen
from oneglance.storage.atomic_files import make_folder, write_json
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Prediction, Task, fit_targets
from oneglance.training.experiment_data import ExperimentData


def compare(config: Config, out: Path, plan: Plan, screen: Screen) -> dict[str, Any]:
    """Train what is missing, score all of it on the test split, and write compare.json and compare.html.

    Raises:
        DataError: the data cannot be used.
        RunError: ``out`` holds runs of another comparison.
    """
    task_grouping.refuse(plan.groups, config.tasks)
    comparison = Comparison(ExperimentData.load(config, screen), make_folder(out), plan, screen)
    comparison.train()
    comparison.try_baselines()
    results = comparison.to_dict()
    if plan.robustness:
        tried = {task: [one for one, _ in ways] for task, ways in comparison.baselines.items()}
        results["robustness"] = worse_pictures.measure(comparison.experiment, out, plan, tried, screen)
    results["advice"] = recommendations.recommend(results, config, out / "runs")
    write_json(out / "compare.json", results)
    write_page(out / "compare.html", results, title=out.resolve().name)
    screen.close()
    return results


class Comparison:
    """Trainings and baselines, and the draws of each on the same resamples of the test split."""

    def __init__(self, experiment: ExperimentData, out: Path, plan: Plan, screen: Screen) -> None:
        self.experiment, self.out, self.plan, self.screen = experiment, out, plan, screen
        if wrong := fit_targets(experiment.tasks, experiment.train.answers):
            raise DataError("\n".join(map(str, wrong)))
        self.groups = [record.group for record in experiment.test.records]
        self.answers = {name: experiment.test.answers(name) for name in experiment.tasks}
        self.variants: dict[str, Variant] = {}
        self.baselines: dict[str, list[tuple[Baseline, np.ndarray]]] = {name: [] for name in experiment.tasks}
        self.clusters: dict[str, dict[str, Any]] = {}
        self.epochs = experiment.config.training.epochs
        self.smaller: BackboneTable | None = None
        self.unguided = ""  # why there is nothing of the networks with teachers

    def draws(self, name: str, task: Task, predictions: Sequence[Prediction]) -> np.ndarray:
        """Of one network's answers to one task."""
        return significance.draws(task, predictions, self.answers[name], self.groups)

    # Trainings.

    def train(self) -> None:
        """Every variant with every seed."""
        only = self.plan.only
        if "single_same_size" in only:
            self.smaller = self._smaller()
        if self.plan.budget is not None and self.plan.trains:
            self.epochs = self._affordable(self.plan.budget)
        if self.plan.ray:
            on_ray.train(self.experiment.config, self.out / "runs", self._independent(), self.screen)
        for seed in range(self.plan.seeds):
            single = self._train_single("single", seed) if "single" in only else {}
            if self.smaller is not None:
                self._train_single("single_same_size", seed, self.smaller)
            if "joint" in only:
                run = self._train_joint("joint", seed, self.epochs)
                if single:
                    longer = self._epochs_begun(f"joint_long-{seed}") or self._epochs_for_time(
                        run, single.values()
                    )
                    self._train_joint("joint_long", seed, longer)
                if single and self.plan.guided:
                    self._train_guided(seed, single)
                if single and self.plan.groups:
                    self._train_groups(seed, run, single)
                for name in self.plan.balancers:
                    self._train_joint(f"balancer {name}", seed, self.epochs, name)

    def _independent(self) -> list[Training]:
        """The trainings that wait for no other; how long those for equal time take, they say."""
        only, seeds, tasks = self.plan.only, range(self.plan.seeds), self.experiment.tasks
        trainings = []
        for seed in seeds:
            if "single" in only:
                trainings += [self._single("single", task, seed) for task in tasks]
            if self.smaller is not None:
                trainings += [self._single("single_same_size", task, seed, self.smaller) for task in tasks]
            if "joint" in only:
                trainings.append(self._joint("joint", seed, self.epochs))
                trainings += [
                    self._joint(f"balancer {name}", seed, self.epochs, name) for name in self.plan.balancers
                ]
        return trainings

    def _smaller(self) -> BackboneTable | None:
        """The backbone of networks that are together as large as the joint one: each has its own head as it
        has, and shares the parameters of its backbone evenly. None where there is no such thing.
        """
        declared, tasks = self.experiment.config.backbone, len(self.experiment.tasks)
        smaller = narrower(declared, 1 / tasks) if tasks > 1 else None
        if smaller is None:
            self.screen.say(self._no_smaller())
        return smaller

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
        each += 1 + tasks if self.plan.guided else 0
        epochs = int(budget / (one * each * self.plan.seeds))
        if epochs < 1:
            self.screen.say(
                f"one epoch of everything takes {one * each * self.plan.seeds:,.0f} s: more than the budget"
            )
        epochs = min(self.experiment.config.training.epochs, max(1, epochs))
        self.screen.say(f"the budget pays for {epochs} of {self.experiment.config.training.epochs} epochs")
        return epochs

    def _epochs_for_time(self, run: RunFolder, single: Iterable[TestAnswers]) -> int:
        """Epochs that take the network of ``run`` as long as those of ``single`` took together."""
        an_epoch = variants.seconds(run) / max(1, len(run.history()))
        left = sum(answers.seconds for answers in single) - variants.feature_seconds(run)
        return max(1, round(left / max(an_epoch, 1e-9)))

    def _epochs_begun(self, name: str) -> int:
        """Epochs of a training that was begun before; 0: none was. Its length was
        chosen by the clock, which never shows the same twice, so it stays.
        """
        run = RunFolder(self.out / "runs" / name)
        return run.config().training.epochs if (run / "config.toml").exists() else 0

    def _run(self, name: str, config: Config, tasks: Sequence[str] = ()) -> RunFolder:
        return variants.trained(self.experiment, self.out / "runs" / name, config, self.screen, tasks)

    def _joint(self, variant: str, seed: int, epochs: int, method: str = "") -> Training:
        config = variants.variant(self.experiment.config, seed, epochs, balancer=method)
        return Training(f"{variant.replace(' ', '_')}-{seed}", config)

    def _single(self, variant: str, task: str, seed: int, backbone: BackboneTable | None = None) -> Training:
        epochs = variants.epochs_alone(self.experiment, self.epochs, [task])
        config = variants.variant(self.experiment.config, seed, epochs, tasks=[task], backbone=backbone)
        return Training(f"{variant}-{task}-{seed}", config, [task])

    def _train_joint(self, variant: str, seed: int, epochs: int, method: str = "") -> RunFolder:
        run = self._run(*self._joint(variant, seed, epochs, method))
        self._add(
            variant, dict.fromkeys(self.experiment.tasks, variants.ask(self.experiment, run, self.screen))
        )
        return run

    def _train_guided(self, seed: int, single: Mapping[str, TestAnswers]) -> None:
        """A joint network that the single ones of the same seed teach, and for each task a network that the
        single one of that task teaches: what is gained without learning together. Both are charged with the
        training of their teachers.
        """
        tasks = list(self.experiment.tasks)
        paths = {name: self.out / "runs" / f"single-{name}-{seed}" for name in tasks}
        try:
            config = variants.variant(
                self.experiment.config, seed, self.epochs, teachers=[paths[name] for name in tasks]
            )
            run = self._run(f"guided-{seed}", config)
            guided = variants.ask(self.experiment, run, self.screen)
            before = sum(answers.seconds for answers in single.values())
            again = {}
            for name in tasks:
                config = variants.variant(
                    self.experiment.config, seed, self.epochs, tasks=[name], teachers=[paths[name]]
                )
                run = self._run(f"born_again-{name}-{seed}", config)
                answers = variants.ask(self.experiment, run, self.screen)
                again[name] = replace(answers, seconds=answers.seconds + single[name].seconds)
        except (ConfigError, DataError) as error:
            self.unguided = str(error)
            self.screen.say(f"without teachers: {error}")
            return
        self._add("guided", dict.fromkeys(tasks, replace(guided, seconds=guided.seconds + before)))
        self._add("born_again", again)

    def _train_groups(self, seed: int, joint: RunFolder, single: Mapping[str, TestAnswers]) -> None:
        """A network for each group, as long as the single networks of its tasks took together; one for a
        single task is there already.
        """
        answers = dict(single)
        for group in self.plan.groups:
            if len(group) > 1:
                name = f"parted-{'+'.join(group)}-{seed}"
                epochs = self._epochs_for_time(joint, [single[task] for task in group])
                epochs = self._epochs_begun(name) or variants.epochs_alone(self.experiment, epochs, group)
                config = variants.variant(self.experiment.config, seed, epochs, tasks=group)
                run = self._run(name, config, group)
                answers |= dict.fromkeys(group, variants.ask(self.experiment, run, self.screen))
        self._add("parted", answers)

    def _train_single(
        self, variant: str, seed: int, backbone: BackboneTable | None = None
    ) -> dict[str, TestAnswers]:
        answers: dict[str, TestAnswers] = {}
        for task in self.experiment.tasks:
            run = self._run(*self._single(variant, task, seed, backbone))
            answers[task] = variants.ask(self.experiment, run, self.screen)
        self._add(variant, answers)
        return answers

    def _add(self, name: str, of_task: Mapping[str, TestAnswers]) -> None:
        """One seed of a variant: for each task the network that answers it; several may have the same."""
        variant = self.variants.setdefault(name, Variant())
        networks = list({id(answers): answers for answers in of_task.values()}.values())
        for task, answers in of_task.items():
            drawn = self.draws(task, answers.tasks[task], answers.predictions[task])[None]
            before = variant.draws.get(task, np.zeros((0, drawn.shape[1])))
            variant.draws[task] = np.concatenate([before, drawn])
        variant.seconds.append(sum(answers.seconds for answers in networks))
        variant.peak_mb += [answers.peak_mb for answers in networks]
        variant.ms.append(sum(answers.ms for answers in networks))
        variant.parameters = sum(answers.parameters for answers in networks)

    # What needs no training of the network.

    def try_baselines(self) -> None:
        """All of them, and the constant baseline."""
        views = Views(self.experiment)
        for baseline in baselines(self.experiment, views, self.plan.only, self.screen):
            drawn = self.draws(baseline.task, baseline.fitted.task, baseline.fitted.predictions)
            self.baselines[baseline.task].append((baseline, drawn))
        if "clusters" in self.plan.only:
            self.clusters = clusterings(self.experiment, views, self.screen)
        if "constant" in self.plan.only:
            constant = {
                n: self.draws(n, task, constant_baselines(self.experiment, task))[None]
                for n, task in self.experiment.tasks.items()
            }
            self.variants["constant"] = Variant(constant)

    # The result.

    def to_dict(self) -> dict[str, Any]:
        """compare.json."""
        pairings = {
            key: significance.against(
                self.experiment.tasks, self.variants[ours].draws, self.variants[theirs].draws
            )
            for key, (ours, theirs) in variants.AGAINST.items()
            if self._is_whole(ours) and self._is_whole(theirs)
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
            "tasks": {name: self._task(name, task, pairings) for name, task in self.experiment.tasks.items()},
            "summary": {key: significance.summary(compared) for key, compared in pairings.items()},
            "balancers": self._balancers(),
            "cost": self._cost(),
            "notes": list(self._notes()),
        }

    def _is_whole(self, name: str) -> bool:
        """Whether there is a network of this kind for every seed, so that they can be paired."""
        return name in self.variants and len(self.variants[name].seconds) == self.plan.seeds

    def _task(self, name: str, task: Task, pairings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        results: dict[str, Any] = {
            "type": task.type,
            "metric": task.primary_metric,
            "best": task.best,
            "unit": task.metric_unit,
        }
        for variant in variants.NETWORKS:
            if variant in self.variants:
                results[variant] = self._score(name, self.variants[variant].draws[name])
        tried = [baseline for baseline, _ in self.baselines[name]]
        chosen = strongest([baseline for baseline in tried if baseline.family == "classical"])
        scores = {
            b.name: {**self._score(name, drawn[None]), "seconds": round(b.seconds, 2)}
            for b, drawn in self.baselines[name]
        }
        if chosen is not None:
            results["classical"] = {k: v for k, v in scores[chosen.name].items() if k != "seconds"}
        if "constant" in self.variants:
            results["constant"] = self._score(name, self.variants["constant"].draws[name])
        for key, compared in pairings.items():
            results |= compared[name] if key == "equal_steps" else {key: compared[name]}
        return {**results, "baselines": scores, "clusters": self.clusters.get(name, {})}

    def _score(self, name: str, drawn: np.ndarray) -> dict[str, Any]:
        n = sum(answer is not None for answer in self.answers[name])
        return significance.estimate(drawn).score(self.experiment.tasks[name], n, len(drawn))

    def _balancers(self) -> dict[str, Any]:
        """Of each, its scores and whether it beats random weights beyond noise."""
        results: dict[str, Any] = {}
        control = self.variants.get(f"balancer {CONTROL}")
        for name in self.plan.balancers:
            variant = self.variants.get(f"balancer {name}")
            if variant is None:
                continue
            entry: dict[str, Any] = {
                "tasks": {n: self._score(n, drawn) for n, drawn in variant.draws.items()}
            }
            if control is not None and name != CONTROL:
                change, helps = significance.beats(self.experiment.tasks, variant.draws, control.draws)
                entry |= {"error_change": vars(change), "against": CONTROL, "helps": helps}
            results[name] = entry
        return results

    def _cost(self) -> dict[str, Any]:
        return {
            name: {
                "seconds": round(float(np.mean(variant.seconds)), 3),
                "peak_mb": max((mb for mb in variant.peak_mb if mb is not None), default=None),
                "parameters": variant.parameters,
                "ms_per_picture": round(float(np.median(variant.ms)), 4),
            }
            for name, variant in self.variants.items()
            if variant.seconds
        }

    def _notes(self) -> list[str]:
        """What a reader has to know to read the numbers right."""
        seeds, notes = self.plan.seeds, []
        trained = self.plan.trains
        if trained:
            notes.append(
                "every network was scored on the test split once per comparison; each run counts its reads"
            )
        if trained and seeds == 1:
            notes.append("one seed: the intervals say how pictures vary, not how trainings do")
        elif trained and seeds < 5:
            notes.append(f"{seeds} seeds: intervals are wide, as few seeds say little; 5 are good")
        if self.plan.balancers and CONTROL not in balancer.names():
            notes.append("no control for the balancers: there are no random weights to compare with")
        if "single_same_size" in self.plan.only and self.smaller is None:
            notes.append(self._no_smaller())
        if trained and self.plan.ray:
            notes.append(
                "trained at the same time on a cluster: seconds of training are those of its machines"
            )
        if self.unguided:
            notes.append(f"a network with teachers is missing: {self.unguided}")
        if "probe" in self.plan.only and not self._probed():
            notes.append("the backbone starts from nothing: there are no frozen features to try")
        return notes

    def _probed(self) -> bool:
        return any(b.family == "probe" for tried in self.baselines.values() for b, _ in tried)
