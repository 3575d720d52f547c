"""Which share of pictures that a network has not learned it marks as unknown, near strangers and far ones.

A network learns six classes of a set of pictures, and is shown test pictures of these classes, of the set's
other classes (near) and of other folders (far). At each promised rate of false alarms: the share that is
called unknown, with the 95 % Wilson interval of that many pictures.

    python bench/strangers.py TRAIN.parquet TEST.parquet FAR ... [--limit 1000] [--backbone small]

The Parquet files hold the columns `image` and `label`; FAR is what `predict` takes.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from unfamiliar import spread, unfamiliar

import oneglance
from oneglance.data.image_inputs import pictures
from oneglance.data.record import ImageRef
from oneglance.inference.predictor import open_predictor
from oneglance.progress import Screen

KNOWN = 6  # classes
RATES = (0.01, 0.05, 0.1)
CONFIG = """
[[sources]]
path = "train.parquet"
[split]
validation = 0.1
test = 0.01
[tasks.label]
type = "label"
[backbone]
{backbone}
[training]
epochs = {epochs}
batch = 64
seed = 0
"""
BACKBONES = {
    "small": 'name = "small"\nsize = 32',
    "efficientnet_lite0": 'name = "efficientnet_lite0"\nweights = "pretrained"\nfreeze = true\nsize = 64',
}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("train", help="a Parquet file of pictures with their labels")
    options.add_argument("test", help="another one")
    options.add_argument("far", nargs="*", help="folders, archives or tables of other pictures")
    options.add_argument("--limit", type=int, default=1000, help="training pictures of each class")
    options.add_argument("--backbone", choices=BACKBONES, default="small")
    options.add_argument("--epochs", type=int, default=8)
    given = options.parse_args()
    train, test = pq.read_table(given.train), pq.read_table(given.test)
    classes = sorted(set(train["label"].to_pylist()))
    known = classes[:KNOWN]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pq.write_table(some(train, known, given.limit), place / "train.parquet")
        text = CONFIG.format(backbone=BACKBONES[given.backbone], epochs=given.epochs)
        (place / "oneglance.toml").write_text(text, encoding="utf-8")
        run = oneglance.train(place / "oneglance.toml", out=place / "run")
        predictor = open_predictor(run.path, device="cpu")
        groups = {"learned": refs_of(some(test, known, given.limit), place / "own.parquet")}
        strange = [name for name in classes if name not in known]
        for name in strange:
            groups[f"near: {name}"] = refs_of(some(test, [name], given.limit), place / f"{name}.parquet")
        for far in given.far:
            groups[f"far: {far}"] = spread(pictures(far, Screen()), given.limit)
        novelty = predictor.novelty
        assert novelty is not None
        rows = {}
        for name, refs in groups.items():
            shares, _ = unfamiliar(predictor, refs)
            rows[name] = {
                "n": len(shares),
                "median": round(float(np.median(shares)), 3),
                **{str(rate): wilson(novelty.is_unknown(shares, rate)) for rate in RATES},
            }
            print(name, json.dumps(rows[name]), flush=True)
        own: dict[str, object] = {
            "known": known,
            "validation": len(novelty.familiar),
            "backbone": given.backbone,
        }
        own["accuracy"] = round(run.history()[-1]["validation"]["label"]["accuracy"], 3)  # of the last epoch
    print(json.dumps({"bench": "strangers", **own, "rows": rows}))


def some(table: pa.Table, names: Sequence[str], limit: int) -> pa.Table:
    """The first so many rows of each of these classes."""
    return pa.concat_tables([table.filter(pc.equal(table["label"], name)).slice(0, limit) for name in names])


def refs_of(table: pa.Table, path: Path) -> list[ImageRef]:
    """Its pictures, as a file of their own holds them."""
    pq.write_table(table, path)
    return list(pictures(path, Screen()))


def wilson(flagged: np.ndarray) -> list[float]:
    """The share, and the ends of its 95 % interval (Wilson 1927)."""
    count, share, z = len(flagged), float(flagged.mean()), 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return [round(share, 4), round(max(middle - half, 0), 4), round(min(middle + half, 1), 4)]


if __name__ == "__main__":
    main()
