"""Three questions about each picture of CIFAR-10 in one table: the class, whether it lives, how bright it is.

    python examples/cifar10_questions.py data/cifar10 questions.parquet [--train 5000] [--keep 0.1]

`--keep` leaves each training answer with that chance; validation and test keep all of theirs. `brightness` is
the mean grey, 0 to 255.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

LIVING = {"bird", "cat", "deer", "dog", "frog", "horse"}
TASKS = ("label", "living", "brightness")


def answered(folder: Path, part: str, count: int) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file of CIFAR-10 with three answers each."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    table = pq.ParquetFile(folder / f"{part}.parquet")
    every = (row for batch in table.iter_batches(1000) for row in batch.to_pylist())
    for row in islice(every, count):
        label = row["label"] if isinstance(row["label"], str) else names[row["label"]]
        grey = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("L"))
        answers = {
            "label": label,
            "living": "yes" if label in LIVING else "no",
            "brightness": float(grey.mean()),
        }
        yield {"image": row["image"], **answers}


def asked(
    folder: Path, train: int, validation: int, test: int, *, keep: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rows of the training and validation splits, of the test split); each says its part as `split`."""
    random = np.random.default_rng(seed)
    learned = list(answered(folder, "train", train + validation))
    for place, row in enumerate(learned):
        row["split"] = "train" if place < train else "validation"
        if row["split"] == "train":
            row.update({task: row[task] if random.random() < keep else None for task in TASKS})
    return learned, [{**row, "split": "test"} for row in answered(folder, "test", test)]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("data", type=Path, help="a folder with train.parquet and test.parquet")
    options.add_argument("out", type=Path, help="the table, .parquet")
    options.add_argument("--train", type=int, default=5_000)
    options.add_argument("--validation", type=int, default=1_000)
    options.add_argument("--test", type=int, default=2_000)
    options.add_argument("--keep", type=float, default=1.0, help="share of the training answers that stay")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    learned, tested = asked(
        given.data, given.train, given.validation, given.test, keep=given.keep, seed=given.seed
    )
    pq.write_table(pa.Table.from_pylist(learned + tested), given.out)


if __name__ == "__main__":
    main()
