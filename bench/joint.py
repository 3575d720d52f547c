"""Why a joint network loses at equal steps: what each change to its training gives back.

`single` is one network per task in as many steps as `joint`; the others are `joint` with the keys of
``arms``. `single:NAME` are the single networks with the keys of NAME, for changes that help any network.
Each is scored on pictures that were kept for it. A training that the file of results holds already is not
run again.

    python bench/joint.py questions --data DATA --arms single,joint,wide,stage [--seeds 0,1,2]
    python bench/joint.py questions --table
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import kept_rows
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

import oneglance
from oneglance import config as configuration
from oneglance.config import Config
from oneglance.evaluation.comparison.variants import epochs_alone, variant
from oneglance.progress import Screen
from oneglance.training.experiment_data import ExperimentData

EXAMPLES = Path(__file__).parents[1] / "examples"
HARDEST = {"questions": "label", "food": "food", "clothing": "kind"}
NUMBER = {"questions": "brightness", "food": "volume_cm3", "clothing": "kids"}
EPOCHS = {"questions": 8, "food": 10, "clothing": 10}


def arms(name: str) -> dict[str, dict[str, Any]]:
    """The keys of each arm, for one set."""
    hard, other = HARDEST[name], NUMBER[name]
    quick = {"training.optimizer": "muon", "training.momentum": 0.6}
    return {
        "joint": {},
        "hard_3": {f"tasks.{hard}.weight": 3.0},
        "other_third": {f"tasks.{other}.weight": 0.3},
        "imtl_g": {"training.balancer": "imtl_g"},
        "log_sum": {"training.balancer": "log_sum"},
        "uncertainty": {"training.balancer": "uncertainty"},
        "wide": {"backbone.options.width": 24},
        "stage": {"training.task_stage": [other]},
        "adapter": {"training.task_stage": {other: "adapter"}},
        "hidden": {f"tasks.{task}.hidden": [64] for task in (hard, other)},
        "rate_2": {"training.learning_rate": 0.004},
        "rate_4": {"training.learning_rate": 0.008},
        "rate_half": {"training.learning_rate": 0.0005},
        "ema_0": {"training.ema": 0.0},
        "ema_99": {"training.ema": 0.99},
        "linear": {"training.schedule": "linear"},
        "muon": {"training.optimizer": "muon"},
        "squared": {f"tasks.{other}.bend": 10.0},
        "absolute": {f"tasks.{other}.bend": 0.1},
        "absolute_hard_2": {f"tasks.{other}.bend": 0.1, f"tasks.{hard}.weight": 2.0},
        "absolute_imtl_g": {f"tasks.{other}.bend": 0.1, "training.balancer": "imtl_g"},
        "muon_absolute": {f"tasks.{other}.bend": 0.1, "training.optimizer": "muon"},
        "quick": quick,  # what init writes for tiny pictures
        "quick_absolute": {**quick, f"tasks.{other}.bend": 0.1},
        "quick_absolute_imtl_g": {**quick, f"tasks.{other}.bend": 0.1, "training.balancer": "imtl_g"},
        "batch_32": {"training.batch": 32},
    }


def examples_questions() -> ModuleType:
    """examples/cifar10_questions.py."""
    spec = importlib.util.spec_from_file_location("questions", EXAMPLES / "cifar10_questions.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def questions(data: Path, kept: Path, train: int, validation: int, test: int) -> Path:
    """A table of other pictures of CIFAR-10's training part than those of docs/results/compare.md, so that
    what is chosen here was not chosen by those.
    """
    out = kept / f"questions-{train}-{validation}-{test}.parquet"
    if not out.exists():
        skipped, count = 10_000, train + validation + test
        rows = list(examples_questions().answered(data / "cifar10", "train", skipped + count))[skipped:]
        split = ["train"] * train + ["validation"] * validation + ["test"] * test
        rows = [{**row, "split": part} for row, part in zip(rows, split, strict=True)]
        pq.write_table(pa.Table.from_pylist(rows), out)
    return out


def declared(name: str, data: Path, kept: Path) -> Config:
    """The configuration of the example, on the data at hand."""
    if name == "questions":
        table = questions(data, kept, 3000, 600, 2000)
        changes = {"sources.0.path": str(table), "backbone.options": {"width": 16}}
        return configuration.load(EXAMPLES / "questions.toml", changes)
    tables = configuration.load(EXAMPLES / f"{name}.toml").model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    sources = [
        {key: str(data / name / Path(value).name) if key == "path" else value for key, value in one.items()}
        for one in tables["sources"]
    ]
    for one in sources:
        one["images"] = str(data / name)
    return configuration.load({**tables, "sources": sources})


def trained(config: Config, steps_of: Sequence[str], screen: Screen) -> dict[str, Any]:
    """Scores of one training for some tasks, all if none are named."""
    folder = Path(tempfile.mkdtemp(prefix="joint-"))
    try:
        run = oneglance.train(config, out=folder / "run", screen=screen)
        tasks = oneglance.evaluate(run.path, screen=screen).to_dict()["tasks"]
        scores = kept_rows.scores(tasks)
        chosen = {task: scores[task] for task in steps_of or scores}
        return {task: {key: one[key] for key in ("metric", "value")} for task, one in chosen.items()}
    finally:
        shutil.rmtree(folder)


def row_of(name: str, arm: str, seed: int, config: Config) -> dict[str, Any]:
    """One row of results."""
    kind, _, changed = arm.partition(":")
    keys = arms(name)[changed or ("joint" if kind == "single" else kind)]
    start, cpu = time.perf_counter(), time.process_time()
    epochs, screen = EPOCHS[name], Screen()
    if kind == "single":
        data = ExperimentData.load(config, screen)
        tasks = {}
        for task in config.tasks:
            alone = variant(config, seed, epochs_alone(data, epochs, [task]), [task])
            own = {
                key: value
                for key, value in keys.items()
                if not key.startswith("tasks.") or f".{task}." in key
            }
            own = {key: value for key, value in own.items() if key != "training.task_stage"}
            tasks |= trained(alone.with_changes(own), [task], screen)
    else:
        tasks = trained(variant(config, seed, epochs).with_changes(keys), (), screen)
    return {
        "set": name,
        "arm": arm,
        "seed": seed,
        "cpu_s": round(time.process_time() - cpu, 1),
        "seconds": round(time.perf_counter() - start, 1),
        "tasks": tasks,
    }


def paired(first: Sequence[float], second: Sequence[float]) -> str:
    """Mean difference over the seeds with the 95 % interval of Student's t."""
    difference = np.subtract(first, second)
    if len(difference) < 2:
        return f"{difference.mean():+.3f}"
    reach = stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference))
    return f"{difference.mean():+.3f} ± {reach:.3f}"


