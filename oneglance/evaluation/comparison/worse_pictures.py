"""What a comparison compares, on pictures that are made worse: each corruption once, shown to all.

Draws are kept by condition in ``OUT/robustness``, so that a command that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.config import Config
from oneglance.data.dataset import SplitData
from oneglance.data.images.decode import Canvas
from oneglance.data.images.letterbox import Fit
from oneglance.evaluation import robustness, significance
from oneglance.evaluation.baselines.catalogue import Baseline, strongest
from oneglance.evaluation.baselines.image_features import See
from oneglance.evaluation.comparison.plan import Plan
from oneglance.evaluation.corruptions.catalogue import corrupted
from oneglance.evaluation.kept_arrays import digest, keep, kept
from oneglance.evaluation.robustness import Condition
from oneglance.inference.engine import BATCH
from oneglance.inference.predictor import Predictor
from oneglance.inference.shards.shard import question
from oneglance.progress import Screen
from oneglance.storage.run_folder import RunFolder
from oneglance.task import Prediction, Task
from oneglance.training.experiment_data import ExperimentData

PICTURES = 500  # of the test split, at most
RESAMPLES = 200  # of them, at least
EACH = 40  # for each task, so that after Holm's correction a verdict is still possible
CLEAN = ("clean", 0)
FAMILIES = {
    "classical": "classical",
    "probe": "frozen probe",
}  # of baselines, and the candidates that they become

Draws = dict[str, np.ndarray]  # [seeds, 1 + resamples] by task
Answers = dict[str, list[Prediction]]  # by task


@dataclass(frozen=True)
class Candidate:
    """One training, or what takes its place."""

    name: str  # "joint"; those of one name are its seeds
    key: str  # what it was made of
    tasks: Mapping[str, Task]  # with what they learned
    ask: Callable[[Sequence[Canvas]], Answers]


@dataclass(frozen=True)
class Pictures:
    """Those that all candidates are shown."""

    canvases: Sequence[Canvas]
    answers: Mapping[str, Sequence[Any]]  # by task
    groups: Sequence[str]
    fit: Fit

    @property
    def resamples(self) -> int:
        """Of these pictures."""
        return max(RESAMPLES, EACH * len(self.answers))

    @property
    def key(self) -> str:
        """Names them and what is known of them."""
        return robustness.pictures_key(self.canvases, self.answers, self.groups, vars(self.fit))


def measure(
    experiment: ExperimentData,
    out: Path,
    plan: Plan,
    baselines: Mapping[str, Sequence[Baseline]],
    screen: Screen,
) -> dict[str, Any]:
    """What compare.json holds under ``robustness``: the scores of joint and single networks, and of the best
    classical and the frozen baseline of each task, clean and made worse, and joint − single.

    Args:
        out: the folder of the comparison; its networks are finished.
        baselines: all that were tried, by task.
    """
    pictures = pictures_of(experiment)
    candidates = [
        *_networks(experiment.config, list(experiment.tasks), out / "runs", plan),
        *_baselines(baselines, pictures.fit),
    ]
    key = digest(
        [
            pictures.key,
            pictures.resamples,
            [[candidate.name, candidate.key, list(candidate.tasks)] for candidate in candidates],
        ]
    )
    conditions = [CLEAN, *robustness.conditions()]
    drawn: dict[Condition, dict[str, Draws]] = {}
    for done, condition in enumerate(conditions, 1):
        drawn[condition] = _drawn(candidates, pictures, condition, out, key)
        screen.progress(done, len(conditions), "scoring corrupted pictures")
    return _compared(experiment.tasks, pictures, drawn)


def pictures_of(experiment: ExperimentData) -> Pictures:
    """At most PICTURES of the test split, the same ones each time."""
    split = experiment.test
    chosen = robustness.sample(len(split.rows), PICTURES)
    part = SplitData([split.records[row] for row in chosen], split.rows[chosen])
    pixels = experiment.store.gather(part.rows)
    sizes = experiment.store.sizes(part.rows).tolist()
    return Pictures(
        [Canvas(own, *size) for own, size in zip(pixels, sizes, strict=True)],
        {name: part.answers(name) for name in experiment.tasks},
        [record.group for record in part.records],
        Fit.declared(experiment.config),
    )


# Who is asked.


def _networks(config: Config, tasks: Sequence[str], runs: Path, plan: Plan) -> Iterator[Candidate]:
    for seed in range(plan.seeds):
        if "joint" in plan.only:
            yield _network("joint", RunFolder.open(runs / f"joint-{seed}"), config, tasks)
        if "single" in plan.only:
            for task in tasks:
                yield _network("single", RunFolder.open(runs / f"single-{task}-{seed}"), config, [task])


def _network(name: str, run: RunFolder, config: Config, asked: Sequence[str]) -> Candidate:
    predictor = Predictor.open(run, device=config.training.device)
    tasks = {task: predictor.tasks[task] for task in asked}

    def ask(canvases: Sequence[Canvas]) -> Answers:
        rows = [row["answers"] for row in predictor.rows(canvases, complete=True)]
        return {task: [row[task] for row in rows] for task in tasks}

    return Candidate(name, f"{run.path.name} {question(run.path, [], [])}", tasks, ask)


def _baselines(tried: Mapping[str, Sequence[Baseline]], fit: Fit) -> Iterator[Candidate]:
    for family, name in FAMILIES.items():
        best = [strongest([one for one in ways if one.family == family]) for ways in tried.values()]
        chosen = [one for one in best if one is not None]
        if chosen:
            tasks = {one.task: one.fitted.task for one in chosen}
            key = str([(one.name, one.task, one.fitted.skill) for one in chosen])
            yield Candidate(name, key, tasks, _asked(chosen, fit))


def _asked(chosen: Sequence[Baseline], fit: Fit) -> Callable[[Sequence[Canvas]], Answers]:
    def ask(canvases: Sequence[Canvas]) -> Answers:
        pixels = np.stack([canvas.pixels for canvas in canvases])
        places = [fit.placement(canvas.width, canvas.height) for canvas in canvases]
        seen: dict[See, np.ndarray] = {}  # several tasks may be answered from the same features
        answers: Answers = {}
        for one in chosen:
            if one.see not in seen:
                seen[one.see] = one.see(pixels)
            task = one.fitted.task
            rows = task.decode(one.fitted.raw(seen[one.see]))
            answers[one.task] = [task.to_image(*each) for each in zip(rows, places, strict=True)]
        return answers

    return ask


# What they say.


def _drawn(
    candidates: Sequence[Candidate], pictures: Pictures, condition: Condition, out: Path, key: str
) -> dict[str, Draws]:
    """By candidate and task, read where it is there."""
    places = [(number, task) for number, candidate in enumerate(candidates) for task in candidate.tasks]
    path = robustness.kept_path(out, condition)
    arrays = kept(path, key)
    if arrays is None:
        arrays = dict(
            zip(map(str, range(len(places))), _scored(candidates, pictures, condition), strict=True)
        )
        keep(path, key, arrays)
    seeds: dict[str, dict[str, list[np.ndarray]]] = {}
    for place, (number, task) in enumerate(places):
        seeds.setdefault(candidates[number].name, {}).setdefault(task, []).append(arrays[str(place)])
    return {name: {task: np.stack(each) for task, each in own.items()} for name, own in seeds.items()}


def _scored(
    candidates: Sequence[Candidate], pictures: Pictures, condition: Condition
) -> Iterator[np.ndarray]:
    """The draws of each candidate and task."""
    answers: list[Answers] = [{task: [] for task in candidate.tasks} for candidate in candidates]
    for start in range(0, len(pictures.canvases), BATCH):
        batch = pictures.canvases[start : start + BATCH]
        if condition != CLEAN:
            batch = corrupted(batch, pictures.fit, *condition, start)
        for candidate, kept_answers in zip(candidates, answers, strict=True):
            for task, own in candidate.ask(batch).items():
                kept_answers[task] += own
    for candidate, own_answers in zip(candidates, answers, strict=True):
        for task, predictions in own_answers.items():
            truth = pictures.answers[task]
            yield significance.draws(
                candidate.tasks[task], predictions, truth, pictures.groups, pictures.resamples
            )


# What it comes to.


def _compared(
    tasks: Mapping[str, Task], pictures: Pictures, drawn: Mapping[Condition, Mapping[str, Draws]]
) -> dict[str, Any]:
    worse: dict[str, list[Mapping[str, Draws]]] = {}
    for name, strength in robustness.conditions():
        worse.setdefault(name, []).append(drawn[name, strength])
    clean = drawn[CLEAN]
    mean = {
        candidate: {task: robustness.mean_of(_of(worse, candidate, task), worse) for task in of_task}
        for candidate, of_task in clean.items()
    }
    result: dict[str, Any] = {
        "pictures": len(pictures.canvases),
        "resamples": pictures.resamples,
        "tasks": {},
    }
    for name, task in tasks.items():
        n = sum(answer is not None for answer in pictures.answers[name])

        def score(own: np.ndarray, task: Task = task, n: int = n) -> dict[str, Any]:
            return significance.estimate(own).score(task, n, len(own))

        result["tasks"][name] = {
            candidate: robustness.entry(task, clean[candidate][name], _of(worse, candidate, name), score)
            for candidate in clean
            if name in clean[candidate]
        }
    if {"joint", "single"} <= clean.keys():
        differences = {
            "clean": significance.against(tasks, clean["joint"], clean["single"]),
            "corrupted": significance.against(tasks, mean["joint"], mean["single"]),
            "lost": _more_lost(tasks, clean, mean),
        }
        result["differences"] = differences
        result["summary"] = significance.summary(differences["corrupted"])
    return result


def _of(
    worse: Mapping[str, Sequence[Mapping[str, Draws]]], candidate: str, task: str
) -> dict[str, list[np.ndarray]]:
    return {name: [one[candidate][task] for one in strengths] for name, strengths in worse.items()}


def _more_lost(
    tasks: Mapping[str, Task], clean: Mapping[str, Draws], worse: Mapping[str, Draws]
) -> dict[str, dict[str, Any]]:
    """How much more the error of the joint network grows than that of the single ones, in the unit of the
    metric: a network that is better on all pictures is not more robust by that.
    """

    def lost(candidate: str, name: str) -> np.ndarray:
        task = tasks[name]
        return significance.errors(task, worse[candidate][name]) - significance.errors(
            task, clean[candidate][name]
        )

    more = {name: significance.estimate(lost("joint", name) - lost("single", name)) for name in tasks}
    corrected = significance.holm({name: one.p for name, one in more.items()})
    return {
        name: {
            "difference": {**vars(one), "p": corrected[name]},
            "error_change": None,
            "verdict": significance.verdict(None if one.value is None else -one.value, corrected[name]),
        }
        for name, one in more.items()
    }
