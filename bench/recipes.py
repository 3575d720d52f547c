"""Recipes beside a frozen linear probe and a plain fine-tuning loop, on real data sets.

Each arm is trained on one split for each seed and scored once on the pictures kept for it; the split follows
the seed, groups stay together. `probe` is scikit-learn on frozen features, `loop` a hand-written fine-tuning
(AdamW, one cycle, mirror and light crop, all layers); the others are `oneglance train` with the keys of ARMS.
An arm that the file of results holds already is not run again.

    python bench/recipes.py food --data DATA --arms default,rates,probe,loop [--seeds 0,1]
    python bench/recipes.py --table
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kept_rows
import numpy as np
import pyarrow.parquet as pq
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

import oneglance
from oneglance import config as configuration
from oneglance.backbone import build_backbone
from oneglance.config import Config
from oneglance.data.dataset import SplitData
from oneglance.data.synthetic import write_scenes
from oneglance.evaluation.bootstrap import score
from oneglance.nn.device import environment
from oneglance.progress import Screen
from oneglance.task import Task, fit_targets
from oneglance.tasks.label import Label
from oneglance.tasks.tags import Tags
from oneglance.training.experiment_data import ExperimentData

LABEL, NUMBER = {"type": "label"}, {"type": "number"}
SETS: dict[str, dict[str, Any]] = {
    "food": {
        "source": {"path": "food/labels.csv", "images": "food", "group": "item"},
        "tasks": {
            "food": LABEL,
            "view": LABEL,
            "volume_cm3": {**NUMBER, "log": True},
            "weight_g": {**NUMBER, "log": True},
        },
    },
    "clothing": {
        "source": {"path": "clothing/labels.csv", "images": "clothing", "group": "sender_id"},
        "tasks": {"kind": LABEL},
    },
    "trash": {"source": {"path": "trash"}, "tasks": {"folder": LABEL}},
    "rubbish": {"source": {"path": "own_pictures/rubbish"}, "tasks": {"folder": LABEL}},
    "insects": {"source": {"path": "own_pictures/insects"}, "tasks": {"folder": LABEL}},
    "houses": {
        "source": {"path": "houses/labels.csv", "images": "houses", "group": "house"},
        "tasks": {"view": LABEL, "price_usd": {**NUMBER, "log": True}},
    },
    "raccoon": {"source": {"path": "raccoon"}, "tasks": {"objects": {"type": "boxes"}}},
    "bccd": {"source": {"path": "bccd"}, "tasks": {"objects": {"type": "boxes"}}},
    "cifar10": {"source": {"path": "cifar10/train.parquet"}, "tasks": {"label": LABEL}, "network": "small"},
    "cifar10_many": {
        "source": {"path": "cifar10/train.parquet"},
        "tasks": {"label": LABEL},
        "network": "small",
        "first": 25_000,
    },
    "fashion": {"source": {"path": "fashion_mnist"}, "tasks": {"label": LABEL}, "network": "small"},
    "drawn": {
        "source": {"path": "drawn/labels.csv", "group": "scene"},
        "tasks": {
            "digit": LABEL,
            "background": LABEL,
            "shapes": {"type": "tags", "none": ["none"]},
            "covered": NUMBER,
        },
        "network": "small",
    },
}
FIRST = 6000  # pictures of a Parquet file that says nothing else, and drawn ones
LIGHT = {"augment.scale": [0.95, 1.05], "augment.shift": 0.04, "augment.colour": 0}
RATES = {
    "training.learning_rate": 0.001,
    "training.backbone_learning_rate_scale": 1.0,
    "training.weight_decay": 0.02,
}
SMALL = {"training.batch": 32}
PLACES = {"training.batch": 16}  # of boxes, whose pictures are larger, and of very few pictures
WHOLE = {"augment.mosaic": 0}
MUON = {"training.optimizer": "muon"}
QUICK = {"training.momentum": 0.6}
STRONGER = {"augment.scale": [0.8, 1.25], "augment.shift": 0.1, "augment.colour": 0.2}
FORMER = {
    "training.learning_rate": 0.002,
    "training.backbone_learning_rate_scale": 0.25,
    "training.weight_decay": 0.05,
}
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "former": FORMER | STRONGER,  # the defaults of [training] and [augment] until 2026-11-29
    "stronger": STRONGER,
    "rates": RATES,
    "rates_light": RATES | LIGHT,
    "rates_light_32": RATES | LIGHT | SMALL,
    "rates_32": RATES | SMALL,
    "rates_32_no_ema": RATES | SMALL | {"training.ema": 0},
    "default_16": PLACES,
    "whole_16": PLACES | WHOLE,
    "whole_light_16": PLACES | WHOLE | LIGHT,
    "rates_16": PLACES | RATES,
    "rates_whole_16": PLACES | RATES | WHOLE,
    "rates_whole_light_16": PLACES | RATES | WHOLE | LIGHT,
    "no_ema": {"training.ema": 0},
    "default_32": SMALL,
    "light": LIGHT,
    "light_32": LIGHT | SMALL,
    "rate_4": {"training.learning_rate": 0.004},
    "muon": MUON,
    "muon_quick": MUON | QUICK,
    "muon_quick_light": MUON | QUICK | LIGHT,
    "muon_half": MUON | QUICK | {"training.backbone_learning_rate_scale": 0.5},
    "muon_gentle": MUON | QUICK | {"training.backbone_learning_rate_scale": 0.05},
    "muon_slow": MUON | QUICK | {"training.learning_rate": 0.03},
    "muon_low_decay": MUON | QUICK | {"training.weight_decay": 0.0125},
    "muon_linear": MUON | QUICK | {"training.schedule": "linear", "training.warmup": 0},
    "muon_256": MUON | QUICK | {"training.batch": 256, "training.learning_rate": 0.15},
    "muon_512": MUON | QUICK | {"training.batch": 512, "training.learning_rate": 0.24},
    "muon_32": MUON | SMALL,
    "muon_light": MUON | LIGHT,
    "muon_light_32": MUON | LIGHT | SMALL,
    "frozen": {"backbone.freeze": True, "training.epochs": 60},
}
"""The keys of each arm; those of ``oneglance init --recipe auto`` are rates, up to 8 epochs rates_light."""
OF_TASKS = {
    "absolute": ("number", "bend", 0.1),  # standard deviations from which on an error counts linearly
    "bent": ("number", "bend", 0.3),
    "squared": ("number", "bend", 1.0),
    "sharp": ("label", "smoothing", 0),
    "drop": ("label", "dropout", 0.2),
}
"""A type of task and what a word behind an arm's name sets for it."""