def table(rows: Sequence[Mapping[str, Any]], name: str, base_arm: str = "single") -> None:
    """A line for each arm: means over the seeds, and the difference from ``base_arm`` on the same seeds."""
    own = [row for row in rows if row["set"] == name]
    base = {row["seed"]: row for row in own if row["arm"] == base_arm}
    for arm in dict.fromkeys(row["arm"] for row in own):
        each = {row["seed"]: row for row in own if row["arm"] == arm}
        seeds = [seed for seed in each if seed in base]
        cells = []
        for task in next(iter(each.values()))["tasks"]:
            values = [row["tasks"][task]["value"] for row in each.values()]
            pair = [[one[seed]["tasks"][task]["value"] for seed in seeds] for one in (each, base)]
            cells.append(f"{task} {np.mean(values):.3f}" + (f" ({paired(*pair)})" if seeds else ""))
        cpu = np.mean([row["cpu_s"] for row in each.values()])
        print(f"{name:10} {arm:16} n={len(each)} {cpu:5.0f} s  {'  '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", help=", ".join(HARDEST))
    parser.add_argument("--data", type=Path, help="the folder with a folder for each set")
    parser.add_argument("--arms", default="single,joint")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--results", type=Path, default=Path("runs/joint.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print what was measured")
    args = parser.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    rows = kept_rows.read(args.results)
    for seed in [] if args.table else map(int, args.seeds.split(",")):
        for name in args.sets:
            for arm in args.arms.split(","):
                if (name, arm, seed) in [(row["set"], row["arm"], row["seed"]) for row in rows]:
                    continue
                config = declared(name, args.data, args.results.parent.resolve())
                rows.append(row_of(name, arm, seed, config))
                kept_rows.keep(args.results, rows[-1])
    for name in args.sets:
        table(rows, name)


if __name__ == "__main__":
    main()
