"""Whether `label-next` teaches more than pictures chosen at random: replayed on a set that has all answers.

    python bench/label_next.py CONFIG.toml TASK [TASK ...]
        --start 20 --count 20 --rounds 5 --seeds 5 --pictures 5000 --set KEY=VALUE

For each seed, `--start` training pictures drawn at random have an answer. In each round `--count` more get
theirs: those that `label-next` lists, or others drawn at random. After each round a linear head on frozen
features learns from all answers that there are, and is scored on the test part, which is the same throughout.
Training and validation part together are the pool. The classes, and the range of a number, are known from the
beginning. Differences are label-next - random in pairs, with 95 % intervals over seeds (Student's t).
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from suspects import Quiet, thinned, with_interval

from oneglance import config as configuration
from oneglance.data.splitting.split import SPLITS
from oneglance.evaluation.baselines.estimators import head_at_end
from oneglance.evaluation.baselines.image_features import standardised
from oneglance.evaluation.labelling.label_next import Pool, order_of
from oneglance.evaluation.suspects import frozen
from oneglance.evaluation.suspects.find import pictures_of
from oneglance.inference.familiarity.novelty import unit
from oneglance.task import Prediction, Task, build_tasks
from oneglance.training.experiment_data import read_dataset


class Part(NamedTuple):
    """Pictures with an answer to one task."""

    vectors: np.ndarray  # float32 [n, d]
    answers: list[Any]


Choose = Callable[[Part, np.ndarray, Sequence[Prediction], int], np.ndarray]


def by_label_next(task: Task) -> Choose:
    """Rows of the pool without an answer, as `label-next` lists them."""

    def choose(pool: Part, known: np.ndarray, predictions: Sequence[Prediction], count: int) -> np.ndarray:
        open_rows = np.setdiff1d(np.arange(len(pool.answers)), known)
        rows = [{"answers": {task.name: predictions[row]}} for row in open_rows.tolist()]
        vectors = unit(pool.vectors)
        left = Pool(rows, vectors[open_rows], 0, 0)
        return open_rows[[row for row, _, _ in order_of(task, left, vectors[known], len(known), count)]]

    return choose


def at_random(draw: np.random.Generator) -> Choose:
    """As many, drawn at random."""

    def choose(pool: Part, known: np.ndarray, predictions: Sequence[Prediction], count: int) -> np.ndarray:
        return draw.permutation(np.setdiff1d(np.arange(len(pool.answers)), known))[:count]

    return choose


def curve(
    task: Task, pool: Part, test: Part, known: np.ndarray, choose: Choose, count: int, rounds: int
) -> list[float]:
    """The primary metric on ``test`` with the answers of ``known`` and after each round."""
    scores: list[float] = []
    for number in range(rounds + 1):
        every = standardised(
            pool.vectors[known], np.concatenate([test.vectors, pool.vectors]), test.vectors[:0]
        )
        raw = head_at_end(task, [pool.answers[row] for row in known.tolist()], every.train, every.validation)
        predictions = task.decode(raw)
        state = task.metric_state(predictions[: len(test.answers)], test.answers)
        scores.append(task.metrics(state, np.ones(len(test.answers)))[task.primary_metric])
        if number < rounds:
            known = np.concatenate([known, choose(pool, known, predictions[len(test.answers) :], count)])
    return scores


def replay(task: Task, pool: Part, test: Part, args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Scores [seeds, 1 + rounds] of both ways to choose."""
    task = copy.deepcopy(task)
    task.fit_target([*pool.answers, *test.answers])
    scores: dict[str, list[list[float]]] = {"label-next": [], "random": []}
    for seed in range(args.seeds):
        draw = np.random.default_rng(seed)
        start = draw.permutation(len(pool.answers))[: args.start]
        for name, choose in (("label-next", by_label_next(task)), ("random", at_random(draw))):
            scores[name].append(curve(task, pool, test, start, choose, args.count, args.rounds))
        shown = {name: [round(one, 3) for one in own[-1]] for name, own in scores.items()}
        print(f"  seed {seed}: {shown}", flush=True)
    return {name: np.array(own) for name, own in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("tasks", nargs="+")
    for name, value in (("start", 20), ("count", 20), ("rounds", 5), ("seeds", 5), ("pictures", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    args = parser.parse_args()
    config = frozen.for_features(configuration.load(args.config, args.overrides))
    tasks = build_tasks(config.tasks, config.file)
    dataset = read_dataset(config, tasks, Quiet())
    thinned(dataset, args.pictures)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        pictures = pictures_of(config, tasks, dataset, SPLITS, Path(folder), Quiet())
    kept_back = {dataset.records[row].image.name for row in dataset.splits.test.tolist()}
    is_test = np.array([record.image.name in kept_back for record in pictures.records])
    seen = frozen.described(config.backbone)
    print(f"{len(is_test)} pictures, features of {seen}: {time.perf_counter() - began:.0f} s", flush=True)
    for name in args.tasks:
        rows = pictures.answered(name)
        pool, test = (
            Part(
                pictures.features.vectors[own], [pictures.records[row].answers[name] for row in own.tolist()]
            )
            for own in (rows[~is_test[rows]], rows[is_test[rows]])
        )
        began = time.perf_counter()
        scores = replay(tasks[name], pool, test, args)
        sizes = f"pool {len(pool.answers)}, test {len(test.answers)}"
        print(f"{name}, {tasks[name].primary_metric}, {sizes}: {time.perf_counter() - began:.0f} s")
        print("  answers     label-next        random            difference")
        for number in range(args.rounds + 1):
            ours, theirs = (scores[way][:, number] for way in ("label-next", "random"))
            cells = "   ".join(with_interval(own) for own in (ours, theirs, ours - theirs))
            print(f"  {args.start + number * args.count:7}     {cells}", flush=True)


if __name__ == "__main__":
    main()
