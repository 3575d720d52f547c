"""Weights of the tasks by successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943): many trainings
begin, the best go on, and the weights as they are always do, so that the winner has something to beat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from oneglance.config import Config
from oneglance.errors import ConfigError, DivergedError
from oneglance.evaluation.comparison import variants
from oneglance.progress import Screen
from oneglance.storage.atomic_files import finite, make_folder, write_json
from oneglance.storage.run_folder import RunFolder, kept_of
from oneglance.task import build_tasks
from oneglance.toml.overrides import Changes
from oneglance.training.experiment_data import ExperimentData

KEPT = 3  # one of so many goes on, for so many times the epochs
CANDIDATES = 9  # where no budget decides
MOST = 81
LEAST = 0.05  # of a drawn weight; the mean is 1


@dataclass
class Candidate:
    """Weights to try, and the skill that each seed has reached on the validation split."""

    name: str
    weights: dict[str, float]
    epochs: int = 0
    skills: list[float] = field(default_factory=list)

    @property
    def skill(self) -> float:
        return float(np.mean(self.skills)) if self.skills else -math.inf


def rungs(candidates: int, epochs: int) -> list[tuple[int, int]]:
    """(candidates, epochs they have had by then), down to one candidate beside the weights as they are."""
    halvings = max(1, math.ceil(round(math.log(candidates, KEPT), 9)))
    return [
        (max(1, candidates // KEPT**step), max(1, round(epochs / KEPT ** (halvings - step))))
        for step in range(halvings + 1)
    ]


def cost(candidates: int, epochs: int) -> int:
    """Epochs of all trainings together, for one seed; the weights as they are go all the way."""
    total, done = epochs, 0
    for count, until in rungs(candidates, epochs):
        total += count * (until - done)
        done = until
    return total


def affordable(budget: float, one: float, epochs: int, seeds: int) -> int:
    """The most candidates whose trainings take ``budget`` seconds, at ``one`` second per epoch.

    Raises:
        ConfigError: not even two.
    """
    fitting = [n for n in range(2, MOST + 1) if cost(n, epochs) * seeds * one <= budget]
    if not fitting:
        needed = math.ceil(cost(2, epochs) * seeds * one)
        raise ConfigError(
            f"two sets of weights alone would take about {needed} s",
            location="--budget",
            hint="give more, or lower --seeds or training.epochs",
        )
    return fitting[-1]


def drawn(config: Config, count: int) -> list[Candidate]:
    """The weights as they are, then ``count`` sets drawn evenly among those whose mean is 1; the seed of
    [training] decides which.
    """
    names = list(config.tasks)
    own = np.array([task.weight for task in build_tasks(config.tasks, config.file).values()])
    generator = np.random.default_rng([config.training.seed, len(names)])
    shares = generator.dirichlet(np.ones(len(names)), size=count) * len(names)
    rows = [own, *np.maximum(shares, LEAST)]
    return [
        Candidate(
            f"weights {index}" if index else "as it is", dict(zip(names, row.round(3).tolist(), strict=True))
        )
        for index, row in enumerate(rows)
    ]


def tune(config: Config, out: Path, seeds: int, budget: float | None, screen: Screen) -> dict[str, Any]:
    """Try weights and write tune.json. What was trained before in ``out`` is read or gone on with.

    Raises:
        ConfigError: nothing can be tuned so.
        DataError: the data cannot be used.
        RunError: ``out`` holds other runs.
    """
    if len(config.tasks) < 2:
        raise ConfigError("declares one task, whose weight changes nothing", location=config.file)
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds are none", location="--seeds", hint="write 1 or more")
    experiment, epochs = ExperimentData.load(config, screen), config.training.epochs
    make_folder(out)
    count = CANDIDATES
    if budget is not None:
        timing = variants.trained(
            experiment, out / "timing", variants.variant(experiment.config, 0, 1), screen
        )
        count = affordable(budget, max(variants.seconds(timing), 1e-9), epochs, seeds)
        screen.say(f"{count} sets of weights fit the budget")
    own, *others = candidates = drawn(config, count)
    for keep, until in rungs(count, epochs):
        others.sort(key=lambda candidate: -candidate.skill)
        del others[keep:]
        for candidate in (own, *others):
            _train(experiment, out, candidate, seeds, until, screen)
    result = _summary(config, candidates, others[0], seeds, budget)
    write_json(out / "tune.json", result)
    screen.close()
    return result


def _train(
    experiment: ExperimentData, out: Path, candidate: Candidate, seeds: int, until: int, screen: Screen
) -> None:
    """Go on with a candidate until it has had so many epochs with every seed."""
    candidate.epochs, candidate.skills = until, []
    for seed in range(seeds):
        path = out / f"{candidate.name} {seed}".replace(" ", "-")
        wanted = variants.variant(experiment.config, seed, experiment.config.training.epochs)
        wanted = wanted.with_changes(_changes(candidate.weights))
        candidate.skills.append(_skill(experiment, path, wanted, until, screen))


def _skill(experiment: ExperimentData, path: Path, wanted: Config, until: int, screen: Screen) -> float:
    """The mean validation skill of what is kept of ``until`` epochs; −∞ if it learned nothing."""
    run = RunFolder(path)
    if len(run.history()) < until or (until == wanted.training.epochs and not run.finished):
        try:
            variants.trained(experiment, path, wanted, screen, until=until)
        except DivergedError as error:
            screen.say(f"{path.name}: {error}")
    kept = kept_of(run.history()[:until])
    return -math.inf if kept is None or kept["skill"] is None else float(kept["skill"])


def _changes(weights: Mapping[str, float]) -> Changes:
    return Changes({f"tasks.{name}.weight": weight for name, weight in weights.items()})


def _summary(
    config: Config, candidates: Sequence[Candidate], best: Candidate, seeds: int, budget: float | None
) -> dict[str, Any]:
    """tune.json."""
    own = candidates[0]
    gains = [ours - theirs for ours, theirs in zip(best.skills, own.skills, strict=True)]
    gain = float(np.mean(gains)) if np.isfinite(gains).all() else math.nan
    error = float(np.std(gains, ddof=1) / math.sqrt(seeds)) if seeds > 1 and math.isfinite(gain) else math.nan
    chosen = best if gain > 0 else own
    return {
        "oneglance": version("oneglance"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tasks": list(config.tasks),
        "seeds": seeds,
        "epochs": config.training.epochs,
        "budget": budget,
        "candidates": [
            {
                "name": one.name,
                "weights": one.weights,
                "epochs": one.epochs,
                "skill": finite(one.skill),
                "skills": [finite(skill) for skill in one.skills],
            }
            for one in candidates
        ],
        "best": chosen.name,
        "gain": finite(gain),
        "error": finite(error),
        "set": _changes(chosen.weights).as_arguments() if chosen is best else [],
        "notes": _notes(gain, error),
    }


def _notes(gain: float, error: float) -> list[str]:
    notes = ["decided on the validation split: the best of many looks a little better there than it is"]
    if not gain > 0:
        notes.append("no drawn weights were better than those as they are: keep them")
    elif math.isnan(error):
        notes.append("one seed tells nothing of noise between trainings: add --seeds 3")
    elif gain < 2 * error:
        notes.append("the gain is within the noise between seeds")
    return notes