def keys_of(arm: str, name: str) -> dict[str, Any]:
    """The keys of an arm for a set; behind its name `+absolute`: numbers are learned by their absolute error
    (`+bent` and `+squared`: from larger errors on), `+sharp`: labels without smoothing, `+drop`: with dropout
    before their layer.
    """
    base, *words = arm.split("+")
    keys = dict(ARMS.get(base, {}))
    for word in words:
        kind, key, value = OF_TASKS[word]
        tasks = [task for task, table in SETS[name]["tasks"].items() if table["type"] == kind]
        keys |= {f"tasks.{task}.{key}": value for task in tasks}
    return keys


def declared(name: str, data: Path, kept: Path, size: int, epochs: int, seed: int) -> Config:
    """The configuration that all arms of a set share."""
    one = SETS[name]
    if name == "drawn":
        write_scenes(kept / "drawn", FIRST // 4)
    source = {
        key: str((kept if name == "drawn" else data) / value) if key in ("path", "images") else value
        for key, value in one["source"].items()
    }
    if source["path"].endswith(".parquet"):
        first = one.get("first", FIRST)
        few = kept / f"{name}-{first}.parquet"
        if not few.exists():
            pq.write_table(pq.read_table(source["path"]).slice(0, first), few)
        source["path"] = str(few)
    return configuration.load(
        {
            "sources": [source],
            "tasks": one["tasks"],
            "split": {"test": 0.3, "validation": 0.1, "seed": seed},
            "backbone": {"name": one.get("network", "efficientnet_lite0"), "size": size},
            "training": {"epochs": epochs, "seed": seed},
        }
    )


def trained(config: Config, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of ``oneglance train`` with some keys changed."""
    folder = Path(tempfile.mkdtemp(prefix="recipes-"))
    try:
        run = oneglance.train(config, overrides=dict(keys), out=folder / "run", screen=Screen())
        report = oneglance.evaluate(run.path, screen=Screen())
        return dict(report.to_dict()["tasks"])
    finally:
        shutil.rmtree(folder)


class Pictures:
    """The pictures of a split as a network that asks for mean and std reads them."""

    def __init__(self, data: ExperimentData, split: SplitData, mean: Any, std: Any) -> None:
        self.canvases = data.store.gather(split.rows)
        self.mean, self.std = (255 * torch.tensor(each).view(1, 3, 1, 1) for each in (mean, std))

    def __len__(self) -> int:
        return len(self.canvases)

    def batch(self, chosen: Any) -> torch.Tensor:
        """float32 [k, 3, h, w]."""
        pixels = torch.from_numpy(self.canvases[chosen]).permute(0, 3, 1, 2).float()
        return (pixels - self.mean) / self.std


def scores(data: ExperimentData, raw: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Of raw outputs for the test split."""
    split, groups = data.test, [record.group for record in data.test.records]
    return {
        name: score(task, task.decode(raw[name]), split.answers(name), groups)
        for name, task in data.tasks.items()
    }


def _known(task: Task, split: SplitData) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures are answered, and the target of all; of tags both for each tag."""
    target = task.encode(split.answers(task.name))
    if isinstance(task, Label):
        return target["class"] >= 0, target["class"]
    return target["labelled"] > 0, target["present" if isinstance(task, Tags) else "value"]


def probe(data: ExperimentData) -> dict[str, Any]:
    """Logistic and ridge regression on frozen features; how strong they are held is chosen on validation."""
    backbone = build_backbone(data.config.backbone, Path()).eval()
    backbone.gives_maps = False
    features = {}
    for name, split in data.splits.items():
        pictures = Pictures(data, split, backbone.mean, backbone.std)
        with torch.inference_mode():
            rows = [backbone(pictures.batch(slice(i, i + 64))).vector for i in range(0, len(pictures), 64)]
        features[name] = torch.cat(rows).numpy()
    middle, spread = features["train"].mean(axis=0), features["train"].std(axis=0) + 1e-6
    features = {name: (each - middle) / spread for name, each in features.items()}
    raw = {}
    for name, task in data.tasks.items():
        known, y = _known(task, data.train)
        known_v, y_v = _known(task, data.validation)
        if isinstance(task, Tags):
            columns = [
                _fitted(features, (known[:, k], y[:, k]), (known_v[:, k], y_v[:, k]), 2)
                for k in range(y.shape[1])
            ]
            raw[name] = np.stack([column[:, 1] - column[:, 0] for column in columns], axis=1)
        else:
            classes = len(task.constant_raw()[0]) if isinstance(task, Label) else 0
            raw[name] = _fitted(features, (known, y), (known_v, y_v), classes)
    return scores(data, raw)


def _fitted(
    features: Mapping[str, np.ndarray],
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
) -> np.ndarray:
    """float32 [test pictures, classes] logarithms of probabilities; without classes a number, [test, 1]."""
    (known, y), (known_v, y_v) = train, validation
    if classes and len(set(y[known].tolist())) < 2:
        return np.zeros((len(features["test"]), classes), dtype=np.float32)
    models = [
        LogisticRegression(C=strength, max_iter=500) if classes else Ridge(alpha=1 / strength)
        for strength in (1e-4, 1e-3, 1e-2, 1e-1)
    ]
    fitted = [model.fit(features["train"][known], y[known]) for model in models]
    best = max(fitted, key=lambda model: model.score(features["validation"][known_v], y_v[known_v]))
    if not classes:
        return np.asarray(best.predict(features["test"]), dtype=np.float32)[:, None]
    out = np.full((len(features["test"]), classes), -1e3, dtype=np.float32)
    out[:, best.classes_.astype(int)] = best.predict_log_proba(features["test"])
    return out


class Plain(nn.Module):
    """A backbone and one linear layer for each task."""

    def __init__(self, backbone: Any, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.backbone = backbone
        widths = {name: len(task.constant_raw()[0]) for name, task in tasks.items()}
        self.heads = nn.ModuleDict({name: nn.Linear(backbone.shape.vector, k) for name, k in widths.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        vector = self.backbone(x).vector
        return {name: head(vector) for name, head in self.heads.items()}


def loop(data: ExperimentData) -> dict[str, Any]:
    """What one writes by hand: all layers at one rate, one cycle, mirror and light crop."""
    torch.manual_seed(data.config.training.seed)
    backbone = build_backbone(data.config.backbone, Path())
    backbone.gives_maps = False
    network = Plain(backbone, data.tasks).to(memory_format=torch.channels_last)
    pictures = Pictures(data, data.train, backbone.mean, backbone.std)
    targets = {
        name: [torch.as_tensor(each) for each in _known(task, data.train)]
        for name, task in data.tasks.items()
    }
    batch, epochs, side = 32, data.config.training.epochs, data.config.backbone.canvas[0]
    steps = -(-len(pictures) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps * epochs)
    pad = max(1, side // 16)
    for _ in range(epochs):
        network.train()
        for chosen in np.array_split(np.random.default_rng(_).permutation(len(pictures)), steps):
            x = pictures.batch(chosen)
            mirrored = torch.rand(len(x)) < 0.5
            x[mirrored] = x[mirrored].flip(3)
            x = nn.functional.pad(x, (pad,) * 4)
            top, left = torch.randint(0, 2 * pad + 1, (2,)).tolist()
            out = network(
                x[:, :, top : top + side, left : left + side].contiguous(memory_format=torch.channels_last)
            )
            total = torch.zeros(())
            for name, (known, y) in targets.items():
                here, answers = known[chosen], y[chosen]
                if bool(here.any()):
                    total = total + _plain_loss(data.tasks[name], out[name], here, answers)
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            cycle.step()
    network.eval()
    test = Pictures(data, data.test, backbone.mean, backbone.std)
    with torch.inference_mode():
        rows = [network(test.batch(slice(i, i + 64))) for i in range(0, len(test), 64)]
    return scores(data, {name: torch.cat([row[name] for row in rows]).numpy() for name in data.tasks})


def _plain_loss(task: Task, out: torch.Tensor, known: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if isinstance(task, Label):
        return nn.functional.cross_entropy(out[known], y[known])
    if isinstance(task, Tags):
        return nn.functional.binary_cross_entropy_with_logits(out[known], y[known])
    return nn.functional.smooth_l1_loss(out[known][:, 0], y[known])


def run(name: str, arm: str, config: Config, keys: Mapping[str, Any]) -> dict[str, Any]:
    """One row of results."""
    data = None
    if arm in ("probe", "loop"):
        data = ExperimentData.load(config, Screen())
        fit_targets(data.tasks, data.train.answers)
    else:
        ExperimentData.load(config, Screen())  # pictures are decoded before the clock starts, for all arms
    start, cpu = time.perf_counter(), time.process_time()

    def measured() -> dict[str, Any]:
        if data is None:
            return trained(config, keys)
        return probe(data) if arm == "probe" else loop(data)

    tasks = measured()
    return {
        "set": name,
        "arm": arm,
        "size": config.backbone.canvas[0],
        "epochs": keys.get("training.epochs", config.training.epochs),
        "seed": config.training.seed,
        "minutes": round((time.perf_counter() - start) / 60, 3),
        "cpu_minutes": round((time.process_time() - cpu) / 60, 3),
        "tasks": kept_rows.scores(tasks),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """A line for each arm: means over the seeds, of the intervals of the pictures too."""
    groups: dict[tuple[str, int, int, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["size"], row["epochs"], row["arm"]), []).append(row)
    for (name, size, epochs, arm), own in sorted(groups.items()):
        cells = []
        for task in own[0]["tasks"]:
            entries = [row["tasks"][task] for row in own]
            value, low, high = (
                np.mean([entry[key] for entry in entries]) for key in ("value", "low", "high")
            )
            digits = 3 if value < 10 else 1 if value < 1000 else 0
            cells.append(f"{task} {value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})")
        minutes = np.mean([row["cpu_minutes"] for row in own])
        what = f"{name:9} {size:4} px {epochs:3} ep  {arm:20} n={len(own)}"
        print(f"{what} {minutes:5.2f} min  {'  '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", help=", ".join(SETS))
    parser.add_argument("--data", type=Path, help="the folder with a folder for each set")
    parser.add_argument("--arms", default="default,rates,rates_light,frozen,probe,loop")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--results", type=Path, default=Path("runs/recipes.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print what was measured")
    args = parser.parse_args()
    rows = kept_rows.read(args.results)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    print(json.dumps(environment(torch.device("cpu"))), flush=True)
    for seed in [] if args.table else map(int, args.seeds.split(",")):
        for name in args.sets:
            for arm in args.arms.split(","):
                keys = keys_of(arm, name)
                config = declared(
                    name, args.data, args.results.parent.resolve(), args.size, args.epochs, seed
                )
                epochs = keys.get("training.epochs", args.epochs)
                wanted = (name, arm, args.size, epochs, seed)
                if wanted in [(r["set"], r["arm"], r["size"], r["epochs"], r["seed"]) for r in rows]:
                    continue
                row = run(name, arm, config, keys)
                rows.append(row)
                kept_rows.keep(args.results, row)
    table(rows)


if __name__ == "__main__":
    main()
