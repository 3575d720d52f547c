"""Partial answers: what teachers bring where each source knows one task, and a few pictures of it.

The three questions of examples/cifar10_questions.py. Each task has a source of its own with a third of the
training pictures, so many of which have its answer that a share of --keep of all have one; nobody answers
the rest. Validation and test have all answers. The arms are those of `oneglance compare --guided`: `joint`,
`joint_long` (as long as the single networks together), `single`, `guided` (a joint network that the single
ones teach, on all pictures) and `born_again` (single networks that are each taught by one, on all pictures:
what is gained without learning together). `cpu_s` are seconds of training, those of teachers included.
Differences are from an arm on the same seeds, ± half of the 95 % interval of Student's t over the seeds.

    python bench/partial.py DATA/cifar10 [--keep 0.1] [--train 1000] [--test 1000] [--seeds 0,1,2] [--set ...]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from joint import EXAMPLES, examples_questions, table

import oneglance
from oneglance import config as configuration
from oneglance.config import Config
from oneglance.progress import Screen

ARMS = ("joint", "joint_long", "single", "guided", "born_again")


def sources(
    rows: list[dict[str, Any]], tasks: list[str], train: int, keep: float, folder: Path
) -> Iterator[dict[str, Any]]:
    """A table for each task, of whose pictures some have its answer and no other; one of what is scored."""
    draw = np.random.default_rng(0)
    for number, task in enumerate(tasks):
        own = [dict(row, split="train") for row in rows[:train][number :: len(tasks)]]
        known = set(draw.permutation(len(own))[: round(keep * train)].tolist())
        for place, row in enumerate(own):
            row.update({name: row[name] if name == task and place in known else None for name in tasks})
        yield written(own, folder / f"{task}.parquet")
    yield written(rows[train:], folder / "scored.parquet")


def written(rows: list[dict[str, Any]], path: Path) -> dict[str, Any]:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return {"path": str(path)}


def declared(given: argparse.Namespace, folder: Path) -> Config:
    """examples/questions.toml on these sources."""
    made = examples_questions()
    learned = list(made.answered(given.data, "train", given.train + given.validation))
    for row in learned[given.train :]:
        row["split"] = "validation"
    tested = [{**row, "split": "test"} for row in made.answered(given.data, "test", given.test)]
    own = list(sources(learned + tested, list(made.TASKS), given.train, given.keep, folder))
    return configuration.load(EXAMPLES / "questions.toml", {"sources": own}).with_changes(given.set)


def rows_of(config: Config, seed: int, out: Path) -> Iterator[dict[str, Any]]:
    """A row of results for each arm."""
    compared = oneglance.compare(
        config.with_changes({"training.seed": seed}),
        out=out,
        seeds=1,
        only=("joint", "single"),
        guided=True,
        screen=Screen(),
    ).to_dict()
    for arm in ARMS:
        tasks = {
            name: {"metric": entry["metric"], "value": entry[arm]["value"]}
            for name, entry in compared["tasks"].items()
        }
        cpu_s = compared["cost"][arm]["seconds"]
        yield {"set": "partial", "arm": arm, "seed": seed, "cpu_s": cpu_s, "tasks": tasks}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("data", type=Path, help="a folder with train.parquet and test.parquet of CIFAR-10")
    options.add_argument("--keep", type=float, default=0.1, help="share of pictures with an answer to a task")
    options.add_argument("--train", type=int, default=1_000, help="pictures")
    options.add_argument("--validation", type=int, default=300)
    options.add_argument("--test", type=int, default=1_000)
    options.add_argument("--seeds", default="0,1,2")
    options.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the configuration")
    given = options.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="partial-") as folder:
        config = declared(given, Path(folder))
        for seed in map(int, given.seeds.split(",")):
            for row in rows_of(config, seed, Path(folder) / f"compared-{seed}"):
                rows.append(row)
                print(json.dumps(row), flush=True)
    for base in ("joint", "born_again"):
        print(f"differences from {base}")
        table(rows, "partial", base)


if __name__ == "__main__":
    main()
