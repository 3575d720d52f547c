"""How often prediction sets hold the truth, and how large they are: the sets of oneglance beside other
scores.

    python bench/sets.py CONFIG.toml TASK [--coverage 0.9] [--seeds 10] [--pictures 0]

For each seed, half of the groups (of the pictures, where there are none) learn, a quarter validates, a
quarter tests: a linear head on features of a pretrained backbone that never learns, computed once. Of a
label: LAC, one less the probability of the class, which is what oneglance takes (as a whole, with groups
taken for what they are, and per class); APS, the sum of the probabilities of all classes down to it (Romano
et al. 2020, arXiv 2006.02544), and RAPS, with 0.05 for each class beyond the second (Angelopoulos et al.
2021, arXiv 2009.14193), both without their random part, or with a half in its place. A set always holds the
likeliest class. `calibration` is of test pictures, before and after the temperature is learned from the
validation pictures. `groups` is the coverage where each group counts the same, `worst class` that of the
class that is missed most often among those with ten test pictures. Intervals are 95 %, over the seeds.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from suspects import Quiet, with_interval

from oneglance import config as configuration
from oneglance.data.splitting.split import SPLITS
from oneglance.evaluation.baselines.estimators import head_at_end
from oneglance.evaluation.baselines.image_features import standardised
from oneglance.evaluation.suspects import frozen
from oneglance.evaluation.suspects.find import Pictures, pictures_of
from oneglance.metrics.prediction_sets import least_chance
from oneglance.task import Task, build_tasks
from oneglance.tasks.label import Label
from oneglance.tasks.tags import Tags
from oneglance.training.experiment_data import read_dataset

Figures = dict[str, dict[str, float]]


def parts(groups: np.ndarray, draw: np.random.Generator) -> list[np.ndarray]:
    """Rows that learn, validate and test, no group in two of them."""
    names = draw.permutation(np.unique(groups))
    ends = [len(names) // 2, 3 * len(names) // 4]
    return [np.flatnonzero(np.isin(groups, own)) for own in np.split(names, ends)]


def conformity(chances: np.ndarray, kind: str) -> np.ndarray:
    """How well each class fits, float64 [n, k]: larger for those that come into a set first."""
    order = np.argsort(-chances, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    summed = np.take_along_axis(np.cumsum(np.take_along_axis(chances, order, axis=1), axis=1), rank, axis=1)
    half = chances / 2 if "half" in kind else 0
    return -(summed - half + (0.05 * np.maximum(rank - 1, 0) if kind.startswith("RAPS") else 0))


def measured(members: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    held, size = members[np.arange(len(truth)), truth], members.sum(axis=1)
    classes = [held[truth == one].mean() for one in np.unique(truth) if (truth == one).sum() >= 10]
    return {
        "coverage": held.mean(),
        "groups": np.mean([held[groups == one].mean() for one in np.unique(groups)]),
        "size": size.mean(),
        "one class": (size == 1).mean(),
        "worst class": min(classes, default=np.nan),
    }


def of_label(
    task: Label, raws: list[np.ndarray], answers: list[list[str]], groups: list[np.ndarray]
) -> Figures:
    chances = [task.chances(raw) for raw in raws]
    truths = [task.encode(each)["class"] for each in answers]
    kept = truths[1] >= 0
    best = chances[1].argmax(axis=1)
    names = [str(one) for one in groups[0]]

    def sets(members: np.ndarray) -> dict[str, float]:
        members[np.arange(len(best)), best] = True
        return measured(members[kept], truths[1][kept], groups[1][kept])

    figures = {}
    for name, own, per_class in (
        ("LAC", names, False),
        ("LAC, groups ignored", [""] * len(names), False),
        ("LAC, per class", names, True),
    ):
        one = copy.deepcopy(task).model_copy(update={"coverage_per_class": per_class})
        one.fit_sets(raws[0], answers[0], own)
        if one._sets is not None:
            figures[name] = sets(one._sets.members(chances[1]))
    for kind in ("APS", "APS, half", "RAPS", "RAPS, half"):
        fits = [conformity(each, kind) for each in chances]
        rows = np.flatnonzero(truths[0] >= 0)
        least = least_chance(fits[0][rows, truths[0][rows]], rows, names, task.coverage)
        assert least is not None
        figures[kind] = sets(fits[1] >= least)
    return figures


def of_tags(
    task: Tags, raws: list[np.ndarray], answers: list[list[Any]], groups: list[np.ndarray]
) -> Figures:
    task.fit_sets(raws[0], answers[0], [str(one) for one in groups[0]])
    metrics = task.metrics(task.metric_state(task.decode(raws[1]), answers[1]), np.ones(len(answers[1])))
    return {"threshold": {"coverage": metrics["coverage"], "size": metrics["set_size"]}}


def one_seed(task: Task, pictures: Pictures, seed: int) -> Figures:
    rows = pictures.answered(task.name)
    groups = np.array([pictures.records[row].group or f"\0{row}" for row in rows.tolist()])
    learned, *others = (rows[part] for part in parts(groups, np.random.default_rng(seed)))
    answers = [
        [pictures.records[row].answers[task.name] for row in part.tolist()] for part in (learned, *others)
    ]
    task = copy.deepcopy(task)
    task.fit_target(answers[0])
    vectors = pictures.features.vectors
    scaled = standardised(vectors[learned], vectors[np.concatenate(others)], vectors[:0])
    raw = head_at_end(task, answers[0], scaled.train, scaled.validation)
    raws = np.split(raw, [len(others[0])])
    before = calibration(task, raws[1], answers[2])
    task.calibrate(raws[0], answers[1])
    figures = {"calibration": {**before, **calibration(task, raws[1], answers[2], " after")}}
    names = [
        np.array([pictures.records[row].group or f"\0{row}" for row in part.tolist()]) for part in others
    ]
    of: Callable[..., Figures] = of_label if isinstance(task, Label) else of_tags
    return figures | of(task, raws, answers[1:], names)


def calibration(task: Task, raw: np.ndarray, answers: list[Any], when: str = "") -> dict[str, float]:
    """The expected calibration error and the logarithmic loss of a label."""
    metrics = task.metrics(task.metric_state(task.decode(raw), answers), np.ones(len(answers)))
    return {f"{name}{when}": metrics[name] for name in ("ece", "log_loss") if name in metrics}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("task")
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=0)
    args = parser.parse_args()
    config = frozen.for_features(configuration.load(args.config))
    tasks = build_tasks(config.tasks, config.file)
    task = tasks[args.task].model_copy(update={"coverage": args.coverage})
    dataset = read_dataset(config, tasks, Quiet())
    for name in SPLITS if args.pictures else ():
        rows = getattr(dataset.splits, name)
        kept = round(args.pictures * len(rows) / len(dataset.records))
        object.__setattr__(dataset.splits, name, rows[np.linspace(0, len(rows) - 1, kept).astype(int)])
    with tempfile.TemporaryDirectory() as folder:
        pictures = pictures_of(config, tasks, dataset, SPLITS, Path(folder), Quiet())
    print(f"{len(pictures.answered(args.task))} pictures, features of {frozen.described(config.backbone)}")
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in range(args.seeds):
        for kind, figures in one_seed(task, pictures, seed).items():
            for name, value in figures.items():
                values[kind, name].append(value)
    for kind in dict.fromkeys(kind for kind, _ in values):
        own = {name: each for (of, name), each in values.items() if of == kind}
        cells = "  ".join(f"{name} {with_interval(each)}" for name, each in own.items())
        print(f"{kind:20} {len(next(iter(own.values())))} seeds  {cells}", flush=True)


if __name__ == "__main__":
    main()
