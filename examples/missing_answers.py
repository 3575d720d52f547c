"""What partial answers are worth: 80 % of the labels are removed at random, and two networks are trained.

One uses every row that has at least one answer; the other only the rows that kept all three, as tools do that
need complete rows. Pictures and classes are CIFAR-10's; the three questions are the class, whether it lives,
and how bright the picture is (mean grey, 0 to 255). Validation and test keep all their answers.

    python examples/missing_answers.py data/cifar10 --out missing/ [--train 12000] [--epochs 8] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cifar10_questions import TASKS, asked

import oneglance as og

CONFIG = """
[[sources]]
path = "{name}.parquet"
[tasks.label]
type = "label"
[tasks.living]
type = "label"
[tasks.brightness]
type = "number"
[backbone]
name = "small"
size = 32
[augment]
shift = 0.125
scale = [1.0, 1.0]
colour = 0.0
border = "reflection"
[training]
epochs = {epochs}
batch = 64
seed = {seed}
"""


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("data", type=Path, help="a folder with train.parquet and test.parquet")
    options.add_argument("--out", type=Path, default=Path("missing"))
    options.add_argument("--train", type=int, default=12_000)
    options.add_argument("--validation", type=int, default=1_000)
    options.add_argument("--test", type=int, default=4_000)
    options.add_argument("--keep", type=float, default=0.2, help="share of the training answers that stay")
    options.add_argument("--epochs", type=int, default=8)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)

    learned, tested = asked(
        given.data, given.train, given.validation, given.test, keep=given.keep, seed=given.seed
    )
    parts = {
        "all_rows": learned + tested,
        "complete_rows": [row for row in learned if all(row[task] is not None for task in TASKS)] + tested,
    }
    found = {}
    for name, kept in parts.items():
        pq.write_table(pa.Table.from_pylist(kept), given.out / f"{name}.parquet")
        config = given.out / f"{name}.toml"
        # The same number of steps for both: the few complete rows come round more often.
        train = sum(row["split"] == "train" for row in kept)
        epochs = round(given.epochs * given.train / train)
        config.write_text(
            CONFIG.format(name=name, epochs=min(epochs, 200), seed=given.seed), encoding="utf-8"
        )
        run = og.train(config, out=given.out / "runs" / name)
        report = run.evaluate()
        split = (run.path / "split.csv").read_text(encoding="utf-8").splitlines()
        found[name] = {
            "training_rows": sum(line.endswith(",train") for line in split),
            "answers": {
                task: sum(row["split"] == "train" and row[task] is not None for row in kept) for task in TASKS
            },
            **{task: next(iter(report["tasks"][task]["metrics"].items())) for task in TASKS},
        }
        print(json.dumps({name: found[name]}))


if __name__ == "__main__":
    main()
